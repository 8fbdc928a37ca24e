"""Escalation policies, pages, deliveries and the links by which a page is answered."""

from __future__ import annotations

from django.db import models

from hemostat.base.due import DueRow
from hemostat.channels.models import ContactMethod
from hemostat.incidents.models import Incident
from hemostat.oncall.models import Schedule
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.people.models import User


class Policy(models.Model):
    """Who is paged, in which order, and how long each has to answer."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    repeat = models.PositiveSmallIntegerField(default=1, help_text="additional passes over all tiers")
    fallback = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="+", help_text="paged when nobody else can be"
    )
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_policy"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Tier(models.Model):
    """One step of a policy."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="tiers")
    position = models.PositiveSmallIntegerField()
    timeout_s = models.PositiveIntegerField(default=300, help_text="to the next tier, when nobody answers; seconds")

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["policy", "position"], name="tier_position_once")]

    def __str__(self) -> str:
        return f"{self.policy} tier {self.position}"


class Target(models.Model):
    """Whom a tier pages: a person, or whoever a schedule says at that moment."""

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="targets")
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    schedule = models.ForeignKey(Schedule, null=True, blank=True, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, schedule__isnull=True)
                | models.Q(user__isnull=True, schedule__isnull=False),
                name="target_is_one_thing",
            )
        ]

    def __str__(self) -> str:
        return str(self.user or self.schedule)


class Page(DueRow):
    """The paging of one incident; the policy as it was is stamped onto it."""

    incident = models.OneToOneField(Incident, on_delete=models.CASCADE, related_name="page")
    policy = models.JSONField(help_text="rules.policy.PolicyStamp as JSON: the policy as it was")
    state = models.CharField(max_length=20, choices=[(s.value, s.value) for s in PageState], default=PageState.RINGING)
    reason = models.CharField(max_length=40, blank=True, default="", help_text="rules.steps.Reason: why it is so")
    step = models.PositiveIntegerField(default=0, help_text="times that people were paged")
    pass_no = models.PositiveSmallIntegerField(default=0, help_text="which pass over the tiers, from 0")
    tier = models.SmallIntegerField(default=-1, help_text="last tier reached in this pass, from 0; -1: none")
    at_fallback = models.BooleanField(default=False)
    for_help = models.BooleanField(default=False, help_text="rings although somebody has it: they asked for help")
    escalate_step = models.PositiveIntegerField(
        null=True, blank=True, help_text="the step at which somebody asked for the next one at once"
    )
    grace_step = models.PositiveIntegerField(default=0, help_text="the step that got its minute after a backlog")
    started_at = models.DateTimeField()
    step_started_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    last_event = models.UUIDField(null=True, blank=True, help_text="the newest event that made it ring again")

    class Meta:
        indexes = [DueRow.due_index("page_due")]

    def __str__(self) -> str:
        return f"page of {self.incident}"


class Delivery(DueRow):
    """One message to one contact method; sent at least once, or somebody is told.

    Pending with no due time is a reserve: it is sent when a way before it fails.
    """

    id = models.UUIDField(primary_key=True, editable=False, help_text="UUIDv7; the provider's idempotency key")
    page = models.ForeignKey(Page, on_delete=models.CASCADE, related_name="deliveries")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    method = models.ForeignKey(ContactMethod, null=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=20, help_text="channel, as it was")
    label = models.CharField(max_length=254, help_text="the way, as it was shown")
    destination = models.CharField(max_length=254, help_text="what is slow or down together")
    wakes = models.BooleanField(default=True, help_text="whether the channel can wake somebody")
    message = models.CharField(max_length=40, help_text="page or resolved")
    tier = models.SmallIntegerField(default=-1, help_text="why they were paged: the tier, from 0; -1: the fallback")
    via = models.CharField(max_length=120, blank=True, default="", help_text="the schedule that named them")
    step = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField(default=0, help_text="among the ways of this person, from 0")
    state = models.CharField(
        max_length=20, choices=[(s.value, s.value) for s in DeliveryState], default=DeliveryState.PENDING
    )
    tries = models.PositiveIntegerField(default=0)
    ambiguous = models.PositiveIntegerField(default=0, help_text="tries of which nobody knows the outcome")
    created_at = models.DateTimeField()
    first_tried_at = models.DateTimeField(null=True, blank=True)
    last_tried_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(blank=True, default="", help_text="what the provider said last, secrets removed")

    class Meta:
        indexes = [DueRow.due_index("delivery_due"), models.Index(fields=["page", "step"], name="delivery_of_step")]
        constraints = [
            models.UniqueConstraint(fields=["page", "message", "step", "method"], name="delivery_once_a_step")
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user}"


class AckLink(models.Model):
    """The link in a message by which its receiver answers; only its hash is stored."""

    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="link")
    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"link of {self.delivery_id}"


class Audit(models.Model):
    """What the auditor found when it last looked; one row."""

    at = models.DateTimeField()
    passed = models.BooleanField()
    findings = models.JSONField(default=list, help_text="sentences as code and parameters")

    def __str__(self) -> str:
        return f"audit of {self.at:%Y-%m-%d %H:%M:%S}"
