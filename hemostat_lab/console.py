"""Many `hemostat` commands in one process, because each by itself spends a second on starting.

`python -m hemostat_lab.console` reads a request a line ({"arguments", "stdin", "environ"}) and writes an answer a
line ({"code", "stdout", "stderr"}); `Console` is the other end. Each command is the real one, from its arguments to
its exit code.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any


class CommandError(RuntimeError):
    """A command failed; the message is its command line and what it said."""


class Console:
    """Runs `hemostat` commands in an installation that `environ` names; close it, or use it in a `with`."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hemostat_lab.console"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environ or {})},
        )

    def run(self, arguments: Sequence[str], *, stdin: str = "", environ: Mapping[str, str] | None = None) -> Any:
        """Run one command and return its JSON; raises `CommandError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": [*arguments, "--json"], "stdin": stdin, "environ": dict(environ or {})}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise CommandError(f"hemostat {' '.join(arguments)}: its process ended with {self._process.wait()}")
        answer = json.loads(line)
        if answer["code"]:
            said = answer["stderr"].strip() or answer["stdout"].strip()
            raise CommandError(f"hemostat {' '.join(arguments)}: {said}")
        return json.loads(answer["stdout"])

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _carry_out(request: Mapping[str, Any]) -> dict[str, Any]:
    from hemostat.site.cli import main

    former = dict(os.environ)
    os.environ.update(request["environ"])
    sys.argv = ["hemostat", *request["arguments"]]
    sys.stdin, real = io.StringIO(request["stdin"]), sys.stdin
    code: object = 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.stdin = real
            os.environ.clear()
            os.environ.update(former)
    return {"code": code, "stdout": out.getvalue(), "stderr": err.getvalue()}


if __name__ == "__main__":
    for received in sys.stdin:
        sys.stdout.write(json.dumps(_carry_out(json.loads(received))) + "\n")
        sys.stdout.flush()
