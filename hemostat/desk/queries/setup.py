"""Can anybody be paged? Each step from nothing to yes, looked at for real."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hemostat.base import texts
from hemostat.channels import queries as channels
from hemostat.channels.queries import MethodView
from hemostat.desk.rules.now import Check
from hemostat.intake import queries as intake
from hemostat.intake.queries import SourceView
from hemostat.oncall import queries as oncall
from hemostat.oncall.queries import ScheduleView
from hemostat.paging import queries as paging
from hemostat.paging.queries import PolicyView
from hemostat.people.models import User
from hemostat.plans.models import Plan

LATE = timedelta(seconds=60)
"""A message that waits longer than this to be sent is late."""
AUDIT_FRESH = timedelta(minutes=5)


@dataclass(frozen=True)
class SetUp:
    """What the set-up page shows: each step with what was found."""

    methods: tuple[MethodView, ...]
    schedules: tuple[ScheduleView, ...]
    policies: tuple[PolicyView, ...]
    sources: tuple[SourceView, ...]
    plans: int

    @property
    def reached(self) -> bool:
        """Whether a way that can wake the reader is proven."""
        return any(m.verified_at and m.kind != "in_app" for m in self.methods)

    @property
    def somebody(self) -> bool:
        """Whether somebody is on call somewhere."""
        return any(s.now for s in self.schedules)

    @property
    def policy(self) -> PolicyView | None:
        """The policy that pages when a service names none."""
        return next((p for p in self.policies if p.is_default), None)

    @property
    def seen(self) -> bool:
        """Whether any source has spoken."""
        return any(s.last_seen_at for s in self.sources)

    @property
    def steps(self) -> tuple[tuple[str, bool], ...]:
        """Each step and whether it is done."""
        return (
            ("account", True),
            ("reach", self.reached),
            ("oncall", self.somebody),
            ("policy", self.policy is not None),
            ("source", self.seen),
            ("plan", self.plans > 0),
        )

    @property
    def done(self) -> int:
        """How many steps are done."""
        return sum(done for _, done in self.steps)

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return self.done / len(self.steps)


def set_up(reader: User, now: datetime) -> SetUp:
    """Look at every step."""
    return SetUp(
        methods=tuple(channels.methods_of(reader)),
        schedules=tuple(oncall.schedules(now)),
        policies=tuple(paging.policies()),
        sources=tuple(intake.sources()),
        plans=Plan.objects.filter(enabled=True).count(),
    )


def _people_check(found: SetUp) -> Check:
    empty = [s.name for s in found.schedules if s.now is None]
    if not found.policies:
        return Check("bad", _("Nobody is paged"), _("there is no escalation policy"))
    if empty:
        return Check("bad", _("Nobody is on call"), ", ".join(empty))
    if not found.schedules:
        return Check("warn", _("The policy pages people directly"), _("there is no schedule"))
    return Check("ok", _("Every schedule has somebody"), ", ".join(s.name for s in found.schedules))


def _reach_check() -> Check:
    unreached = channels.without_way()
    if unreached:
        names = ", ".join(str(u) for u in unreached[:3])
        title = ngettext("%(n)s person cannot be reached", "%(n)s people cannot be reached", len(unreached))
        return Check("bad", title % {"n": len(unreached)}, names)
    return Check("ok", _("Everybody has a way that is proven"), _("each was answered once"))


def _sending_check(now: datetime) -> Check:
    since = paging.unsent_since()
    if since is not None and now - since > LATE:
        waited = texts.duration((now - since).total_seconds())
        return Check("bad", _("A page waits to be sent"), _("for %(span)s; is the engine running?") % {"span": waited})
    return Check("ok", _("Nothing waits to be sent"), _("oldest unsent page: none"))


def _audit_check(now: datetime) -> Check:
    audit = paging.last_audit()
    if audit is None:
        return Check("off", _("Not checked yet"), _("the engine looks once a minute"))
    span = texts.duration((now - audit.at).total_seconds())
    if now - audit.at > AUDIT_FRESH:
        return Check(
            "bad", _("Paging is not watched"), _("last looked %(span)s ago; is the engine running?") % {"span": span}
        )
    if not audit.passed:
        return Check("bad", _("Something is wrong with paging"), _("found %(span)s ago") % {"span": span})
    return Check("ok", _("Every open incident has a page or a reason"), _("checked %(span)s ago") % {"span": span})


def _source_check(found: SetUp, now: datetime) -> Check:
    seen = [(s.last_seen_at, s.name) for s in found.sources if s.last_seen_at]
    if not seen:
        return Check("off", _("No signal has come in"), _("add a source, then it shows here"))
    at, name = max(seen)
    span = texts.duration((now - at).total_seconds())
    return Check("ok", _("Signals come in"), _("%(source)s, %(span)s ago") % {"source": name, "span": span})


def checks(found: SetUp, now: datetime) -> list[Check]:
    """Can we be paged? What must hold, each looked at now."""
    return [_people_check(found), _reach_check(), _sending_check(now), _audit_check(now), _source_check(found, now)]
