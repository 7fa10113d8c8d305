"""An answer is read whole, in time and within its size; over real sockets, because time is what the others fake."""

import contextlib
import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from jobs.connectors.errors import RequestRefused, UnusableAnswer, VendorDown
from jobs.connectors.http import VendorHttp
from models.infra.clock import utcnow

Serve = Callable[[Any, threading.Event], object]


class Ask(Protocol):
    """Has one answer served, and returns what the client makes of it."""

    def __call__(
        self, serve: Serve, origin: str = ..., encrypting: ssl.SSLContext | None = ..., /
    ) -> object: ...


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Asks once a server that does as told with its connections; returns what the client makes of the answer."""
    monkeypatch.setattr("jobs.connectors.http.ATTEMPTS", 1)
    over = threading.Event()

    def ask(
        serve: Serve, origin: str = "http://127.0.0.1", encrypting: ssl.SSLContext | None = None
    ) -> object:
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(30)

        def work() -> None:
            connection, _ = server.accept()
            with contextlib.ExitStack() as open_ones:
                open_ones.enter_context(contextlib.suppress(OSError))  # the client has hung up
                open_ones.enter_context(connection)
                if encrypting is not None:
                    connection = open_ones.enter_context(encrypting.wrap_socket(connection, server_side=True))
                connection.recv(65_536)
                serve(connection, over)

        threading.Thread(target=work, daemon=True).start()
        url = f"{origin}:{server.getsockname()[1]}"
        client = VendorHttp("attio", url, {}, timeout_s=0.6, classify=lambda _: None)
        try:
            return client.get_json("/x")
        finally:
            client.close()
            server.close()

    yield ask
    over.set()


def drip(head: bytes) -> Serve:
    """A byte every now and then, often enough for a timeout between bytes, and for ever."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + head + b"\r\n[")
        while not over.wait(0.1):
            connection.sendall(b" ")

    return serve


@pytest.mark.parametrize("head", [b"content-length: 100000\r\n", b"connection: close\r\n"])
def test_a_body_that_drips_is_given_up_when_the_time_of_the_request_is_over(asking: Ask, head: bytes) -> None:
    with pytest.raises(VendorDown, match="no whole answer in time") as failed:
        asking(drip(head))
    assert not isinstance(failed.value, UnusableAnswer)  # the breaker counts it


def drip_headers(connection: socket.socket, over: threading.Event) -> None:
    """A header that grows by a byte every now and then; hangs up in the end, so that nobody waits for ever."""
    connection.sendall(HEAD + b"x-slow: ")
    for _ in range(30):
        if over.wait(0.1):
            return
        connection.sendall(b"x")


def test_headers_that_drip_are_given_up_when_the_time_of_the_request_is_over(
    asking: Ask,
) -> None:
    with pytest.raises(VendorDown, match="no answer in time"):
        asking(drip_headers)


def test_headers_and_body_share_one_time(asking: Ask) -> None:
    """Either would do by itself: a header within its time, then a body within as much again."""

    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"content-length: 2\r\n")
        over.wait(0.4)
        connection.sendall(b"\r\n[")
        over.wait(0.4)
        connection.sendall(b"]")

    with pytest.raises(VendorDown, match="no whole answer in time"):
        asking(serve)


def looking_up(monkeypatch: pytest.MonkeyPatch, host: str, found: Callable[[], list[str]]) -> None:
    """Let a host of the test have these addresses; Redis and others are found as ever."""
    ask = socket.getaddrinfo

    def look_up(name: str, *where: Any, **more: Any) -> list[Any]:
        if name != host:
            return ask(name, *where, **more)
        return [each for address in found() for each in ask(address, *where, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_host_whose_address_is_not_found_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def found() -> list[str]:
        over.wait(5)
        raise socket.gaierror("no such host")

    looking_up(monkeypatch, "slow.example", found)
    monkeypatch.setattr("jobs.connectors.http.ATTEMPTS", 1)
    client = VendorHttp("attio", "http://slow.example", {}, timeout_s=0.3, classify=lambda _: None)
    with pytest.raises(VendorDown, match="no answer in time"):
        client.get_json("/x")
    over.set()
    client.close()


def test_an_address_where_nobody_listens_leaves_the_next_one_its_turn(
    asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking_up(monkeypatch, "two.example", lambda: ["127.0.0.2", "127.0.0.1"])
    answer = HEAD + b"content-length: 2\r\n\r\n[]"
    assert asking(lambda connection, _: connection.sendall(answer), "http://two.example") == []


@pytest.fixture
def encrypting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a vendor encrypts with, its certificate trusted by the client."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vendor")])
    now = utcnow()
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(1)
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    file = tmp_path / "vendor.pem"
    file.write_bytes(
        certificate + key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    trusting = ssl.create_default_context(cadata=certificate.decode())
    monkeypatch.setattr("jobs.connectors.http._tls", lambda _: trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_an_encrypted_answer_arrives(asking: Ask, encrypting: ssl.SSLContext) -> None:
    def serve(connection: ssl.SSLSocket, _: threading.Event) -> None:
        connection.sendall(HEAD + b"content-length: 2\r\n\r\n[]")

    assert asking(serve, "https://127.0.0.1", encrypting) == []


def test_an_encrypted_answer_that_drips_is_given_up_too(asking: Ask, encrypting: ssl.SSLContext) -> None:
    with pytest.raises(VendorDown, match="no answer in time"):
        asking(drip_headers, "https://127.0.0.1", encrypting)


def say_nothing(_: socket.socket, over: threading.Event) -> None:
    over.wait(3)


def test_an_encrypted_connection_keeps_to_the_time_too(asking: Ask) -> None:
    """A vendor that says nothing while the connection is being encrypted."""
    with pytest.raises(VendorDown, match="no answer in time"):
        asking(say_nothing, "https://127.0.0.1")


def test_a_body_that_ends_early_is_no_failure_of_the_vendor(asking: Ask) -> None:
    with pytest.raises(UnusableAnswer, match="ends early"):
        asking(lambda connection, _: connection.sendall(HEAD + b"content-length: 100\r\n\r\n[1"))


def test_a_body_that_cannot_be_unpacked_is_an_error_of_the_vendor(asking: Ask) -> None:
    head = HEAD + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\n"
    with pytest.raises(UnusableAnswer, match="cannot be decoded"):
        asking(lambda connection, _: connection.sendall(head + b"nope"))


def test_a_body_that_is_too_large_is_given_up_while_it_comes(
    asking: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"content-length: 100000\r\n\r\n[" + b" " * 20)
        over.wait(30)

    monkeypatch.setattr("jobs.connectors.body.MAX_BYTES", 10)
    with pytest.raises(RequestRefused, match="over 10 bytes"):
        asking(serve)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_letters_outside_ascii_in_a_header_are_no_hindrance(asking: Ask, encoding: str) -> None:
    head = HEAD + "x-served-from: Zürich\r\ncontent-length: 2\r\n\r\n".encode(encoding)

    def serve(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(head + b"[]")

    assert asking(serve) == []


def test_a_packed_body_in_pieces_arrives_as_it_was(asking: Ask) -> None:
    packed = gzip.compress(b'{"data": [1, 2]}')

    def serve(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (packed[:9], packed[9:]):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")

    assert asking(serve) == {"data": [1, 2]}
