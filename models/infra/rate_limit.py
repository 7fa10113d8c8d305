"""How often somebody may do something: one atomic step in Redis a question, in the process while Redis is away.

A sliding window of two counters (the last window weighs by what of it still overlaps): constant memory for a subject,
never more than `allowed` at once, and no burst at a window's edge. It is counted on the cache's server, whose short
timeouts suit it; a lost counter begins anew. Whoever has to wait is remembered here, so that hammering on costs no
round trip.
"""

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import cast

from redis.exceptions import NoScriptError, RedisError

from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.errors import TooManyRequests, Unavailable
from models.infra.logging import get_logger
from models.infra.redis import cache_redis_async

log = get_logger(__name__)

# After a failure Redis is left alone for a moment: its absence costs one timeout and not one a request.
_OFF_S = 2.0
_MAX_SUBJECTS = 20_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `allowed` within `window_s` seconds a subject; `name` tells limits apart, in keys and metrics."""

    name: str
    allowed: int
    window_s: int = 60


# KEYS[1]: hash of slot, count, count of the slot before. ARGV: now, window, allowed. Answers the wait in seconds, as text.
_COUNT = """
local now, window, allowed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local slot = math.floor(now / window)
local held = redis.call('HMGET', KEYS[1], 's', 'c', 'p')
local at, count, before = tonumber(held[1] or slot), tonumber(held[2] or 0), tonumber(held[3] or 0)
if at == slot - 1 then before, count = count, 0 elseif at ~= slot then before, count = 0, 0 end
local part = (now % window) / window
if before * (1 - part) + count + 1 > allowed then
  if count + 1 <= allowed then
    return tostring((1 - (allowed - count - 1) / before - part) * window)
  end
  return tostring((1 - part + math.max(0, 1 - (allowed - 1) / count)) * window)
end
redis.call('HSET', KEYS[1], 's', slot, 'c', count + 1, 'p', before)
redis.call('EXPIRE', KEYS[1], 2 * window)
return '0'
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
        now = utcnow().timestamp()
        until = self._blocked.get(key, 0.0)
        if until > now:
            return until - now
        wait = await self._ask(key, limit, now)
        if wait > 0:
            self._blocked[key] = now + wait
            self._blocked.move_to_end(key)
            if len(self._blocked) > _MAX_SUBJECTS:
                self._blocked.popitem(last=False)
        elif until:
            self._blocked.pop(key, None)
        return wait

    def forget(self) -> None:
        """Forget what this process counted and whom it made wait. For tests."""
        self.__init__()

    async def _ask(self, key: str, limit: RateLimit, now: float) -> float:
        if time.monotonic() < self._off_until:
            return self._local.count(key, limit, now)
        try:
            client = cache_redis_async()
            arguments = (key, str(now), str(limit.window_s), str(limit.allowed))
            try:
                answer = client.evalsha(_SHA, 1, *arguments)
                return float(str(await cast("Awaitable[object]", answer)))
            except NoScriptError:
                answer = client.eval(_COUNT, 1, *arguments)
                return float(str(await cast("Awaitable[object]", answer)))
        except (RedisError, OSError, Unavailable) as fault:
            self._off_until = time.monotonic() + _OFF_S
            log.warning("rate limits are counted without redis", cause=type(fault).__name__)
            return self._local.count(key, limit, now)


limiter = RateLimiter()
