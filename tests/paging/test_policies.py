"""Policies: one that can end in silence is refused, and what was written is what a page is stamped with."""

from __future__ import annotations

from typing import Any

import pytest

from hemostat.base.clock import ManualClock
from hemostat.base.refusals import RefusedError
from hemostat.channels.models import ContactMethod
from hemostat.events.rules import CONSOLE
from hemostat.paging import actions, queries
from hemostat.paging.actions import NewTier, add_policy
from hemostat.paging.models import Policy
from hemostat.paging.rules.policy import PolicyStamp, TargetKind
from hemostat.paging.rules.states import PageState
from hemostat.people.rules import Role
from tests.paging.world import incident, person

pytestmark = pytest.mark.django_db(transaction=True)


def add(**changes: Any) -> Policy:
    values = {"name": "Shop", "tiers": [], "fallback": None, "actor": CONSOLE}
    return add_policy(**{**values, **changes})


def test_a_policy_that_can_end_in_silence_is_refused_by_field(time: ManualClock) -> None:
    anna, mute = person("Anna", "email"), person("Mute")
    gone = person("Gone", "email", is_active=False)
    for changes, field in [
        ({"tiers": [], "fallback": anna}, "tiers"),
        ({"tiers": [NewTier([])], "fallback": anna}, "tiers"),
        ({"tiers": [NewTier([gone])], "fallback": anna}, "tiers"),
        ({"tiers": [NewTier([anna], 5)], "fallback": anna}, "tiers"),
        ({"tiers": [NewTier([anna])], "fallback": mute}, "fallback"),
        ({"tiers": [NewTier([anna])], "fallback": gone}, "fallback"),
        ({"tiers": [NewTier([anna])], "fallback": anna, "repeat": 10}, "repeat"),
        ({"tiers": [NewTier([anna])], "fallback": anna, "name": " "}, "name"),
    ]:
        with pytest.raises(RefusedError) as refusal:
            add(**changes)
        assert refusal.value.field == field
    assert not Policy.objects.exists()


def test_the_first_policy_is_the_default_and_a_later_one_can_take_over(time: ManualClock) -> None:
    anna = person("Anna", "email")
    tier = [NewTier([anna])]
    assert add(tiers=tier, fallback=anna).is_default
    assert not add(tiers=tier, fallback=anna, name="Other").is_default
    assert add(tiers=tier, fallback=anna, name="Third", default=True).is_default
    assert [p.stamp.slug for p in queries.policies() if p.is_default] == ["third"]
    with pytest.raises(RefusedError) as refusal:
        add(tiers=tier, fallback=anna)
    assert refusal.value.conflict


def test_the_policy_is_stamped_on_so_that_editing_it_does_not_change_a_page_under_way(time: ManualClock) -> None:
    anna, ben = person("Anna", "email"), person("Ben", "email")
    add(tiers=[NewTier([anna]), NewTier([ben], 120)], fallback=ben)
    page = actions.start(incident().pk)
    Policy.objects.all().delete()
    stamp = PolicyStamp.from_json(type(page).objects.get().policy)
    assert [[t.label for t in tier.targets] for tier in stamp.tiers] == [["Anna"], ["Ben"]]
    assert stamp.tiers[1].timeout_s == 120
    assert stamp.fallback is not None
    assert (stamp.fallback.kind, stamp.fallback.id) == (TargetKind.USER, ben.pk)


def test_a_service_with_a_policy_of_its_own_is_paged_by_it(time: ManualClock) -> None:
    anna, ben = person("Anna", "email"), person("Ben", "email")
    add(tiers=[NewTier([anna])], fallback=anna)
    add(tiers=[NewTier([ben])], fallback=ben, name="Payment")
    row = incident()
    assert row.service is not None
    row.service.policy_slug = "payment"
    row.service.save()
    assert queries.policy_for(type(row).objects.get()).slug == "payment"
    row.service.policy_slug = "was-deleted"
    row.service.save()
    assert queries.policy_for(type(row).objects.get()).slug == "shop"


def test_without_any_policy_the_owners_are_paged(time: ManualClock, work: Any, mail: Any) -> None:
    person("Olga", "email", role=Role.OWNER)
    incident()
    work()
    assert [m["to"] for m in mail.mails] == ["olga@example.org"]


def test_nobody_at_all_is_loud_and_heals_when_somebody_gets_a_way(time: ManualClock, work: Any, mail: Any) -> None:
    olga = person("Olga", "email", role=Role.OWNER)
    ContactMethod.objects.update(verified_at=None)
    row = incident()
    work()
    page = queries.page_of(row.pk)
    assert page is not None
    assert page.state is PageState.EXHAUSTED
    assert page.loud
    ContactMethod.objects.filter(user=olga).update(verified_at=time.now())
    work(61)
    assert [m["to"] for m in mail.mails] == ["olga@example.org"]
