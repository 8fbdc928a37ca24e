"""Every state of every page, built through the models: what the browser tests and the screenshots look at.

One story, so that figures agree: the shop, Thursday 19 November 2026, in Berlin. Payment fails from 14:02:00 on,
because the orders store refuses connections; the present is 14:05:40 unless a scene says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import exp, sin
from typing import Any

from django.db import transaction

from hemostat.base.clock import ManualClock
from hemostat.base.ids import new_token, token_digest, uuid7
from hemostat.base.texts import Text
from hemostat.catalog.models import Environment, Service
from hemostat.channels.models import ContactMethod, Notice
from hemostat.detection.models import Drop
from hemostat.diagnosis.models import Diagnosis
from hemostat.diagnosis.rules import stored
from hemostat.diagnosis.rules.answer import Answer, Cause, Confidence, Contribution, Noise, TreeNode, Verdict
from hemostat.events.actions import record
from hemostat.events.rules import SYSTEM, Ref
from hemostat.incidents.models import Incident, IncidentRole, IncidentSignal
from hemostat.incidents.rules.states import Role, Stage, State
from hemostat.intake.models import Protocol, Source, SpanBucket
from hemostat.oncall.models import Schedule, Turn
from hemostat.paging.models import AckLink, Audit, Delivery, Page, Policy, Target, Tier
from hemostat.paging.rules.states import DeliveryState, PageState
from hemostat.people.models import User
from hemostat.people.rules import Role as PersonRole
from hemostat.plans.models import Plan, PlanAssociation, Run, RunStep
from hemostat.plans.rules.states import RunState, StepState, Verb

DAY = datetime(2026, 11, 19, tzinfo=UTC)
ONSET = DAY + timedelta(hours=13, minutes=2)
"""14:02:00 in Berlin"""
OPENED = ONSET + timedelta(seconds=31)
NOW = DAY + timedelta(hours=13, minutes=5, seconds=40)
APP = "shop/payment"
ENTRY = "POST /payments"
CAUSE = "shop/orders"
HEADLINE = "incidents.headline_success"
WRITER_PATH = "POST /orders"
LINK = "a-link-that-only-tests-know"


def at(clock: str) -> datetime:
    """A moment of the day by its Berlin wall clock: "14:05:40"."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return DAY + timedelta(hours=hours - 1, minutes=minutes, seconds=seconds)


@dataclass
class World:
    """What a scene has built so far."""

    clock: ManualClock
    reader: User
    second: User
    environment: Environment
    payment: Service
    incident: Incident | None = None
    plans: list[Plan] = field(default_factory=list)

    @property
    def code(self) -> str:
        """The incident's code, for addresses."""
        assert self.incident is not None
        return self.incident.code


def _person(email: str, name: str, role: PersonRole) -> User:
    return User.objects.create(
        email=email, name=name, role=role, time_zone="Europe/Berlin", created_at=at("09:00:00"), password="!"
    )


def _reach(user: User, kind: str, label: str) -> ContactMethod:
    return ContactMethod.objects.create(
        user=user, kind=kind, label=label, destination=label, verified_at=at("09:30:00"), created_at=at("09:10:00")
    )


def nothing() -> World:
    """The first day: an owner has signed in and nothing is set up."""
    reader = _person("platform@example.com", "Platform on call", PersonRole.OWNER)
    environment, _ = Environment.objects.get_or_create(slug="production", defaults={"created_at": at("09:00:00")})
    payment = Service(
        app_id=APP, slug="payment", label="Payment", tier="core", purpose="pay", created_at=at("09:00:00")
    )
    return World(ManualClock(NOW), reader, reader, environment, payment)


def calm() -> World:
    """Everything is set up and nothing is open; a few incidents of the past are closed."""
    world = nothing()
    world.payment.save()
    for app_id, slug, label, tier in (
        (CAUSE, "orders", "Orders", "core"),
        ("shop/checkout", "checkout", "Checkout", "core"),
        ("shop/mailer", "mailer", "Mailer", "normal"),
    ):
        Service.objects.create(app_id=app_id, slug=slug, label=label, tier=tier, created_at=at("09:00:00"))
    world.second = _person("payments@example.com", "Payments on call", PersonRole.RESPONDER)
    third = _person("duty@example.com", "Duty manager", PersonRole.RESPONDER)
    for user in (world.reader, world.second, third):
        _reach(user, "email", user.email)
    schedule = Schedule.objects.create(
        slug="payments",
        name="Payments",
        time_zone="Europe/Berlin",
        handoff="weekly",
        anchor=datetime(2026, 11, 16).date(),
        handoff_at=datetime(2026, 11, 16, 9).time(),
        created_at=at("09:00:00"),
    )
    for position, user in enumerate((world.reader, world.second, third)):
        Turn.objects.create(schedule=schedule, position=position, user=user)
    policy = Policy.objects.create(
        slug="default", name="Default", repeat=2, fallback=world.reader, is_default=True, created_at=at("09:00:00")
    )
    first, then = (Tier.objects.create(policy=policy, position=n, timeout_s=300) for n in range(2))
    Target.objects.create(tier=first, schedule=schedule)
    Target.objects.create(tier=then, user=third)
    Audit.objects.create(at=NOW - timedelta(seconds=28), passed=True)
    for name, slug, protocol, refused in (
        ("shop collector", "shop-collector", Protocol.OTLP, 0),
        ("prometheus prod", "prometheus-prod", Protocol.ALERTMANAGER, 3),
    ):
        Source.objects.create(
            slug=slug,
            name=name,
            protocol=protocol,
            environment=world.environment,
            public_id=new_token().public_id,
            digest=b"\0" * 32,
            created_at=at("09:40:00"),
            last_seen_at=NOW - timedelta(seconds=4),
            accepted=2_418_902 if not refused else 3_114,
            refused=refused,
            last_refusal="alerts[2].startsAt: not a time: “yesterday”" if refused else "",
        )
    _plans(world)
    _history(world)
    _series(world, ONSET)
    return world


def _plans(world: World) -> None:
    step = {"kind": "http", "url": "http://deploy.example/orders", "method": "POST"}
    for slug, name, verb, about, touches, undo, app, names in (
        ("roll-back-orders", "Roll back orders and fail over its store", Verb.ROLLBACK, 120,
         "orders, orders-db primary · writes pause 20 s", "roll forward to the newest release", CAUSE,
         ("Check that the former image is there", "Pause other releases of orders", "Roll back orders",
          "Fail over the store")),
        ("restart-orders", "Restart the orders pool", Verb.RESTART, 40, "drops open payments once", "", "shop/*",
         ("Take orders-1 out and restart it", "Take orders-2 out and restart it")),
        ("queue-orders", "Downgrade: accept orders asynchronously", Verb.DOWNGRADE, 15,
         "payments confirmed by e-mail, until undone", "switch the queue off", "shop/*", ("Switch the queue on",)),
    ):  # fmt: skip
        plan = Plan.objects.create(
            slug=slug,
            name=name,
            verb=verb,
            about_s=about,
            touches=touches,
            undo=undo,
            steps=[{**step, "name": n} for n in names],
            verification={"window_s": 120, "goal": 0.99},
            created_at=at("09:00:00"),
            updated_at=at("09:00:00"),
        )
        error = "ConnectionRefusedError" if verb is Verb.ROLLBACK else "*"
        PlanAssociation.objects.create(
            plan=plan, app_id=app, operation=WRITER_PATH if verb is Verb.ROLLBACK else "*", error=error
        )
        world.plans.append(plan)


def _snapshot(plan: Plan) -> dict[str, Any]:
    return {
        "slug": plan.slug,
        "name": plan.name,
        "steps": plan.steps,
        "verification": plan.verification,
        "values": {},
        "secrets": {},
        "kpi": {"environment": "production", "app_id": APP, "entry": ENTRY, "baseline": 0.999},
        "cause_app_id": CAUSE,
    }


def _history(world: World) -> None:
    """Closed incidents of the last weeks, and the runs from which plans have their record."""
    for number, days, severity, minutes, what, users in (
        (287, 77, 1, 9, "Payment", 6900),
        (302, 61, 1, 12, "Checkout", 5200),
        (306, 21, 2, 22, "Payment", 3400),
        (311, 14, 3, 38, "Mailer", 900),
    ):
        opened = ONSET - timedelta(days=days)
        closed = opened + timedelta(minutes=minutes)
        past = Incident.objects.create(
            number=number,
            environment=world.environment,
            state=State.RESOLVED,
            stage=Stage.POSTMORTEM,
            severity=severity,
            severity_reason=Text("incidents.tier_core").as_json(),
            headline=Text(HEADLINE, {"what": what, "before": 0.998, "now": 0.61}).as_json(),
            service=world.payment,
            kpi_baseline=0.998,
            kpi_current=0.998,
            users_affected=users,
            onset_at=opened,
            opened_at=opened,
            last_signal_at=opened,
            acknowledged_at=opened + timedelta(minutes=1),
            acknowledged_by=world.second,
            triaged_at=opened + timedelta(minutes=1),
            mitigated_at=closed - timedelta(minutes=2),
            resolved_at=closed,
        )
        for plan, helped in ((world.plans[0], True), (world.plans[1], number != 302)):
            Run.objects.create(
                plan=plan,
                incident=past,
                snapshot=_snapshot(plan),
                state=RunState.HELPED if helped else RunState.DID_NOT_HELP,
                started_by=world.second,
                started_at=opened + timedelta(minutes=2),
                steps_done_at=opened + timedelta(minutes=4),
                finished_at=opened + timedelta(minutes=6),
            )


def share_at(moment: datetime, *, healed_at: datetime | None = None, to: float = 0.996) -> float:
    """Payment's success at a moment: 99.9 % until the onset, then 12 %, and back within a minute after `healed_at`."""
    wiggle = 0.0012 * sin(moment.timestamp() / 7)
    since = (moment - ONSET).total_seconds()
    if since < 0:
        return 0.9985 + wiggle
    low = 0.12 + 0.87 * exp(-since / 14) + 6 * wiggle
    if healed_at is None or moment < healed_at:
        return max(0.05, low)
    risen = 1 - exp(-(moment - healed_at).total_seconds() / 18)
    return low + (to - low) * risen + wiggle


def _series(world: World, until: datetime, **shape: Any) -> float:
    """Write the buckets of the KPI until a moment; returns the last share."""
    moment, rows, share = ONSET - timedelta(minutes=20), [], 0.999
    while moment < until:
        share = share_at(moment, **shape)
        rows.append(
            SpanBucket(
                bucket=moment, environment="production", app_id=APP, entry=ENTRY, peer="", proc=1, requests=430,
                failed=round(430 * (1 - min(share, 1.0))), duration_ms=430 * 80.0,
            )
        )  # fmt: skip
        for app_id, share_of in ((CAUSE, share), ("shop/checkout", 0.5 + share / 2), ("shop/mailer", 0.997)):
            rows.append(
                SpanBucket(
                    bucket=moment, environment="production", app_id=app_id, entry="POST /", peer="", proc=1,
                    requests=400, failed=round(400 * (1 - min(share_of, 1.0))), duration_ms=400 * 30.0,
                )
            )  # fmt: skip
        moment += timedelta(seconds=10)
    SpanBucket.objects.bulk_create(rows)
    return min(share, 1.0)


def _sentence() -> Text:
    return Text(
        "diagnosis.gone.refused",
        {"service": "orders-db", "caller": "orders", "operation": "connect", "error": "ConnectionRefusedError"},
    )


def _answer() -> Answer:
    usual = Text("diagnosis.noise.usual")
    leaf = TreeNode("orders-db", "connect", "ConnectionRefusedError", 9610, 9610, 2, cause_rank=1)
    orders = TreeNode(CAUSE, WRITER_PATH, "http 503", 9480, 0, 3, children=(leaf,))
    noise = TreeNode("shop/recommendation", "GET /similar", "TimeoutError", 41, 41, 40, noise=usual)
    payment = TreeNode(APP, ENTRY, "http 503", 9240, 0, 4, children=(orders,))
    root = TreeNode("shop/gateway", "POST /checkout", "http 502", 8720, 0, 9, children=(payment, noise))
    count = {"failing": 9610, "baseline": 2.0, "share": 0.96}
    cause = Cause(
        rank=1,
        app_id=CAUSE,
        operation=WRITER_PATH,
        exception_class="dependency",
        error="ConnectionRefusedError",
        coordinate="k3v7#q9ma",
        peer="orders-db",
        share=0.96,
        failing=9610,
        baseline=2.0,
        first_at=ONSET,
        confidence=Confidence.VERY_LIKELY,
        in_cause_set=True,
        sentence=_sentence(),
        contributions=(
            Contribution("time", 1.0, Text("diagnosis.time.first", {"at": ONSET.isoformat()})),
            Contribution("depth", 1.0, Text("diagnosis.depth.deepest")),
            Contribution("count", 0.96, Text("diagnosis.count", count)),
            Contribution("noise", 0.9, Text("diagnosis.noise.none")),
        ),
        versions=("2.41",),
    )
    second = Cause(
        rank=2, app_id=APP, operation=ENTRY, exception_class="result", error="http 503", coordinate="aa#bb", peer="",
        share=0.03, failing=300, baseline=4.0, first_at=ONSET + timedelta(seconds=2), confidence=Confidence.GUESS,
        in_cause_set=False,
        sentence=Text("diagnosis.not_in_set", {"service": "payment", "operation": ENTRY, "failing": 300}),
        contributions=(Contribution("time", 0.4, Text("diagnosis.time.later", {"after": 2})),
                       Contribution("depth", 0.2, Text("diagnosis.depth.partly", {"through": 9240, "ended": 300}))),
    )  # fmt: skip
    return Answer(
        environment="production",
        at=OPENED,
        onset_at=ONSET,
        verdict=Verdict.NAMED,
        causes=(cause, second),
        tree=(root,),
        path=(("shop/gateway", APP), (APP, CAUSE), (CAUSE, "orders-db")),
        noise=(Noise("shop/recommendation", "GET /similar", "TimeoutError", 41, usual),),
    )


def _diagnosis(answer: Answer) -> Diagnosis:
    return Diagnosis.objects.create(
        environment=answer.environment,
        at=answer.at,
        onset_at=answer.onset_at,
        verdict=answer.verdict,
        top_coordinate=answer.causes[0].coordinate if answer.causes else "",
        answer=stored.to_json(answer),
    )


def _event(world: World, kind: str, clock: str, actor: Ref = SYSTEM, **params: Any) -> None:
    assert world.incident is not None
    with transaction.atomic():
        record(
            kind,
            actor=actor,
            subjects=[Ref("incident", str(world.incident.pk), world.incident.code)],
            params=params,
            at=at(clock),
        )


def _ref(user: User) -> Ref:
    return Ref("user", str(user.pk), str(user))


def _opened(*, answer: Answer | None, with_plans: bool = True, on_call: bool = True) -> World:
    world = calm()
    if not with_plans:
        PlanAssociation.objects.update(app_id="elsewhere/*")
    diagnosis = _diagnosis(answer) if answer is not None else None
    SpanBucket.objects.all().delete()
    current = _series(world, NOW)
    drop = Drop.objects.create(
        environment="production", app_id=APP, entry=ENTRY, onset_at=ONSET, detected_at=OPENED, baseline=0.999,
        worst=0.11, current=current, failed=8400, users=8437,
    )  # fmt: skip
    headline = Text(HEADLINE, {"what": "Payment", "entry": ENTRY, "before": 0.999, "now": round(current, 4)})
    reason = Text(
        "incidents.severity_by_loss",
        {"service": "Payment", "tier": Text("incidents.tier_core").as_json(), "lost": 0.88},
    )
    world.incident = Incident.objects.create(
        number=318,
        environment=world.environment,
        severity=0,
        severity_reason=reason.as_json(),
        headline=headline.as_json(),
        service=world.payment,
        entry=ENTRY,
        kpi_baseline=0.999,
        kpi_current=current,
        users_affected=8437,
        neighbourhood=[APP, CAUSE],
        diagnosis=diagnosis,
        onset_at=ONSET,
        opened_at=OPENED,
        last_signal_at=OPENED,
    )
    IncidentSignal.objects.create(incident=world.incident, drop=drop, joined_at=OPENED)
    _event(world, "incidents.opened", "14:02:31", severity=0, headline=headline.as_json(), reason=reason.as_json())
    if answer is not None and answer.causes:
        _event(
            world, "incidents.cause_named", "14:02:31", sentence=answer.causes[0].sentence.as_json(),
            confidence="very_likely", coordinate="k3v7#q9ma", app_id=CAUSE,
        )  # fmt: skip
    _ring(world, on_call=on_call)
    return world


def _ring(world: World, *, on_call: bool) -> None:
    assert world.incident is not None
    stamp = {
        "slug": "default", "name": "Default", "repeat": 2,
        "tiers": [{"timeout_s": 300, "targets": [{"kind": "schedule", "id": 1, "label": "Payments"}]}],
        "fallback": {"kind": "user", "id": world.reader.pk, "label": str(world.reader)},
    }  # fmt: skip
    page = Page.objects.create(
        incident=world.incident,
        policy=stamp,
        state=PageState.RINGING if on_call else PageState.EXHAUSTED,
        step=1,
        tier=0,
        started_at=OPENED,
        step_started_at=OPENED,
        due_at=at("14:07:33") if on_call else None,
    )
    if on_call:
        Delivery.objects.create(
            id=uuid7(OPENED), page=page, user=world.reader, kind="email", label=world.reader.email,
            destination="example.com", message="page", step=1, state=DeliveryState.ACCEPTED, created_at=OPENED,
            accepted_at=at("14:02:33"), tries=1,
        )  # fmt: skip


def open_incident() -> World:
    """A P0 that nobody has answered yet: cause named, three plans ready."""
    return _opened(answer=_answer())


def no_cause() -> World:
    """The same before any cause can be named."""
    return _opened(answer=None)


def no_plan() -> World:
    """A cause that no plan was prepared for."""
    return _opened(answer=_answer(), with_plans=False)


def nobody_on_call() -> World:
    """Everybody was tried and nobody answered."""
    world = _opened(answer=_answer(), on_call=False)
    Turn.objects.all().delete()
    return world


def _acknowledge(world: World, clock: str, via: str = "page") -> None:
    assert world.incident is not None
    incident = world.incident
    incident.state, incident.stage = State.ACKNOWLEDGED, Stage.MITIGATE
    incident.acknowledged_at, incident.acknowledged_by = at(clock), world.reader
    incident.triaged_at = at(clock)
    incident.save()
    Page.objects.filter(incident=incident).update(state=PageState.ACKNOWLEDGED, due_at=None, answered_at=at(clock))
    IncidentRole.objects.create(incident=incident, role=Role.COMMANDER, user=world.reader, since=at(clock))
    me = _ref(world.reader)
    _event(world, "incidents.acknowledged", clock, me, via=Text(f"incidents.via_{via}").as_json())
    _event(world, "incidents.role_taken", clock, me, role=Text("incidents.role_commander").as_json())


def acknowledged() -> World:
    """Answered, commanded, nothing run yet; somebody else diagnoses."""
    world = open_incident()
    _acknowledge(world, "14:05:02")
    assert world.incident is not None
    IncidentRole.objects.create(incident=world.incident, role=Role.DIAGNOSIS, user=world.second, since=at("14:05:20"))
    _event(world, "incidents.noted", "14:05:31", _ref(world.second), text="The pool is at 100 of 100, since 14:01:58.")
    return world


def _run(world: World, plan: Plan, began: str, **fields: Any) -> Run:
    assert world.incident is not None
    run = Run.objects.create(
        plan=plan, incident=world.incident, snapshot=_snapshot(plan), started_by=world.reader, started_at=at(began),
        kpi_before=0.12, **fields,
    )  # fmt: skip
    _event(world, "plans.run_started", began, _ref(world.reader), plan=plan.name, slug=plan.slug, steps=len(plan.steps))
    IncidentRole.objects.update_or_create(
        incident=world.incident, role=Role.RECOVERY, defaults={"user": world.reader, "since": at(began)}
    )
    return run


def _steps(run: Run, *states: tuple[StepState, str, str, str]) -> None:
    """The steps of a run: state, wall clock of begin and end ("" for none), output."""
    for position, (spec, (state, began, ended, output)) in enumerate(zip(run.plan.steps, states, strict=True)):
        RunStep.objects.create(
            run=run,
            position=position,
            name=spec["name"],
            kind="http",
            state=state,
            output=output,
            started_at=at(began) if began else None,
            finished_at=at(ended) if ended else None,
        )


DONE4 = (
    (StepState.DONE, "14:06:06", "14:06:08", "image orders:2.40 is there"),
    (StepState.DONE, "14:06:08", "14:06:09", "pipeline locked by INC-318"),
    (StepState.DONE, "14:06:09", "14:06:43", "12 of 12 instances"),
    (StepState.DONE, "14:06:43", "14:07:16", "writes paused 12 s"),
)


def _later(world: World, clock: str, **shape: Any) -> float:
    world.clock.advance((at(clock) - world.clock.now()).total_seconds())
    SpanBucket.objects.all().delete()
    share = _series(world, at(clock), **shape)
    assert world.incident is not None
    world.incident.kpi_current = share
    world.incident.save()
    return share


def running() -> World:
    """A plan at work, its third step."""
    world = open_incident()
    _acknowledge(world, "14:06:05", via="run")
    _later(world, "14:06:31")
    run = _run(world, world.plans[0], "14:06:05")
    _steps(
        run, *DONE4[:2], (StepState.RUNNING, "14:06:09", "", "instance 1 of 12 on 2.40\ninstance 2 of 12 on 2.40"),
        (StepState.WAITING, "", "", ""),
    )  # fmt: skip
    return world


def verifying() -> World:
    """All steps are done; the figures come back."""
    world = open_incident()
    _acknowledge(world, "14:06:05", via="run")
    _later(world, "14:07:50", healed_at=at("14:07:10"))
    run = _run(world, world.plans[0], "14:06:05", state=RunState.VERIFYING, steps_done_at=at("14:07:16"))
    _steps(run, *DONE4)
    return world


def did_not_help() -> World:
    """The plan was done and did not help enough; the next one is offered."""
    world = open_incident()
    _acknowledge(world, "14:06:05", via="run")
    _later(world, "14:10:40", healed_at=at("14:07:10"), to=0.31)
    reason = Text("plans.kpi_is_not_back", {"share": 0.31, "goal": 0.99, "after_s": 150, "requests": 5200})
    run = _run(
        world, world.plans[0], "14:06:05", state=RunState.DID_NOT_HELP, steps_done_at=at("14:07:16"),
        finished_at=at("14:09:46"), kpi_after=0.31, reason=reason.as_json(),
    )  # fmt: skip
    _steps(run, *DONE4)
    _event(world, "plans.run_did_not_help", "14:09:46", plan=run.plan.name, reason=reason.as_json())
    return world


def unknown() -> World:
    """A step may or may not have happened: a person decides."""
    world = open_incident()
    _acknowledge(world, "14:06:05", via="run")
    _later(world, "14:06:58")
    reason = Text("plans.no_answer", {"error": "connection reset"})
    run = _run(world, world.plans[0], "14:06:05", state=RunState.OUTCOME_UNKNOWN, reason=reason.as_json())
    _steps(run, *DONE4[:2], (StepState.UNKNOWN, "14:06:09", "", "sent POST http://deploy.example/orders"),
           (StepState.WAITING, "", "", ""))  # fmt: skip
    RunStep.objects.filter(run=run, state=StepState.UNKNOWN).update(reason=reason.as_json())
    return world


def recovered() -> World:
    """It helped: mitigated, watched until it closes by itself."""
    world = open_incident()
    _acknowledge(world, "14:06:05", via="run")
    _later(world, "14:10:10", healed_at=at("14:07:10"))
    reason = Text("plans.kpi_is_back", {"share": 0.996, "goal": 0.99, "requests": 5200})
    run = _run(
        world, world.plans[0], "14:06:05", state=RunState.HELPED, steps_done_at=at("14:07:16"),
        finished_at=at("14:09:16"), kpi_after=0.996, reason=reason.as_json(),
    )  # fmt: skip
    _steps(run, *DONE4)
    assert world.incident is not None
    world.incident.state, world.incident.stage = State.MITIGATED, Stage.RESOLVE
    world.incident.mitigated_at = at("14:09:16")
    world.incident.save()
    _event(world, "plans.run_helped", "14:09:16", plan=run.plan.name, reason=reason.as_json())
    _event(
        world, "incidents.mitigated", "14:09:16", reason=Text("incidents.by_plan", {"plan": run.plan.name}).as_json()
    )
    return world


def resolved() -> World:
    """It is over."""
    world = recovered()
    _later(world, "14:14:00", healed_at=at("14:07:10"))
    assert world.incident is not None
    world.incident.state, world.incident.stage = State.RESOLVED, Stage.POSTMORTEM
    world.incident.resolved_at = at("14:11:16")
    world.incident.save()
    _event(world, "incidents.resolved", "14:11:16", reason=Text("incidents.quiet", {"for_s": 120}).as_json())
    return world


def busy() -> World:
    """Now, with three incidents open and something delivered in-app."""
    world = open_incident()
    Notice.objects.create(
        user=world.reader, title="P0: Payment success 99.9 % → 12 %", url=f"/incidents/{world.code}/",
        idempotency_key=uuid7(OPENED), created_at=OPENED, severity=0,
    )  # fmt: skip
    mailer = Service.objects.get(slug="mailer")
    for number, severity, state, minutes, text in (
        (
            317,
            2,
            State.MITIGATED,
            72,
            Text("incidents.headline_alert", {"summary": "Invoices by e-mail up to 20 min late"}),
        ),
        (315, 3, State.ACKNOWLEDGED, 291, Text(HEADLINE, {"what": "Mailer", "before": 0.999, "now": 0.981})),
    ):
        begun = NOW - timedelta(minutes=minutes)
        Incident.objects.create(
            number=number, environment=world.environment, severity=severity, state=state, headline=text.as_json(),
            severity_reason=Text("incidents.tier_normal").as_json(), service=mailer, users_affected=300,
            onset_at=begun, opened_at=begun, last_signal_at=begun, acknowledged_at=begun + timedelta(minutes=2),
            acknowledged_by=world.second, triaged_at=begun + timedelta(minutes=2),
            mitigated_at=begun + timedelta(minutes=40) if state is State.MITIGATED else None,
        )  # fmt: skip
    return world


def paged() -> World:
    """As `open_incident`, with the link of the message at /ack/LINK/."""
    world = open_incident()
    AckLink.objects.create(
        delivery=Delivery.objects.get(), digest=token_digest(LINK), expires_at=NOW + timedelta(days=1)
    )
    return world


def answered() -> World:
    """As `paged`, after somebody else has answered."""
    world = paged()
    assert world.incident is not None
    world.incident.state = State.ACKNOWLEDGED
    world.incident.acknowledged_at, world.incident.acknowledged_by = at("14:04:00"), world.second
    world.incident.save()
    Page.objects.update(state=PageState.ACKNOWLEDGED, due_at=None, answered_at=at("14:04:00"))
    return world


Scene = Callable[[], World]
