"""How often somebody may do something: one atomic step in Redis a question, in the process while Redis is away.

A sliding window of two counters (the last window weighs by what of it still overlaps): constant memory for a subject,
never more than `allowed` at once, and no burst at a window's edge. It is counted on the cache's server, whose short
timeouts suit it; a lost counter begins anew. Whoever has to wait is remembered here, so that hammering on costs no
round trip.
"""

import asyncio
import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from redis.exceptions import NoScriptError, RedisError

from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.errors import TooManyRequests, Unavailable
from models.infra.logging import get_logger
from models.infra.redis import cache_redis_async

log = get_logger(__name__)
Held = TypeVar("Held")

# After a failure Redis is left alone for a moment: its absence costs one timeout and not one a request.
_OFF_S = 2.0
_MAX_SUBJECTS = 20_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `allowed` within `window_s` seconds a subject; `name` tells limits apart, in keys and metrics."""

    name: str
    allowed: int
    window_s: int = 60

    @property
    def portion(self) -> int:
        """How many are taken at a time: exact where the limit is small."""
        return max(1, self.allowed // 10)


# KEYS[1]: hash of slot, count, count of the slot before. ARGV: now, window, allowed, portion.
# Answers how many were taken, or, when that is none, the wait in seconds as text.
_COUNT = """
local now, window, allowed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slot = math.floor(now / window)
local held = redis.call('HMGET', KEYS[1], 's', 'c', 'p')
local at, count, before = tonumber(held[1] or slot), tonumber(held[2] or 0), tonumber(held[3] or 0)
if at == slot - 1 then before, count = count, 0 elseif at ~= slot then before, count = 0, 0 end
local part = (now % window) / window
local room = math.floor(allowed - before * (1 - part) - count)
if room < 1 then
  if count + 1 <= allowed then
    return {0, tostring((1 - (allowed - count - 1) / before - part) * window)}
  end
  return {0, tostring((1 - part + math.max(0, 1 - (allowed - 1) / count)) * window)}
end
local taken = math.min(room, tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], 's', slot, 'c', count + taken, 'p', before)
redis.call('EXPIRE', KEYS[1], 2 * window)
return {taken, '0'}
"""
_SHA = hashlib.sha1(_COUNT.encode(), usedforsecurity=False).hexdigest()


class LocalWindows:
    """The same windows in this process, for the time Redis is away. Holds at most `max_subjects`, the last used."""

    def __init__(self, max_subjects: int = _MAX_SUBJECTS) -> None:
        self._max = max_subjects
        self._held: OrderedDict[str, tuple[int, int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def count(self, key: str, limit: RateLimit, now: float) -> float:
        """Count one; 0 when it is allowed, else the seconds to wait."""
        window, allowed = limit.window_s, limit.allowed
        slot, part = int(now // window), (now % window) / window
        with self._lock:
            at, count, before = self._held.get(key, (slot, 0, 0))
            if at == slot - 1:
                count, before = 0, count
            elif at != slot:
                count, before = 0, 0
            if before * (1 - part) + count + 1 > allowed:
                if count + 1 <= allowed:
                    return (1 - (allowed - count - 1) / before - part) * window
                return (1 - part + max(0.0, 1 - (allowed - 1) / count)) * window
            self._held[key] = (slot, count + 1, before)
            self._held.move_to_end(key)
            if len(self._held) > self._max:
                self._held.popitem(last=False)
            return 0.0


class RateLimiter:
    """Counts against limits. One a process."""

    def __init__(self) -> None:
        self._local = LocalWindows()
        self._blocked: OrderedDict[str, float] = OrderedDict()
        # What was taken and not spent yet, and the window it belongs to.
        self._portions: OrderedDict[str, tuple[int, int]] = OrderedDict()
        # Held by those who ask and wait: a lock nobody waits for is gone.
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._off_until = 0.0

    async def check(self, limit: RateLimit, subject: str) -> None:
        """Count one of `subject`. Raises TooManyRequests (retry_after in seconds) when it is one too many."""
        wait = await self.count(limit, subject)
        if wait > 0:
            metrics.rate_limit_hits.labels(limit.name).inc()
            raise TooManyRequests(
                "Too many requests. Try again later.", retry_after=math.ceil(wait), limit=limit.name
            )

    async def count(self, limit: RateLimit, subject: str) -> float:
        """Count one of `subject`; 0 when it is allowed, else the seconds to wait. What is refused is not counted."""
        # Hashed: addresses and session ids are nobody's business in Redis.
        key = f"ctl:{limit.name}:{hashlib.blake2b(subject.encode(), digest_size=12).hexdigest()}"
        wait = self._known(key, limit)
        if wait is not None:
            return wait
        # One asks for a subject at a time: each of many at once would take a portion and leave the others none.
        asking = self._asking.setdefault(key, asyncio.Lock())
        async with asking:
            wait = self._known(key, limit)
            return await self._take(key, limit) if wait is None else wait

    def _known(self, key: str, limit: RateLimit) -> float | None:
        """The answer without asking: 0 from what was taken, the wait of a subject that was refused, None: not known."""
        now = utcnow().timestamp()
        if self._spend(key, int(now // limit.window_s)):
            return 0.0
        until = self._blocked.get(key, 0.0)
        return until - now if until > now else None

    async def _take(self, key: str, limit: RateLimit) -> float:
        """Take a portion and spend one of it; the seconds to wait when there is none."""
        now = utcnow().timestamp()
        taken, wait = await self._ask(key, limit, now)
        if taken > 1:
            _put(self._portions, key, (int(now // limit.window_s), taken - 1))
        if taken == 0:
            _put(self._blocked, key, now + wait)
        else:
            self._blocked.pop(key, None)
        return wait

    def _spend(self, key: str, slot: int) -> bool:
        """Spend one of what was taken for this window, if any is left."""
        held_slot, left = self._portions.get(key, (slot, 0))
        if held_slot != slot or left < 1:
            return False
        self._portions[key] = (slot, left - 1)
        return True

    def forget(self) -> None:
        """Forget what this process counted and whom it made wait. For tests."""
        self.__init__()

    async def _ask(self, key: str, limit: RateLimit, now: float) -> tuple[int, float]:
        """How many were taken, and the wait when it is none."""
        if time.monotonic() >= self._off_until:
            try:
                client = cache_redis_async()
                arguments = (key, str(now), str(limit.window_s), str(limit.allowed), str(limit.portion))
                try:
                    answer = await cast("Awaitable[list[Any]]", client.evalsha(_SHA, 1, *arguments))
                except NoScriptError:
                    answer = await cast("Awaitable[list[Any]]", client.eval(_COUNT, 1, *arguments))
                return int(answer[0]), float(answer[1])
            except (RedisError, OSError, Unavailable) as fault:
                self._off_until = time.monotonic() + _OFF_S
                log.warning("rate limits are counted without redis", cause=type(fault).__name__)
        wait = self._local.count(key, limit, now)
        return (0, wait) if wait > 0 else (1, 0.0)


def _put(held: OrderedDict[str, Held], key: str, value: Held) -> None:
    held[key] = value
    held.move_to_end(key)
    if len(held) > _MAX_SUBJECTS:
        held.popitem(last=False)


limiter = RateLimiter()
