"""An engine that is killed in the middle of a step: its programs end with it, and no step is guessed about."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from msgspec.structs import replace

from hemostat.base import clock
from hemostat.events import queries as events
from hemostat.events.rules import CONSOLE
from hemostat.incidents.models import Incident
from hemostat.people.models import User
from hemostat.plans import actions, engine, queries
from hemostat.plans.models import Run
from hemostat.plans.rules.states import RunState, StepState
from tests.plans.helpers import command_plan
from tests.plans.test_run import python, until

pytestmark = pytest.mark.django_db(transaction=True)

ENGINE = """
import django
django.setup()
from hemostat.base import clock
from hemostat.plans import engine
runs = engine.RunEngine("default")
assert runs.work(clock.now()) == 1
runs.wait()
"""


def start_engine() -> subprocess.Popen[bytes]:
    """An engine process of its own on this test's database, working on what is due."""
    settings = connection.settings_dict
    url = f"postgresql://{settings['USER']}@/{settings['NAME']}?host={settings['HOST']}"
    return subprocess.Popen(
        [sys.executable, "-c", ENGINE],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "hemostat.site.settings"},
    )


def begun_in_another_process(incident: Incident, user: User, trace: Path, **fields: Any) -> tuple[int, int]:
    """A run whose step was going on in an engine that has been killed; returns the run and the program's pid."""
    code = (
        "import os, time\n"
        f"open({str(trace)!r}, 'a').write('begun\\n')\n"
        f"open({str(trace) + '.pid'!r}, 'w').write(str(os.getpid()))\n"
        f"time.sleep(60 if len(open({str(trace)!r}).readlines()) == 1 else 0)\n"
    )
    plan = actions.add_plan(command_plan(python(code, **fields)), CONSOLE)
    run_id = actions.start(plan.pk, incident.pk, user=user).pk
    process = start_engine()
    try:
        pid_file = Path(f"{trace}.pid")
        until(lambda: pid_file.exists() and pid_file.read_text() != "", 30)
        pid = int(pid_file.read_text())
        assert queries.run(run_id).steps[0].state is StepState.RUNNING
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return run_id, pid


def carry_on_later(run_id: int) -> None:
    """Another engine comes by, when the lease of the dead one has run out."""
    assert engine.claim(clock.now(), "default") == []
    Run.objects.filter(pk=run_id).update(lease_until=clock.now() - timedelta(seconds=1))
    (claimed,) = engine.claim(clock.now(), "default")
    engine.carry_on(claimed, runner="default")


def test_the_program_ends_with_the_engine_and_a_person_is_asked_whether_the_step_happened(
    incident: Incident, user: User, tmp_path: Path
) -> None:
    with clock.using(clock.system):
        run_id, pid = begun_in_another_process(incident, user, tmp_path / "trace")
        until(lambda: not Path(f"/proc/{pid}").exists())
        carry_on_later(run_id)
        run = queries.run(run_id)
        assert run.state is RunState.OUTCOME_UNKNOWN
        assert run.steps[0].state is StepState.UNKNOWN
        assert run.steps[0].reason is not None
        assert run.steps[0].reason.code == "plans.engine_died_in_step"
        assert (tmp_path / "trace").read_text() == "begun\n"
        assert "plans.run_outcome_unknown" in [e.kind for e in events.about("run", str(run_id))]


def test_a_step_that_can_be_repeated_is_done_again(incident: Incident, user: User, tmp_path: Path) -> None:
    with clock.using(clock.system):
        run_id, _ = begun_in_another_process(incident, user, tmp_path / "trace", idempotent=True)
        carry_on_later(run_id)
        run = queries.run(run_id)
        assert run.state is RunState.VERIFYING
        assert run.steps[0].state is StepState.DONE
        assert (tmp_path / "trace").read_text() == "begun\n" * 2


def test_a_slow_engine_that_lost_its_lease_writes_nothing(incident: Incident, user: User, tmp_path: Path) -> None:
    with clock.using(clock.system):
        plan = actions.add_plan(command_plan(python("print('hello')")), CONSOLE)
        run_id = actions.start(plan.pk, incident.pk, user=user).pk
        (slow,) = engine.claim(clock.now(), "default")
        Run.objects.filter(pk=run_id).update(lease_until=clock.now() - timedelta(seconds=1))
        (quick,) = engine.claim(clock.now(), "default")
        engine.carry_on(slow, runner="default")
        assert queries.run(run_id).steps[0].state is StepState.WAITING
        engine.carry_on(quick, runner="default")
        assert queries.run(run_id).state is RunState.VERIFYING


def test_an_engine_error_is_tried_again_and_at_last_said(incident: Incident, user: User) -> None:
    with clock.using(clock.system):
        plan = actions.add_plan(command_plan(python("print('hello')")), CONSOLE)
        run_id = actions.start(plan.pk, incident.pk, user=user).pk
        Run.objects.filter(pk=run_id).update(snapshot={"written by": "a newer program"})
        for _ in range(8):
            Run.objects.filter(pk=run_id).update(due_at=clock.now())
            (claimed,) = engine.claim(clock.now(), "default")
            engine.carry_on(claimed, runner="default")
        run = Run.objects.get(pk=run_id)
        assert run.state == RunState.FAILED
        assert run.reason["code"] == "plans.engine_error"
        assert "Object missing required field" in run.reason["params"]["error"]
        assert run.steps.get().state == StepState.SKIPPED


def test_a_folder_that_cannot_be_made_fails_the_step_in_no_doubt(
    incident: Incident, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clock.using(clock.system):
        monkeypatch.setattr(settings, "CONFIG", replace(settings.CONFIG, data_dir="/dev/null"))
        plan = actions.add_plan(command_plan(python("print('hello')")), CONSOLE)
        run_id = actions.start(plan.pk, incident.pk, user=user).pk
        (claimed,) = engine.claim(clock.now(), "default")
        engine.carry_on(claimed, runner="default")
        run = queries.run(run_id)
        assert (run.state, run.steps[0].state) == (RunState.FAILED, StepState.FAILED)
