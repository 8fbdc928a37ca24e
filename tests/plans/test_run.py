"""A run from the click to the verdict, with the real engine, real programs and the real database."""

from __future__ import annotations

import sys
import threading
import time as real_time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.base.refusals import RefusedError
from hemostat.events import queries as events
from hemostat.events.rules import CONSOLE
from hemostat.incidents.models import Incident
from hemostat.incidents.rules.states import State
from hemostat.people.models import User
from hemostat.plans import actions, chores, engine, queries
from hemostat.plans.models import Plan, Run
from hemostat.plans.rules.states import RunState, StepState
from tests.plans.conftest import Kpi
from tests.plans.helpers import answer_json, command_plan

pytestmark = pytest.mark.django_db(transaction=True)

HELLO = {"name": "Say hello", "argv": [sys.executable, "-c", "print('hello')"]}


def python(code: str, name: str = "Do it", **fields: Any) -> dict[str, Any]:
    return {"name": name, "argv": [sys.executable, "-c", code], **fields}


def work(time: ManualClock, runner: str = "default") -> int:
    """One round of the engine, waited for."""
    claimed = engine.claim(time.now(), runner)
    for run in claimed:
        engine.carry_on(run, runner=runner)
    return len(claimed)


def start(incident: Incident, user: User, *steps: dict[str, Any], **changes: Any) -> int:
    plan = actions.add_plan(command_plan(*(steps or (HELLO,)), **changes), CONSOLE)
    return actions.start(plan.pk, incident.pk, user=user).pk


def kinds(incident: Incident) -> list[str]:
    return [e.kind for e in events.about("incident", str(incident.pk), newest_first=False)]


def watch(time: ManualClock, kpi: Kpi, seconds: int, *, requests: int, failed: int) -> None:
    """Let `seconds` pass with that much traffic in each, the engine looking all along."""
    for _ in range(seconds):
        time.advance(1)
        if requests:
            kpi(time.now(), requests=requests, failed=failed)
        work(time)


def test_one_click_runs_the_steps_and_the_figures_decide_that_it_helped(
    incident: Incident, user: User, time: ManualClock, kpi: Kpi
) -> None:
    kpi(time.now(), requests=100, failed=88)
    time.advance(1)
    run_id = start(incident, user)
    incident.refresh_from_db()
    assert incident.state == State.ACKNOWLEDGED
    assert incident.acknowledged_by == user
    assert incident.roles.get(role="recovery").user == user

    assert work(time) == 1
    run = queries.run(run_id)
    assert run.state is RunState.VERIFYING
    assert [(s.state, s.output) for s in run.steps] == [(StepState.DONE, "hello\n")]
    assert run.kpi_before == pytest.approx(0.12)

    watch(time, kpi, 25, requests=10, failed=0)
    run = queries.run(run_id)
    assert run.state is RunState.HELPED
    assert run.kpi_after == 1.0
    assert run.finished_at is not None
    assert run.steps_done_at is not None
    assert (run.finished_at - run.steps_done_at).total_seconds() <= 21
    assert "plans.run_started" in kinds(incident)
    assert kinds(incident)[-1] == "plans.run_helped"
    assert work(time) == 0


def test_a_wrong_plan_does_not_help_and_the_next_one_stands_first(
    incident: Incident, user: User, time: ManualClock, kpi: Kpi
) -> None:
    wrong = actions.add_plan(command_plan(HELLO, slug="wrong", name="Wrong", verb="rollback"), CONSOLE)
    actions.add_plan(command_plan(HELLO, slug="right", name="Right", verb="restart"), CONSOLE)
    assert [o.slug for o in queries.options_for(incident)] == ["wrong", "right"]
    run_id = actions.start(wrong.pk, incident.pk, user=user).pk
    kpi(time.now(), requests=100, failed=88)
    work(time)
    watch(time, kpi, 35, requests=20, failed=18)
    run = queries.run(run_id)
    assert run.state is RunState.DID_NOT_HELP
    assert run.reason is not None
    assert run.reason.params["share"] == pytest.approx(0.1)
    options = queries.options_for(incident)
    assert [(o.slug, o.tried) for o in options] == [("right", None), ("wrong", RunState.DID_NOT_HELP)]
    assert options[1].worked == (0, 1)


def test_without_traffic_nothing_has_helped(incident: Incident, user: User, time: ManualClock, kpi: Kpi) -> None:
    run_id = start(incident, user)
    work(time)
    watch(time, kpi, 35, requests=0, failed=0)
    run = queries.run(run_id)
    assert run.state is RunState.DID_NOT_HELP
    assert run.reason is not None
    assert run.reason.code == "plans.no_requests"


def test_a_failing_step_ends_the_run_and_nothing_after_it_is_done(
    incident: Incident, user: User, time: ManualClock, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    run_id = start(
        incident,
        user,
        python("import sys; print('no way'); sys.exit(4)", "Fail"),
        python(f"open({str(trace)!r}, 'w')", "Never"),
    )
    work(time)
    run = queries.run(run_id)
    assert run.state is RunState.FAILED
    assert [s.state for s in run.steps] == [StepState.FAILED, StepState.SKIPPED]
    assert run.steps[0].output == "no way\n"
    assert not trace.exists()
    assert kinds(incident)[-1] == "plans.run_failed"


@pytest.mark.parametrize(
    "guard",
    [
        {
            "kind": "command",
            "name": "A way back exists",
            "argv": [sys.executable, "-c", "print('none'); raise SystemExit(1)"],
        },
        {"kind": "http", "name": "The platform answers", "url": "http://127.0.0.1:1/ready"},
    ],
)
def test_a_guard_that_does_not_hold_keeps_the_step_from_being_done(
    guard: dict[str, Any], incident: Incident, user: User, time: ManualClock, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    run_id = start(incident, user, python(f"open({str(trace)!r}, 'w')", guards=[guard]))
    work(time)
    run = queries.run(run_id)
    assert run.state is RunState.FAILED
    assert run.steps[0].state is StepState.REFUSED
    assert run.steps[0].reason is not None
    assert run.steps[0].reason.params["guard"] == guard["name"]
    assert not trace.exists()


def test_a_guard_on_the_kpi_refuses_only_when_it_is_measurably_back(
    incident: Incident, user: User, time: ManualClock, kpi: Kpi
) -> None:
    guarded = {**HELLO, "guards": [{"kind": "kpi_still_bad"}]}
    kpi(time.now(), requests=100, failed=80)
    time.advance(1)
    first = start(incident, user, guarded)
    work(time)
    assert queries.run(first).state is RunState.VERIFYING
    actions.cancel(first, user=user)
    time.advance(60)
    kpi(time.now(), requests=100, failed=0)
    time.advance(5)
    second = start(incident, user, guarded)
    work(time)
    assert queries.run(second).steps[0].state is StepState.REFUSED


def test_a_guard_on_the_cause_refuses_when_the_diagnosis_moved_on(
    incident: Incident, user: User, time: ManualClock
) -> None:
    from hemostat.diagnosis.models import Diagnosis

    run_id = start(incident, user, {**HELLO, "guards": [{"kind": "cause_still_there"}]})
    newer = Diagnosis.objects.create(
        environment="demo", at=time.now(), verdict="named", answer=answer_json(app_id="shop/payment")
    )
    Incident.objects.filter(pk=incident.pk).update(diagnosis=newer)
    work(time)
    assert queries.run(run_id).steps[0].state is StepState.REFUSED


def test_an_ambiguous_step_waits_for_a_person_who_says_it_happened(
    incident: Incident, user: User, time: ManualClock, kpi: Kpi
) -> None:
    run_id = start(incident, user, python("import os; os.kill(os.getpid(), 9)", "Fail over"), HELLO)
    work(time)
    run = queries.run(run_id)
    assert run.state is RunState.OUTCOME_UNKNOWN
    assert run.unknown_step is not None
    assert run.unknown_step.name == "Fail over"
    assert kinds(incident)[-1] == "plans.run_outcome_unknown"
    time.advance(3600)
    assert work(time) == 0
    assert actions.decide_unknown(run_id, user=user, happened=True)
    assert not actions.decide_unknown(run_id, user=user, happened=True)
    work(time)
    run = queries.run(run_id)
    assert run.state is RunState.VERIFYING
    assert [s.state for s in run.steps] == [StepState.DONE, StepState.DONE]


def test_an_ambiguous_step_that_did_not_happen_ends_the_run(incident: Incident, user: User, time: ManualClock) -> None:
    run_id = start(incident, user, python("import os; os.kill(os.getpid(), 9)"), HELLO)
    work(time)
    assert actions.decide_unknown(run_id, user=user, happened=False)
    run = queries.run(run_id)
    assert run.state is RunState.FAILED
    assert [s.state for s in run.steps] == [StepState.FAILED, StepState.SKIPPED]


def test_an_ambiguous_step_that_can_be_repeated_is_a_plain_failure(
    incident: Incident, user: User, time: ManualClock
) -> None:
    run_id = start(incident, user, python("import os; os.kill(os.getpid(), 9)", idempotent=True))
    work(time)
    assert queries.run(run_id).state is RunState.FAILED


def test_one_run_at_a_time_however_many_press(incident: Incident, user: User) -> None:
    plan = actions.add_plan(command_plan(HELLO), CONSOLE)
    started: list[int] = []
    refused: list[str] = []
    together = threading.Barrier(6)

    def press() -> None:
        try:
            together.wait()
            started.append(actions.start(plan.pk, incident.pk, user=user).pk)
        except RefusedError as error:
            refused.append(error.message if error.conflict else "refused as wrong")
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert len(refused) == 5
    assert "is running for INC-318" in refused[0]
    assert Run.objects.count() == 1


def test_an_incident_that_is_over_takes_no_run(incident: Incident, user: User) -> None:
    plan = actions.add_plan(command_plan(HELLO), CONSOLE)
    Incident.objects.update(state=State.RESOLVED)
    with pytest.raises(RefusedError, match="is over; nothing was started"):
        actions.start(plan.pk, incident.pk, user=user)


def test_a_value_that_is_not_known_keeps_the_plan_from_starting_and_the_option_says_so(
    incident: Incident, user: User
) -> None:
    data = command_plan({"name": "x", "argv": ["deploy", "{service_name}", "{previous_version}"]})
    plan = actions.add_plan(data, CONSOLE)
    with pytest.raises(RefusedError, match="previous_version"):
        actions.start(plan.pk, incident.pk, user=user)
    incident.refresh_from_db()
    assert incident.state == State.OPEN
    (option,) = queries.options_for(incident)
    assert option.cannot is not None
    assert option.cannot.params == {"name": "previous_version"}
    actions.add_plan({**data, "values": {"previous_version": "2.40"}}, CONSOLE)
    (option,) = queries.options_for(incident)
    assert option.cannot is None
    assert option.preview == ("deploy orders 2.40",)


def test_stopping_a_run_ends_its_program(incident: Incident, user: User, tmp_path: Path) -> None:
    with clock.using(clock.system):
        pid_file = tmp_path / "pid"
        code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        run_id = start(incident, user, python(code), HELLO)
        runs = engine.RunEngine("default")
        assert runs.work(clock.now()) == 1
        until(lambda: pid_file.exists() and pid_file.read_text() != "")
        assert actions.cancel(run_id, user=user)
        assert not actions.cancel(run_id, user=user)
        runs.wait(30)
        run = queries.run(run_id)
        assert run.state is RunState.CANCELLED
        assert [s.state for s in run.steps] == [StepState.UNKNOWN, StepState.SKIPPED]
        until(lambda: not Path(f"/proc/{pid_file.read_text()}").exists())


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = real_time.monotonic() + seconds
    while not condition():
        assert real_time.monotonic() < deadline, "it did not happen in time"
        real_time.sleep(0.02)


def test_output_is_live_and_without_secrets_and_none_is_stored_plain(
    incident: Incident, user: User, tmp_path: Path
) -> None:
    with clock.using(clock.system):
        go_on = tmp_path / "go"
        code = (
            "import os, sys, time\n"
            "print('signing in with', os.environ['TOKEN'], flush=True)\n"
            f"while not os.path.exists({str(go_on)!r}): time.sleep(0.02)\n"
            "print('done')"
        )
        data = command_plan(python(code, env={"TOKEN": "{secret:TOKEN}"}))
        secret = "correct horse battery"
        plan = actions.add_plan(data, CONSOLE, secrets_given={"TOKEN": secret})
        run_id = actions.start(plan.pk, incident.pk, user=user).pk
        runs = engine.RunEngine("default")
        runs.work(clock.now())
        until(lambda: "signing in with •••" in queries.run(run_id).steps[0].output)
        assert queries.run(run_id).steps[0].state is StepState.RUNNING
        go_on.touch()
        until(lambda: queries.run(run_id).state is RunState.VERIFYING)
        runs.wait(30)
        assert queries.run(run_id).steps[0].output == "signing in with •••\ndone\n"
        everything = ""
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"select coalesce(string_agg(t::text, ' '), '') from \"{table}\" t")
                everything += cursor.fetchone()[0]
        assert "signing in with" in everything
        assert secret not in everything


def test_a_command_waits_for_an_engine_with_its_label_and_at_last_says_so(
    incident: Incident, user: User, time: ManualClock
) -> None:
    run_id = start(incident, user, {**HELLO, "runner": "eu"})
    assert work(time, "us") == 0
    assert queries.run(run_id).waits_for == "eu"
    assert work(time, "eu") == 1
    assert queries.run(run_id).state is RunState.VERIFYING
    actions.cancel(run_id, user=user)

    second = start(incident, user, {**HELLO, "runner": "nowhere"})
    time.advance(59)
    assert chores.work(time.now()) == 0
    time.advance(2)
    assert chores.work(time.now()) == 1
    run = queries.run(second)
    assert run.state is RunState.FAILED
    assert run.reason is not None
    assert (run.reason.code, run.reason.params["label"]) == ("plans.no_runner", "nowhere")


def test_a_run_moves_from_engine_to_engine_as_its_steps_ask(incident: Incident, user: User, time: ManualClock) -> None:
    run_id = start(incident, user, {**HELLO, "runner": "eu"}, {**HELLO, "runner": "us"})
    assert work(time, "eu") == 1
    assert [s.state for s in queries.run(run_id).steps] == [StepState.DONE, StepState.WAITING]
    assert work(time, "eu") == 0
    assert work(time, "us") == 1
    assert queries.run(run_id).state is RunState.VERIFYING


def test_a_run_keeps_the_plan_it_was_started_with(incident: Incident, user: User, time: ManualClock) -> None:
    run_id = start(incident, user)
    actions.add_plan(command_plan(python("print('changed')"), HELLO), CONSOLE)
    work(time)
    assert [s.output for s in queries.run(run_id).steps] == ["hello\n"]


def test_an_incident_of_alerts_is_verified_by_their_end(incident: Incident, user: User, time: ManualClock) -> None:
    from hemostat.alerts.models import Alert
    from hemostat.incidents.models import IncidentSignal
    from hemostat.intake.models import Source

    Incident.objects.update(service=None, entry="", kpi_baseline=None, kpi_current=None)
    source = Source.objects.create(
        slug="p", name="P", protocol="alertmanager", environment=incident.environment, public_id="x", digest=b"x",
        created_at=time.now(),
    )  # fmt: skip
    alert = Alert.objects.create(
        source=source, fingerprint=b"f", name="Down", labels={}, level="critical", starts_at=time.now(),
        ends_at=time.now(), last_seen_at=time.now(),
    )  # fmt: skip
    IncidentSignal.objects.create(incident=incident, alert=alert, joined_at=time.now())
    run_id = start(incident, user)
    work(time)
    time.advance(30)
    work(time)
    assert queries.run(run_id).state is RunState.VERIFYING
    Alert.objects.update(resolved_at=time.now())
    time.advance(1)
    work(time)
    assert queries.run(run_id).state is RunState.HELPED


def test_a_switched_off_plan_is_neither_offered_nor_started(incident: Incident, user: User) -> None:
    plan = actions.add_plan(command_plan(HELLO, enabled=False), CONSOLE)
    assert queries.options_for(incident) == []
    with pytest.raises(RefusedError, match="switched off"):
        actions.start(plan.pk, incident.pk, user=user)
    assert Plan.objects.count() == 1
