"""Alertmanager's `POST /api/v2/alerts`: what Prometheus, vmalert, Loki and `amtool alert add` send.

The body is an array of alerts. An alert is valid on its own: the valid ones of a body are kept, and the sender is
told about the others. Times that are missing are filled in when the alert is folded, because that needs the time of
receipt; so is the identity (the full label set). Labels with empty values count as not there.
Rules: https://github.com/prometheus/alertmanager, `types.Alert.Validate` and `api/v2`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from hemostat.intake.readings import AlertReading
from hemostat.intake.rules.limits import BadInputError, Limits
from hemostat.intake.rules.redaction import is_secret_key, redact, redact_value

MAX_LABELS = 256
MAX_LABEL = 2048
"""Characters of a label's name or value."""

MAX_REMEMBERED = 200_000
"""Texts remembered as clean."""

_MAX_REASONS = 5
_YEAR_ONE = 1
"""Go's zero time, which some senders write for "not known"."""


class Alert(msgspec.Struct, rename="camel", gc=False, omit_defaults=True):
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


class Checker:
    """Checks bodies alert by alert, and remembers texts that were found clean: alerts are sent again and again."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._clean_names: set[str] = set()
        self._clean_values: set[str] = {""}

    def check(self, body: bytes) -> Checked:
        """What of a body may be stored; raises `BadInputError` when it is not an array at all.

        What is stored is written anew from what was read, so that nothing is stored that was not looked at.
        """
        try:
            alerts = _alerts.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._check_each(body)
        for alert in alerts:
            if not self._is_clean(alert):
                if _fault(alert, self._limits) is not None:
                    return self._check_each(body)
                self._redact(alert)
        return Checked(_encoder.encode(alerts), len(alerts))

    def _is_clean(self, alert: Alert) -> bool:
        """Whether all of an alert is valid and known to hold no secret; a quick look, for what was sent before."""
        names, values = self._clean_names, self._clean_values
        worth = False
        for name, value in alert.labels.items():
            if name not in names or value not in values:
                return False
            worth = worth or value != ""
        for name, value in alert.annotations.items():
            if name not in names or value not in values:
                return False
        if alert.generator_url and alert.generator_url not in values:
            return False
        return worth and _in_order(alert)

    def _redact(self, alert: Alert) -> None:
        """Take the secrets out of a valid alert."""
        if len(self._clean_names) + len(self._clean_values) > MAX_REMEMBERED:
            self._clean_names, self._clean_values = set(), {""}
        alert.labels = self._redacted(alert.labels)
        alert.annotations = self._redacted(alert.annotations)
        if alert.generator_url:
            alert.generator_url = redact(alert.generator_url[: self._limits.annotation])
            self._clean_values.add(alert.generator_url)

    def _redacted(self, pairs: dict[str, str]) -> dict[str, str]:
        redacted = {}
        for name, value in pairs.items():
            if is_secret_key(name):
                redacted[redact(name)] = redact_value(name, value)
                continue
            clean_name, clean = redact(name), redact(value)
            redacted[clean_name] = clean
            if not is_secret_key(clean_name):
                self._clean_names.add(clean_name)
            self._clean_values.add(clean)
        return redacted

    def _check_each(self, body: bytes) -> Checked:
        """Keep the alerts of a body that are as they should be, and name the others."""
        try:
            parts = _parts.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadInputError(f"body: wanted a JSON array of alerts; {str(error) or 'nested too deeply'}") from error
        kept: list[Alert] = []
        checked = Checked(b"", 0)
        for index, raw in enumerate(parts):
            try:
                alert = _one(raw, self._limits)
            except BadInputError as error:
                checked.refused += 1
                if len(checked.reasons) < _MAX_REASONS:
                    checked.reasons.append(f"[{index}].{error}")
            else:
                self._redact(alert)
                kept.append(alert)
        checked.accepted = len(kept)
        checked.body = _encoder.encode(kept)
        return checked


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
    if not _in_order(alert):
        return "endsAt: wanted a time not before startsAt, found an earlier one"
    return None


def _in_order(alert: Alert) -> bool:
    """Whether the end is not before the start, where both are told."""
    if alert.starts_at is None or alert.ends_at is None:
        return True
    starts, ends = _seconds(alert.starts_at), _seconds(alert.ends_at)
    return starts is None or ends is None or starts <= ends


def _time(text: str | None, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise BadInputError(f"{name}: wanted an RFC 3339 time, found {text[:40]!r}") from None


def _one(raw: msgspec.Raw, limits: Limits) -> Alert:
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
    return alert
