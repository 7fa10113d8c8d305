"""The cache: JSON values under keys with a time to live, on a Redis of its own. Without Redis there is no cache.

After a failure the cache stays off for a moment, so that an absent Redis costs one timeout and not one per request.
Keys: `portfolio:{scope}:{projects}`, `lightrag:{project}:{hash}`, `ct:{project}`, `session:{hash}`.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from redis.exceptions import RedisError

from models.infra import metrics
from models.infra.errors import Unavailable
from models.infra.logging import get_logger
from models.infra.redis import cache_redis, cache_redis_async

_OFF_S = 2.0
_BATCH = 500
_ROOT = "ctc:"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What this process did with the cache, and what the server holds (-1 while it is away)."""

    hits: int
    misses: int
    sets: int
    invalidations: int
    keys: int
    memory_bytes: int
    available: bool


class Cache:
    """get, set, delete, invalidate_by_prefix, get_stats. No method raises because Redis is away."""

    def __init__(self) -> None:
        self._off_until = 0.0
        self._hits = self._misses = self._sets = self._invalidations = 0

    def get(self, key: str) -> Any | None:
        """The stored value, or None."""
        raw = None
        if self._on():
            try:
                raw = cast("str | None", cache_redis().get(_ROOT + key))
            except (RedisError, Unavailable) as error:
                self._fail(error)
        return self._read(raw)

    async def get_async(self, key: str) -> Any | None:
        """Like `get`, without blocking the event loop."""
        raw = None
        if self._on():
            try:
                raw = cast("str | None", await cache_redis_async().get(_ROOT + key))
            except (RedisError, Unavailable) as error:
                self._fail(error)
        return self._read(raw)

    def set(self, key: str, value: Any, ttl_s: float) -> bool:
        """Store a JSON value for `ttl_s` seconds; whether it was stored."""
        if not self._on():
            return False
        text = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))
        try:
            cache_redis().set(_ROOT + key, text, px=max(1, int(ttl_s * 1000)))
        except (RedisError, Unavailable) as error:
            self._fail(error)
            return False
        self._sets += 1
        metrics.cache_sets.inc()
        return True

    def delete(self, *keys: str) -> int:
        """Remove keys; how many were there."""
        return self._remove([_ROOT + key for key in keys])

    def invalidate_by_prefix(self, prefix: str) -> int:
        """Remove every key that starts with `prefix` (taken literally); how many there were."""
        removed = 0
        batch: list[str] = []
        try:
            for key in self._matching(prefix):
                batch.append(key)
                if len(batch) >= _BATCH:
                    removed += self._remove(batch)
                    batch = []
        except (RedisError, Unavailable) as error:
            self._fail(error)
        return removed + self._remove(batch)

    def get_stats(self) -> CacheStats:
        """Counters of this process and the server's size."""
        keys = memory = -1
        if self._on():
            try:
                keys = int(cast("int", cache_redis().dbsize()))
                info = cast("dict[str, Any]", cache_redis().info("memory"))
                memory = int(info["used_memory"])
            except (RedisError, Unavailable) as error:
                self._fail(error)
        return CacheStats(self._hits, self._misses, self._sets, self._invalidations, keys, memory, keys >= 0)

    def _matching(self, prefix: str) -> Iterator[str]:
        if not self._on():
            return
        literal = "".join(
            f"[{char}]" if char in "*?[" else "\\" + char if char in "]\\^" else char for char in prefix
        )
        found = cache_redis().scan_iter(match=f"{_ROOT}{literal}*", count=_BATCH)
        yield from cast("Iterator[str]", found)

    def _remove(self, keys: list[str]) -> int:
        if not keys or not self._on():
            return 0
        try:
            removed = int(cast("int", cache_redis().unlink(*keys)))
        except (RedisError, Unavailable) as error:
            self._fail(error)
            return 0
        self._invalidations += removed
        metrics.cache_invalidations.inc(removed)
        return removed

    def _read(self, raw: str | None) -> Any | None:
        if raw is None:
            self._misses += 1
            metrics.cache_misses.inc()
            return None
        self._hits += 1
        metrics.cache_hits.inc()
        return json.loads(raw)

    def _on(self) -> bool:
        return time.monotonic() >= self._off_until

    def _fail(self, error: Exception) -> None:
        self._off_until = time.monotonic() + _OFF_S
        log.warning("cache away", error=str(error))


@lru_cache(maxsize=1)
def cache() -> Cache:
    """The cache of this process."""
    return Cache()
