"""What the demo's guide says, and when: pure, from what could be seen before and what can be seen now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLD = (
    "paging.delivered",
    "paging.delivery_failed",
    "incidents.acknowledged",
    "plans.run_started",
    "plans.run_helped",
    "plans.run_did_not_help",
    "plans.run_failed",
    "plans.run_outcome_unknown",
    "incidents.mitigated",
    "incidents.relapsed",
    "incidents.resolved",
)
"""Kinds of events that are told as they stand on the timeline."""


@dataclass(frozen=True)
class Event:
    """A line of an incident's timeline."""

    id: str
    kind: str
    text: str


@dataclass(frozen=True)
class Incident:
    """An incident as the guide sees it."""

    code: str
    state: str
    headline: str = ""
    cause: str = ""
    options: tuple[str, ...] = ()
    """names of the plans offered, the first one first"""
    events: tuple[Event, ...] = ()
    """oldest first"""


@dataclass(frozen=True)
class Scene:
    """Where things are, for the sentences that name places."""

    url: str
    responder: str
    again: str
    """the commands that break the shop again"""


def narrate(before: Incident | None, now: Incident, scene: Scene, *, since_fault_s: float | None) -> list[str]:
    """What to say about an incident: everything that is new since `before`, then what can be pressed."""
    lines: list[str] = []
    if before is None:
        after = f" {since_fault_s:.0f} s after the fault" if since_fault_s is not None else ""
        lines.append(f"{now.code} opened{after}: {now.headline}.")
    if now.cause and (before is None or not before.cause):
        lines.append(f"Why: {now.cause}")
    known = {event.id for event in before.events} if before else set()
    told = {event.kind for event in before.events} if before else set()
    for event in now.events:
        if event.id in known or event.kind not in TOLD:
            continue
        lines.append(f"{now.code}: {event.text}.")
        if event.kind not in told:
            lines += _what_next(event.kind, now, scene, since_fault_s)
        told.add(event.kind)
    return lines


def _what_next(kind: str, now: Incident, scene: Scene, since_fault_s: float | None) -> Sequence[str]:
    match kind:
        case "paging.delivered" if now.state == "open":
            return (
                f"What to press: open {scene.url}/demo/mailbox/ and acknowledge from the message to {scene.responder}.",
                *_press(now, scene, "Then open"),
            )
        case "incidents.acknowledged" if not any(event.kind == "plans.run_started" for event in now.events):
            return _press(now, scene, "Now open")
        case "plans.run_did_not_help" | "plans.run_failed":
            return _press(now, scene, "Next: open")
        case "incidents.mitigated" if since_fault_s is not None:
            return (f"The shop's users are served again, {since_fault_s:.0f} s after the fault.",)
        case "incidents.resolved":
            return (f"To break the shop again, in a second terminal: {scene.again}",)
    return ()


def _press(now: Incident, scene: Scene, how: str) -> tuple[str, ...]:
    where = f"{scene.url}/incidents/{now.code}"
    if not now.options:
        return (f"{how} {where}. No prepared plan fits yet.",)
    return (f"{how} {where} and press “{now.options[0]}”.",)
