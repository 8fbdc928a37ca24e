"""Drops that detection has seen."""

from __future__ import annotations

from django.db import models


class Drop(models.Model):
    """A KPI that fell below its own recent baseline, from when until when."""

    environment = models.CharField(max_length=64)
    app_id = models.CharField(max_length=200)
    entry = models.CharField(max_length=300)
    kpi = models.CharField(max_length=40, default="success_rate")
    onset_at = models.DateTimeField(help_text="the first bad bucket")
    detected_at = models.DateTimeField()
    recovered_at = models.DateTimeField(null=True, blank=True)
    baseline = models.FloatField(help_text="share of good requests before")
    worst = models.FloatField(help_text="lowest share since")
    current = models.FloatField()
    failed = models.BigIntegerField(help_text="failing requests since the onset")
    users = models.BigIntegerField(default=0, help_text="distinct users who met a failure, estimated")
    evidence = models.JSONField(default=dict, help_text="counts, test and thresholds that decided")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "app_id", "entry", "kpi"],
                condition=models.Q(recovered_at__isnull=True),
                name="one_open_drop",
            )
        ]

    def __str__(self) -> str:
        return f"{self.app_id} {self.entry} {self.baseline:.3f} → {self.current:.3f}"
