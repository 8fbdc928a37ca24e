"""Diagnoses kept for the incidents they belong to."""

from __future__ import annotations

from django.db import models


class Diagnosis(models.Model):
    """An answer; a later one that names other causes is a new row, one that names the same replaces its
    figures.
    """

    environment = models.CharField(max_length=64)
    at = models.DateTimeField(help_text="of what moment its figures are")
    onset_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=20)
    top_coordinate = models.CharField(max_length=80, blank=True, default="")
    answer = models.JSONField(help_text="diagnosis.rules.answer.Answer as JSON")

    class Meta:
        indexes = [models.Index(fields=["environment", "at"], name="diagnosis_newest")]

    def __str__(self) -> str:
        return f"{self.verdict} {self.at:%H:%M:%S}"
