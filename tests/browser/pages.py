"""The pages that are looked at: a name, the scene it is in, and its address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.browser import scenes
from tests.browser.scenes import Scene, World


@dataclass(frozen=True)
class Sight:
    """A page in one state."""

    name: str
    scene: Scene
    path: Callable[[World], str]
    signed_in: bool = True
    status: int = 200


def _incident(world: World) -> str:
    return f"/incidents/{world.code}/"


INCIDENT_STATES = {
    "incident": scenes.open_incident,
    "incident-acknowledged": scenes.acknowledged,
    "incident-running": scenes.running,
    "incident-verifying": scenes.verifying,
    "incident-nothelp": scenes.did_not_help,
    "incident-unknown": scenes.unknown,
    "incident-recovered": scenes.recovered,
    "incident-resolved": scenes.resolved,
    "incident-no-cause": scenes.no_cause,
    "incident-no-plan": scenes.no_plan,
    "incident-nobody": scenes.nobody_on_call,
}

SIGHTS = (
    *(Sight(name, scene, _incident) for name, scene in INCIDENT_STATES.items()),
    Sight("diagnosis", scenes.open_incident, lambda w: f"/incidents/{w.code}/diagnosis/"),
    Sight("diagnosis-none", scenes.no_cause, lambda w: f"/incidents/{w.code}/diagnosis/"),
    Sight("now", scenes.busy, lambda _: "/"),
    Sight("now-calm", scenes.calm, lambda _: "/"),
    Sight("now-first-day", scenes.nothing, lambda _: "/"),
    Sight("incidents", scenes.busy, lambda _: "/incidents/"),
    Sight("incidents-empty", scenes.nothing, lambda _: "/incidents/"),
    Sight("sources", scenes.calm, lambda _: "/sources/"),
    Sight("sources-empty", scenes.nothing, lambda _: "/sources/"),
    Sight("source", scenes.calm, lambda _: "/sources/prometheus-prod/"),
    Sight("setup", scenes.calm, lambda _: "/set-up/"),
    Sight("setup-first-day", scenes.nothing, lambda _: "/set-up/"),
    Sight("design", scenes.calm, lambda _: "/design/"),
    Sight("ack", scenes.paged, lambda _: f"/ack/{scenes.LINK}/", signed_in=False),
    Sight("ack-taken", scenes.answered, lambda _: f"/ack/{scenes.LINK}/", signed_in=False),
    Sight("plans", scenes.calm, lambda _: "/plans/"),
    Sight("plan", scenes.open_incident, lambda w: f"/plans/roll-back-orders/?incident={w.code}"),
    Sight("profile", scenes.calm, lambda _: "/profile/"),
    Sight("ways", scenes.calm, lambda _: "/profile/ways/"),
    Sight("people", scenes.calm, lambda _: "/settings/people/"),
    Sight("signin", scenes.calm, lambda _: "/accounts/login/", signed_in=False),
    Sight("not-found", scenes.calm, lambda _: "/nowhere/", status=404),
)
