"""The token of an acknowledge link: derived from the delivery, so that every try of a message carries the same link
and only its hash is ever stored."""

from __future__ import annotations

import base64
import uuid

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import salted_hmac

SALT = "hemostat.paging.ack"


def token(delivery_id: uuid.UUID) -> str:
    """The token of a delivery's link: 256 bits of HMAC under the installation's key; 43 letters."""
    digest = salted_hmac(SALT, delivery_id.bytes, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def ack_url(delivery_id: uuid.UUID) -> str:
    """The address of the page with the one button."""
    return settings.CONFIG.public_url.rstrip("/") + reverse("ack", args=[token(delivery_id)])


def incident_url(code: str) -> str:
    """The address of an incident's page."""
    return f"{settings.CONFIG.public_url.rstrip('/')}/incidents/{code}/"
