"""People and their keys: what is promised about accounts, the first-run code and tokens."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from hemostat.base import clock
from hemostat.base.clock import ManualClock
from hemostat.base.refusals import RefusedError
from hemostat.events import queries as events
from hemostat.events.rules import CONSOLE
from hemostat.people import actions, queries
from hemostat.people.models import ApiToken, SetupCode, User
from hemostat.people.rules import (
    CODE_PAUSE,
    CODE_TRIES,
    ROLE_PERMISSIONS,
    Permission,
    Role,
    Tries,
    may,
    new_setup_code,
    normal_setup_code,
)

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 19, 14, 0, tzinfo=UTC)
PASSWORD = "a long walk at night"


def a_user(email: str = "ada@example.com", role: Role = Role.OWNER) -> User:
    return actions.add_user(email=email, name="Ada", role=role, password=PASSWORD, actor=CONSOLE)


def kinds_about(user: User) -> list[str]:
    return [e.kind for e in events.about("user", str(user.pk), newest_first=False)]


def test_each_role_may_all_that_the_one_before_it_may() -> None:
    assert list(Role) == [Role.VIEWER, Role.RESPONDER, Role.MANAGER, Role.OWNER]
    sets = [ROLE_PERMISSIONS[role] for role in Role]
    assert all(less < more for less, more in itertools.pairwise(sets))
    assert sets[-1] == set(Permission)
    assert [p for p in Permission if may(None, p)] == [Permission.PUBLIC]


def test_an_address_is_used_once_whatever_its_case() -> None:
    user = a_user("Ada@Example.com")
    with pytest.raises(RefusedError, match=r"already is somebody") as refusal:
        a_user("ada@example.COM")
    assert (refusal.value.field, refusal.value.conflict) == ("email", True)
    assert queries.user_by_email(" ADA@example.com ") == user
    assert kinds_about(user) == ["people.user_added"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"role": "king"}, "role"),
        ({"password": "12345678"}, "password"),
    ],
)
def test_bad_input_names_its_field_and_adds_nobody(change: dict[str, str], field: str) -> None:
    good = {"email": "ada@example.com", "name": "Ada", "role": "viewer", "password": PASSWORD}
    with pytest.raises(RefusedError) as refusal:
        actions.add_user(**{**good, **change}, actor=CONSOLE)
    assert refusal.value.field == field
    assert not queries.anybody()


def test_the_last_owner_can_neither_be_demoted_nor_shut_out() -> None:
    owner = a_user()
    for refused in (
        lambda: actions.change_role(owner.pk, role=Role.VIEWER, actor=CONSOLE),
        lambda: actions.deactivate(owner.pk, actor=CONSOLE),
    ):
        with pytest.raises(RefusedError, match="last owner"):
            refused()
    second = a_user("bob@example.com")
    actions.deactivate(owner.pk, actor=queries.ref(second))
    with pytest.raises(RefusedError, match="last owner"):
        actions.change_role(second.pk, role=Role.MANAGER, actor=CONSOLE)
    actions.reactivate(owner.pk, actor=queries.ref(second))
    actions.change_role(second.pk, role=Role.MANAGER, actor=CONSOLE)
    assert kinds_about(owner) == ["people.user_added", "people.deactivated", "people.reactivated"]
    assert kinds_about(second) == ["people.user_added", "people.role_changed"]


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_at_once_leave_one() -> None:
    pair = [a_user(), a_user("bob@example.com")]
    ready = threading.Barrier(2)
    refused: list[str] = []

    def remove(user: User) -> None:
        ready.wait(10)
        try:
            actions.deactivate(user.pk, actor=CONSOLE)
        except RefusedError as error:
            refused.append(error.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=remove, args=(user,)) for user in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert User.objects.filter(is_active=True, role=Role.OWNER).count() == 1
    assert len(refused) == 1


def test_a_token_is_stored_only_as_a_hash_and_works_until_revoked() -> None:
    user = a_user()
    token, text = actions.create_token(user=user, name="laptop", actor=queries.ref(user))
    assert text.rsplit("_", 1)[1].encode() not in bytes(ApiToken.objects.get().digest)
    found = queries.holder_of(text)
    assert found is not None
    assert found.user == user
    assert queries.holder_of(text[:-1] + ("a" if text[-1] != "a" else "b")) is None
    assert queries.holder_of("hs_nonsense") is None
    assert actions.revoke_token(token.pk, actor=CONSOLE)
    assert queries.holder_of(text) is None
    assert not actions.revoke_token(token.pk, actor=CONSOLE)
    assert kinds_about(user)[1:] == ["people.token_created", "people.token_revoked"]
    assert all(text not in str(e.params) for e in events.about("user", str(user.pk)))


def test_a_token_of_somebody_shut_out_no_longer_works() -> None:
    a_user("owner@example.com")
    user = a_user(role=Role.VIEWER)
    _token, text = actions.create_token(user=user, name="laptop", actor=CONSOLE)
    actions.deactivate(user.pk, actor=CONSOLE)
    assert queries.holder_of(text) is None


def test_the_use_of_a_token_is_noted_at_most_once_a_minute() -> None:
    user = a_user()
    with clock.using(manual := ManualClock(START)):
        token, _text = actions.create_token(user=user, name="laptop", actor=CONSOLE)
        seen = []
        for _ in range(4):
            actions.note_token_use(token)
            token.refresh_from_db()
            seen.append(token.last_used_at)
            manual.advance(30)
    assert seen == [START, START, START + timedelta(seconds=60), START + timedelta(seconds=60)]


def test_the_code_from_the_console_makes_the_first_owner_once() -> None:
    code = actions.issue_setup_code()
    typed = f" {code.lower().replace('-', ' ')} "
    user = actions.redeem_setup_code(typed, email="ada@example.com", name="Ada", password=PASSWORD)
    assert Role(user.role) is Role.OWNER
    assert user.check_password(PASSWORD)
    with pytest.raises(RefusedError):
        actions.redeem_setup_code(code, email="eve@example.com", name="Eve", password=PASSWORD)
    with pytest.raises(RefusedError, match="already is an account"):
        actions.issue_setup_code()
    assert [u.email for u in User.objects.all()] == ["ada@example.com"]
    assert kinds_about(user) == ["people.user_added", "people.installation_claimed"]


def test_the_code_is_stored_hashed_and_a_newer_one_ends_it() -> None:
    first, second = actions.issue_setup_code(), actions.issue_setup_code()
    assert all(normal_setup_code(second).encode() not in bytes(c.digest) for c in SetupCode.objects.all())
    with pytest.raises(RefusedError, match="not the code"):
        actions.redeem_setup_code(first, email="ada@example.com", name="Ada", password=PASSWORD)
    actions.redeem_setup_code(second, email="ada@example.com", name="Ada", password=PASSWORD)


def test_a_mistake_beside_a_right_code_does_not_use_it_up() -> None:
    code = actions.issue_setup_code()
    with pytest.raises(RefusedError) as refusal:
        actions.redeem_setup_code(code, email="ada@example.com", name="Ada", password="12345678")
    assert refusal.value.field == "password"
    actions.redeem_setup_code(code, email="ada@example.com", name="Ada", password=PASSWORD)


def test_after_five_wrong_codes_even_the_right_one_waits_a_minute() -> None:
    with clock.using(manual := ManualClock(START)):
        code = actions.issue_setup_code()
        who = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}
        for _ in range(CODE_TRIES):
            with pytest.raises(RefusedError, match="not the code"):
                actions.redeem_setup_code("AAAA", **who)
            manual.advance(1)
        with pytest.raises(RefusedError, match=r"Try again in 55.s"):
            actions.redeem_setup_code(code, **who)
        manual.advance(56)
        assert actions.redeem_setup_code(code, **who)


@given(st.lists(st.integers(0, 90), min_size=1, max_size=60))
def test_nobody_gets_more_than_five_wrong_tries_within_a_minute(gaps: list[int]) -> None:
    tries, now, looked_at = Tries(0, None), START, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        if not tries.pause(now):
            looked_at.append(now)
            tries = tries.after_failure(now)
    for i, at in enumerate(looked_at):
        window = [t for t in looked_at[i:] if t - at < CODE_PAUSE]
        assert len(window) <= 2 * CODE_TRIES - 1, "two windows may touch, no more"
    assert len(looked_at) >= 1


def test_a_code_has_no_letters_that_people_mix_up() -> None:
    codes = {new_setup_code() for _ in range(50)}
    assert len(codes) == 50
    assert not set("".join(codes)) & set("01ILOilo")
