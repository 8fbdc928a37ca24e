"""What is stamped onto a run when it starts: later edits of the plan, and newer diagnoses, do not change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hemostat.diagnosis.rules.answer import Cause
from hemostat.plans.rules.plan import Step, Verification


class Kpi(msgspec.Struct, frozen=True, kw_only=True):
    """The KPI that showed the failure: the success rate of one entry of one service."""

    environment: str
    app_id: str
    entry: str
    baseline: float


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as it was, and everything that fills it."""

    slug: str
    name: str
    steps: tuple[Step, ...]
    verification: Verification
    values: dict[str, str]
    secrets: dict[str, str]
    """name → sealed text"""
    kpi: Kpi | None
    """None: the incident came from alerts alone."""
    cause_app_id: str
    """The service that the plan was chosen for; "" when no cause was known."""


def read(data: Any) -> Snapshot:
    """The stored form."""
    return msgspec.convert(data, Snapshot)


def values_of(
    cause: Cause | None,
    *,
    environment: str,
    incident: str,
    app_id: str,
    entry: str,
    own: Mapping[str, str],
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Values for the templates of a plan: of the cause, of the incident where no cause is known, else the plan's `own`.

    `extra` is what was found out besides (instance, versions). Empty values are left out.
    """
    service = cause.app_id if cause else app_id
    found = {
        "service": service,
        "service_name": service.rpartition("/")[2],
        "operation": cause.operation if cause else entry,
        "environment": environment,
        "incident": incident,
        **extra,
    }
    if cause:
        found |= {"peer": cause.peer, "error": cause.error, "version": cause.versions[0] if cause.versions else ""}
    return {**own, **{name: value for name, value in found.items() if value}}
