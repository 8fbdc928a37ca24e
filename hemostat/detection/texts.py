"""Sentences of the room."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "detection.drop_opened": _("{app_id} {entry} fell: success {baseline:pct} → {current:pct}, since {onset:time}"),
    "detection.drop_recovered": _("{app_id} {entry} is back: success {current:pct}"),
}
