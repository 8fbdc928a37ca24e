"""Plans, what leads to them, and their runs."""

from __future__ import annotations

from django.db import models

from hemostat.base.due import DueRow
from hemostat.incidents.models import Incident
from hemostat.people.models import User
from hemostat.plans.rules.states import OPEN_RUNS, RunState, StepState, Verb


class Plan(models.Model):
    """A prepared measure. Its name is its button."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    verb = models.CharField(max_length=20, choices=[(v.value, v.value) for v in Verb])
    description = models.TextField(blank=True, default="")
    touches = models.CharField(max_length=200, blank=True, default="", help_text="what it touches, in a few words")
    undo = models.CharField(max_length=200, blank=True, default="", help_text="how it is undone; empty: it cannot be")
    about_s = models.PositiveIntegerField(default=60, help_text="how long it usually takes, seconds")
    values = models.JSONField(default=dict, help_text="values of its own for its templates")
    steps = models.JSONField(help_text="list of steps (plans.rules.plan.Step as JSON), secrets only by name")
    secrets = models.JSONField(default=dict, help_text="name → sealed text")
    verification = models.JSONField(default=dict, help_text="plans.rules.plan.Verification as JSON")
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class PlanAssociation(models.Model):
    """Which causes lead to a plan: patterns (`*`) on AppId, operation, class and error; more exact ones first."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="associations")
    app_id = models.CharField(max_length=200, default="*")
    operation = models.CharField(max_length=300, default="*")
    exception_class = models.CharField(max_length=20, default="*")
    error = models.CharField(max_length=300, default="*")
    coordinate = models.CharField(
        max_length=80, blank=True, default="", help_text="exact `link#exception`; empty: by pattern"
    )

    def __str__(self) -> str:
        return f"{self.app_id}@{self.operation} {self.exception_class}:{self.error} → {self.plan}"


class Run(DueRow):
    """One run of a plan for an incident; the plan and what filled it are stamped onto it."""

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="runs")
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="runs")
    snapshot = models.JSONField(help_text="plans.rules.snapshot.Snapshot as JSON, secrets sealed")
    runner = models.CharField(
        max_length=40, blank=True, default="", help_text="label of the engines that can do what is next; empty: any"
    )
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in RunState], default=RunState.RUNNING)
    started_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    steps_done_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    kpi_before = models.FloatField(null=True, blank=True)
    kpi_after = models.FloatField(null=True, blank=True)
    reason = models.JSONField(default=dict, help_text="code and parameters of the outcome, or of what is waited for")

    class Meta:
        indexes = [
            DueRow.due_index("run_due"),
            models.Index(fields=["plan", "started_at"], name="run_of_plan"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["incident"],
                condition=models.Q(state__in=sorted(state.value for state in OPEN_RUNS)),
                name="one_run_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan} for {self.incident}"


class RunStep(models.Model):
    """One step of a run with what it printed."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in StepState], default=StepState.WAITING)
    output = models.TextField(blank=True, default="")
    reason = models.JSONField(default=dict, help_text="code and parameters: how it ended")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="step_position_once")]

    def __str__(self) -> str:
        return f"{self.position} {self.name}"
