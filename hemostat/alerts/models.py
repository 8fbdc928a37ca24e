"""Alerts as senders tell them."""

from __future__ import annotations

from django.db import models

from hemostat.intake.models import Source


class Alert(models.Model):
    """One alert of a source: open while it fires; firing again after it ended is a new alert."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT)
    environment = models.CharField(max_length=64, help_text="the source's, unless a label names another known one")
    fingerprint = models.BinaryField(max_length=16, help_text="BLAKE2b of the sorted label set")
    name = models.CharField(max_length=200)
    labels = models.JSONField()
    annotations = models.JSONField(default=dict)
    generator_url = models.TextField(blank=True, default="")
    level = models.CharField(max_length=20, help_text="warning, critical or fatal")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="when it resolves unless it is sent again")
    ends_by_timeout = models.BooleanField(default=False, help_text="the sender told no end; it is ours")
    last_seen_at = models.DateTimeField()
    received = models.BigIntegerField(default=1, help_text="how often it was sent")
    resolved_at = models.DateTimeField(null=True, blank=True)
    fate = models.JSONField(default=dict, help_text="code and parameters: joined, did not page and why")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "fingerprint"],
                condition=models.Q(resolved_at__isnull=True),
                name="one_open_alert",
            )
        ]
        indexes = [models.Index(fields=["ends_at"], condition=models.Q(resolved_at__isnull=True), name="alert_ending")]

    def __str__(self) -> str:
        return self.name
