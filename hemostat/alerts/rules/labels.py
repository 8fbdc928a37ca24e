"""What an alert's labels say: who it is, what it is called, how loud it is, and where it belongs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from enum import StrEnum

import msgspec

from hemostat.base.ids import slugify_ascii


class Level(StrEnum):
    """How loud an alert is; the same three words as for measured drops."""

    WARNING = "warning"
    CRITICAL = "critical"
    FATAL = "fatal"


_LEVELS = {
    **dict.fromkeys(
        (
            "warning",
            "warn",
            "info",
            "information",
            "informational",
            "notice",
            "minor",
            "low",
            "none",
            "debug",
            "ticket",
        ),
        Level.WARNING,
    ),
    **dict.fromkeys(("fatal", "disaster", "emergency", "emerg", "blocker"), Level.FATAL),
}
_LEVEL_LABELS = ("severity", "level", "priority")
_ENVIRONMENT_LABELS = ("deployment_environment_name", "deployment_environment", "environment", "env")
MAX_NAME = 200

_encoder = msgspec.json.Encoder(order="sorted")


def fingerprint(labels: Mapping[str, str]) -> bytes:
    """The identity of an alert within its source: 16 bytes over the whole label set."""
    return hashlib.blake2b(_encoder.encode(labels), digest_size=16).digest()


def level(labels: Mapping[str, str]) -> Level:
    """How loud: `warning`, `info` … and `fatal`, `disaster` … by name; `critical`, `page`, anything else, and none at
    all are critical, because an alert that nobody hears is worse than one too loud.
    """
    for name in _LEVEL_LABELS:
        if said := labels.get(name):
            return _LEVELS.get(said.lower(), Level.CRITICAL)
    return Level.CRITICAL


def name(labels: Mapping[str, str]) -> str:
    """What people call the alert: `alertname`, else its first label."""
    called = labels.get("alertname") or next(iter(f"{k}={v}" for k, v in sorted(labels.items())), "alert")
    return called[:MAX_NAME]


def environment(labels: Mapping[str, str], known: Collection[str], default: str) -> str:
    """The environment a label names, if it is a known one; else that of the source, so that a spelling nobody knows
    never keeps an alert from being heard.
    """
    for label in _ENVIRONMENT_LABELS:
        if (said := labels.get(label)) and (slug := slugify_ascii(said)) in known:
            return slug
    return default


def app_id(labels: Mapping[str, str]) -> str:
    """The AppId an alert speaks of, "" when no label names one."""
    if said := labels.get("app_id"):
        return said
    if service := labels.get("service_name"):
        namespace = labels.get("service_namespace")
        return f"{namespace}/{service}" if namespace else service
    return labels.get("service") or labels.get("app") or labels.get("job") or ""
