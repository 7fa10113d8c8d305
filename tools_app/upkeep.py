"""What a web process does beside answering: it hears what changed, and writes in batches what answers left behind.

One lifespan task. At shutdown, after the last answer, what waits is written before the process ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from models.infra import events
from models.infra.cache import EVERYTHING, cache
from models.infra.cache_listener import listen
from models.infra.cache_tags import tags_of_job
from models.infra.database import in_db
from models.infra.errors import AppError
from models.infra.events import Event
from models.infra.local_cache import local_cache
from models.infra.logging import get_logger
from tools_app.services.run_log import WRITE_EVERY_S, run_log
from tools_app.services.session_cache import WRITE_EVERY_S as USES_EVERY_S
from tools_app.services.session_cache import last_uses

log = get_logger(__name__)

_LAST_TRIES = 10
_PAUSE_S = 0.5


@asynccontextmanager
async def upkeep() -> AsyncIterator[None]:
    """Keep the caches true and the logs written while the application runs."""
    tasks = [
        asyncio.create_task(listen()),
        asyncio.create_task(_follow_jobs()),
        asyncio.create_task(_every(WRITE_EVERY_S, run_log.write)),
        asyncio.create_task(_every(USES_EVERY_S, last_uses.write)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        await write_what_waits()


async def write_what_waits() -> None:
    """Empty the buffers; tries for a few seconds while the database is away, then says what is lost."""
    for write in (run_log.write, last_uses.write):
        for _ in range(_LAST_TRIES):
            if await _try(write):
                break
            await asyncio.sleep(_PAUSE_S)
    if run_log.waiting:
        log.error("question log lost", rows=run_log.waiting)


def hear(event: Event) -> None:
    """Take a finished job's word for what changed: here at once, everywhere if its worker could not reach the cache."""
    if event.kind != "job_completed":
        return
    scope = event.payload.get("account_scope_id")
    tags = (EVERYTHING,) if scope is None else tags_of_job(str(event.payload.get("job")), str(scope))
    if event.payload.get("cache_told", False):
        local_cache().drop(tags)
    else:
        cache().renew(tags)


async def _follow_jobs() -> None:
    while True:
        try:
            async for event in events.stream():
                hear(event)
        except (RedisError, AppError) as error:
            log.warning("job events not heard", error=type(error).__name__)
            await asyncio.sleep(5)


async def _every(pause_s: float, write: Callable[[], int]) -> None:
    while True:
        await asyncio.sleep(pause_s)
        await _try(write)


async def _try(write: Callable[[], int]) -> bool:
    try:
        await in_db(write)
    except (SQLAlchemyError, AppError) as error:
        log.warning("a batch waits", error=type(error).__name__)
        return False
    return True
