"""The REST API's frame: who is let in, one shape for errors, pages by cursor, and repeats that act once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from hemostat.base import clock
from hemostat.people import actions, chores, queries
from hemostat.people.models import ApiToken, KeptAnswer, User
from hemostat.people.rules import Role

pytestmark = pytest.mark.django_db
PASSWORD = "a long walk at night"
NEW = {"email": "new@example.com", "name": "New", "role": "viewer"}


class Caller:
    """A program with a token."""

    def __init__(self, text: str) -> None:
        self.headers = {"Authorization": f"Bearer {text}"}
        self.client = Client()

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1{path}", headers=self.headers)

    def post(self, path: str, body: object, *, key: str = "") -> Any:
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        return self.client.post(f"/api/v1{path}", body, content_type="application/json", headers=headers)

    def delete(self, path: str) -> Any:
        return self.client.delete(f"/api/v1{path}", headers=self.headers)


@pytest.fixture
def caller(person: Callable[..., User]) -> Callable[..., Caller]:
    """A program that acts for somebody with a role."""

    def make(role: Role = Role.OWNER) -> Caller:
        user = person(role)
        _token, text = actions.create_token(user=user, name="test", actor=queries.ref(user))
        return Caller(text)

    return make


def assert_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    return body


def test_a_token_says_who_calls_and_what_they_may_do(caller: Callable[..., Caller]) -> None:
    me = caller(Role.RESPONDER).get("/me").json()
    assert me["email"] == "responder@example.com"
    assert set(me["permissions"]) == {"public", "signed_in", "read", "respond", "run_plans"}


def test_the_use_of_a_token_is_noted(caller: Callable[..., Caller]) -> None:
    program = caller()
    assert program.get("/tokens").json()["items"][0]["last_used_at"] is not None


@pytest.mark.parametrize(
    "header", ["", "Bearer hs_aaaaaaaaaa_" + "a" * 32, "Bearer", "Basic bWU6eW91", "Bearer hs_x", "nonsense"]
)
def test_who_shows_no_token_that_works_is_unknown_whatever_the_session(
    signed_in: Callable[..., Client], header: str
) -> None:
    client = signed_in() if header else Client()
    answer = client.get("/api/v1/me", headers={"Authorization": header} if header else {})
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_too_little_permission_names_what_is_needed(caller: Callable[..., Caller]) -> None:
    body = assert_problem(caller(Role.MANAGER).post("/users", NEW), 403)
    assert "manage_people" in body["detail"]
    assert User.objects.count() == 1


def test_a_page_of_ours_may_call_with_its_session_but_writes_only_with_the_csrf_token(
    person: Callable[..., User],
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person())
    assert client.get("/api/v1/me").status_code == 200
    assert_problem(client.post("/api/v1/users", NEW, content_type="application/json"), 403)
    assert User.objects.count() == 1
    client.get("/profile/")
    token = client.cookies["csrftoken"].value
    answer = client.post("/api/v1/users", NEW, content_type="application/json", headers={"X-CSRFToken": token})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "x"}, ["email"]),
        ({**NEW, "role": "king"}, ["role"]),
        ({**NEW, "name": "x" * 121, "email": 7}, ["email", "name"]),
        ({**NEW, "email": "nobody"}, ["email"]),
        ({**NEW, "password": "short"}, ["password"]),
    ],
)
def test_every_field_that_is_wrong_is_named(
    caller: Callable[..., Caller], body: dict[str, object], fields: list[str]
) -> None:
    answer = assert_problem(caller().post("/users", body), 422)
    assert [e["field"] for e in answer["errors"]] == fields
    assert all(e["detail"] for e in answer["errors"])


def test_what_disagrees_with_what_is_there_is_a_conflict(caller: Callable[..., Caller]) -> None:
    body = assert_problem(caller().post("/users", {**NEW, "email": "OWNER@example.com"}), 409)
    assert body["errors"][0]["field"] == "email"


def test_wrong_paths_methods_and_bodies_are_problems_too(caller: Callable[..., Caller]) -> None:
    program = caller()
    assert_problem(program.get("/nowhere"), 404)
    assert_problem(program.delete("/tokens/999999"), 404)
    answer = program.delete("/users")
    assert_problem(answer, 405)
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}
    answer = program.client.post(
        "/api/v1/users", b"{not json", content_type="application/json", headers=program.headers
    )
    assert_problem(answer, 400)


def test_a_failure_of_ours_is_a_problem_without_its_inner_text(
    caller: Callable[..., Caller], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = caller()

    def fail(**_kwargs: object) -> None:
        raise RuntimeError("inner text")

    monkeypatch.setattr(queries, "people_page", fail)
    answer = program.get("/users")
    assert_problem(answer, 500)
    assert "inner text" not in answer.content.decode()
    assert "inner text" in caplog.text


def test_pages_by_cursor_show_everybody_once_though_somebody_is_added_meanwhile(
    caller: Callable[..., Caller], person: Callable[..., User]
) -> None:
    program = caller()
    for i in range(6):
        person(Role.VIEWER, email=f"v{i}@example.com")
    seen, path = [], "/users?limit=3"
    while path:
        page = program.get(path).json()
        seen += [p["email"] for p in page["items"]]
        if len(seen) == 3:
            person(Role.VIEWER, email="late@example.com")
        path = f"/users?limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == [*(f"v{i}@example.com" for i in range(5, -1, -1)), "owner@example.com"]


@pytest.mark.parametrize(
    "query", ["cursor=%00", "cursor=bm90IGEgbnVtYmVy", "cursor=é", "limit=0", "limit=201", "limit=x"]
)
def test_a_cursor_or_limit_that_is_none_names_itself(caller: Callable[..., Caller], query: str) -> None:
    body = assert_problem(caller().get(f"/users?{query}"), 422)
    assert body["errors"][0]["field"] == query.partition("=")[0]


def test_a_repeat_with_the_same_key_acts_once_and_gives_the_first_answer(caller: Callable[..., Caller]) -> None:
    program = caller()
    first = program.post("/tokens", {"name": "deploy"}, key="k1")
    again = program.post("/tokens", {"name": "deploy"}, key="k1")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert ApiToken.objects.filter(name="deploy").count() == 1
    secret = first.json()["token"]
    assert secret not in str(list(KeptAnswer.objects.values_list("body", flat=True)))
    body = assert_problem(program.post("/tokens", {"name": "other"}, key="k1"), 422)
    assert body["errors"][0]["field"] == "Idempotency-Key"
    assert program.post("/tokens", {"name": "deploy"}, key="k2").json()["token"] != secret


def test_a_request_that_was_refused_may_be_repeated_with_its_key(caller: Callable[..., Caller]) -> None:
    program = caller()
    assert_problem(program.post("/users", {**NEW, "email": "owner@example.com"}, key="k1"), 409)
    assert program.post("/users", NEW, key="k1").status_code == 201


def test_a_key_is_forgotten_after_a_day(caller: Callable[..., Caller]) -> None:
    program = caller()
    program.post("/tokens", {"name": "deploy"}, key="k1")
    KeptAnswer.objects.update(created_at=clock.now() - timedelta(hours=24, seconds=1))
    assert program.post("/tokens", {"name": "other"}, key="k1").status_code == 201
    KeptAnswer.objects.update(created_at=clock.now() - timedelta(hours=24, seconds=1))
    assert chores.work(clock.now()) == 1
    assert chores.work(clock.now()) == 0


@pytest.mark.django_db(transaction=True)
def test_two_repeats_at_the_same_moment_act_once(caller: Callable[..., Caller]) -> None:
    program = caller()
    answers: list[Any] = []
    ready = threading.Barrier(4)

    def call() -> None:
        ready.wait(10)
        try:
            answers.append(program.post("/tokens", {"name": "deploy"}, key="k1").json())
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 4
    assert all(a == answers[0] for a in answers)
    assert ApiToken.objects.filter(name="deploy").count() == 1


def test_a_token_is_revoked_by_its_holder_or_by_who_manages_people(
    caller: Callable[..., Caller], person: Callable[..., User]
) -> None:
    viewer, owner = caller(Role.VIEWER), caller(Role.OWNER)
    bob = person(Role.MANAGER)
    token, text = actions.create_token(user=bob, name="laptop", actor=queries.ref(bob))
    assert_problem(viewer.delete(f"/tokens/{token.pk}"), 404)
    assert queries.holder_of(text) is not None
    assert owner.delete(f"/tokens/{token.pk}").status_code == 204
    assert owner.delete(f"/tokens/{token.pk}").status_code == 204
    assert_problem(Caller(text).get("/me"), 401)


def test_services_over_the_api(caller: Callable[..., Caller]) -> None:
    program = caller(Role.MANAGER)
    made = program.post("/services", {"app_id": "shop/orders", "tier": "core", "purpose": "order"})
    assert made.status_code == 201
    assert made.json()["label"] == "Orders"
    assert [s["app_id"] for s in program.get("/services").json()["items"]] == ["shop/orders"]
    assert_problem(program.post("/services", {"app_id": "shop/orders"}), 409)


def test_the_document_is_openapi_3_1_and_tells_of_problems_and_tokens(client: Client) -> None:
    document = client.get("/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/api/v1/users"]["post"]
    problem = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
    assert problem == {"$ref": "#/components/schemas/Problem"}
    assert "Problem" in document["components"]["schemas"]
    assert operation["security"]
    schemes = document["components"]["securitySchemes"].values()
    assert {"type": "http", "scheme": "bearer"}.items() <= next(iter(schemes)).items()
