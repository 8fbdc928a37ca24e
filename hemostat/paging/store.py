"""The engine's store on PostgreSQL: claims by named SQL, everything else by the actions.

Lock order, everywhere: page, then delivery. A page's lock is what serialises a step with an answer of a provider.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction

from hemostat.base import due
from hemostat.base.due import LeaseLostError
from hemostat.channels.rules import Outcome
from hemostat.incidents.models import Incident
from hemostat.paging import actions, queries
from hemostat.paging.engine import LEASE, After, DeliveryLease, NextStep, Outgoing, PageLease, WhyNot
from hemostat.paging.models import Delivery, Page
from hemostat.paging.rules.steps import Decision

CLAIM_DELIVERIES = """
with ranked as (
    select id, due_at, row_number() over (partition by destination order by due_at, id) as place
      from paging_delivery
     where due_at <= %(now)s and parked_at is null
       and (lease_until is null or lease_until <= %(now)s)
       and destination <> all(%(avoid)s)
), taken as (
    select d.id
      from paging_delivery d join ranked r using (id)
     where r.place <= %(per_destination)s
       and d.due_at <= %(now)s and (d.lease_until is null or d.lease_until <= %(now)s)
     order by r.due_at, d.id
     limit %(limit)s
       for update of d skip locked
)
update paging_delivery d
   set lease = %(token)s, lease_until = %(until)s, attempts = d.attempts + 1
  from taken
 where d.id = taken.id
returning d.id, d.page_id, d.destination
"""


class PostgresStore:
    """Pages and deliveries in PostgreSQL; see `engine.Store` for what each call promises."""

    def claim_pages(self, now: datetime, limit: int) -> list[PageLease]:
        rows = due.claim(Page, now=now, limit=limit, lease=LEASE)
        return [PageLease(row.pk, row.lease) for row in rows if row.lease is not None]

    def advance(self, lease: PageLease, now: datetime, next_step: NextStep) -> Decision | None:
        with transaction.atomic():
            try:
                page = due.hold(Page(pk=lease.page_id, lease=lease.token))
            except LeaseLostError:
                return None
            incident = Incident.objects.get(pk=page.incident_id)
            facts = queries.page_facts(page, incident)
            decision = next_step(facts, queries.directory(facts.policy, now), now)
            actions.carry_out(page, incident, facts, decision, now)
            return decision

    def page_failed(self, lease: PageLease, now: datetime, error: str) -> None:
        with transaction.atomic():
            try:
                page = due.hold(Page(pk=lease.page_id, lease=lease.token))
            except LeaseLostError:
                return
            due.fail(page, now=now, error=error, max_attempts=NEVER)

    def claim_deliveries(
        self, now: datetime, limit: int, per_destination: int, avoid: Collection[str]
    ) -> list[DeliveryLease]:
        token = uuid.uuid4()
        with connection.cursor() as cursor:
            cursor.execute(
                CLAIM_DELIVERIES,
                {
                    "now": now,
                    "until": now + LEASE,
                    "token": token,
                    "limit": limit,
                    "per_destination": per_destination,
                    "avoid": list(avoid),
                },
            )
            return [DeliveryLease(row[0], row[1], row[2], token) for row in sorted(cursor.fetchall())]

    def begin_send(self, lease: DeliveryLease, now: datetime, why_not: WhyNot) -> Outgoing | None:
        with transaction.atomic():
            delivery = self._hold(lease)
            if delivery is None:
                return None
            page = Page.objects.select_related("incident").get(pk=delivery.page_id)
            stop = why_not(
                queries.delivery_facts(delivery),
                answered=queries.answered(page, page.incident),
                over=queries.over(page.incident),
            )
            if stop is not None:
                actions.call_off(delivery, stop)
                return None
            return actions.begin_try(delivery, page, now, lease_until=now + LEASE)

    def finish_send(self, lease: DeliveryLease, outcome: Outcome, now: datetime, after: After) -> None:
        with transaction.atomic():
            page = Page.objects.select_for_update(of=("self",)).select_related("incident").get(pk=lease.page_id)
            delivery = self._hold(lease)
            if delivery is None:
                actions.note_late_acceptance(lease.delivery_id, page, outcome, now)
                return
            others = page.deliveries.filter(
                user_id=delivery.user_id, step=delivery.step, message=delivery.message
            ).exclude(pk=delivery.pk)
            verdict = after(
                outcome, queries.delivery_facts(delivery), [queries.delivery_facts(row) for row in others], now
            )
            actions.end_try(delivery, page, verdict, outcome, now)

    @staticmethod
    def _hold(lease: DeliveryLease) -> Delivery | None:
        try:
            return due.hold(Delivery(pk=lease.delivery_id, lease=lease.token))
        except LeaseLostError:
            return None


NEVER = 2**31
"""Tries after which a page is parked: none."""
