"""The flow: every event's reactions can run twice, and change nothing the second time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction

from hemostat.alerts.models import Alert
from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.catalog import actions as catalog
from hemostat.catalog.models import Environment
from hemostat.channels import actions as channels
from hemostat.detection.models import Drop
from hemostat.events import actions as events
from hemostat.events import queries as record
from hemostat.events.models import Event, Reaction
from hemostat.events.registry import handler, name_of
from hemostat.events.rules import SYSTEM, Ref
from hemostat.incidents import actions as incidents
from hemostat.incidents.models import Incident
from hemostat.intake import actions as intake
from hemostat.intake.models import Source
from hemostat.paging import actions as policies
from hemostat.paging.actions import NewTier
from hemostat.people import actions as people
from hemostat.people.models import User
from hemostat.people.rules import Role
from hemostat.site.flow import FLOW

pytestmark = pytest.mark.django_db(transaction=True)
T0 = datetime(2026, 11, 19, 14, 2, 0, tzinfo=UTC)


def everything() -> dict[str, list[Any]]:
    """Every row of the product, but for the reactions' own leases."""
    return {
        model._meta.label: sorted(map(repr, model._default_manager.values_list()))
        for model in apps.get_models()
        if model._meta.app_label in {c.label for c in apps.get_app_configs() if c.name.startswith("hemostat.")}
        and model is not Reaction
    }


class House:
    """An installation in which somebody can be paged, and what happens in it."""

    def __init__(self) -> None:
        self.ana: User = people.add_user(
            email="ana@example.org", name="Ana", role=Role.OWNER, password=None, actor=SYSTEM
        )
        channels.add_method(user=self.ana, kind="email", address="ana@example.org", actor=SYSTEM, verified=True)
        policies.add_policy(name="Shop", tiers=[NewTier((self.ana,), 300)], fallback=self.ana, actor=SYSTEM)
        self.environment: Environment = catalog.ensure_environment("production")
        catalog.discover_service("gateway")
        self.source: Source = intake.add_source(
            name="Prometheus", protocol="alertmanager", environment_slug="production", actor=SYSTEM
        )[0]
        self.seen: set[tuple[str, str]] = set()

    def carry_out_twice(self) -> None:
        """Carry out every reaction that waits, each twice."""
        while reactions := list(Reaction.objects.filter(done_at__isnull=True).order_by("pk")):
            for reaction in reactions:
                event = record.event(reaction.event_id)
                with transaction.atomic():
                    handler(reaction.name)(event)
                first = everything()
                with transaction.atomic():
                    handler(reaction.name)(event)
                assert everything() == first, f"{reaction.name} changed something when it ran again for {event.kind}"
                Reaction.objects.filter(pk=reaction.pk).update(done_at=clock.now(), due_at=None)
                self.seen.add((event.kind, reaction.name))

    def tell(self, kind: str, *subjects: Ref, **params: Any) -> Event:
        """Record an event as the room it belongs to would."""
        with transaction.atomic():
            return events.record(kind, actor=SYSTEM, subjects=subjects, params=params)


def test_every_reaction_may_run_twice() -> None:
    with clock.using(ManualClock(T0)) as time:
        assert isinstance(time, ManualClock)
        house = House()
        drop = Drop.objects.create(
            environment="production", app_id="gateway", entry="POST /checkout", onset_at=T0 - timedelta(seconds=30),
            detected_at=T0 - timedelta(seconds=10), baseline=0.999, worst=0.1, current=0.1, failed=100,
        )  # fmt: skip
        dropped = Ref("drop", str(drop.pk), "gateway POST /checkout")
        house.tell("detection.drop_opened", dropped)
        house.carry_out_twice()
        incident = Incident.objects.get()
        named = incidents.ref(incident)

        alert = Alert.objects.create(
            source=house.source, environment="production", fingerprint=b"1" * 16, name="Slow",
            labels={"service": "gateway"}, level="critical", starts_at=T0, ends_at=T0 + timedelta(minutes=5),
            last_seen_at=T0,
        )  # fmt: skip
        alerted = Ref("alert", str(alert.pk), "Slow")
        house.tell("alerts.firing", alerted)
        house.carry_out_twice()
        house.tell("incidents.severity_raised", named, before=2, after=0)
        house.carry_out_twice()
        incidents.ask_help(incident.pk, user=house.ana)
        house.carry_out_twice()
        incidents.acknowledge(incident.pk, user=house.ana, via="page")
        house.carry_out_twice()
        house.tell("plans.run_helped", named, Ref("plan", "restart", "Restart"))
        house.carry_out_twice()
        incidents.relapse(incident.pk)
        house.carry_out_twice()
        time.advance(5)
        Alert.objects.update(resolved_at=time.now())
        house.tell("alerts.resolved", alerted)
        house.carry_out_twice()
        Drop.objects.update(recovered_at=time.now())
        house.tell("detection.drop_recovered", dropped)
        house.carry_out_twice()
        assert Incident.objects.get().state == "mitigated"
        incidents.resolve(incident.pk, user=house.ana)
        house.carry_out_twice()

    wanted = {(kind, name_of(reaction)) for kind, reactions in FLOW.items() for reaction in reactions}
    assert house.seen == wanted, "a reaction of the flow was not tried"
