"""One contract for all executors: success, failure, time-out, capped and redacted output, and honest doubt."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time as real_time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hemostat.plans.executors import command, execute
from hemostat.plans.executors.port import OUTPUT_CAP
from hemostat.plans.output import Output
from hemostat.plans.rules.plan import CommandStep, HttpStep
from hemostat.plans.rules.prepared import prepare
from hemostat.plans.rules.run import Did, StepResult
from hemostat.plans.rules.values import Filling

SECRET = "hunter2-and-more"
FILLING = Filling({"service": "shop/orders"}, {"TOKEN": SECRET})


class Door(BaseHTTPRequestHandler):
    """A platform that answers as its path says."""

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self.rfile.read(length)
        what = self.path.strip("/").split("/")[0]
        if what == "drop":
            self.connection.shutdown(2)
            return
        if what == "slow":
            real_time.sleep(20)
        bodies = {"big": b"x" * (OUTPUT_CAP * 2), "echo": str(self.headers.get("authorization")).encode()}
        body = bodies.get(what, b"restarted orders")
        self.send_response(500 if what == "fail" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 - http.server's name

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the tests' output quiet."""


@pytest.fixture(scope="module")
def door() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def private_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests go to this machine, as the demo's settings do."""
    from django.conf import settings
    from msgspec.structs import replace

    monkeypatch.setattr(settings, "CONFIG", replace(settings.CONFIG, webhook_allow_private=True))


@dataclass
class Kind:
    """How each thing of the contract is asked of one executor."""

    succeed: Any
    fail: Any
    hang: Any
    flood: Any
    leak: Any
    lose: Any
    impossible: Any


def python(code: str, **fields: Any) -> CommandStep:
    return CommandStep(name="x", argv=(sys.executable, "-c", code), **fields)


@pytest.fixture(params=["http", "command"])
def kind(request: pytest.FixtureRequest, door: str) -> Kind:
    if request.param == "http":
        return Kind(
            succeed=HttpStep(name="x", url=f"{door}/ok"),
            fail=HttpStep(name="x", url=f"{door}/fail"),
            hang=HttpStep(name="x", url=f"{door}/slow", timeout_s=0.3),
            flood=HttpStep(name="x", url=f"{door}/big"),
            leak=HttpStep(name="x", url=f"{door}/echo", headers={"authorization": "Bearer {secret:TOKEN}"}),
            lose=HttpStep(name="x", url=f"{door}/drop"),
            impossible=HttpStep(name="x", url="http://127.0.0.1:1/nobody"),
        )
    return Kind(
        succeed=python("print('restarted orders')"),
        fail=python("import sys; print('no'); sys.exit(3)"),
        hang=python("import time; time.sleep(60)", timeout_s=0.3),
        flood=python(f"print('x' * {OUTPUT_CAP * 2})"),
        leak=python("import os; print(os.environ['TOKEN'])", env={"TOKEN": "{secret:TOKEN}"}),
        lose=python("import os; os.kill(os.getpid(), 9)"),
        impossible=CommandStep(name="x", argv=("/nowhere/to/be/found",)),
    )


def do(step: Any, stop: threading.Event | None = None) -> tuple[StepResult, str]:
    output = Output([SECRET])
    result = execute(prepare(step, FILLING), output, stop or threading.Event())
    return result, output.take(last=True)


def test_success_is_told_with_what_was_printed(kind: Kind) -> None:
    result, printed = do(kind.succeed)
    assert result.did is Did.SUCCEEDED
    assert "restarted orders" in printed


def test_failure_is_told_with_its_reason(kind: Kind) -> None:
    result, _ = do(kind.fail)
    assert result.did is Did.FAILED
    assert set(result.reason.params.values()) & {500, 3}


def test_what_cannot_even_begin_has_failed_and_is_in_no_doubt(kind: Kind) -> None:
    assert do(kind.impossible)[0].did is Did.FAILED


def test_a_time_out_leaves_doubt(kind: Kind) -> None:
    begun = real_time.monotonic()
    assert do(kind.hang)[0].did is Did.AMBIGUOUS
    assert real_time.monotonic() - begun < 15


def test_a_step_that_is_lost_in_the_middle_leaves_doubt(kind: Kind) -> None:
    assert do(kind.lose)[0].did is Did.AMBIGUOUS


def test_output_is_capped(kind: Kind) -> None:
    result, printed = do(kind.flood)
    assert result.did is Did.SUCCEEDED
    assert len(printed) == OUTPUT_CAP


def test_secrets_are_taken_out_of_the_output(kind: Kind) -> None:
    result, printed = do(kind.leak)
    assert result.did is Did.SUCCEEDED
    assert SECRET not in printed
    assert "•••" in printed


def test_an_unexpected_answer_is_a_failure(door: str) -> None:
    assert do(HttpStep(name="x", url=f"{door}/ok", expect_status=(202,)))[0].did is Did.FAILED
    lacking, _ = do(HttpStep(name="x", url=f"{door}/ok", expect_body="ready"))
    assert (lacking.did, lacking.reason.code) == (Did.FAILED, "plans.answer_lacks")
    assert do(HttpStep(name="x", url=f"{door}/ok", expect_body="restarted"))[0].did is Did.SUCCEEDED


def test_a_command_sees_none_of_the_engines_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {"DATABASE_URL": "postgresql://x", "HEMOSTAT_SECRET_KEY": "k", "PGPASSWORD": "p", "AWS_SECRET": "s"}
    for name, value in {**hidden, "KUBECONFIG": "/etc/kube"}.items():
        monkeypatch.setenv(name, value)
    _, printed = do(python("import os; print(sorted(os.environ))", pass_env=("KUBECONFIG",), env={"REGION": "eu"}))
    assert not [name for name in hidden if name in printed]
    assert "KUBECONFIG" in printed
    assert "REGION" in printed
    assert "PATH" in printed


def test_a_command_is_no_shell_and_has_no_input() -> None:
    assert do(CommandStep(name="x", argv=("echo", "$(id)", "; id", "{service}")))[1] == "$(id) ; id shop/orders\n"
    assert do(python("import sys; print(repr(sys.stdin.read()))"))[1] == "''\n"


def test_a_command_works_in_an_empty_folder_that_is_removed(tmp_path: Path) -> None:
    _, printed = do(python("import os; open('x', 'w'); print(os.getcwd(), os.listdir())"))
    folder, names = printed.split(maxsplit=1)
    assert names.strip() == "['x']"
    assert not Path(folder).exists()
    assert do(python("import os; print(os.getcwd())", cwd=str(tmp_path)))[1].strip() == str(tmp_path)


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code])
print(os.getpid(), child.pid, flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = real_time.monotonic() + seconds
    while real_time.monotonic() < deadline:
        if condition():
            return True
        real_time.sleep(0.02)
    return condition()


def test_at_the_time_out_the_whole_group_ends_even_when_it_will_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GRACE_S", 0.3)
    result, printed = do(python(STUBBORN, timeout_s=1.5))
    assert (result.did, result.reason.code) == (Did.AMBIGUOUS, "plans.timed_out")
    pids = [int(pid) for pid in printed.split()]
    assert len(pids) == 2
    assert until(lambda: all(gone(pid) for pid in pids))


def test_a_stop_ends_the_command_at_once() -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    begun = real_time.monotonic()
    result, _ = do(python("import time; time.sleep(60)"), stop)
    assert result.reason.code == "plans.stopped"
    assert real_time.monotonic() - begun < 15


def test_what_a_command_leaves_running_is_not_waited_for() -> None:
    begun = real_time.monotonic()
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '20']); print(p.pid)"
    result, printed = do(python(code))
    assert result.did is Did.SUCCEEDED
    assert real_time.monotonic() - begun < 15
    os.kill(int(printed), signal.SIGKILL)
