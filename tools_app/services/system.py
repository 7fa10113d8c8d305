"""The installation part by part: what it is, how it does, and what to do where it does not.

Every part is asked by itself and at the same time, and is waited for `WAIT_S`: what does not answer is shown as such
and keeps nobody waiting. Nothing here is business data.
"""

import asyncio
import datetime as dt
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from jobs.enqueue import QueueState, WorkerState
from models.infra.clock import utcnow
from models.infra.database import in_db
from models.infra.errors import AppError
from models.infra.logging import get_logger

log = get_logger(__name__)

WAIT_S = 1.8

State = Literal["ok", "warn", "bad"]
Unit = Literal["text", "count", "bytes", "percent", "instant"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known of a part (`system.fact.<code>`); sizes are bytes, shares 0..100."""

    code: str
    value: str | int | float | dt.datetime | None
    unit: Unit = "text"


@dataclass(frozen=True, slots=True)
class Part:
    """One part (`system.part.<code>`). `hint` names what to do about it (`system.hint.<hint>`) unless it is ok."""

    code: str
    state: State = "ok"
    facts: tuple[Fact, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found: parts, and the queues and workers themselves."""

    parts: tuple[Part, ...]
    queues: tuple[QueueState, ...] = ()
    workers: tuple[WorkerState, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemView:
    """The installation at an instant. `state` is that of its worst part."""

    checked_at: dt.datetime
    state: State
    parts: tuple[Part, ...]
    queues: tuple[QueueState, ...]
    workers: tuple[WorkerState, ...]

    def without_details(self) -> "SystemView":
        """States and hints alone: what /health tells anybody."""
        return replace(
            self, parts=tuple(replace(part, facts=()) for part in self.parts), queues=(), workers=()
        )


class Look:
    """Looks at parts that go together, in a thread; while a slow look is under way no second one begins."""

    def __init__(
        self, codes: Sequence[str], read: Callable[[], Finding], *, asks_database: bool = False
    ) -> None:
        self._codes, self._read, self._asks_database = codes, read, asks_database
        self._lock = threading.Lock()

    async def take(self) -> Finding:
        """What was found; where that fails or takes longer than WAIT_S, that the parts do not answer."""
        started = in_db(self._guarded) if self._asks_database else asyncio.to_thread(self._guarded)
        task = asyncio.ensure_future(started)
        # A thread cannot be stopped: it ends by its own time limits, and nobody waits for it.
        done, _ = await asyncio.wait({task}, timeout=WAIT_S)
        return task.result() if done else self._away()

    def _guarded(self) -> Finding:
        if not self._lock.acquire(blocking=False):
            return self._away()
        try:
            return self._read()
        except (SQLAlchemyError, RedisError, AppError, OSError) as fault:
            log.warning("system: a part does not answer", parts=list(self._codes), error=type(fault).__name__)
            return self._away()
        finally:
            self._lock.release()

    def _away(self) -> Finding:
        return Finding(tuple(Part(code, "bad", hint=f"{code}_away") for code in self._codes))


async def look_at(looks: Sequence[Look]) -> SystemView:
    """Take all looks at once; as long as the slowest, WAIT_S at most. Never raises for a part that is away."""
    found = await asyncio.gather(*(look.take() for look in looks))
    parts = tuple(part for each in found for part in each.parts)
    states = {part.state for part in parts}
    worst: State = "bad" if "bad" in states else "warn" if "warn" in states else "ok"
    return SystemView(
        checked_at=utcnow(),
        state=worst,
        parts=parts,
        queues=tuple(queue for each in found for queue in each.queues),
        workers=tuple(worker for each in found for worker in each.workers),
    )
