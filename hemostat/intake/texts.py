"""The sentences of what happens to sources."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    "intake.source_added": _("The source “{source}” was added ({protocol}, {environment})."),
    "intake.source_rotated": _("The source “{source}” has a new token; the old one no longer works."),
    "intake.source_revoked": _("The source “{source}” was revoked: nothing more is taken from it."),
}
