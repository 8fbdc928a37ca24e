"""The small pieces that processes are made of: settings, logs, clocks, ports, output."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hemostat.base.console import emit
from hemostat.base.failures import InUseError
from hemostat.site import clocksync, database, web
from hemostat.site.config import Config, ConfigError, load
from hemostat.site.listen import take_port
from hemostat.site.logs import redact
from hemostat.site.serve import Message, Receive, Scope, Send


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"HEMOSTAT_WEB_PORT": "eighty"}, "HEMOSTAT_WEB_PORT is 'eighty': expected int is needed."),
        ({"HEMOSTAT_DEBUG": "perhaps"}, "HEMOSTAT_DEBUG is 'perhaps': expected bool is needed."),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named_with_its_value(environ: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(environ)
    assert str(refused.value) == told


def test_an_unknown_name_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "hemostat.toml"
    file.write_text("web_prot = 80\n")
    with pytest.raises(ConfigError, match="web_prot"):
        load({}, file)


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "hemostat.toml"
    file.write_text("web_port = 81\nintake_port = 82\n")
    found = load({"HEMOSTAT_WEB_PORT": "83", "HEMOSTAT_TRUSTED_PROXIES": "10.0.0.1, 10.0.0.2"}, file)
    assert (found.web_port, found.intake_port, found.host) == (83, 82, "127.0.0.1")
    assert found.trusted_proxies == ["10.0.0.1", "10.0.0.2"]


def test_the_public_address_follows_the_port_unless_it_is_said() -> None:
    assert load({"HEMOSTAT_WEB_PORT": "9000"}).public_url == "http://localhost:9000"
    said = {"HEMOSTAT_WEB_PORT": "9000", "HEMOSTAT_PUBLIC_URL": "https://hemostat.example.org"}
    assert load(said).public_url == "https://hemostat.example.org"


def test_a_url_of_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ConfigError, match="postgresql://… is needed, not mysql://…"):
        database.conninfo(Config(database_url="mysql://db/hemostat"))


def test_the_database_is_shown_without_its_password() -> None:
    shown = database.shown(Config(database_url="postgresql://me:s3cret@db.example:5433/prod?sslmode=require"))
    assert shown == "postgresql://me:…@db.example:5433/prod"


def test_a_url_reaches_django_whole() -> None:
    entry = database.django_database(
        Config(database_url="postgresql://me:s%40x@db.example:5433/prod?sslmode=require"), pooled=True
    )
    assert (entry["HOST"], entry["PORT"], entry["NAME"], entry["USER"], entry["PASSWORD"]) == (
        "db.example", "5433", "prod", "me", "s@x",
    )  # fmt: skip
    assert entry["OPTIONS"]["sslmode"] == "require"
    assert entry["CONN_HEALTH_CHECKS"] is True


def test_logs_hold_no_secrets() -> None:
    token = "hs_abcdefghij_" + "x" * 32
    event = redact(
        None,
        "info",
        {
            "event": f"refused {token}",
            "password": "s3cret",
            "url": "postgresql://me:s3cret@db/hemostat",
            "header": "Bearer abc.def",
            "count": 3,
        },
    )
    text = json.dumps(event, ensure_ascii=False)
    assert "s3cret" not in text
    assert "x" * 32 not in text
    assert "abc.def" not in text
    assert event["count"] == 3
    assert "hs_abcdefghij_…" in text, "which token it was can be told"


def test_noise_of_the_measurement_does_not_move_the_clock() -> None:
    def follow(offset_s: float, present_s: float, doubt_s: float = 0.001) -> float:
        measured = clocksync.Measured(timedelta(seconds=offset_s), timedelta(seconds=doubt_s))
        return clocksync.follow(measured, timedelta(seconds=present_s)).total_seconds()

    assert follow(0.02, 0) == 0
    assert follow(2, 0) == 2
    assert follow(2.01, 2) == 2
    assert follow(0.005, 2) == 0
    assert follow(-0.143, 0, doubt_s=0.15) == 0, "a slow answer proves nothing"


def test_a_taken_port_names_the_setting_that_chooses_another() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(InUseError) as refused:
            take_port("127.0.0.1", port, setting="intake_port")
    assert f"Port {port}" in refused.value.what
    assert f"HEMOSTAT_INTAKE_PORT={port + 1}" in refused.value.do


@dataclass
class Row:
    """Something to print."""

    name: str
    at: datetime | None


def test_people_get_a_table_and_programs_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("first", datetime(2026, 11, 19, 13, 58, tzinfo=UTC)), Row("second one", None)]
    emit(rows, json=False, table=[("NAME", lambda r: r.name), ("AT", lambda r: r.at)])
    assert capsys.readouterr().out == "NAME        AT\nfirst       2026-11-19 13:58:00\nsecond one  –\n"
    emit(rows, json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"name": "first", "at": "2026-11-19T13:58:00+00:00"},
        {"name": "second one", "at": None},
    ]


class _Door:
    ready = True

    def serves(self, method: str, path: str) -> bool:
        return (method, path) == ("POST", "/api/v2/alerts") or path == "/v1/traces"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})


async def _pages(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 298, "headers": []})


def _ask(method: str, path: str, host: str = "localhost:8080", public_url: str = "http://localhost:8080") -> Message:
    app = web.dispatcher(Config(public_url=public_url), pages=_pages, door=_Door())  # type: ignore[arg-type]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query.encode(), "scheme": "http",
        "headers": [(b"host", host.encode())],
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/v2/alerts", 299),
        ("POST", "/v1/traces", 299),
        ("GET", "/api/v2/alerts", 298),
        ("GET", "/", 298),
        ("POST", "/setup/", 298),
        ("GET", "/-/healthy", 200),
    ],
)
def test_each_address_is_answered_by_whom_it_belongs_to(method: str, path: str, status: int) -> None:
    assert _ask(method, path)["status"] == status


def test_pages_asked_by_number_are_answered_by_name() -> None:
    moved = _ask("GET", "/incidents/?state=open", host="127.0.0.1:8080")
    assert moved["status"] == 307
    assert (b"location", b"http://localhost:8080/incidents/?state=open") in moved["headers"]


@pytest.mark.parametrize(
    ("method", "path", "public_url"),
    [
        ("POST", "/setup/", "http://localhost:8080"),
        ("GET", "/api/v1/incidents", "http://localhost:8080"),
        ("GET", "/", "https://hemostat.example.org"),
    ],
)
def test_what_is_no_local_page_stays_where_it_is(method: str, path: str, public_url: str) -> None:
    assert _ask(method, path, host="127.0.0.1:8080", public_url=public_url)["status"] == 298
