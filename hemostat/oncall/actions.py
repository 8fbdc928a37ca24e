"""Everything that can happen to schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time

from django.db import transaction
from django.utils.translation import gettext as _

from hemostat.base import clock
from hemostat.base.ids import slugify_ascii
from hemostat.base.refusals import RefusedError
from hemostat.events.actions import record
from hemostat.events.rules import Ref
from hemostat.oncall import queries, rules
from hemostat.oncall.models import Schedule, Turn
from hemostat.oncall.rules import Handoff
from hemostat.people.models import User


def add_schedule(
    *,
    name: str,
    time_zone: str,
    handoff: Handoff,
    anchor: date,
    handoff_at: time,
    users: Sequence[User],
    actor: Ref,
) -> Schedule:
    """Add a rotation in which `users` take turns in this order; the first one's turn begins at `anchor`.

    Raises RefusedError naming the field: an unknown zone, nobody in it, or a name that is taken.
    """
    name = name.strip()
    if not name:
        raise RefusedError(_("A schedule needs a name."), field="name")
    if not users:
        raise RefusedError(_("A schedule needs at least one person, or nobody is ever on call."), field="users")
    try:
        rules.zone(time_zone)
    except ValueError as error:
        raise RefusedError(
            _("“%(zone)s” is not a time zone; write it like Europe/Berlin.") % {"zone": time_zone}, field="time_zone"
        ) from error
    slug = slugify_ascii(name)
    with transaction.atomic():
        schedule, made = Schedule.objects.get_or_create(
            slug=slug,
            defaults={
                "name": name,
                "time_zone": time_zone,
                "handoff": handoff,
                "anchor": anchor,
                "handoff_at": handoff_at.replace(second=0, microsecond=0, tzinfo=None),
                "created_at": clock.now(),
            },
        )
        if not made:
            raise RefusedError(
                _("There is a schedule called “%(name)s” already.") % {"name": schedule.name},
                field="name",
                conflict=True,
            )
        Turn.objects.bulk_create(Turn(schedule=schedule, position=i, user=user) for i, user in enumerate(users))
        record(
            "oncall.schedule_added",
            actor=actor,
            subjects=[queries.ref(schedule), *(Ref("user", str(u.pk), str(u)) for u in users)],
            params={"name": name, "people": ", ".join(str(u) for u in users)},
        )
    return schedule
