"""Contact methods, and what the in-app channel delivered."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from hemostat.people.models import User


class ContactMethod(models.Model):
    """One way to reach a person, in the order they want it tried. It works only after an answer came back."""

    class Kind(models.TextChoices):
        """The channels there are."""

        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")
        IN_APP = "in_app", _("in-app")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="contact_methods")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    label = models.CharField(max_length=254, help_text="what people see: the address, or the host of a URL")
    destination = models.CharField(max_length=254, help_text="what is slow or down together; see channels.base")
    address = models.TextField(blank=True, default="", help_text="sealed: e-mail address or URL")
    secret = models.TextField(blank=True, default="", help_text="sealed: signing secret of a webhook")
    position = models.PositiveIntegerField(default=0)
    verified_at = models.DateTimeField(null=True, blank=True)
    code = models.TextField(blank=True, default="", help_text="sealed: the code that proves it works")
    code_sent_at = models.DateTimeField(null=True, blank=True)
    code_tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.label}"


class Notice(models.Model):
    """What the in-app channel delivered, in the words it was delivered; shown until it is seen."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    title = models.CharField(max_length=300)
    lead = models.TextField(blank=True, default="")
    url = models.CharField(max_length=300, blank=True, default="")
    severity = models.PositiveSmallIntegerField(null=True, blank=True)
    idempotency_key = models.UUIDField(unique=True)
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "created_at"], name="notice_unseen", condition=models.Q(seen_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"notice to {self.user}"
