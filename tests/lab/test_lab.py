"""The lab by itself: what it sends, how it breaks, and that only the real remedy heals it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hemostat_lab import injector
from hemostat_lab.control import Lab, OperationError
from hemostat_lab.layout import INSTANCES, SERVICES, USUAL_NAMES, Role, Telemetry, shuffled_names
from hemostat_lab.traffic import Report
from tests.lab.folders import folder_for_all
from tests.lab.sink import TOKEN, Sink, Span, serve

pytestmark = pytest.mark.slow

BROKEN_BELOW = 0.8
FINE_ABOVE = 0.93
CHECKOUT_SPANS = 11
"""five requests served, four asked for between services, two statements"""


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    sink = Sink()
    server = serve(sink)
    yield sink
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def lab(sink: Sink) -> Iterator[Lab]:
    """A running lab whose services bear each other's names."""
    telemetry = Telemetry(sink.endpoint, TOKEN)
    with folder_for_all() as folder, Lab(folder, telemetry=telemetry, names=shuffled_names(7), rate=30) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _whole_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test finds the shop healthy, whatever the one before left."""
    yield
    if "lab" in request.fixturenames:
        lab: Lab = request.getfixturevalue("lab")
        status = lab.operations.status()
        if not status["store"]["running"]:
            lab.operations.restart(status["store"]["name"])
        for name, service in status["services"].items():
            if service["former_release"]:
                lab.operations.roll_back(name)
            for instance, state in service["instances"].items():
                if not state["in_rotation"]:
                    lab.operations.restore(instance)


def success(lab: Lab, seconds: float = 3.0) -> float:
    """The share of users' requests that went well over the next seconds."""
    before = wait_for_report(lab)
    time.sleep(seconds)
    after = lab.traffic()
    return 1 - (after["failed"] - before["failed"]) / (after["total"] - before["total"])


def wait_for_report(lab: Lab) -> Report:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            return lab.traffic()
        except FileNotFoundError:
            time.sleep(0.1)
    raise AssertionError("the traffic did not report within 10 s")


def comes_back(lab: Lab, within: float = 20) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if success(lab) > FINE_ABOVE:
            return True
    return False


def process_of(lab: Lab, instance: str) -> int | None:
    wanted = f"hemostat_lab.shop.process {lab.layout.folder} "
    for line in subprocess.check_output(["ps", "-ww", "-eo", "pid,args"], text=True).splitlines():
        if wanted in line and f" {instance} " in line:
            return int(line.split()[0])
    return None


def whole_checkout(lab: Lab, sink: Sink, within: float = 30) -> list[Span]:
    """The spans of one checkout that went all the way and has arrived completely."""
    orders = lab.layout.names[Role.ORDERS]
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        with sink.lock:
            traces = [list(spans) for spans in sink.traces.values()]
        for spans in traces:
            stores = [s for s in spans if s.service == orders and s.kind == "CLIENT"]
            if len(stores) == 2 and len(spans) == CHECKOUT_SPANS:
                return spans
        time.sleep(0.2)
    raise AssertionError("no whole checkout arrived")


def test_a_checkout_is_one_trace_through_all_services_to_the_store(lab: Lab, sink: Sink) -> None:
    spans = whole_checkout(lab, sink)
    names = lab.layout.names
    served = {(s.service, s.attributes["http.route"]) for s in spans if s.kind == "SERVER"}
    assert served == {
        (names[Role.GATEWAY], "/checkout"),
        (names[Role.CHECKOUT], "/checkouts"),
        (names[Role.PAYMENT], "/charges"),
        (names[Role.ORDERS], "/orders"),
        (names[Role.ORDERS], "/orders/{order}/confirmation"),
    }
    called = {s.attributes["server.address"] for s in spans if s.kind == "CLIENT"}
    assert called == {names[role] for role in (Role.CHECKOUT, Role.PAYMENT, Role.ORDERS, Role.STORE)}
    statements = [s for s in spans if s.attributes.get("db.system.name") == "postgresql"]
    assert {s.attributes["db.operation.name"] for s in statements} == {"INSERT", "UPDATE"}
    entry = next(s for s in spans if not s.parent)
    assert str(entry.attributes["user.id"]).startswith("u-")
    assert {s.resource["deployment.environment.name"] for s in spans} == {"lab"}


def test_no_span_tells_an_instance_address_in_place_of_a_name(lab: Lab, sink: Sink) -> None:
    for span in whole_checkout(lab, sink):
        if span.kind == "CLIENT":
            assert span.attributes["server.address"] in lab.layout.names.values()


def test_both_instances_of_each_service_answer(lab: Lab, sink: Sink) -> None:
    wanted = {instance for role in SERVICES for instance in lab.layout.instances(role)}
    deadline = time.monotonic() + 20
    seen: set[object] = set()
    while seen != wanted and time.monotonic() < deadline:
        seen = {s.resource["service.instance.id"] for s in sink.spans() if s.kind == "SERVER"}
        time.sleep(0.2)
    assert seen == wanted


def test_users_are_many(lab: Lab, sink: Sink) -> None:
    def entries() -> list[Span]:
        return [s for s in sink.spans() if not s.parent and s.kind == "SERVER"]

    deadline = time.monotonic() + 20
    while len(entries()) < 100 and time.monotonic() < deadline:
        time.sleep(0.2)
    users = [s.attributes["user.id"] for s in entries()]
    assert len(set(users)) > 0.95 * len(users)


def test_noise_is_always_there_and_leaves_the_shop_fine(lab: Lab, sink: Sink) -> None:
    declined = sink.wait_for(lambda s: s.attributes.get("app.error_code") == "card_declined", 60)
    assert declined.attributes["http.response.status_code"] == 402
    assert not declined.failed, "a declined card is business, not a failure of the service"
    unread = sink.wait_for(lambda s: any("HistoryNotMigrated" in str(e["exception.type"]) for e in s.exceptions), 60)
    assert unread.service == lab.layout.names[Role.ORDERS]
    assert unread.failed
    assert success(lab) > FINE_ABOVE


def test_a_killed_store_refuses_until_it_is_restarted(lab: Lab, sink: Sink) -> None:
    names = lab.layout.names
    sink.clear()
    lab.fault(injector.STORE_REFUSES)
    refused = sink.wait_for(lambda s: s.attributes.get("server.address") == names[Role.STORE] and bool(s.exceptions))
    assert "refused" in str(refused.exceptions[0]["exception.message"])
    assert refused.service == names[Role.ORDERS]
    assert success(lab) < BROKEN_BELOW
    lab.operations.restart(names[Role.ORDERS])
    lab.operations.restart(names[Role.PAYMENT])
    assert success(lab) < BROKEN_BELOW, "restarting those who call it must not help"
    assert lab.operations.restart(names[Role.STORE])[0] == f"{names[Role.STORE]} was found stopped."
    assert comes_back(lab)


def test_a_bad_release_raises_until_it_is_rolled_back(lab: Lab, sink: Sink) -> None:
    payment = lab.layout.names[Role.PAYMENT]
    sink.clear()
    lab.fault(injector.BAD_RELEASE)
    raised = sink.wait_for(lambda s: s.service == payment and s.resource["service.version"] == "1.4.1" and s.failed)
    assert raised.exceptions[0]["exception.type"] == "KeyError"
    assert raised.kind == "SERVER"
    assert success(lab) < BROKEN_BELOW
    lab.operations.restart(payment)
    assert success(lab) < BROKEN_BELOW, "the same code raises again"
    lab.operations.isolate(f"{payment}-1")
    assert success(lab) < BROKEN_BELOW, "the other instance runs the same code"
    assert lab.operations.roll_back(payment) == [f"{payment}-{i + 1} runs 1.4.0." for i in range(INSTANCES)]
    assert comes_back(lab)


def test_a_service_that_dies_is_started_again_on_its_release(lab: Lab) -> None:
    victim = lab.layout.instances(Role.CHECKOUT)[0]
    pid = process_of(lab, victim)
    assert pid
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process_of(lab, victim) not in (None, pid):
            break
        time.sleep(0.1)
    else:
        raise AssertionError(f"{victim} was not started again")
    assert comes_back(lab)


def test_a_rolling_restart_breaks_no_request(lab: Lab, sink: Sink) -> None:
    sink.clear()
    lab.operations.restart(lab.layout.names[Role.ORDERS])
    assert success(lab) > FINE_ABOVE
    met = {str(e["exception.type"]) for s in sink.spans() for e in s.exceptions}
    assert not met & {"httpx.ConnectError", "httpx.ReadError", "httpx.RemoteProtocolError"}


def test_an_operator_sees_what_happens_and_a_refusal_is_an_error(lab: Lab) -> None:
    def operate(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {
            **os.environ,
            "SHOP_PLATFORM": lab.layout.operations_url,
            "SHOP_TOKEN": lab.layout.operations_token_file.read_text(),
        }
        command = [sys.executable, "-m", "hemostat_lab.operate", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environ)

    first, second = lab.layout.instances(Role.CHECKOUT)
    lines = operate("restart", lab.layout.names[Role.CHECKOUT]).stdout.splitlines()
    assert lines.index(f"{first} is starting 3.2.0") < lines.index(f"{second} is starting 3.2.0"), "one after the other"
    assert lines[-2:] == [f"{first} runs 3.2.0.", f"{second} runs 3.2.0."]
    refused = operate("rollback", lab.layout.names[Role.CHECKOUT])
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no former one" in refused.stderr


def test_the_last_instance_in_rotation_cannot_be_isolated(lab: Lab) -> None:
    first, second = lab.layout.instances(Role.GATEWAY)
    lab.operations.isolate(first)
    with pytest.raises(OperationError, match="the last instance"):
        lab.operations.isolate(second)
    assert success(lab) > FINE_ABOVE


def test_nothing_that_was_not_released_can_be_rolled_back(lab: Lab) -> None:
    with pytest.raises(OperationError, match="no former one"):
        lab.operations.roll_back(lab.layout.names[Role.GATEWAY])


@pytest.mark.parametrize("fault", ["deploy", "faults", "heal", "inject", "switch"])
def test_the_operations_door_knows_no_way_to_the_faults(lab: Lab, fault: str) -> None:
    payment = lab.layout.names[Role.PAYMENT]
    token = lab.layout.operations_token_file.read_text()
    for path in (f"/{fault}", f"/services/{payment}/{fault}", f"/instances/{payment}-1/{fault}"):
        answer = httpx.post(
            lab.layout.operations_url + path,
            headers={"authorization": f"Bearer {token}"},
            json={"release": "1.4.1"},
        )
        assert answer.status_code == 404


def test_the_token_of_plans_does_not_open_the_release_door(lab: Lab) -> None:
    payment = lab.layout.names[Role.PAYMENT]
    token = lab.layout.operations_token_file.read_text()
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(lab.layout.release_socket))) as client:
        answer = client.post(
            f"http://release/services/{payment}/deploy",
            json={"release": "1.4.1"},
            headers={"authorization": f"Bearer {token}"},
        )
    assert answer.status_code == 401
    assert lab.operations.status()["services"][payment]["release"] == "1.4.0"


def test_the_operations_door_wants_a_token(lab: Lab) -> None:
    assert httpx.get(f"{lab.layout.operations_url}/status").status_code == 401


def test_secrets_are_for_their_owner_only(lab: Lab) -> None:
    private = lab.layout.folder / "private"
    assert private.stat().st_mode & 0o077 == 0
    for path in (*private.iterdir(), lab.layout.folder / "lab.json"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_process_of_the_shop_shows_a_secret_in_its_command_line(lab: Lab) -> None:
    shown = subprocess.check_output(["ps", "-ww", "-eo", "args"], text=True)
    for secret in (
        lab.layout.operations_token_file.read_text(),
        lab.layout.release_token_file.read_text(),
        lab.layout.store_password,
        TOKEN,
    ):
        assert secret not in shown


def test_the_command_line_tells_what_runs_and_refuses_what_is_not_there(lab: Lab, tmp_path: Path) -> None:
    def lab_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hemostat_lab", "--folder", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    status = lab_command(lab.layout.folder, "status")
    assert json.loads(status.stdout)["store"] == {"name": lab.layout.names[Role.STORE], "running": True}
    nowhere = lab_command(tmp_path, "fault", injector.STORE_REFUSES)
    assert nowhere.returncode == 1
    assert "there is no lab" in nowhere.stderr


@pytest.mark.parametrize("seed", range(20))
def test_shuffled_names_leave_no_role_its_own(seed: int) -> None:
    names = shuffled_names(seed)
    assert sorted(names.values()) == sorted(USUAL_NAMES.values())
    assert all(names[role] != USUAL_NAMES[role] for role in Role)


def test_a_second_start_keeps_what_plans_hold(tmp_path: Path) -> None:
    first = Lab(tmp_path, telemetry=Telemetry()).layout
    token = first.operations_token_file.read_text()
    second = Lab(tmp_path, telemetry=Telemetry("http://elsewhere")).layout
    assert second.operations_url == first.operations_url
    assert second.operations_token_file.read_text() == token
    assert second.telemetry.endpoint == "http://elsewhere"
