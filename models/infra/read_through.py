"""Reading through the cache: first level, Redis, or one computation for everybody who asks for the same thing.

A stampede computes once: callers of one process share a task, processes a short lock in Redis. An entry that a job has
made wrong is never served; one that is merely past its time may be, for `stale_s`, while it is computed anew behind it.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.exceptions import RedisError

from models.infra import metrics
from models.infra.cache import Lookup, cache
from models.infra.cache_codec import Entry
from models.infra.errors import Unavailable
from models.infra.local_cache import local_cache
from models.infra.logging import get_logger
from models.infra.redis import cache_redis_raw_async
from models.infra.shared_lookups import SharedLookups

Compute = Callable[[], Awaitable[bytes]]

_LOCK_S = 10.0
_POLL_S = (0.01, 0.02, 0.04, 0.08)
_ROUNDS = 3
# Entries made in one moment must not expire in one moment.
_JITTER = 0.1
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a kind of entry lives: fresh for `ttl_s`, then served for `stale_s` while it is computed anew."""

    ttl_s: float
    stale_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Read:
    """A value, whether a cache had it, and until when (unix seconds) it counts as fresh."""

    body: bytes
    is_hit: bool
    fresh_until: float


@dataclass(slots=True)
class _Flight:
    """A computation under way. `is_current` is known at its end: nothing changed while it ran."""

    task: asyncio.Task[Read]
    is_current: bool = True


async def read_through(policy: Policy, key: str, tags: Sequence[str], compute: Compute) -> Read:
    """The value of `key`, computed by `compute` when no cache has it. Raises what `compute` raises.

    `compute` must read only what `tags` cover.
    """
    held = local_cache().get(key)
    if held is not None:
        cache().count_hit()
        return Read(held.value, True, held.fresh_until)
    rounds = 0
    while True:
        rounds += 1
        # Past these rounds something changes all the time: compute for this caller alone.
        may_join = rounds <= _ROUNDS
        flight = _flights.get(_flight_key(key)) if may_join else None
        if flight is not None:
            read = await asyncio.shield(flight.task)
            # Who joins may have asked after a change that the computation missed.
            if flight.is_current:
                return read
            continue
        found, version = await _look(key, tags)
        if found.entry is not None:
            return _served(policy, key, tags, compute, found, version)
        if may_join and _flight_key(key) in _flights:
            # Begun while this caller looked.
            continue
        return await asyncio.shield(_take_off(policy, key, tags, compute, found, version).task)


async def _look(key: str, tags: Sequence[str]) -> tuple[Lookup, int]:
    """What the cache has, looked up after this call began, and the first level's version before that."""

    async def fetch() -> tuple[Lookup, int]:
        version = local_cache().version
        return await cache().fetch_async(key, tags), version

    return await _looks.run(key, fetch)


_looks = SharedLookups[tuple[Lookup, int]]()


def _served(
    policy: Policy, key: str, tags: Sequence[str], compute: Compute, found: Lookup, version: int
) -> Read:
    entry = cast("Entry", found.entry)
    if entry.fresh_until >= time.time():
        local_cache().put(key, entry.body, len(entry.body), entry.fresh_until, tags, version)
    elif _flight_key(key) not in _flights:
        # Past its time, not wrong: this caller does not wait for the new one.
        _take_off(policy, key, tags, compute, found, version)
    return Read(entry.body, True, entry.fresh_until)


def _flight_key(key: str) -> tuple[int, str]:
    # Tasks belong to a loop; several run in tests.
    return id(asyncio.get_running_loop()), key


_flights: dict[tuple[int, str], _Flight] = {}


def _take_off(
    policy: Policy, key: str, tags: Sequence[str], compute: Compute, found: Lookup, version: int
) -> _Flight:
    place = _flight_key(key)
    box: list[_Flight] = []
    # A task of its own: the caller who began it may go away, the others still wait for it.
    task = asyncio.get_running_loop().create_task(_fill(policy, key, tags, compute, found, version, box))
    flight = _Flight(task)
    box.append(flight)
    _flights[place] = flight
    task.add_done_callback(lambda done: _landed(place, done))
    return flight


def _landed(place: tuple[int, str], task: asyncio.Task[Read]) -> None:
    _flights.pop(place, None)
    if not task.cancelled() and (fault := task.exception()) is not None:
        log.info("cached read failed", key=place[1], error=type(fault).__name__)


async def _fill(
    policy: Policy,
    key: str,
    tags: Sequence[str],
    compute: Compute,
    found: Lookup,
    version: int,
    box: list[_Flight] | None,
) -> Read:
    token = await _lock(key) if found.generations else None
    if token == "":
        other = await _await_other(key, tags)
        if other is not None and other.entry is not None:
            return Read(other.entry.body, True, other.entry.fresh_until)
        # The other process did not make it: compute here, under what is valid now.
        version = local_cache().version
        found = await cache().fetch_async(key, tags)
    try:
        body = await compute()
        metrics.cache_computed.inc()
        ttl_s = policy.ttl_s * (1 - _JITTER * random.random())  # noqa: S311 - spreads load, guards nothing
        fresh_until = time.time() + ttl_s
        stored = await cache().store_async(
            key, Entry(body, fresh_until, found.generations), ttl_s + policy.stale_s
        )
        if stored:
            local_cache().put(key, body, len(body), fresh_until, tags, version)
        elif box and (found.generations or local_cache().version != version):
            box[0].is_current = await _is_current(key, tags, found)
        return Read(body, False, fresh_until)
    finally:
        if token:
            # Behind the answer: nobody waits for it, and it ends by itself in a few seconds.
            task = asyncio.get_running_loop().create_task(_unlock(key, token))
            _unlocking.add(task)
            task.add_done_callback(_unlocking.discard)


_unlocking: set[asyncio.Task[None]] = set()


async def _is_current(key: str, tags: Sequence[str], found: Lookup) -> bool:
    """Whether nothing changed since `found`: a value may also be too large to be stored."""
    now = await cache().fetch_async(key, tags)
    return bool(now.generations) and now.generations == found.generations


async def _lock(key: str) -> str | None:
    """The token of the lock; "" when another process computes; None while Redis is away."""
    token = secrets.token_hex(8)
    try:
        won = await cache_redis_raw_async().set(f"ctc:lock:{key}", token, nx=True, px=int(_LOCK_S * 1000))
    except (RedisError, Unavailable, OSError):
        return None
    return token if won else ""


async def _unlock(key: str, token: str) -> None:
    try:
        await cast("Any", cache_redis_raw_async().eval(_UNLOCK, 1, f"ctc:lock:{key}", token))
    except (RedisError, Unavailable, OSError) as error:
        # It ends by itself in a few seconds.
        log.info("cache lock not released", error=type(error).__name__)


async def _await_other(key: str, tags: Sequence[str]) -> Lookup | None:
    """What another process stores, or None when it does not while its lock holds."""
    until = time.monotonic() + _LOCK_S
    step = 0
    while time.monotonic() < until:
        await asyncio.sleep(_POLL_S[min(step, len(_POLL_S) - 1)])
        step += 1
        found = await cache().fetch_async(key, tags)
        if found.entry is not None:
            return found
        try:
            if not found.generations or not await cache_redis_raw_async().exists(f"ctc:lock:{key}"):
                return None
        except (RedisError, Unavailable, OSError):
            return None
    return None
