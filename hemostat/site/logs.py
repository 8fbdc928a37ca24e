"""Logs of the processes: structured, one line an event, without secrets."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAMES = re.compile(r"token|secret|password|passwd|authorization|cookie|api_?key|private", re.IGNORECASE)
SECRET_TEXT = re.compile(r"hs_([a-z2-7]{10})_[A-Za-z0-9_-]{32}|(?<=://)([^:/@\s]*):[^@/\s]+(?=@)|(?i:bearer) \S+")


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets out of a log event: values under telling names, tokens and passwords within any text."""
    for name, value in event.items():
        if name != "event" and SECRET_NAMES.search(name):
            event[name] = "…"
        elif isinstance(value, str):
            event[name] = SECRET_TEXT.sub(_mask, value)
    return event


def _mask(found: re.Match[str]) -> str:
    if found[1]:
        return f"hs_{found[1]}_…"
    return f"{found[2]}:…" if found[2] is not None else "Bearer …"


def configure(process: str) -> None:
    """Set up logging for `process`; `HEMOSTAT_LOG_FORMAT=json` writes JSON, anything else plain lines."""
    as_json = os.environ.get("HEMOSTAT_LOG_FORMAT") == "json"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
        structlog.processors.format_exc_info,
        structlog.stdlib.ExtraAdder(),
        redact,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("uvicorn", "uvicorn.error", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if as_json:
        structlog.contextvars.bind_contextvars(process=process)
