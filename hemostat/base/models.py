"""What the processes tell of themselves. In the lowest room, so that every page may show it."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """One loop of one engine process, written every few seconds while the process lives."""

    process = models.CharField(max_length=120, help_text="host, process id and a token of this run")
    loop = models.CharField(max_length=40)
    leads = models.BooleanField(default=False, help_text="the process holds the leadership")
    beat_at = models.DateTimeField()
    started_at = models.DateTimeField(help_text="when the process began")
    busy_since = models.DateTimeField(
        null=True, blank=True, help_text="when the present round began; null between rounds"
    )
    rounds = models.BigIntegerField(default=0)
    error = models.TextField(blank=True, default="", help_text="why the last round failed; empty when it did not")
    error_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["process", "loop"], name="heartbeat_once")]
        indexes = [models.Index(fields=["beat_at"], name="heartbeat_at")]

    def __str__(self) -> str:
        return f"{self.loop} of {self.process}"
