"""HTTP steps: one request, and whether its answer is the one expected.

A request that was sent and not answered is ambiguous; one that could not be sent, or was answered otherwise than
expected, has failed.
"""

from __future__ import annotations

from hemostat.base import http
from hemostat.base.texts import Text
from hemostat.plans.executors.port import OUTPUT_CAP, Printer, Stop
from hemostat.plans.rules.prepared import PreparedHttp
from hemostat.plans.rules.run import Did, StepResult


def execute(prepared: PreparedHttp, printer: Printer, stop: Stop) -> StepResult:
    """Send the request once. It cannot be called back: `stop` is only looked at before."""
    if stop.is_set():
        return StepResult(Did.FAILED, Text("plans.stopped"))
    try:
        response = http.request(
            prepared.method,
            prepared.url,
            headers=prepared.headers,
            content=prepared.content,
            timeout_s=prepared.timeout_s,
            max_bytes=OUTPUT_CAP * 4,
        )
    except http.NotSentError as error:
        return StepResult(Did.FAILED, Text("plans.not_sent", {"error": str(error)}))
    except http.NoAnswerError as error:
        return StepResult(Did.AMBIGUOUS, Text("plans.no_answer", {"error": str(error)}))
    body = response.content.decode(errors="replace")
    printer.write(f"{response.status}\n{body}")
    return _judged(prepared, response.status, body)


def _judged(prepared: PreparedHttp, status: int, body: str) -> StepResult:
    expected = status in prepared.expect_status if prepared.expect_status else 200 <= status < 300
    if not expected:
        return StepResult(Did.FAILED, Text("plans.answered_otherwise", {"status": status}))
    if prepared.expect_body not in body:
        return StepResult(Did.FAILED, Text("plans.answer_lacks", {"wanted": prepared.expect_body}))
    return StepResult(Did.SUCCEEDED, Text("plans.answered", {"status": status}))
