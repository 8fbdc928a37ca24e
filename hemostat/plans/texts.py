"""What plans say: why one stands first, how its steps ended, whether it helped, and the lines of the timeline."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    # the timeline
    "plans.plan_added": _("{actor} wrote the plan “{plan}”"),
    "plans.plan_changed": _("{actor} changed the plan “{plan}”"),
    "plans.run_started": _("{actor} started “{plan}”"),
    "plans.step_finished": _("Step {position} {result}: {step}"),
    "plans.run_helped": _("“{plan}” helped: {reason}"),
    "plans.run_did_not_help": _("“{plan}” did not help: {reason}"),
    "plans.run_failed": _("“{plan}” failed: {reason}"),
    "plans.run_outcome_unknown": _("“{plan}” waits for somebody to look: {reason}"),
    "plans.run_cancelled": _("“{plan}” was stopped: {reason}"),
    "plans.step_done_state": _("done"),
    "plans.step_failed_state": _("failed"),
    "plans.step_refused_state": _("refused"),
    "plans.step_unknown_state": _("unknown"),
    # how a run or a step ended
    "plans.step_failed": _("step “{step}”: {reason}. Nothing after it was done."),
    "plans.step_refused": _("step “{step}” was not done: {reason}. Nothing after it was done."),
    "plans.step_unknown": _("step “{step}” may or may not have happened: {reason}"),
    "plans.guard_refused": _("“{guard}” does not hold: {reason}"),
    "plans.cannot_prepare": _("it cannot be filled in: {error}"),
    "plans.no_runner": _("no engine runs commands for the label “{label}”; start one with --runner {label}"),
    "plans.engine_error": _("Hemostat itself failed on it: {error}"),
    "plans.engine_died_in_step": _("the engine that did it ended in the middle"),
    "plans.stopped": _("it was stopped"),
    "plans.stopped_by": _("{actor} stopped it"),
    "plans.person_says_it_happened": _("{actor} says it happened"),
    "plans.person_says_it_did_not": _("{actor} says it did not happen"),
    # commands
    "plans.exited_well": _("ended with exit status 0"),
    "plans.exited": _("ended with exit status {code}"),
    "plans.killed": _("ended by signal {signal}"),
    "plans.timed_out": _("no end after {after_s:dur}; it was ended"),
    "plans.no_program": _("{program} could not be started: {error}"),
    "plans.not_started": _("could not be started: {error}"),
    "plans.lost_sight": _("ended without telling how"),
    # requests
    "plans.answered": _("answered {status}"),
    "plans.answered_otherwise": _("answered {status}, which is not what the plan expects"),
    "plans.answer_lacks": _("the answer does not hold “{wanted}”"),
    "plans.not_sent": _("the request could not be sent: {error}"),
    "plans.no_answer": _("the request was sent and not answered: {error}"),
    # guards on figures
    "plans.kpi_is_good": _("success is {share:pct} already, wanted {goal:pct}"),
    "plans.cause_moved": _("the cause is no longer in {service}, but in {now}"),
    # verification
    "plans.kpi_is_back": _("success is {share:pct} again, wanted {goal:pct}, in {requests:count} requests"),
    "plans.kpi_is_watched": _("success is {share:pct}, wanted {goal:pct}"),
    "plans.kpi_is_not_back": _("success is {share:pct} after {after_s:dur}, wanted {goal:pct}"),
    "plans.no_requests": _("cannot tell: no requests since the steps were done"),
    "plans.too_few_requests": _("cannot tell: only {requests:count} requests since the steps were done"),
    "plans.alerts_resolved": _("no alert of the incident fires any more"),
    "plans.alerts_still_fire": _("{alerts:count} alerts of the incident still fire after {after_s:dur}"),
    # why a plan stands where it stands
    "plans.matches_exactly": _("made for exactly this: {error} in {service}"),
    "plans.matches": _("made for failures like this in {service}"),
    "plans.matches_service": _("made for {service}, whose cause is not known yet"),
    "plans.fits": _("the kind of measure that fits {kind}"),
    "plans.fits_after_change": _("{service} was changed right before"),
    "plans.kind_internal": _("failing logic"),
    "plans.kind_result": _("a wrong result"),
    "plans.kind_dependency": _("a dependency that does not answer"),
    "plans.kind_resource": _("a resource that ran out"),
    "plans.kind_slow": _("slowness"),
    "plans.kind_any": _("a failure not yet understood"),
    "plans.worked": _("helped {helped} of {total} times"),
    "plans.can_be_undone": _("can be undone"),
    "plans.lacks_value": _("cannot start: {name} is not known for this incident"),
    "plans.value_refused": _("cannot start: the value of {name} {why}"),
}
