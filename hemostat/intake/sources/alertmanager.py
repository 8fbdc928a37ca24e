"""Alertmanager's `POST /api/v2/alerts`: what Prometheus, vmalert, Loki and `amtool alert add` send.

The body is an array of alerts. An alert is valid on its own: the valid ones of a body are kept, and the sender is
told about the others. Times that are missing are filled in when the alert is folded, because that needs the time of
receipt; so is the identity (the full label set). Labels with empty values count as not there.
Rules: https://github.com/prometheus/alertmanager, `types.Alert.Validate` and `api/v2`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from hemostat.intake.readings import AlertReading
from hemostat.intake.rules.limits import BadInputError, Limits
from hemostat.intake.rules.redaction import redact, redact_all, suspicious

MAX_LABELS = 256
MAX_LABEL = 2048
"""Characters of a label's name or value."""

_MAX_REASONS = 5
_YEAR_ONE = 1
"""Go's zero time, which some senders write for "not known"."""


class Alert(msgspec.Struct, rename="camel", gc=False):
    """An alert as it is sent; unknown fields are ignored."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")


class _Loose(msgspec.Struct, rename="camel", gc=False):
    """The same, read leniently: nulls, and times as text."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")


_alerts = msgspec.json.Decoder(list[Alert])
_parts = msgspec.json.Decoder(list[msgspec.Raw])
_loose = msgspec.json.Decoder(_Loose)
_encoder = msgspec.json.Encoder()


@dataclass(slots=True)
class Checked:
    """A body that was checked: what of it may be stored (valid, redacted), and what was refused."""

    body: bytes
    accepted: int
    refused: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def explanation(self) -> str:
        """The reasons in one line; "" when nothing was refused."""
        more = self.refused - len(self.reasons)
        return "; ".join(self.reasons) + (f"; and {more} more" if more > 0 else "")


def check(body: bytes, limits: Limits) -> Checked:
    """Check a body alert by alert; raises `BadInputError` when it is not an array at all.

    The usual body (all alerts valid, nothing that looks like a secret) is stored as it came, byte for byte.
    """
    try:
        alerts = _alerts.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _check_each(body, limits)
    for alert in alerts:
        if _fault(alert, limits) is not None:
            return _check_each(body, limits)
    if suspicious(body):
        return Checked(_encoder.encode([_redacted(alert, limits) for alert in alerts]), len(alerts))
    return Checked(body, len(alerts))


def read(body: bytes) -> list[AlertReading]:
    """The alerts of a stored body; raises `BadInputError` for one that `check` did not write."""
    try:
        alerts = _alerts.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInputError(f"body: {error}") from error
    return [
        AlertReading(
            labels=_without_empty(alert.labels),
            annotations=alert.annotations,
            starts_at=_seconds(alert.starts_at),
            ends_at=_seconds(alert.ends_at),
            generator_url=alert.generator_url or "",
        )
        for alert in alerts
    ]


def _without_empty(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if value} if "" in labels.values() else labels


def _seconds(at: datetime | None) -> float | None:
    if at is None or at.year <= _YEAR_ONE:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _fault(alert: Alert, limits: Limits) -> str | None:
    """What is wrong with an alert, by its field; None when nothing is."""
    labels = alert.labels
    if not labels or not any(labels.values()):
        return "labels: wanted at least one label with a value, found none"
    if "" in labels:
        return "labels: wanted a name for each label, found an empty one"
    if len(labels) > MAX_LABELS:
        return f"labels: wanted at most {MAX_LABELS}, found {len(labels)}"
    for name, value in labels.items():
        if len(name) > MAX_LABEL or len(value) > MAX_LABEL:
            return f"labels.{name[:80]}: wanted at most {MAX_LABEL} characters"
    for name, value in alert.annotations.items():
        if not name:
            return "annotations: wanted a name for each annotation, found an empty one"
        if len(value) > limits.annotation:
            return f"annotations.{name[:80]}: wanted at most {limits.annotation} characters, found {len(value)}"
    starts, ends = _seconds(alert.starts_at), _seconds(alert.ends_at)
    if starts is not None and ends is not None and ends < starts:
        return "endsAt: wanted a time not before startsAt, found an earlier one"
    return None


def _redacted(alert: Alert, limits: Limits) -> dict[str, Any]:
    told: dict[str, Any] = {"labels": redact_all(alert.labels), "annotations": redact_all(alert.annotations)}
    for name, at in (("startsAt", alert.starts_at), ("endsAt", alert.ends_at)):
        if at is not None:
            told[name] = at
    if alert.generator_url:
        told["generatorURL"] = redact(alert.generator_url[: limits.annotation])
    return told


def _time(text: str | None, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise BadInputError(f"{name}: wanted an RFC 3339 time, found {text[:40]!r}") from None


def _one(raw: msgspec.Raw, limits: Limits) -> dict[str, Any]:
    """One alert of a body that is not all as it should be; raises `BadInputError` without the position."""
    try:
        loose = _loose.decode(raw)
    except msgspec.ValidationError as error:
        told, _, path = str(error).rpartition(" - at `$")
        raise BadInputError(f"{path.rstrip('`').removeprefix('.')}: {told}" if told else str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInputError(str(error) or "nested too deeply") from error
    alert = Alert(
        labels=loose.labels or {},
        annotations=loose.annotations or {},
        starts_at=_time(loose.starts_at, "startsAt"),
        ends_at=_time(loose.ends_at, "endsAt"),
        generator_url=loose.generator_url,
    )
    if (fault := _fault(alert, limits)) is not None:
        raise BadInputError(fault)
    return _redacted(alert, limits)


def _check_each(body: bytes, limits: Limits) -> Checked:
    try:
        parts = _parts.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInputError(f"body: wanted a JSON array of alerts; {str(error) or 'nested too deeply'}") from error
    kept: list[dict[str, Any]] = []
    checked = Checked(b"", 0)
    for index, raw in enumerate(parts):
        try:
            kept.append(_one(raw, limits))
        except BadInputError as error:
            checked.refused += 1
            if len(checked.reasons) < _MAX_REASONS:
                checked.reasons.append(f"[{index}].{error}")
    checked.accepted = len(kept)
    checked.body = _encoder.encode(kept)
    return checked
