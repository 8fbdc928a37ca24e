"""What pages say of plans: joins two rooms that do not know each other, as `flow` does for events."""

from __future__ import annotations

from hemostat.base.texts import Text
from hemostat.incidents.models import Incident
from hemostat.paging.brief import Suggestion
from hemostat.plans import queries as plans


def best_plan(incident: Incident) -> Suggestion | None:
    """The plan that ranks first for an incident and can start, with its record; None when there is none."""
    option = next((o for o in plans.options_for(incident) if o.cannot is None), None)
    if option is None:
        return None
    helped, total = option.worked
    code = "paging.plan_worked" if total else "paging.plan_new"
    params = {"steps": option.steps, "about_s": option.about_s, "helped": helped, "total": total}
    return Suggestion(option.name, Text(code, params))
