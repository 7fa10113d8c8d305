"""Equal lookups that come together: one runs, one waits behind it for everybody who came meanwhile.

Nobody joins the one that runs: it may have been answered before a change that a later caller knows of. So a lookup's
answer is never older than the call that gets it, and a burst of equal calls costs two lookups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedLookups(Generic[T]):
    """The lookups of one kind, by key."""

    def __init__(self) -> None:
        # Tasks belong to a loop; several run in tests.
        self._queues: dict[tuple[int, str], list[asyncio.Task[T]]] = {}

    @property
    def pending(self) -> int:
        """Lookups that run or wait."""
        return sum(map(len, self._queues.values()))

    async def run(self, key: str, look: Callable[[], Awaitable[T]]) -> T:
        """What `look` answers, begun after this call. Raises what it raises; a caller who goes away ends nothing."""
        place = (id(asyncio.get_running_loop()), key)
        queue = self._queues.setdefault(place, [])
        if len(queue) < 2:
            task = asyncio.get_running_loop().create_task(self._look(queue[0] if queue else None, look))
            queue.append(task)
            task.add_done_callback(lambda done: self._done(place, done))
        return await asyncio.shield(queue[-1])

    async def _look(self, before: asyncio.Task[T] | None, look: Callable[[], Awaitable[T]]) -> T:
        if before is not None:
            await asyncio.wait({before})
        return await look()

    def _done(self, place: tuple[int, str], task: asyncio.Task[T]) -> None:
        queue = self._queues[place]
        queue.remove(task)
        if not queue:
            del self._queues[place]
        if not task.cancelled():
            # Every caller may have gone away: asked for here, a failure is not "never retrieved".
            task.exception()
