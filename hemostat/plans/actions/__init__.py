"""The only writers of plans and runs: the library, what people do with runs, and what the engine does with them."""

from hemostat.plans.actions.library import add_plan, plan_ref
from hemostat.plans.actions.runs import cancel, decide_unknown, start

__all__ = ["add_plan", "cancel", "decide_unknown", "plan_ref", "start"]
