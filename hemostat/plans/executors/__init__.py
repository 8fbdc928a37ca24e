"""One module per kind of step: each does a prepared step and says what came of it, streaming what it prints.

All keep one contract (`tests/plans/test_executors.py`): a time-out, a cap on the output, no secrets in it, and
*ambiguous* whenever the step may have happened without an answer.
"""

from __future__ import annotations

from hemostat.plans.executors import command, http
from hemostat.plans.executors.port import Printer, Stop
from hemostat.plans.rules.prepared import Prepared, PreparedHttp
from hemostat.plans.rules.run import StepResult


def execute(prepared: Prepared, printer: Printer, stop: Stop) -> StepResult:
    """Do a prepared step. What it prints goes to `printer`; it ends early when `stop` is set."""
    if isinstance(prepared, PreparedHttp):
        return http.execute(prepared, printer, stop)
    return command.execute(prepared, printer, stop)
