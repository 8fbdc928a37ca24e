"""The doctor's look at what is in the database: the engine, what is overdue or parked, and whether anybody is paged."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.apps import apps
from django.db.models import Min

from hemostat.base import clock
from hemostat.base.due import DueRow
from hemostat.base.models import Heartbeat
from hemostat.channels import queries as channels
from hemostat.intake import queries as intake
from hemostat.oncall import queries as oncall
from hemostat.paging import queries as paging
from hemostat.people import queries as people
from hemostat.site.config import Config
from hemostat.site.doctor.findings import Finding, fine, note, wrong

ALIVE = timedelta(seconds=20)
"""A heartbeat this fresh is of a living process."""
STUCK = timedelta(minutes=2)
"""A round that takes longer than this hangs."""
LATE = timedelta(minutes=1)
"""What is due longer than this should have been done."""


def examine(settings: Config) -> Iterator[Finding]:
    """Each thing that must be there for a failure to reach a person."""
    now = clock.now()
    yield from _engine(now)
    yield from _due_rows(now)
    yield from _inbox()
    if not people.anybody():
        yield wrong(
            "people",
            "nobody has an account",
            "Open the pages and use the code that `hemostat setup-code` prints, or `hemostat user add`.",
        )
        return
    yield from _people()
    yield _mail(settings)
    yield _policy()
    yield from _on_call(now)
    yield from _sources()


def _engine(now: datetime) -> Iterator[Finding]:
    beats = list(Heartbeat.objects.filter(beat_at__gte=now - ALIVE))
    if not beats:
        last = Heartbeat.objects.order_by("-beat_at").first()
        since = f"; the last one was seen at {last.beat_at:%Y-%m-%d %H:%M:%S} UTC" if last else ""
        yield wrong(
            "engine",
            f"none is running{since}: nobody is paged, nothing is diagnosed",
            "Start it: `hemostat up`, or `hemostat engine`.",
        )
        return
    processes = {beat.process for beat in beats}
    yield fine("engine", f"{len(processes)} running, {len({beat.loop for beat in beats})} loops")
    if not any(beat.leads for beat in beats):
        yield wrong(
            "leader",
            "no engine leads: no alert is folded, no drop is detected",
            "One is elected within seconds; if it stays so, restart the engines and see their logs.",
        )
    else:
        yield fine("leader", next(beat.process for beat in beats if beat.leads))
    for beat in beats:
        if beat.error:
            yield wrong(f"loop {beat.loop}", beat.error, "See the engine's log; the loop tries again by itself.")
        if beat.busy_since and now - beat.busy_since > STUCK:
            yield wrong(
                f"loop {beat.loop}",
                f"one round has run since {beat.busy_since:%H:%M:%S} UTC",
                f"Restart the engine {beat.process}; its rows are taken over.",
            )


def name_of(model: type[DueRow]) -> str:
    """What people call the rows of `model`."""
    return {"Delivery": "deliveries", "Run": "plan runs", "Incident": "incident reviews"}.get(
        model.__name__, str(model._meta.verbose_name_plural)
    )


def _due_rows(now: datetime) -> Iterator[Finding]:
    for model in apps.get_models():
        if not issubclass(model, DueRow):
            continue
        name = name_of(model)
        rows = model._default_manager.filter(due_at__isnull=False, parked_at__isnull=True, due_at__lt=now - LATE)
        late = rows.aggregate(oldest=Min("due_at"))["oldest"]
        parked = model._default_manager.filter(parked_at__isnull=False)
        if late is not None:
            minutes = (now - late).total_seconds() / 60
            yield wrong(name, f"{rows.count()} are late, the oldest by {minutes:.0f} min", "See that the engine runs.")
        if (count := parked.count()) > 0:
            reason = parked.order_by("-parked_at").values_list("last_error", flat=True).first()
            yield wrong(
                name,
                f"{count} failed again and again and were put aside; the last: {reason}",
                "When it is cured: `hemostat retry`.",
            )
        if late is None and not count:
            yield fine(name, "none late, none put aside")


def _inbox() -> Iterator[Finding]:
    groups = intake.parked()
    if groups:
        yield wrong(
            "alert inbox",
            f"{len(groups)} groups of alerts could not be read and were put aside",
            "Report it, with the engine's log.",
        )


def _people() -> Iterator[Finding]:
    active = [person for person in people.people() if person.is_active]
    unreached = channels.without_way()
    yield fine("people", f"{len(active)} with an account")
    if len(unreached) == len(active):
        yield wrong(
            "contact", "nobody has a verified way to be reached", "Add one on your profile page, and answer its test."
        )
    elif unreached:
        names = ", ".join(str(user) for user in unreached[:5])
        yield note("contact", f"not reachable: {names}", "They add a way on their profile page, and answer its test.")
    else:
        yield fine("contact", "everybody has a verified way")


def _mail(settings: Config) -> Finding:
    if not settings.smtp_host:
        return note(
            "e-mail", "no mail server is set: no e-mail is sent", "Set HEMOSTAT_SMTP_HOST and what belongs to it."
        )
    try:
        kind = smtplib.SMTP_SSL if settings.smtp_security == "tls" else smtplib.SMTP
        with kind(settings.smtp_host, settings.smtp_port, timeout=5) as server:
            server.ehlo()
            if settings.smtp_security == "starttls":
                server.starttls()
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password)
    except (OSError, smtplib.SMTPException) as error:
        reason = str(error).replace(settings.smtp_password, "…") if settings.smtp_password else str(error)
        return wrong(
            "e-mail",
            f"{settings.smtp_host}:{settings.smtp_port} does not take our mail: {reason}",
            "Check the HEMOSTAT_SMTP_… settings.",
        )
    return fine("e-mail", f"{settings.smtp_host}:{settings.smtp_port} takes our mail")


def _policy() -> Finding:
    policies = paging.policies()
    default = next((policy for policy in policies if policy.is_default), None)
    if default is None:
        return wrong(
            "policy",
            "no default escalation policy: an incident of a service without its own pages the owners",
            "Add one: `hemostat policy add … --default`.",
        )
    return fine("policy", f"{len(policies)}, the default is there")


def _on_call(now: datetime) -> Iterator[Finding]:
    schedules = oncall.schedules(now)
    if not schedules:
        yield note("on call", "there is no schedule", "Add one: `hemostat schedule add`.")
        return
    on_call = {schedule.name: schedule.now.user if schedule.now else None for schedule in schedules}
    ways = channels.working_ways(user.pk for user in on_call.values() if user)
    for schedule, user in on_call.items():
        if user is None:
            yield wrong("on call", f"nobody on {schedule}", "Put people into its rotation.")
        elif not user.is_active:
            yield wrong(
                "on call", f"{user} on {schedule} has no active account any more", "Take them out of the rotation."
            )
        elif not ways.get(user.pk):
            yield wrong(
                "on call",
                f"{user} on {schedule} cannot be reached",
                "They add a way on their profile page, and answer its test.",
            )
        else:
            yield fine("on call", f"{user} on {schedule}")


def _sources() -> Iterator[Finding]:
    sources = intake.sources()
    if not sources:
        yield note("sources", "there is none: nothing is sent to us", "Add one: `hemostat source add`.")
        return
    silent = [source.slug for source in sources if source.last_seen_at is None]
    if silent:
        yield note("sources", f"never heard of: {', '.join(silent)}", "Check the sender's address and token.")
    refused = [source for source in sources if source.refused]
    for source in refused:
        yield note(
            "sources",
            f"{source.slug}: {source.refused} refused, the last: {source.last_refusal}",
            "Correct the sender.",
        )
    if not silent and not refused:
        yield fine("sources", f"{len(sources)}, all heard of")
