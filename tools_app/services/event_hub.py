"""One reader of the event stream per process, fanned out to whoever listens in it: open streams and open pages.

A listener has room for a bounded number of events. One that does not take them in time is ended instead of being
buffered for: it connects again and resumes by the id of the last event that it saw. Everything here belongs to one
event loop and needs no locks.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from weakref import WeakKeyDictionary

from redis.exceptions import RedisError

from models.infra import events
from models.infra.events import Event
from models.infra.logging import get_logger

# Events that leave the process. What else is published is between processes.
KINDS = frozenset({"job_progress", "job_completed", "completeness_drop", "identity_preview"})
ROOM = 256

Ending = Literal["", "slow", "refused", "closing"]

log = get_logger(__name__)


class Listener:
    """The events one listener has not taken yet. `ended` says why there will be no more: it was too slow, Redis
    refuses to be read, or the process stops.
    """

    def __init__(self, wanted: Callable[[Event], bool], room: int) -> None:
        self.ended: Ending = ""
        self._wanted, self._room = wanted, room
        self._held: deque[Event] = deque()
        self._wake = asyncio.Event()

    def wants(self, event: Event) -> bool:
        """Whether an event is for this listener."""
        return self._wanted(event)

    def offer(self, event: Event) -> None:
        """Hand over an event; the listener ends when it has no room for one that it wants."""
        if self.ended or not self.wants(event):
            return
        if len(self._held) >= self._room:
            self.end("slow")
            return
        self._held.append(event)
        self._wake.set()

    def end(self, reason: Ending) -> None:
        """No more events, and none of those that wait: whoever resumes gets them again."""
        self.ended = self.ended or reason
        self._held.clear()
        self._wake.set()

    async def take(self, timeout_s: float) -> Event | None:
        """The next event; None when none came within `timeout_s` seconds, and at once when the listener ended."""
        if not self._held and not self.ended:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
        return self._held.popleft() if self._held else None


class EventHub:
    """Reads while anybody listens. After a refusal by Redis the next listener starts a new reader."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._reader: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def listening(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @contextmanager
    def listen(self, wanted: Callable[[Event], bool], room: int = ROOM) -> Iterator[Listener]:
        """A listener for the wanted events of KINDS, from now on."""
        listener = Listener(lambda event: event.kind in KINDS and wanted(event), room)
        if self._closed:
            listener.end("closing")
        self._listeners.add(listener)
        if not self._closed and (self._reader is None or self._reader.done()):
            self._reader = asyncio.create_task(self._read(), name="event hub")
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners:
                self._stop_reading()

    def close(self) -> None:
        """End every listener, and those that come later at once: the process stops."""
        self._closed = True
        self._end_all("closing")
        self._stop_reading()

    async def _read(self) -> None:
        try:
            async for event in events.stream():
                for listener in list(self._listeners):
                    listener.offer(event)
        except RedisError as error:
            log.warning("event hub stops reading", error=type(error).__name__)
        finally:
            self._end_all("refused")

    def _end_all(self, reason: Ending) -> None:
        for listener in list(self._listeners):
            listener.end(reason)

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None


def event_hub() -> EventHub:
    """The hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), EventHub())


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, EventHub] = WeakKeyDictionary()
