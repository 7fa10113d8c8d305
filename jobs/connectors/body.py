"""Reads the body of an answer: whole, in time and not too large, or not at all.

An HTTP client's read timeout is the longest silence between two pieces; a vendor that drips bytes never meets it. Here
the whole body has a deadline, and what is too large is noticed while it comes, not after.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator
from typing import Any

import httpx

from jobs.connectors.errors import RequestRefused, UnusableAnswer, VendorDown

MAX_BYTES = 64 * 1024 * 1024
_LEFT_AT_LEAST_S = 0.5  # for the body of an answer whose first byte took nearly all the time there was
# Said of the body as it was sent; here it is unpacked and whole.
_OF_THE_TRANSFER = {"content-encoding", "content-length", "transfer-encoding"}


def read_whole(response: httpx.Response, what: str, deadline: float) -> httpx.Response:
    """Return a streamed answer with its body, which is to be here by ``deadline`` (of the monotonic clock).

    Raises VendorDown when it is late, UnusableAnswer when it ends early, RequestRefused when it is over MAX_BYTES.
    """
    left_s = max(_LEFT_AT_LEAST_S, deadline - time.monotonic())
    deadline = time.monotonic() + left_s
    with _hanging_up(response, left_s) as late:
        try:
            content = _read(response, what, deadline)
        except httpx.TransportError as error:
            if late.is_set():
                raise VendorDown(f"{what}: no whole answer in time") from error
            if isinstance(error, httpx.RemoteProtocolError):
                raise UnusableAnswer(f"{what}: the body ends early ({error})") from error
            raise
    if late.is_set():
        raise VendorDown(f"{what}: no whole answer in time")
    headers = [pair for pair in response.headers.multi_items() if pair[0] not in _OF_THE_TRANSFER]
    return httpx.Response(response.status_code, headers=headers, content=content, request=response.request)


def _read(response: httpx.Response, what: str, deadline: float) -> bytes:
    content = bytearray()
    for piece in response.iter_bytes():
        if content and time.monotonic() > deadline:
            raise VendorDown(f"{what}: no whole answer in time")
        content += piece
        if len(content) > MAX_BYTES:
            raise RequestRefused(f"{what}: body over {MAX_BYTES} bytes")
    return bytes(content)


@contextlib.contextmanager
def _hanging_up(response: httpx.Response, after_s: float) -> Generator[threading.Event]:
    """End the connection from our side when the time is over, so that a silent vendor is not waited for any longer."""
    late = threading.Event()
    stream: Any = response.extensions.get("network_stream")
    sock: Any = stream.get_extra_info("socket") if stream is not None else None
    if sock is None:
        yield late
        return

    def hang_up() -> None:
        late.set()
        with contextlib.suppress(OSError):  # closed already: nobody waits for it
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(after_s, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
