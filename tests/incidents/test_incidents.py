"""What happens to incidents, on the real database."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.base.texts import Text, render
from hemostat.catalog import actions as catalog
from hemostat.catalog.models import Environment, Service
from hemostat.catalog.rules import Tier
from hemostat.detection.models import Drop
from hemostat.diagnosis.rules.answer import Answer, TreeNode, Verdict
from hemostat.events import queries as events
from hemostat.events.rules import SYSTEM
from hemostat.incidents import actions, chores, queries
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import Role, State
from hemostat.intake.models import TokenBucket
from hemostat.people.models import User

pytestmark = pytest.mark.django_db(transaction=True)
T0 = datetime(2026, 11, 19, 14, 2, 0, tzinfo=UTC)


@pytest.fixture
def time() -> Iterator[ManualClock]:
    with clock.using(ManualClock(T0)) as manual:
        assert isinstance(manual, ManualClock)
        yield manual


@pytest.fixture
def production(time: ManualClock) -> Environment:
    catalog.ensure_environment("production")
    for app_id, tier in (("gateway", Tier.CORE), ("checkout", Tier.IMPORTANT), ("mailer", Tier.NORMAL)):
        catalog.discover_service(app_id)
        Service.objects.filter(app_id=app_id).update(tier=tier, label=app_id.title())
    return Environment.objects.get(slug="production")


@pytest.fixture
def ana(time: ManualClock) -> User:
    return User.objects.create(email="ana@example.org", name="Ana", created_at=T0)


def drop(app_id: str = "gateway", *, baseline: float = 0.999, current: float = 0.12, users: int = 0) -> Drop:
    return Drop.objects.create(
        environment="production",
        app_id=app_id,
        entry="POST /checkout",
        onset_at=clock.now() - timedelta(seconds=20),
        detected_at=clock.now(),
        baseline=baseline,
        worst=current,
        current=current,
        failed=100,
        users=users,
    )


def kinds(incident: Incident) -> list[str]:
    return [e.kind for e in events.about("incident", str(incident.pk), newest_first=False)]


def opened(signal: Drop, environment: Environment, diagnosed: actions.Diagnosed | None = None) -> Incident:
    incident = actions.open_or_join(signal, environment=environment, diagnosed=diagnosed)
    assert incident is not None
    return incident


def tree(*path: str) -> actions.Diagnosed:
    node = None
    for app_id in reversed(path):
        node = TreeNode(app_id, "POST /x", "", 10, 0, 0.0, children=(node,) if node else ())
    assert node is not None
    edges = tuple(itertools.pairwise(path))
    return actions.Diagnosed(Answer("production", T0, T0, Verdict.UNKNOWN, tree=(node,), path=edges), None)  # type: ignore[arg-type]


def test_a_drop_of_a_core_service_opens_a_p0_that_says_what_and_why(production: Environment) -> None:
    incident = opened(drop(), production)
    assert (incident.severity, incident.state, incident.code) == (0, State.OPEN, f"INC-{incident.number}")
    assert render(Text.from_json(incident.headline)) == "Gateway success 99.9\u00a0% → 12\u00a0%"
    assert "88" in render(Text.from_json(incident.severity_reason))
    assert kinds(incident) == ["incidents.opened"]


def test_a_loss_too_small_for_anybody_opens_nothing(production: Environment) -> None:
    assert actions.open_or_join(drop("mailer", current=0.99), environment=production, diagnosed=None) is None
    assert not Incident.objects.exists()


def test_one_failure_under_several_entries_is_one_incident(production: Environment) -> None:
    found = tree("gateway", "checkout", "orders-db")
    first = opened(drop("checkout"), production, found)
    second = opened(drop("gateway"), production, found)
    assert second.pk == first.pk
    other = opened(drop("mailer"), production, found)
    assert other.pk != first.pk
    assert kinds(first) == ["incidents.opened", "incidents.joined"]


def test_neighbours_in_the_call_graph_are_one_incident_before_their_failing_path_is_known(
    production: Environment,
) -> None:
    calls = [["checkout", "POST /checkouts", 10, 10, 0, 0]]
    TokenBucket.objects.create(
        bucket=T0 - timedelta(seconds=30),
        environment="production",
        key="svc:0",
        proc=1,
        payload={"of": "gateway", "ops": {"POST /checkout": {"callees": calls}}},
    )
    first = opened(drop("checkout"), production)
    assert opened(drop("gateway"), production).pk == first.pk
    assert opened(drop("mailer"), production).pk != first.pk


def test_the_same_signal_never_opens_two_incidents(production: Environment) -> None:
    signal = drop()
    assert opened(signal, production).pk == opened(signal, production).pk
    assert kinds(Incident.objects.get()) == ["incidents.opened"]


def test_signals_that_come_at_the_same_moment_open_one_incident(production: Environment) -> None:
    found = tree("gateway", "checkout")
    signals = [drop("gateway"), drop("checkout")]
    ready = threading.Barrier(2)

    def open_it(signal: Drop) -> None:
        ready.wait()
        try:
            opened(signal, production, found)
        finally:
            connection.close()

    threads = [threading.Thread(target=open_it, args=(s,)) for s in signals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Incident.objects.count() == 1
    assert Incident.objects.get().signals.count() == 2


def test_the_first_to_acknowledge_commands_and_the_second_is_told(production: Environment, ana: User) -> None:
    bob = User.objects.create(email="bob@example.org", name="Bob", created_at=T0)
    incident = opened(drop(), production)
    assert actions.acknowledge(incident.pk, user=ana, via="link")
    assert not actions.acknowledge(incident.pk, user=bob, via="page")
    detail = queries.detail(incident.pk, clock.now())
    assert [(r.role, r.name) for r in detail.roles] == [("commander", "Ana")]
    assert detail.summary.acknowledged_by == "Ana"
    assert kinds(incident).count("incidents.acknowledged") == 1


def test_a_role_passes_on_and_taking_it_twice_is_one_event(production: Environment, ana: User) -> None:
    incident = opened(drop(), production)
    for _ in range(2):
        actions.take_role(incident.pk, user=ana, role=Role.RECOVERY)
    assert kinds(incident).count("incidents.role_taken") == 1


def test_an_empty_note_is_refused_and_a_note_is_on_the_timeline(production: Environment, ana: User) -> None:
    incident = opened(drop(), production)
    with pytest.raises(ValueError, match="text"):
        actions.note(incident.pk, user=ana, text="  ")
    actions.note(incident.pk, user=ana, text="Cache is cold.")
    assert next(render(e.text()) for e in events.about("incident", str(incident.pk))) == "Ana: Cache is cold."


def test_severity_rises_with_the_impact_at_once_and_falls_late(production: Environment, time: ManualClock) -> None:
    signal = drop(current=0.97)
    incident = opened(signal, production)
    assert incident.severity == 1
    Drop.objects.update(current=0.3, users=840)
    review(time)
    incident.refresh_from_db()
    assert (incident.severity, incident.users_affected) == (0, 840)
    assert kinds(incident)[-2:] == ["incidents.severity_changed", "incidents.severity_raised"]
    Drop.objects.update(current=0.97)
    review(time)
    incident.refresh_from_db()
    assert incident.severity == 0
    review(time, after=130)
    incident.refresh_from_db()
    assert incident.severity == 1
    assert kinds(incident)[-1] == "incidents.severity_changed"


def review(time: ManualClock, after: float = 5) -> None:
    now = time.advance(after)
    assert chores.work(now) == 1


def test_a_mitigated_incident_resolves_by_itself_when_it_stays_quiet(
    production: Environment, time: ManualClock, settings: object
) -> None:
    incident = opened(drop(), production)
    Drop.objects.update(recovered_at=clock.now())
    assert actions.mitigate(incident.pk, actor=SYSTEM, reason=Text("incidents.by_itself"))
    review(time, after=60)
    incident.refresh_from_db()
    assert incident.state == State.MITIGATED
    review(time, after=61)
    incident.refresh_from_db()
    assert incident.state == State.RESOLVED
    assert chores.work(time.advance(10)) == 0
    assert kinds(incident)[-2:] == ["incidents.mitigated", "incidents.resolved"]


def test_what_was_believed_to_help_and_did_not_is_open_again(production: Environment, time: ManualClock) -> None:
    incident = opened(drop(), production)
    actions.mitigate(incident.pk, actor=SYSTEM, reason=Text("incidents.by_plan", {"plan": "Restart"}))
    review(time, after=95)
    incident.refresh_from_db()
    assert (incident.state, incident.mitigated_at) == (State.OPEN, None)
    assert kinds(incident)[-1] == "incidents.relapsed"


def test_a_new_drop_soon_after_mitigation_opens_the_same_incident_again(
    production: Environment, time: ManualClock
) -> None:
    first = drop()
    incident = opened(first, production)
    Drop.objects.filter(pk=first.pk).update(recovered_at=clock.now())
    actions.mitigate(incident.pk, actor=SYSTEM, reason=Text("incidents.by_itself"))
    time.advance(300)
    again = opened(drop(), production)
    assert (again.pk, again.state) == (incident.pk, State.OPEN)
    assert kinds(incident)[-1] == "incidents.relapsed"


def test_a_resolved_incident_takes_nothing_more(production: Environment, ana: User) -> None:
    incident = opened(drop(), production)
    assert actions.resolve(incident.pk, user=ana)
    assert not actions.resolve(incident.pk, user=ana)
    assert not actions.acknowledge(incident.pk, user=ana, via="page")
    Drop.objects.update(recovered_at=clock.now())
    assert opened(drop(), production).pk != incident.pk


@pytest.mark.parametrize("code", ["INC-", "INC-x", "FOO-1", "", "INC-99999999999999999999", "INC-²"])
def test_a_code_that_is_none_is_not_found(code: str, db: None) -> None:
    with pytest.raises(Incident.DoesNotExist):
        queries.by_code(code)
