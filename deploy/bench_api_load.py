"""The load generator: clients on kept-alive connections that send prepared requests one after the other.

Written on plain asyncio streams, because a client library would cost more than the answers that are measured. A client
waits for its answer before it asks again; latency is from the first byte sent to the last one received.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from deploy.bench_api_seed import SESSIONS, token_of

# Below both limits: 100 reads a minute of a session, 30 changes a minute of an address.
_SESSION_USES = 90
_ADDRESS_USES = 25
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: method, path with its query, body, and whether a session goes with it."""

    method: str
    path: str
    body: str = ""
    has_session: bool = True


@dataclass(slots=True)
class Measured:
    """Latencies in ms of the answers with a good status, and the statuses of the others (0: none in time)."""

    latencies: list[float] = field(default_factory=list[float])
    refused: dict[int, int] = field(default_factory=dict[int, int])
    seconds: float = 0.0

    def percentile(self, share: float) -> float:
        """The latency that `share` (0..1) of the answers did not exceed (nearest rank)."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    def per_second(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def figures(self) -> dict[str, float | int | dict[str, int]]:
        """What the report shows."""
        return {
            "requests": len(self.latencies),
            "per_second": round(self.per_second(), 1),
            "p50_ms": round(self.percentile(0.50), 2),
            "p95_ms": round(self.percentile(0.95), 2),
            "p99_ms": round(self.percentile(0.99), 2),
            "refused": {str(status): count for status, count in self.refused.items()},
        }


class Crowd:
    """Identities for requests. Every client is a browser: it has a session of its own, and takes a new one, as an address,
    before it meets a limit. None is used again within a run.
    """

    def __init__(self) -> None:
        self._sessions = itertools.count()
        self._addresses = itertools.count()

    def browser(self) -> Browser:
        """A browser that has asked nothing yet."""
        return Browser(self._sessions, self._addresses)


class Browser:
    """Cookie, CSRF token and forwarded address of one client."""

    def __init__(self, sessions: Iterator[int], addresses: Iterator[int]) -> None:
        self._sessions, self._addresses = sessions, addresses
        self._asked = 0
        self._session = self._address = ""

    def headers(self, *, has_session: bool) -> str:
        """The headers of the next request."""
        if self._asked % _SESSION_USES == 0:
            token = token_of(next(self._sessions) % SESSIONS)
            self._session = f"cookie: ct_session={token}\r\nx-csrf-token: bench-csrf-token\r\n"
        if self._asked % _ADDRESS_USES == 0:
            number = next(self._addresses)
            address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            self._address = f"x-forwarded-for: {address}\r\n"
        self._asked += 1
        return (self._session if has_session else "") + self._address


async def measure(
    port: int,
    asks: Iterator[Ask],
    crowd: Crowd,
    *,
    clients: int,
    seconds: float,
    most: int = 1_000_000,
    before: Callable[[], Awaitable[None]] | None = None,
) -> Measured:
    """Ask for `seconds` or `most` requests with so many clients at once; `before` runs, unmeasured, before each."""
    measured = Measured()
    left = [most]
    until = time.perf_counter() + seconds
    paused = [0.0]

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        browser = crowd.browser()
        try:
            while left[0] > 0 and time.perf_counter() < until:
                left[0] -= 1
                if before is not None:
                    stopped = time.perf_counter()
                    await before()
                    paused[0] += time.perf_counter() - stopped
                request = _bytes(next(asks), browser, port)
                began = time.perf_counter()
                writer.write(request)
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        status = await _answer(reader)
                except TimeoutError:
                    # No answer in time: counted under 0, and the connection is of no use any more.
                    measured.refused[0] = measured.refused.get(0, 0) + 1
                    return
                took = (time.perf_counter() - began) * 1000
                if status < 400:
                    measured.latencies.append(took)
                else:
                    measured.refused[status] = measured.refused.get(status, 0) + 1
        finally:
            writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    measured.seconds = max(time.perf_counter() - began - paused[0] / clients, 1e-9)
    return measured


def _bytes(ask: Ask, browser: Browser, port: int) -> bytes:
    body = ask.body.encode()
    length = (
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if ask.method == "POST" else ""
    )
    head = (
        f"{ask.method} {ask.path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        f"{browser.headers(has_session=ask.has_session)}{length}\r\n"
    )
    return head.encode() + body


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(lowered[at + 15 : lowered.find(b"\r\n", at)]))
    elif b"transfer-encoding: chunked" in lowered:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return status
