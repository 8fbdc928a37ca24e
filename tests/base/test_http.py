"""Requests that go out: their deadline, their cap, and where they may not go. Against real sockets of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from hemostat.base import http

Answer = Callable[[socket.socket], None]
SECRET = "s3cr3t-path"


@pytest.fixture
def server() -> Iterator[Callable[[Answer], int]]:
    """Start a server on loopback that gives one kind of answer to each connection; returns its port."""
    with ExitStack() as stack:

        def start(answer: Answer) -> int:
            listener = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))

            def serve() -> None:
                while True:
                    try:
                        connection, _peer = listener.accept()
                    except OSError:
                        return
                    with connection:
                        answer(connection)

            threading.Thread(target=serve, daemon=True).start()
            return int(listener.getsockname()[1])

        yield start


def saying(text: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return answer


def test_an_answer_comes_with_its_status_headers_and_body(server: Callable[[Answer], int]) -> None:
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        seen.append(b"")
        while not seen[0].endswith(b"\r\n\r\nbody"):
            seen[0] += connection.recv(65536)
        connection.sendall(b"HTTP/1.1 201 Created\r\nX-Id: 7\r\nContent-Length: 2\r\n\r\nok")

    port = server(answer)
    response = http.request(
        "post",
        f"http://me:pass%20word@127.0.0.1:{port}/a?b=c",
        content=b"body",
        headers={"X-A": "1"},
        allow_private=True,
    )
    assert (response.status, response.headers["x-id"], response.content) == (201, "7", b"ok")
    sent = seen[0].decode()
    assert sent.startswith("POST /a?b=c HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{port}\r\n" in sent
    assert "authorization: Basic bWU6cGFzcyB3b3Jk\r\n" in sent
    assert "pass" not in sent.replace("bWU6cGFzcyB3b3Jk", "")
    assert sent.endswith("content-length: 4\r\n\r\nbody")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_status_is_an_answer_and_no_redirect_is_followed(server: Callable[[Answer], int], status: int) -> None:
    port = server(saying(b"HTTP/1.1 %d X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" % status))
    assert http.request("GET", f"http://127.0.0.1:{port}/", allow_private=True).status == status


def test_no_more_is_read_than_the_cap(server: Callable[[Answer], int]) -> None:
    port = server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500000))
    response = http.request("GET", f"http://127.0.0.1:{port}/", allow_private=True, max_bytes=1000)
    assert (len(response.content), response.truncated) == (1000, True)


def test_a_server_that_answers_a_byte_at_a_time_is_left_at_the_deadline(server: Callable[[Answer], int]) -> None:
    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        try:
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        except OSError:
            return

    port = server(drip)
    began = time.monotonic()
    with pytest.raises(http.NoAnswerError, match="took too long"):
        http.request("GET", f"http://127.0.0.1:{port}/{SECRET}", allow_private=True, timeout_s=0.5)
    assert time.monotonic() - began < 5


def test_a_connection_closed_without_an_answer_may_have_been_acted_on(server: Callable[[Answer], int]) -> None:
    port = server(saying(b""))
    with pytest.raises(http.NoAnswerError):
        http.request("POST", f"http://127.0.0.1:{port}/", content=b"x", allow_private=True)


def test_where_nobody_listens_nothing_was_sent_and_no_secret_is_told() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(http.NotSentError) as error:
        http.request(
            "GET", f"http://u:{SECRET}@127.0.0.1:{port}/{SECRET}?k={SECRET}", headers={"X": SECRET}, allow_private=True
        )
    assert not isinstance(error.value, http.BlockedError)
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None
    assert "127.0.0.1: no connection (connection refused)" in str(error.value)


def test_an_answer_that_is_not_http_tells_nothing_of_what_was_sent(server: Callable[[Answer], int]) -> None:
    port = server(saying(SECRET.encode() + b"\r\n\r\n"))
    with pytest.raises(http.NoAnswerError) as error:
        http.request("GET", f"http://127.0.0.1:{port}/", allow_private=True)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "10.1.2.3",
                                  "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])  # fmt: skip
def test_inner_addresses_are_refused_in_whatever_way_they_are_written(host: str) -> None:
    with pytest.raises(http.BlockedError, match=r"private|resolved|address"):
        http.request("GET", f"http://{host}:9/", timeout_s=2, allow_private=False)


def test_a_name_that_stands_for_an_outer_and_an_inner_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_look_up", lambda host, port, timeout_s: ["93.184.215.14", "10.0.0.1"])
    with pytest.raises(http.BlockedError):
        http.request("GET", "http://mixed.example/", allow_private=False)


def test_the_connection_goes_to_the_judged_address_though_the_name_changes_its_mind(
    monkeypatch: pytest.MonkeyPatch, server: Callable[[Answer], int]
) -> None:
    """The system's resolver is asked once; what it says later does not matter."""
    port = server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *args: object, **kwargs: object) -> object:
        if host != "rebind.example":
            return real(host, *args, **kwargs)  # type: ignore[arg-type]
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert http.request("GET", f"http://rebind.example:{port}/", allow_private=True).status == 200
    assert asked == ["rebind.example"]


@pytest.mark.parametrize("url", ["ftp://example.com/", "example.com", "http://", "http://[::1/", "file:///etc/passwd"])
def test_what_is_no_http_address_is_refused(url: str) -> None:
    with pytest.raises(http.BlockedError):
        http.request("GET", url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("2002:7f00:1::", False),
        ("2001:0:5db8:d70e::1", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert http.is_public(address) is public


def test_an_allowed_host_may_be_inner(server: Callable[[Answer], int]) -> None:
    port = server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    url = f"http://127.0.0.1:{port}/"
    assert http.request("GET", url, allow_private=False, allowed_hosts={"127.0.0.1"}).status == 200


def test_a_certificate_nobody_vouches_for_is_told_as_that(
    server: Callable[[Answer], int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import ssl
    from datetime import timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from hemostat.base import clock

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def answer(connection: socket.socket) -> None:
        try:
            context.wrap_socket(connection, server_side=True)
        except OSError:
            return

    port = server(answer)
    with pytest.raises(http.NotSentError, match="its certificate is not accepted: self"):
        http.request("GET", f"https://localhost:{port}/", allow_private=True)
