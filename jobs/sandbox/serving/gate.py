"""The outermost layer of each vendor server: moves the clock, logs the request, applies faults."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.sandbox.serving.faults import Fault, FaultSwitch
from jobs.sandbox.serving.request_log import LoggedRequest, RequestLog
from jobs.sandbox.serving.spoiling import half, with_bad_record, without_list

# Vendor (empty: all) and kind of the faults that alter a whole answer.
_SPOILERS: Final[dict[tuple[str, str], Callable[[bytes], bytes]]] = {
    ("", "truncated"): half,
    ("", "bad_record"): with_bad_record,
    ("chatwoot", "schema_change"): without_list,
    ("attio", "schema_change"): without_list,
}
# Vendor, kind of fault and path of the request: lets people at the vendor change something while a list is read.
Meddle = Callable[[str, str, str], None]

# Requests to these paths steer the sandbox; they are no vendor's and are neither logged nor broken.
CONTROL_PREFIX = "/_sandbox"


class Clock(Protocol):
    """What the gate needs of the running sandbox."""

    def advance(self) -> datetime:
        """Let everything due happen; answers the current instant."""
        ...


@dataclass(frozen=True, slots=True)
class FaultAnswers:
    """How one vendor words its failures."""

    throttled: Callable[[datetime], Response]
    broken: Callable[[int], Response]
    refused: Callable[[], Response]


class Gate:
    """ASGI middleware of one vendor's server."""

    def __init__(
        self,
        app: ASGIApp,
        vendor: str,
        clock: Clock,
        faults: FaultSwitch,
        log: RequestLog,
        answers: FaultAnswers,
        meddle: Meddle,
    ) -> None:
        self._app = app
        self._vendor = vendor
        self._clock = clock
        self._faults = faults
        self._log = log
        self._answers = answers
        self._meddle = meddle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or fail it as asked."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
            await self._app(scope, receive, send)
            return
        now = self._clock.advance()
        entry = self._log.open(
            now, self._vendor, scope["method"], scope["path"], scope["query_string"].decode()
        )
        body = b""
        if scope["method"] == "POST":
            body = await _read_body(receive)
            self._log.attach_body(entry, body)
        inner_receive = _replay(body, receive)
        fault = self._faults.take(self._vendor, scope["path"], body.decode("utf-8", "replace"))
        if fault is None:
            await self._app(scope, inner_receive, _noting(send, entry))
            return
        entry.fault = fault.kind
        await self._fail(fault, scope, (receive, inner_receive), send, entry, now)

    async def _fail(
        self,
        fault: Fault,
        scope: Scope,
        receives: tuple[Receive, Receive],
        send: Send,
        entry: LoggedRequest,
        now: datetime,
    ) -> None:
        raw, replayed = receives
        noting = _noting(send, entry)
        spoil = _SPOILERS.get((self._vendor, fault.kind)) or _SPOILERS.get(("", fault.kind))
        if spoil is not None:
            await self._spoil(spoil, scope, replayed, noting)
            return
        match fault.kind:
            case "429":
                await self._answers.throttled(now)(scope, replayed, noting)
            case "500" | "503" | "404":
                await self._answers.broken(int(fault.kind))(scope, replayed, noting)
            case "wrong_token":
                await self._answers.refused()(scope, replayed, noting)
            case "timeout":
                await _hung_up_within(raw, fault.seconds)
                _cut(raw)
            case "slow":
                if not await _hung_up_within(raw, fault.seconds):
                    await self._app(scope, replayed, noting)
            case "reset":
                _cut(raw)
            case _:
                # What only the vendor's own code can play (its errors beside data, its cursors, its visibility), and
                # what people do right after the answer.
                scope.setdefault("state", {})["fault"] = fault.kind
                await self._app(scope, replayed, noting)
                self._meddle(self._vendor, fault.kind, scope["path"])

    async def _spoil(
        self, spoil: Callable[[bytes], bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        parts: list[bytes] = []
        head: list[Message] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.append(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self._app(scope, receive, collect)
        body = spoil(b"".join(parts))
        headers = [(k, v) for k, v in head[0]["headers"] if k.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({**head[0], "headers": headers})
        await send({"type": "http.response.body", "body": body})


def fault_of(scope: Scope) -> str:
    """The fault a vendor's own code must play for this request, empty when none."""
    return str(scope.get("state", {}).get("fault", ""))


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _noting(send: Send, entry: LoggedRequest) -> Send:
    async def noted(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry.status = message["status"]
        await send(message)

    return noted


async def _hung_up_within(receive: Receive, seconds: float) -> bool:
    async def hangup() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(hangup(), seconds)
    except TimeoutError:
        return False
    return True


def _cut(receive: Receive) -> None:
    # ASGI has no way to break a connection; uvicorn's receive is bound to the cycle that owns it.
    cycle: Any = getattr(receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("connection faults need uvicorn's HTTP server")
    transport.abort()
