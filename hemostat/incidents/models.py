"""The incident and what it is made of."""

from __future__ import annotations

from django.db import models

from hemostat.alerts.models import Alert
from hemostat.base.due import DueRow
from hemostat.catalog.models import Environment, Service
from hemostat.detection.models import Drop
from hemostat.diagnosis.models import Diagnosis
from hemostat.incidents.rules.states import Role, Stage, State
from hemostat.people.models import User


class Incident(DueRow):
    """Something is broken, people are on it, and everything about it is recorded.

    Due when it must be looked at again: impact, cause, severity, and whether it is over.
    """

    number = models.PositiveIntegerField(unique=True, help_text="INC-<number>, from a sequence")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT)
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in State], default=State.OPEN)
    stage = models.CharField(max_length=20, choices=[(s.value, s.value) for s in Stage], default=Stage.TRIAGE)
    severity = models.PositiveSmallIntegerField(help_text="0 to 4")
    severity_reason = models.JSONField(default=dict, help_text="code and parameters")
    headline = models.JSONField(help_text="code and parameters: what, with numbers")
    lower_since = models.DateTimeField(
        null=True, blank=True, help_text="since when the impact asks for a lower severity"
    )
    service = models.ForeignKey(Service, null=True, blank=True, on_delete=models.PROTECT)
    entry = models.CharField(max_length=300, blank=True, default="")
    kpi_baseline = models.FloatField(null=True, blank=True)
    kpi_current = models.FloatField(null=True, blank=True)
    users_affected = models.BigIntegerField(null=True, blank=True)
    neighbourhood = models.JSONField(default=list, help_text="AppIds of the call graph around it: what joins")
    diagnosis = models.ForeignKey(Diagnosis, null=True, blank=True, on_delete=models.PROTECT)
    onset_at = models.DateTimeField()
    opened_at = models.DateTimeField()
    last_signal_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    triaged_at = models.DateTimeField(null=True, blank=True)
    mitigated_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            DueRow.due_index("incident_due"),
            models.Index(
                fields=["environment", "opened_at"],
                name="incident_open",
                condition=models.Q(resolved_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        """INC-318."""
        return f"INC-{self.number}"


class IncidentSignal(models.Model):
    """A drop or an alert that belongs to an incident."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="signals")
    drop = models.OneToOneField(Drop, null=True, blank=True, on_delete=models.PROTECT, related_name="signal")
    alert = models.OneToOneField(Alert, null=True, blank=True, on_delete=models.PROTECT, related_name="signal")
    joined_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(drop__isnull=False, alert__isnull=True)
                | models.Q(drop__isnull=True, alert__isnull=False),
                name="signal_is_one_thing",
            )
        ]

    def __str__(self) -> str:
        return f"signal of {self.incident}"


class IncidentRole(models.Model):
    """Who holds which role."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="roles")
    role = models.CharField(max_length=20, choices=[(r.value, r.value) for r in Role])
    user = models.ForeignKey(User, on_delete=models.PROTECT)
    since = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["incident", "role"], name="role_held_once")]

    def __str__(self) -> str:
        return f"{self.role} {self.user}"
