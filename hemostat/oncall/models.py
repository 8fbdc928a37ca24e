"""Schedules and their rotation."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from hemostat.oncall.rules import Handoff
from hemostat.people.models import User

HANDOFF_LABELS = {Handoff.DAILY: _("every day"), Handoff.WEEKLY: _("every week")}


class Schedule(models.Model):
    """A rotation of people, kept as wall-clock time of one zone (never as precomputed instants)."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")
    handoff = models.CharField(
        max_length=10, choices=[(h.value, HANDOFF_LABELS[h]) for h in Handoff], default=Handoff.WEEKLY
    )
    anchor = models.DateField(help_text="the day on which the first person's first turn begins, in the zone")
    handoff_at = models.TimeField(help_text="wall-clock time of every hand-off")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Turn(models.Model):
    """A person's place in the rotation."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="turns")
    position = models.PositiveIntegerField()
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="turns")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["schedule", "position"], name="turn_position_once")]

    def __str__(self) -> str:
        return f"{self.position} {self.user}"
