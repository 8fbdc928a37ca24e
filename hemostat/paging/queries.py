"""Questions about pages: what the rules need to know, and who was paged when, by what, with which answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from hemostat.base.ids import token_digest
from hemostat.channels import queries as channels
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import State
from hemostat.oncall import queries as oncall
from hemostat.paging.models import AckLink, Audit, Delivery, Page, Policy
from hemostat.paging.rules import deliveries as delivery_rules
from hemostat.paging.rules.deliveries import DeliveryFacts
from hemostat.paging.rules.policy import PolicyStamp, TargetKind, TargetStamp, TierStamp
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.paging.rules.steps import Directory, PageFacts, Person, Way
from hemostat.people.models import User
from hemostat.people.rules import Role


def answered(page: Page, incident: Incident) -> bool:
    """Whether somebody has it, as far as this page is concerned: a call for help ends by another's answer."""
    return not page.for_help and incident.state != State.OPEN and incident.acknowledged_at is not None


def over(incident: Incident) -> bool:
    """Whether there is nothing to page about any more."""
    return incident.state == State.RESOLVED


def delivery_facts(row: Delivery) -> DeliveryFacts:
    """A delivery as the rules see it."""
    return DeliveryFacts(
        id=row.id,
        user_id=row.user_id,
        message=delivery_rules.Kind(row.message),
        step=row.step,
        position=row.position,
        wakes=row.wakes,
        state=DeliveryState(row.state),
        due_at=row.due_at,
        created_at=row.created_at,
        tries=row.tries,
        ambiguous=row.ambiguous,
        first_tried_at=row.first_tried_at,
        accepted_at=row.accepted_at,
    )


def page_facts(page: Page, incident: Incident) -> PageFacts:
    """A page as the rules see it."""
    rows = page.deliveries.filter(step=page.step, message=delivery_rules.Kind.PAGE).order_by("id")
    return PageFacts(
        policy=PolicyStamp.from_json(page.policy),
        state=PageState(page.state),
        severity=incident.severity,
        step=page.step,
        pass_no=page.pass_no,
        tier=page.tier,
        at_fallback=page.at_fallback,
        step_started_at=page.step_started_at,
        escalate_step=page.escalate_step,
        grace_step=page.grace_step,
        answered=answered(page, incident),
        over=over(incident),
        mitigated=incident.state == State.MITIGATED,
        on_it=incident.acknowledged_by_id if page.for_help else None,
        deliveries=tuple(delivery_facts(row) for row in rows),
    )


def directory(policy: PolicyStamp, now: datetime) -> Directory:
    """Who is who and who is on call now, for everybody that `policy` can name; four queries."""
    targets = [t for tier in policy.tiers for t in tier.targets]
    if policy.fallback is not None:
        targets.append(policy.fallback)
    on_call = oncall.on_call_ids((t.id for t in targets if t.kind is TargetKind.SCHEDULE), now)
    ids = {t.id for t in targets if t.kind is TargetKind.USER} | {u for u in on_call.values() if u is not None}
    return Directory(people=persons(ids), on_call=on_call)


def persons(user_ids: Iterable[int]) -> dict[int, Person]:
    """People with the ways that are proven to reach them; who does not exist is missing."""
    users = list(User.objects.filter(pk__in=set(user_ids)))
    ways = channels.working_ways(u.pk for u in users)
    return {
        user.pk: Person(
            id=user.pk,
            name=str(user),
            active=user.is_active,
            ways=tuple(Way(w.id, w.kind, w.label, w.destination, w.wakes) for w in ways.get(user.pk, ())),
        )
        for user in users
    }


def policy_for(incident: Incident) -> PolicyStamp:
    """The policy of the service, else the default one, else the owners of the installation by themselves."""
    slug = incident.service.policy_slug if incident.service else ""
    rows = Policy.objects.select_related("fallback").prefetch_related(
        "tiers__targets__user", "tiers__targets__schedule"
    )
    policy = (rows.filter(slug=slug).first() if slug else None) or rows.filter(is_default=True).first()
    return stamp(policy) if policy else _owners()


def _user_target(user: User) -> TargetStamp:
    return TargetStamp(TargetKind.USER, user.pk, str(user))


def _owners() -> PolicyStamp:
    owners = list(User.objects.filter(role=Role.OWNER, is_active=True).order_by("pk"))
    tiers = (TierStamp(300, tuple(_user_target(o) for o in owners)),) if owners else ()
    return PolicyStamp("", "", 1, tiers, _user_target(owners[0]) if owners else None)


def stamp(policy: Policy) -> PolicyStamp:
    """A policy as it is stamped onto a page."""
    tiers = []
    for tier in policy.tiers.all():
        targets = []
        for target in sorted(tier.targets.all(), key=lambda t: t.pk):
            if target.user is not None:
                targets.append(_user_target(target.user))
            elif target.schedule is not None:
                targets.append(TargetStamp(TargetKind.SCHEDULE, target.schedule.pk, target.schedule.name))
        tiers.append(TierStamp(tier.timeout_s, tuple(targets)))
    return PolicyStamp(policy.slug, policy.name, policy.repeat, tuple(tiers), _user_target(policy.fallback))


@dataclass(frozen=True)
class PolicyView:
    """A policy as lists show it."""

    stamp: PolicyStamp
    is_default: bool


def policies() -> list[PolicyView]:
    """All policies by name; five queries."""
    rows = Policy.objects.select_related("fallback").prefetch_related(
        "tiers__targets__user", "tiers__targets__schedule"
    )
    return [PolicyView(stamp(row), row.is_default) for row in rows.order_by("name", "pk")]


@dataclass(frozen=True)
class DeliveryView:
    """One message to one way of one person, and what came of it."""

    user: str
    kind: str
    way: str
    message: str
    step: int
    state: DeliveryState
    reserve: bool
    """Kept for when a way before it fails."""
    created_at: datetime
    due_at: datetime | None
    tries: int
    first_tried_at: datetime | None
    accepted_at: datetime | None
    answer: str
    error: str
    """What went wrong inside, "" mostly."""


@dataclass(frozen=True)
class PageView:
    """The page of an incident: where it is, what is next, and every try to reach somebody, oldest first."""

    state: PageState
    reason: str
    step: int
    tier: int
    tiers: int
    at_fallback: bool
    started_at: datetime
    answered_at: datetime | None
    due_at: datetime | None
    error: str
    policy: PolicyStamp
    deliveries: tuple[DeliveryView, ...]

    @property
    def loud(self) -> bool:
        """Whether nobody has answered and nobody else will be asked: somebody must be told at once."""
        return self.state is PageState.EXHAUSTED


def page_of(incident_id: int) -> PageView | None:
    """Who was paged when, by what, with which answer; None before paging began. Two queries."""
    page = Page.objects.filter(incident_id=incident_id).first()
    if page is None:
        return None
    policy = PolicyStamp.from_json(page.policy)
    rows = page.deliveries.select_related("user").order_by("step", "message", "created_at", "user_id", "position")
    return PageView(
        state=PageState(page.state),
        reason=page.reason,
        step=page.step,
        tier=page.tier,
        tiers=len(policy.tiers),
        at_fallback=page.at_fallback,
        started_at=page.started_at,
        answered_at=page.answered_at,
        due_at=page.due_at,
        error=page.last_error,
        policy=policy,
        deliveries=tuple(_delivery_view(row) for row in rows),
    )


def _delivery_view(row: Delivery) -> DeliveryView:
    return DeliveryView(
        user=str(row.user),
        kind=row.kind,
        way=row.label,
        message=row.message,
        step=row.step,
        state=DeliveryState(row.state),
        reserve=row.state == DeliveryState.PENDING and row.due_at is None,
        created_at=row.created_at,
        due_at=row.due_at,
        tries=row.tries,
        first_tried_at=row.first_tried_at,
        accepted_at=row.accepted_at,
        answer=row.answer,
        error=row.last_error,
    )


@dataclass(frozen=True)
class LinkView:
    """What an acknowledge link stands for."""

    link_id: int
    user: User
    incident: Incident
    page_id: int
    step: int
    """The step whose message carried it."""
    current_step: int
    rings: bool
    for_help: bool
    """It rings although somebody has it: they asked for help."""
    expired: bool


def ack_link(token: str, now: datetime) -> LinkView | None:
    """What the link with this token stands for; None for a token that was never given out."""
    row = (
        AckLink.objects.select_related(
            "delivery__user", "delivery__page__incident__acknowledged_by", "delivery__page__incident__service"
        )
        .filter(digest=token_digest(token))
        .first()
    )
    if row is None:
        return None
    page = row.delivery.page
    rings = not answered(page, page.incident) and not over(page.incident)
    return LinkView(
        link_id=row.pk,
        user=row.delivery.user,
        incident=page.incident,
        page_id=page.pk,
        step=row.delivery.step,
        current_step=page.step,
        rings=rings,
        for_help=page.for_help and rings,
        expired=row.expires_at <= now or not row.delivery.user.is_active,
    )


def loud_pages() -> int:
    """How many incidents wait although everybody was tried."""
    return Page.objects.filter(state=PageState.EXHAUSTED, incident__resolved_at__isnull=True).count()


def last_audit() -> Audit | None:
    """What the auditor found when it last looked."""
    return Audit.objects.order_by("-at").first()


def unsent_since() -> datetime | None:
    """Since when the oldest message that is due has waited; None when nothing waits."""
    return (
        Delivery.objects.filter(Q(state=DeliveryState.PENDING), due_at__isnull=False)
        .order_by("due_at")
        .values_list("due_at", flat=True)
        .first()
    )
