"""What every channel must do, whatever it carries messages by. A channel's test gives a `Rig` and inherits the rest."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from hemostat.channels.base import TIMEOUT_S, Address, Channel
from hemostat.channels.rules import ANSWER_LIMIT, Button, Message, OutcomeKind, Section
from hemostat.paging.engine import LEASE

ID = uuid.UUID("0193a2b0-0000-7000-8000-000000000001")


def message(**changes: object) -> Message:
    values: dict[str, object] = {
        "id": ID,
        "kind": "page",
        "title": "P1 Payment success 99.9\u00a0% → 12\u00a0% · INC-318",
        "lead": "Since 14:02:00. About 8,400 users cannot pay.",
        "sections": (Section("Why, very likely", ("orders-db refuses connections",)),),
        "buttons": (Button("Acknowledge", "https://hemo.example/ack/token/"), Button("Open", "https://hemo.example/i")),
        "severity": 1,
        "data": {"incident": "INC-318"},
    }
    return Message(**{**values, **changes})  # type: ignore[arg-type]


@dataclass
class Rig:
    """A channel, and a provider whose behaviour a test sets."""

    channel: Channel
    to: Address
    secrets: tuple[str, ...]
    """Must be in no answer."""
    works: Callable[[], None]
    fails_for_now: Callable[[], None]
    """As the provider says "later": 5xx of HTTP, 4xx of SMTP; with all the secrets it knows in its answer."""
    refuses: Callable[[], None]
    """As the provider says "never"; with all the secrets it knows in its answer."""
    is_gone: Callable[[], None]
    """Nobody listens."""
    hangs: Callable[[], None]
    """It takes the message and never answers."""
    ids: Callable[[], list[str]]
    """The idempotency keys that the provider was given, in order."""


class ChannelContract:
    """Inherit, and give the fixture `rig`."""

    def test_what_the_provider_takes_is_accepted_with_its_answer(self, rig: Rig) -> None:
        rig.works()
        outcome = rig.channel.send(rig.to, message())
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert outcome.answer

    def test_the_same_message_carries_the_same_idempotency_key_each_time(self, rig: Rig) -> None:
        rig.works()
        for _ in range(2):
            rig.channel.send(rig.to, message())
        first, second = rig.ids()
        assert first == second
        assert str(ID) in first

    def test_trouble_of_the_provider_is_temporary(self, rig: Rig) -> None:
        rig.fails_for_now()
        assert rig.channel.send(rig.to, message()).kind is OutcomeKind.TEMPORARY

    def test_a_refusal_is_for_good(self, rig: Rig) -> None:
        rig.refuses()
        assert rig.channel.send(rig.to, message()).kind is OutcomeKind.REFUSED

    def test_a_provider_that_is_gone_is_temporary_for_nothing_was_sent(self, rig: Rig) -> None:
        rig.is_gone()
        assert rig.channel.send(rig.to, message()).kind is OutcomeKind.TEMPORARY

    def test_no_answer_in_time_is_ambiguous_and_ends_in_time(self, rig: Rig) -> None:
        rig.hangs()
        began = datetime.now(UTC)
        assert rig.channel.send(rig.to, message()).kind is OutcomeKind.AMBIGUOUS
        assert (datetime.now(UTC) - began).total_seconds() < 5

    def test_the_longest_try_is_well_within_a_lease(self, rig: Rig) -> None:
        assert LEASE.total_seconds() / 2 >= TIMEOUT_S

    def test_no_secret_is_in_any_answer(self, rig: Rig) -> None:
        for trouble in (rig.fails_for_now, rig.refuses, rig.hangs, rig.is_gone):
            trouble()
            answer = rig.channel.send(rig.to, message()).answer
            assert answer
            assert len(answer) <= ANSWER_LIMIT
            assert not [secret for secret in rig.secrets if secret in answer]
            assert not [secret for secret in rig.secrets if secret in repr(rig.to)]
