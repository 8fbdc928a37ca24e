"""Contact methods."""

from __future__ import annotations

from django.db import models

from hemostat.people.models import User


class ContactMethod(models.Model):
    """One way to reach a person, in the order they want it tried."""

    class Kind(models.TextChoices):
        """The channels there are."""

        EMAIL = "email", "e-mail"
        WEBHOOK = "webhook", "webhook"
        IN_APP = "in_app", "in-app"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="contact_methods")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    address = models.TextField(blank=True, default="", help_text="e-mail address or URL; encrypted where it is a secret")
    position = models.PositiveIntegerField(default=0)
    verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user}"


class Notice(models.Model):
    """What the in-app channel delivered: shown on the pages of the person until it is seen."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    text = models.JSONField(help_text="code and parameters")
    url = models.CharField(max_length=300, blank=True, default="")
    idempotency_key = models.UUIDField(unique=True)
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"notice to {self.user}"
