"""Sentences of the room: causes as a newcomer understands them, and what each rule has to say."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TEXTS = {
    # Causes: nobody answered.
    "diagnosis.gone.refused": _("{service} refuses connections: {caller} cannot open a connection ({error})."),
    "diagnosis.gone.timeout": _("{service} does not answer: {caller} gives up waiting for {operation} ({error})."),
    "diagnosis.gone.unknown": _("{service} cannot be found: {caller} does not get its address ({error})."),
    "diagnosis.gone.answered": _("{service} rejects {operation} of {caller} ({error})."),
    "diagnosis.gone.exhausted": _("{caller} gets no free connection to {service} for {operation} ({error})."),
    "diagnosis.gone.other": _("{service} lets {caller} down: {operation} ends in {error}."),
    "diagnosis.gone.silent": _("{service} fails when {caller} asks for {operation}, and says nothing more."),
    # Causes: somebody answered.
    "diagnosis.unseen": _("{service} answers {operation} of {caller} with {error}; its own trace is missing."),
    "diagnosis.edge": _(
        "Calls from {caller} to {service} are lost on the way: {service} answers {operation}, {caller} sees {error}."
    ),
    "diagnosis.result": _("{service} answers {operation}, but wrongly: {caller} cannot use the answer ({error})."),
    "diagnosis.internal": _("{service} raises {error} in {operation}."),
    "diagnosis.internal.http": _("{service} answers {operation} with {error}; nothing that it calls explains it."),
    "diagnosis.internal.silent": _(
        "{service} fails in {operation}; it names no exception, and nothing that it calls explains it."
    ),
    "diagnosis.internal.resource": _("{service} runs out of something it needs in {operation} ({error})."),
    "diagnosis.internal.version": _(
        "{service} {version} raises {error} in {operation}; version {version} came {before:dur} before."
    ),
    "diagnosis.internal.version_same_time": _(
        "{service} {version} raises {error} in {operation}; it began when version {version} came."
    ),
    "diagnosis.slow": _("{service} takes far longer than usual for {operation}: its callers give up."),
    "diagnosis.slow.exhausts": _(
        "{service} takes far longer than usual for {operation}: {caller} runs out of {error} while it waits."
    ),
    # What the rules say.
    "diagnosis.time.first": _("First to fail: {at:time}; nothing ended here before."),
    "diagnosis.time.rose": _("It rose at {at:time}, when the failure began."),
    "diagnosis.time.later": _("It failed {after:dur} after the first."),
    "diagnosis.depth.deepest": _("Deepest: nothing it calls fails, and what calls it fails because of it."),
    "diagnosis.depth.entry": _("It fails by itself: nothing it calls fails."),
    "diagnosis.depth.partly": _("Of {through:count} failing requests that pass it, {ended:count} end here."),
    "diagnosis.count": _(
        "{failing:count} failing requests end here; {baseline:count} would be usual: {share:pct} of what is "
        "more than usual."
    ),
    "diagnosis.noise.none": _("None of it is usual: this failure was not seen before."),
    "diagnosis.noise.some": _("{baseline:count} of {failing:count} are the usual noise and don't count."),
    "diagnosis.noise.absorbed": _(
        "{absorbed:count} more failed attempts were tried again or done without, and don't count."
    ),
    "diagnosis.not_in_set": _(
        "{service} {operation}: {failing:count} failing requests, explained by what is named above."
    ),
    "diagnosis.rising": _("{service} {operation} fails a little more often than usual ({error}); it may be chance."),
    # Noise.
    "diagnosis.noise.usual": _("as often as before the failure"),
    "diagnosis.noise.tolerated": _("its callers do without it, or try again"),
    "diagnosis.noise.chance": _("a little more than usual; it may be chance"),
    "diagnosis.noise.consequence": _("explained by {service}"),
    # What is missing.
    "diagnosis.missing.traces": _(
        "No traces came from {environment} in the last {window:dur}: without them no cause can be named."
    ),
    "diagnosis.missing.failures": _(
        "None of the failing requests was traced: the services that fail may send no traces."
    ),
    "diagnosis.missing.baseline": _("There is no healthy time to compare with: traces began only {window:dur} ago."),
    "diagnosis.missing.few": _(
        "Only {failing:count} more failing requests than usual were traced; it takes at least {needed:count}."
    ),
    "diagnosis.missing.rise": _("Nothing fails more often than usual in the traces."),
    "diagnosis.missing.telemetry": _("{share:pct} of the spans that should be there are missing."),
    "diagnosis.missing.sampled": _("{spans:count} spans were left out because there were too many."),
    "diagnosis.missing.silent_service": _("{service} sends no traces: what fails inside it cannot be seen."),
    # Events.
    "diagnosis.answered": _("The diagnosis has changed: {services}"),
}
