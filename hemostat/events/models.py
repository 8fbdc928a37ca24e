"""The event, what it is about, and the reactions still to be carried out."""

from __future__ import annotations

from django.db import models

from hemostat.base.due import DueRow


class Event(models.Model):
    """Something that happened; never changed, never deleted."""

    id = models.UUIDField(primary_key=True, editable=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=80)
    actor_kind = models.CharField(max_length=40)
    actor_id = models.CharField(max_length=80)
    actor_label = models.CharField(max_length=200)
    params = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["kind", "at"], name="event_kind_at")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Subject(models.Model):
    """One thing that an event is about."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="subjects")
    kind = models.CharField(max_length=40)
    ref_id = models.CharField(max_length=80)
    label = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["kind", "ref_id", "event"], name="event_subject_ref")]
        constraints = [models.UniqueConstraint(fields=["event", "kind", "ref_id"], name="event_subject_once")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.ref_id}"


class Reaction(DueRow):
    """Something that must follow from an event; carried out at least once, idempotent on the event's id."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="reactions")
    name = models.CharField(max_length=120)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [DueRow.due_index("reaction_due")]
        constraints = [models.UniqueConstraint(fields=["event", "name"], name="reaction_once")]

    def __str__(self) -> str:
        return f"{self.name} of {self.event_id}"
