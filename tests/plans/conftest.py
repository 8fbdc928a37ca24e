"""An incident of the shop, a clock turned by hand, and ways to say how the KPI went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.catalog.models import Environment, Service
from hemostat.diagnosis.models import Diagnosis
from hemostat.incidents.models import Incident
from hemostat.intake.models import SpanBucket
from hemostat.people.models import User
from hemostat.people.rules import Role
from tests.plans.helpers import ENTRY, SHOP, answer_json

START = datetime(2026, 11, 19, 13, 2, 31, tzinfo=UTC)


@pytest.fixture
def time() -> Iterator[ManualClock]:
    """A clock turned by hand."""
    manual = ManualClock(START)
    with clock.using(manual):
        yield manual


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create(email="pat@example.test", name="Pat", role=Role.RESPONDER, created_at=START)


@pytest.fixture
def incident(db: None, time: ManualClock) -> Incident:
    """Orders fails in its own logic; gateway's checkout fell from 99.9 % to 12 %."""
    environment = Environment.objects.create(slug="demo", created_at=START)
    service = Service.objects.create(app_id=f"{SHOP}/gateway", slug="gateway", label="Checkout", created_at=START)
    diagnosis = Diagnosis.objects.create(
        environment="demo", at=START, onset_at=START, verdict="named", answer=answer_json()
    )
    return Incident.objects.create(
        number=318,
        environment=environment,
        severity=0,
        headline={"code": "incidents.headline_success", "params": {"what": "Checkout", "before": 0.999, "now": 0.12}},
        service=service,
        entry=ENTRY,
        kpi_baseline=0.999,
        kpi_current=0.12,
        diagnosis=diagnosis,
        onset_at=START - timedelta(seconds=40),
        opened_at=START,
        last_signal_at=START,
    )


@dataclass
class Kpi:
    """Writes what the door would have counted."""

    proc: int = 0

    def __call__(self, at: datetime, *, requests: int, failed: int) -> None:
        self.proc += 1
        SpanBucket.objects.create(
            bucket=datetime.fromtimestamp(at.timestamp() // 10 * 10, UTC),
            environment="demo",
            app_id=f"{SHOP}/gateway",
            entry=ENTRY,
            peer="",
            proc=self.proc,
            requests=requests,
            failed=failed,
            duration_ms=requests * 12.0,
        )


@pytest.fixture
def kpi(db: None) -> Kpi:
    return Kpi()
