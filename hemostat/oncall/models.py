"""Schedules and their rotation."""

from __future__ import annotations

from django.db import models

from hemostat.people.models import User


class Schedule(models.Model):
    """A rotation of people in wall-clock time of one zone."""

    class Handoff(models.TextChoices):
        """How often the turn passes on."""

        DAILY = "daily", "daily"
        WEEKLY = "weekly", "weekly"

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")
    handoff = models.CharField(max_length=10, choices=Handoff.choices, default=Handoff.WEEKLY)
    anchor = models.DateTimeField(help_text="when the first person's first turn began; its wall-clock time is the hand-off")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Turn(models.Model):
    """A person's place in the rotation."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="turns")
    position = models.PositiveIntegerField()
    user = models.ForeignKey(User, on_delete=models.CASCADE)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["schedule", "position"], name="turn_position_once")]

    def __str__(self) -> str:
        return f"{self.position} {self.user}"
