"""Escalation policies: reading what somebody wrote, refusing what could end in silence, keeping the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from hemostat.base import clock
from hemostat.base.ids import slugify_ascii
from hemostat.base.refusals import RefusedError
from hemostat.events.actions import record
from hemostat.events.rules import Ref
from hemostat.oncall.models import Schedule
from hemostat.paging import queries
from hemostat.paging.models import Policy, Target, Tier
from hemostat.paging.rules.policy import LONGEST_TIER_S, MOST_REPEATS, SHORTEST_TIER_S
from hemostat.people.models import User


@dataclass(frozen=True)
class NewTier:
    """A tier to be: whom it pages, and how long they have; seconds."""

    targets: Sequence[User | Schedule]
    timeout_s: int = 300


def add_policy(
    *,
    name: str,
    tiers: Sequence[NewTier],
    fallback: User,
    repeat: int = 1,
    default: bool = False,
    actor: Ref,
) -> Policy:
    """Add an escalation policy. The first one is the default whether asked for or not.

    Raises RefusedError naming the field. A policy that can end in silence is refused: one without tiers, with an empty
    one, or whose fallback cannot be reached now.
    """
    name = name.strip()
    _check(name, tiers, fallback, repeat)
    with transaction.atomic():
        slug = slugify_ascii(name)
        if Policy.objects.filter(slug=slug).exists():
            raise RefusedError(
                _("There is a policy called “%(name)s” already.") % {"name": name}, field="name", conflict=True
            )
        default = default or not Policy.objects.exists()
        if default:
            Policy.objects.filter(is_default=True).update(is_default=False)
        policy = Policy.objects.create(
            slug=slug, name=name, repeat=repeat, fallback=fallback, is_default=default, created_at=clock.now()
        )
        for position, new in enumerate(tiers):
            tier = Tier.objects.create(policy=policy, position=position, timeout_s=new.timeout_s)
            Target.objects.bulk_create(
                Target(
                    tier=tier,
                    user=target if isinstance(target, User) else None,
                    schedule=target if isinstance(target, Schedule) else None,
                )
                for target in new.targets
            )
        record(
            "paging.policy_added",
            actor=actor,
            subjects=[Ref("policy", slug, name)],
            params={"name": name, "tiers": len(tiers), "fallback": str(fallback)},
        )
    return policy


def _check(name: str, tiers: Sequence[NewTier], fallback: User, repeat: int) -> None:
    if not name:
        raise RefusedError(_("A policy needs a name."), field="name")
    if not tiers:
        raise RefusedError(_("A policy needs at least one tier, or nobody is ever paged."), field="tiers")
    for number, tier in enumerate(tiers, start=1):
        if not tier.targets:
            raise RefusedError(
                _("Tier %(n)s pages nobody. Name a schedule or a person.") % {"n": number}, field="tiers"
            )
        if not SHORTEST_TIER_S <= tier.timeout_s <= LONGEST_TIER_S:
            raise RefusedError(
                _("Tier %(n)s: the time to the next tier is from %(low)s to %(high)s seconds.")
                % {"n": number, "low": SHORTEST_TIER_S, "high": LONGEST_TIER_S},
                field="tiers",
            )
        for target in tier.targets:
            if isinstance(target, User) and not target.is_active:
                raise RefusedError(
                    _("Tier %(n)s: %(who)s cannot sign in any more.") % {"n": number, "who": target}, field="tiers"
                )
    if not 0 <= repeat <= MOST_REPEATS:
        raise RefusedError(_("The passes can be repeated 0 to %(n)s times.") % {"n": MOST_REPEATS}, field="repeat")
    person = queries.persons([fallback.pk]).get(fallback.pk)
    if person is None or not person.active or not person.ways:
        raise RefusedError(
            _("Nothing is proven to reach %(who)s, the fallback: with them, the policy could end in silence.")
            % {"who": fallback},
            field="fallback",
        )
