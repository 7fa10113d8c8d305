"""A body is read whole, in time and within its size; over real sockets, because time is what the others fake."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from jobs.connectors.errors import RequestRefused, UnusableAnswer, VendorDown
from jobs.connectors.http import VendorHttp

Serve = Callable[[socket.socket, threading.Event], None]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Serve], object]]:
    """Asks once a server that does as told with its connections; returns what the client makes of the answer."""
    monkeypatch.setattr("jobs.connectors.http._ATTEMPTS", 1)
    over = threading.Event()

    def ask(serve: Serve) -> object:
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(30)

        def work() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                try:
                    serve(connection, over)
                except OSError:
                    return  # the client has hung up

        threading.Thread(target=work, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
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
def test_a_body_that_drips_is_given_up_when_the_time_of_the_request_is_over(
    asking: Callable[[Serve], object], head: bytes
) -> None:
    with pytest.raises(VendorDown, match="no whole answer in time") as failed:
        asking(drip(head))
    assert not isinstance(failed.value, UnusableAnswer)  # the breaker counts it


def test_a_body_that_ends_early_is_no_failure_of_the_vendor(asking: Callable[[Serve], object]) -> None:
    with pytest.raises(UnusableAnswer, match="ends early"):
        asking(lambda connection, _: connection.sendall(HEAD + b"content-length: 100\r\n\r\n[1"))


def test_a_body_that_cannot_be_unpacked_is_an_error_of_the_vendor(asking: Callable[[Serve], object]) -> None:
    head = HEAD + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\n"
    with pytest.raises(UnusableAnswer, match="cannot be decoded"):
        asking(lambda connection, _: connection.sendall(head + b"nope"))


def test_a_body_that_is_too_large_is_given_up_while_it_comes(
    asking: Callable[[Serve], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(HEAD + b"content-length: 100000\r\n\r\n[" + b" " * 20)
        over.wait(30)

    monkeypatch.setattr("jobs.connectors.body.MAX_BYTES", 10)
    with pytest.raises(RequestRefused, match="over 10 bytes"):
        asking(serve)


def test_a_packed_body_in_pieces_arrives_as_it_was(asking: Callable[[Serve], object]) -> None:
    packed = gzip.compress(b'{"data": [1, 2]}')

    def serve(connection: socket.socket, _: threading.Event) -> None:
        connection.sendall(HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (packed[:9], packed[9:]):
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\n\r\n")

    assert asking(serve) == {"data": [1, 2]}
