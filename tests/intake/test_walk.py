"""The walk: each failing request ends in the one place that explains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import pytest

from hemostat.intake.readings import ExceptionReading, SpanKind, SpanReading
from hemostat.intake.rules.learned import Learned, Node, names_service, route_of, service_name, tidy
from hemostat.intake.rules.traces import assemble, record
from hemostat.intake.rules.walk import How, Leaf, LeafKind, Walk, attribute

MS = 1_000_000


@dataclass
class Story:
    """The spans of one trace, written down call by call; times in milliseconds."""

    learned: Learned = field(default_factory=Learned)
    spans: list[SpanReading] = field(default_factory=list)
    _ids: count[int] = field(default_factory=lambda: count(1))

    def span(
        self,
        kind: SpanKind,
        service: str,
        operation: str,
        start: float,
        end: float,
        parent: bytes = b"",
        *,
        error: str | None = None,
        message: str = "",
        code: int = 0,
        peer: str = "",
    ) -> bytes:
        """Add a span; returns its id."""
        span_id = next(self._ids).to_bytes(8, "big")
        calling = kind in (SpanKind.CLIENT, SpanKind.PRODUCER)
        self.spans.append(
            SpanReading(
                b"t" * 16,
                span_id,
                parent,
                kind,
                operation,
                int(start * MS),
                int(end * MS),
                "production",
                service,
                entry="" if calling else operation,
                peer=peer,
                peer_operation=operation if calling else "",
                failed=error is not None or code >= 500,
                http_code=code,
                exception=ExceptionReading(error, message) if error else None,
            )
        )
        return span_id

    def server(
        self, service: str, operation: str, start: float, end: float, parent: bytes = b"", **more: object
    ) -> bytes:
        """Add a server span."""
        return self.span(SpanKind.SERVER, service, operation, start, end, parent, **more)  # type: ignore[arg-type]

    def call(
        self, service: str, peer: str, operation: str, start: float, end: float, parent: bytes, **more: object
    ) -> bytes:
        """Add a client span."""
        return self.span(SpanKind.CLIENT, service, operation, start, end, parent, peer=peer, **more)  # type: ignore[arg-type]

    def told(self) -> tuple[Leaf, list[tuple[str, How]], Walk]:
        """Where the trace's entry leads: leaf, services and manner of each step, the walk."""
        trace = assemble([record(s) for s in self.spans], self.learned)
        (root,) = trace.roots
        walk, leaf = attribute(root, self.learned)
        return leaf, [(s.node.app_id, s.how) for s in walk.chain], walk

    def leaf(self) -> Leaf:
        """Where the trace's entry leads."""
        return self.told()[0]


@pytest.fixture
def story() -> Story:
    """A new trace."""
    return Story()


def test_the_deepest_failing_operation_is_the_leaf(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    b = story.call("gateway", "payment", "POST /charge", 5, 40, a, code=500)
    story.server("payment", "POST /charge", 6, 39, b, error="TypeError")
    leaf, chain, walk = story.told()
    assert leaf == (Node("payment", "POST /charge"), LeafKind.INTERNAL, "TypeError")
    assert chain == [("gateway", How.ERROR), ("payment", How.ERROR)]
    assert walk.settled


def test_a_call_that_succeeded_when_tried_again_explains_nothing(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50, error="ValueError")
    first = story.call("gateway", "payment", "POST /charge", 5, 10, a, code=500)
    story.server("payment", "POST /charge", 6, 9, first, error="TypeError")
    second = story.call("gateway", "payment", "POST /charge", 15, 20, a, code=200)
    story.server("payment", "POST /charge", 16, 19, second, code=200)
    assert story.leaf() == (Node("gateway", "POST /buy"), LeafKind.INTERNAL, "ValueError")


def test_who_went_on_to_call_others_did_not_fail_of_the_call_before(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50, error="ValueError")
    weak = story.call("gateway", "hints", "GET /hints", 5, 10, a, code=500)
    story.server("hints", "GET /hints", 6, 9, weak, error="KeyError")
    fine = story.call("gateway", "payment", "POST /charge", 15, 20, a, code=200)
    story.server("payment", "POST /charge", 16, 19, fine, code=200)
    assert story.leaf() == (Node("gateway", "POST /buy"), LeafKind.INTERNAL, "ValueError")


def test_the_exception_that_names_a_callee_decides(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError", message="call to hints failed")
    weak = story.call("gateway", "hints", "GET /hints", 5, 10, a, code=500)
    story.server("hints", "GET /hints", 6, 9, weak, error="KeyError")
    fine = story.call("gateway", "payment", "POST /charge", 15, 20, a, code=200)
    story.server("payment", "POST /charge", 16, 19, fine, code=200)
    assert story.leaf().node.app_id == "hints"


def test_an_exception_that_names_a_callee_that_answered_well_is_about_its_result(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50, error="BadAnswer", message="unexpected total from payment")
    fine = story.call("gateway", "payment", "POST /charge", 15, 20, a, code=200)
    story.server("payment", "POST /charge", 16, 19, fine, code=200)
    leaf, chain, _ = story.told()
    assert leaf == (Node("payment", "POST /charge"), LeafKind.RESULT, "BadAnswer")
    assert chain[-1] == ("payment", How.RESULT)


def test_of_calls_that_overlap_the_one_that_usually_matters_explains(story: Story) -> None:
    entry, hints, pay = (Node("gateway", "POST /buy"), Node("hints", "GET /hints"), Node("payment", "POST /charge"))
    for _ in range(10):
        story.learned.learn_strength(entry, hints, caller_failed=False)
        story.learned.learn_strength(entry, pay, caller_failed=True)
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    for peer, operation, end in (("hints", "GET /hints", 20), ("payment", "POST /charge", 30)):
        c = story.call("gateway", peer, operation, 5, end, a, code=500)
        story.server(peer, operation, 6, end - 1, c, error="KeyError")
    assert story.leaf().node == pay


def test_a_store_that_records_nothing_is_named_by_its_address(story: Story) -> None:
    a = story.server("orders", "POST /orders", 0, 50, error="StoreError")
    story.call(
        "orders", "orders-db.shop.svc.cluster.local:5432", "INSERT orders", 5, 6, a, error="ConnectionRefusedError"
    )
    leaf, _, walk = story.told()
    assert leaf == (Node("orders-db", "INSERT orders"), LeafKind.GONE, "ConnectionRefusedError")
    assert walk.settled


def test_a_recording_callee_without_a_span_may_still_answer_unless_it_refused(story: Story) -> None:
    story.learned.learn_recording("payment")
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    story.call("gateway", "payment", "POST /charge", 5, 40, a, error="ReadError")
    leaf, _, walk = story.told()
    assert (leaf.kind, walk.settled) == (LeafKind.GONE, False)
    story.spans.pop()
    story.call("gateway", "payment", "POST /charge", 5, 6, a, error="ConnectionRefusedError")
    leaf, _, walk = story.told()
    assert (leaf.kind, walk.settled) == (LeafKind.GONE, True)


def test_an_answer_whose_span_was_lost_is_unseen_not_gone(story: Story) -> None:
    story.learned.learn_recording("payment")
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    story.call("gateway", "payment", "POST /charge", 5, 40, a, code=503)
    assert story.leaf() == (Node("payment", "POST /charge"), LeafKind.UNSEEN, "http 503")


def test_a_call_that_failed_though_its_callee_answered_well_was_lost_on_the_way(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 100, error="UpstreamError")
    c = story.call("gateway", "payment", "POST /charge", 5, 90, a, error="ConnectionResetError")
    story.server("payment", "POST /charge", 6, 20, c, code=200)
    assert story.leaf() == (Node("payment", "POST /charge"), LeafKind.EDGE, "ConnectionResetError")


def test_who_outlived_its_callers_patience_is_asked_for_its_time_not_its_outcome(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 110, error="TimeoutError")
    c = story.call("gateway", "payment", "POST /charge", 5, 105, a, error="TimeoutError")
    s = story.server("payment", "POST /charge", 6, 400, c, error="ClientGoneError")
    story.call("payment", "ledger-db", "UPDATE ledger", 10, 380, s)
    leaf, chain, _ = story.told()
    assert leaf == (Node("ledger-db", "UPDATE ledger"), LeafKind.SLOW, "")
    assert chain == [("gateway", How.ERROR), ("payment", How.ERROR), ("ledger-db", How.TIME)]


def test_time_goes_to_what_exceeds_its_usual_not_to_what_is_longest(story: Story) -> None:
    pay, store = Node("payment", "POST /charge"), Node("ledger-db", "UPDATE ledger")
    for _ in range(5):
        story.learned.learn_time((pay, store), 250 * MS)
        story.learned.learn_time(pay, 5 * MS)
    a = story.server("gateway", "POST /buy", 0, 110, error="TimeoutError")
    c = story.call("gateway", "payment", "POST /charge", 5, 105, a, error="TimeoutError")
    s = story.server("payment", "POST /charge", 6, 500, c)
    story.call("payment", "ledger-db", "UPDATE ledger", 10, 270, s)
    assert story.leaf() == (pay, LeafKind.SLOW, "")


def test_a_silent_service_between_is_a_node_of_its_own(story: Story) -> None:
    story.learned.learn_recording("stock")
    story.learned.learn_recording("gateway")
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    c = story.call("gateway", "pricing", "POST /prices", 5, 40, a, code=500)
    story.server("stock", "GET /stock", 10, 30, c, error="KeyError")
    leaf, chain, _ = story.told()
    assert leaf.node == Node("stock", "GET /stock")
    assert [service for service, _ in chain] == ["gateway", "pricing", "stock"]


def test_a_silent_service_that_fails_by_itself_is_the_leaf_and_what_is_behind_it_is_noted(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    c = story.call("gateway", "pricing", "POST /prices", 5, 40, a, code=500)
    story.server("stock", "GET /stock", 10, 12, c, code=200)
    leaf, _, walk = story.told()
    assert leaf.node == Node("pricing", "POST /prices")
    assert walk.alternatives == (Node("stock", "GET /stock"),)


def test_an_exception_told_by_an_internal_span_is_its_operations_own(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50, code=500)
    story.span(SpanKind.INTERNAL, "gateway", "price", 5, 10, a, error="TypeError")
    assert story.leaf() == (Node("gateway", "POST /buy"), LeafKind.INTERNAL, "TypeError")


def test_calls_below_internal_spans_belong_to_the_operation(story: Story) -> None:
    a = story.server("orders", "POST /orders", 0, 50, error="StoreError")
    i = story.span(SpanKind.INTERNAL, "orders", "save", 2, 20, a)
    story.call("orders", "orders-db", "INSERT orders", 5, 6, i, error="ConnectionRefusedError")
    assert story.leaf().node.app_id == "orders-db"


def test_a_request_whose_caller_outside_records_only_its_call_is_followed_inside(story: Story) -> None:
    c = story.call("browser", "gateway", "POST /buy", 0, 50, b"", code=500)
    story.server("gateway", "POST /buy", 1, 49, c, error="TypeError")
    leaf, chain, _ = story.told()
    assert leaf == (Node("gateway", "POST /buy"), LeafKind.INTERNAL, "TypeError")
    assert chain[0] == ("browser", How.ERROR)


def test_an_address_learned_from_healthy_calls_names_the_service_that_is_gone(story: Story) -> None:
    a = story.server("gateway", "POST /buy", 0, 50)
    c = story.call("gateway", "10.0.0.7", "POST /charge", 5, 40, a, code=200)
    story.server("payment", "POST /charge", 6, 39, c, code=200)
    assemble([record(s) for s in story.spans], story.learned)
    later = Story(story.learned)
    a = later.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    later.call("gateway", "10.0.0.7", "POST /charge", 5, 6, a, error="ConnectionRefusedError")
    assert later.leaf().node == Node("payment", "POST /charge")


def test_one_address_may_stand_for_many_services(story: Story) -> None:
    for service, operation in (("payment", "POST /charge"), ("stock", "GET /stock")):
        once = Story(story.learned)
        a = once.server("gateway", "POST /buy", 0, 50)
        c = once.call("gateway", "balancer", operation, 5, 40, a, code=200)
        once.server(service, operation, 6, 39, c, code=200)
        assemble([record(s) for s in once.spans], story.learned)
    a = story.server("gateway", "POST /buy", 0, 50, error="UpstreamError")
    story.call("gateway", "balancer", "GET /stock", 5, 6, a, error="ConnectionRefusedError")
    assert story.leaf().node == Node("stock", "GET /stock")


def test_a_chain_that_never_ends_is_cut(story: Story) -> None:
    parent = story.server("s0", "GET /", 0, 1000, error="X")
    for i in range(1, 80):
        c = story.call(f"s{i - 1}", f"s{i}", "GET /", i, 1000 - i, parent, code=500)
        parent = story.server(f"s{i}", "GET /", i, 1000 - i, c, error="X")
    _, chain, _ = story.told()
    assert len(chain) <= 31


def test_spans_that_claim_each_other_as_parents_harm_nobody(story: Story) -> None:
    learned = Learned()
    one = story.server("a", "GET /", 0, 1, (2).to_bytes(8, "big"), error="X")
    story.span(SpanKind.INTERNAL, "a", "b", 0, 1, one)
    story.spans.append(story.spans[0])
    trace = assemble([record(s) for s in story.spans], learned)
    assert trace.entries == []


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("orders-db", "orders-db"),
        ("orders-db:5432", "orders-db"),
        ("orders.shop.svc.cluster.local", "orders"),
        ("orders.internal", "orders"),
        ("main.abc123.eu-west-1.rds.amazonaws.com", "main"),
        ("api.stripe.com", "api.stripe.com"),
        ("10.0.0.7:5432", "10.0.0.7:5432"),
        ("http://payment:8080/x", "payment"),
    ],
)
def test_an_address_names_its_service_as_people_would(address: str, name: str) -> None:
    assert service_name(address) == name


def test_operations_are_compared_without_their_parameters() -> None:
    assert route_of("GET /pay/123?x=1") == route_of("GET /pay/{id}") == "GET /pay/*"
    assert tidy("GET /pay/{id}/3f2b8a9c-1111-2222-3333-444455556666") == "GET /pay/{id}/*"


def test_a_service_is_named_only_by_the_whole_word() -> None:
    assert names_service("call to shop payment failed", "shop/payment")
    assert not names_service("call to payment-gateway failed", "payment")
    assert not names_service("", "payment")
