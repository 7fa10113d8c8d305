"""One deadline for a whole exchange with a vendor: name lookup, connecting, TLS, request, headers and body.

httpx bounds each wait by itself, so that an address after another that does not answer, then a vendor that drips its
headers byte by byte, last as long as they like. Here every wait on the wire is given what is left of the thread's
deadline, and none when nothing is left.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Generator, Iterable
from typing import Any

import httpcore
import httpx

_thread = threading.local()


@contextlib.contextmanager
def deadline(seconds: float) -> Generator[None]:
    """Let what the thread sends and reads during the block be over within so many seconds."""
    _thread.until = time.monotonic() + seconds
    try:
        yield
    finally:
        del _thread.until


def obey_deadlines(client: httpx.Client) -> None:
    """Make a client's connections keep to the deadline of the thread that uses them; without one nothing changes.

    A client that does not talk over sockets is left as it is.
    """
    # httpx has no public way to hand the network to its pool; a test with a vendor that drips headers guards this.
    transport = client._transport  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if isinstance(transport, httpx.HTTPTransport):
        transport._pool._network_backend = _Network()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    """Return how long the next wait may last. Raises ``late`` when the time is over."""
    until: float | None = getattr(_thread, "until", None)
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise late("the time of the whole exchange is over")
    return left if timeout is None else min(left, timeout)


class _Network(httpcore.NetworkBackend):
    """Opens connections. A name's addresses are tried in their order, within the same time."""

    def __init__(self) -> None:
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect. Raises httpcore's ConnectTimeout and ConnectError."""
        failed: Exception = httpcore.ConnectError(f"{host}: no address")
        for address in _look_up(host, port, _left(timeout, httpcore.ConnectTimeout)):
            try:
                left = _left(timeout, httpcore.ConnectTimeout)
                return _Stream(self._plain.connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    def sleep(self, seconds: float) -> None:
        """Never needed: the pool itself tries nothing again."""
        self._plain.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait is shortened to what is left."""

    def __init__(self, plain: httpcore.NetworkStream) -> None:
        self._plain = plain

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, empty at the end. Raises httpcore's ReadTimeout and ReadError."""
        return self._plain.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send everything. Raises httpcore's WriteTimeout and WriteError."""
        self._plain.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        """Hang up."""
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Return the same connection, encrypted. Raises httpcore's ConnectTimeout and ConnectError."""
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """Return what the plain connection knows of itself."""
        return self._plain.get_extra_info(info)


def _look_up(host: str, port: int, timeout: float | None) -> list[str]:
    """Return the addresses of a host. The system's lookup takes no timeout, so it is waited for in a thread of its own."""
    found: list[str] = []
    errors: list[OSError] = []

    def look_up() -> None:
        try:
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append(str(address[0]))
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=look_up, name="look-up", daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        raise httpcore.ConnectTimeout(f"{host}: no address in time")
    if errors:
        raise httpcore.ConnectError(f"{host}: {errors[0]}") from errors[0]
    return list(dict.fromkeys(found))
