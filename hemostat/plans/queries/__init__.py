"""Reading plans and runs: what to do about an incident, how a run stands, what a plan's record is."""

from hemostat.plans.queries.library import PlanView, plan_by_slug, plans
from hemostat.plans.queries.options import PlanOption, answer_of, newest_answer, options_for, values_for
from hemostat.plans.queries.runs import (
    RunView,
    StepView,
    alerts_firing,
    evidence,
    is_held,
    kpi_share,
    run,
    runs_of,
)

__all__ = [
    "PlanOption",
    "PlanView",
    "RunView",
    "StepView",
    "alerts_firing",
    "answer_of",
    "evidence",
    "is_held",
    "kpi_share",
    "newest_answer",
    "options_for",
    "plan_by_slug",
    "plans",
    "run",
    "runs_of",
    "values_for",
]
