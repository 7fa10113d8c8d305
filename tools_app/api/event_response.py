"""The answer that lasts: a stream of events with a place of its own, and patience for slow clients that ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from models.infra import metrics
from models.infra.errors import TooManyRequests, Unavailable
from models.infra.logging import get_logger

# A write that does not get through for so long means that the client has stopped reading.
SEND_S = 10.0
_RETRY_S = 30

log = get_logger(__name__)


class Slots:
    """How many streams this process has open, in all and for each session."""

    def __init__(self, *, per_session: int, in_all: int) -> None:
        self._per_session, self._in_all = per_session, in_all
        self._open: Counter[str] = Counter()

    def take(self, session_id: str) -> Callable[[], None]:
        """Take a place; the returned function gives it back. Raises TooManyRequests (429) and Unavailable (503)."""
        if self._open[session_id] >= self._per_session:
            raise TooManyRequests(
                "This session has too many event streams open.",
                code="too_many_streams",
                retry_after=_RETRY_S,
                limit=self._per_session,
            )
        if self._open.total() >= self._in_all:
            raise Unavailable("This server holds as many event streams as it can.", code="streams_full")
        self._open[session_id] += 1
        metrics.sse_connections_total.inc()

        def release() -> None:
            metrics.sse_connections_total.dec()
            self._open[session_id] -= 1
            if self._open[session_id] <= 0:
                del self._open[session_id]

        return release


class EventResponse(StreamingResponse):
    """text/event-stream; ends when the client is gone, or cannot be written to for SEND_S seconds."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[str], release: Callable[[], None]) -> None:
        super().__init__(frames, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release()

    async def stream_response(self, send: Send) -> None:
        """Send frame by frame, none of them for longer than SEND_S."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_S):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            # The server closes the connection because the answer has no end; the client resumes by id.
            metrics.sse_dropped.inc()
            log.info("a stream's client does not read, dropped")
        finally:
            closing = getattr(self.body_iterator, "aclose", None)
            if closing is not None:
                await closing()
