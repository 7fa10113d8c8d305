"""The cache: values under keys with a time to live, on a Redis of its own. Without Redis there is no cache.

After a failure the cache stays off for a moment, so that an absent Redis costs one timeout and not one per request.
While this process could not reach it, others may have changed what entries were computed from without being able to say
so: the first thing it does afterwards is to make every entry old (`renew(EVERYTHING)`), before it believes one.

Two ways in: `get`, `set`, `delete` for JSON values that expire by time alone, and `fetch`, `store`, `renew` for entries
computed under tags (`read_through` is what callers want). A tag's *generation* is a random text; an entry carries those
it was computed under and is valid only while they are the present ones, so a change makes it unreadable at once,
whoever computes or stores meanwhile.

Keys: `portfolio:{scope}:{projects}`, `lightrag:{project}:{hash}`, `ct:{project}`, `session:{hash}`; below `ctc:gen:` the generations.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from redis.exceptions import RedisError

from models.infra import metrics
from models.infra.cache_codec import Entry, pack, unpack
from models.infra.errors import Unavailable
from models.infra.local_cache import local_cache
from models.infra.logging import get_logger
from models.infra.redis import cache_redis, cache_redis_raw, cache_redis_raw_async
from models.infra.settings import get_settings

EVERYTHING = "*"
CHANNEL = "ctc:changed"
_OFF_S = 2.0
_BATCH = 500
_ROOT = "ctc:"
_GENERATION = f"{_ROOT}gen:"
# A generation outlives every entry; one that expired, or was evicted, makes its entries old, which is the safe side.
_GENERATION_S = 7 * 24 * 3600
# Stored only if nothing changed since the generations were read, in one step.
_STORE = """
for i = 2, #KEYS do if redis.call('GET', KEYS[i]) ~= ARGV[i + 1] then return 0 end end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_AWAY = (RedisError, Unavailable, OSError)

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


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the cache has under a key: a valid entry or None, and the present generations ({} while Redis is away)."""

    entry: Entry | None
    generations: Mapping[str, str]


class Cache:
    """get, set, delete, invalidate_by_prefix, get_stats; fetch, store, renew. No method raises because Redis is away."""

    def __init__(self) -> None:
        self._off_until = 0.0
        self._doubts = self._settled = 0
        self._settling = threading.Lock()
        self._hits = self._misses = self._sets = self._invalidations = 0

    # --- values that expire by time -----------------------------------------------------------------------------

    def get(self, key: str) -> Any | None:
        """The stored value, or None."""
        raw = None
        if self._on():
            try:
                raw = cast("bytes | None", cache_redis_raw().get(_ROOT + key))
            except _AWAY as error:
                self._fail(error)
        return self._read(raw)

    async def get_async(self, key: str) -> Any | None:
        """Like `get`, without blocking the event loop."""
        raw = None
        if await self._on_async():
            try:
                raw = cast("bytes | None", await cache_redis_raw_async().get(_ROOT + key))
            except _AWAY as error:
                self._fail(error)
        return self._read(raw)

    def set(self, key: str, value: Any, ttl_s: float) -> bool:
        """Store a JSON value for `ttl_s` seconds; whether it was stored."""
        if not self._on():
            return False
        text = json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":"))
        packed = self._packed(Entry(text.encode(), time.time() + ttl_s, {}))
        if packed is None:
            return False
        try:
            cache_redis_raw().set(_ROOT + key, packed, px=max(1, int(ttl_s * 1000)))
        except _AWAY as error:
            self._fail(error)
            return False
        self._count_set()
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
        except _AWAY as error:
            self._fail(error)
        local_cache().clear()
        return removed + self._remove(batch)

    def get_stats(self) -> CacheStats:
        """Counters of this process and the server's size."""
        keys = memory = -1
        if self._on():
            try:
                keys = int(cast("int", cache_redis().dbsize()))
                info = cast("dict[str, Any]", cache_redis().info("memory"))
                memory = int(info["used_memory"])
            except _AWAY as error:
                self._fail(error)
        return CacheStats(self._hits, self._misses, self._sets, self._invalidations, keys, memory, keys >= 0)

    # --- entries computed under tags ----------------------------------------------------------------------------

    def fetch(self, key: str, tags: Sequence[str]) -> Lookup:
        """The entry of a key if it is of the present generations of `tags`. Read it before computing: `store` compares."""
        if not self._on():
            return Lookup(None, {})
        try:
            client = cache_redis_raw()
            raw, *found = cast("list[bytes | None]", client.mget(_keys(key, tags)))
            missing = [tag for tag, each in zip((EVERYTHING, *tags), found, strict=True) if each is None]
            if missing:
                with client.pipeline(transaction=False) as pipe:
                    for tag in missing:
                        pipe.set(_GENERATION + tag, _generation(), nx=True, ex=_GENERATION_S)
                    pipe.execute()
                raw, *found = cast("list[bytes | None]", client.mget(_keys(key, tags)))
        except _AWAY as error:
            self._fail(error)
            return Lookup(None, {})
        return self._looked(raw, tags, found)

    async def fetch_async(self, key: str, tags: Sequence[str]) -> Lookup:
        """Like `fetch`, without blocking the event loop."""
        if not await self._on_async():
            return Lookup(None, {})
        try:
            client = cache_redis_raw_async()
            raw, *found = cast("list[bytes | None]", await client.mget(_keys(key, tags)))
            missing = [tag for tag, each in zip((EVERYTHING, *tags), found, strict=True) if each is None]
            if missing:
                async with client.pipeline(transaction=False) as pipe:
                    for tag in missing:
                        pipe.set(_GENERATION + tag, _generation(), nx=True, ex=_GENERATION_S)
                    await pipe.execute()
                raw, *found = cast("list[bytes | None]", await client.mget(_keys(key, tags)))
        except _AWAY as error:
            self._fail(error)
            return Lookup(None, {})
        return self._looked(raw, tags, found)

    def store(self, key: str, entry: Entry, ttl_s: float) -> bool:
        """Store an entry for `ttl_s` seconds unless one of its tags changed since; whether it was stored."""
        packed = self._packed(entry) if entry.generations and self._on() else None
        if packed is None:
            return False
        keys, arguments = _stored(key, entry, packed, ttl_s)
        try:
            done = cache_redis_raw().eval(_STORE, len(keys), *keys, *arguments)
        except _AWAY as error:
            self._fail(error)
            return False
        return self._count_set() if done else False

    async def store_async(self, key: str, entry: Entry, ttl_s: float) -> bool:
        """Like `store`, without blocking the event loop."""
        packed = self._packed(entry) if entry.generations and await self._on_async() else None
        if packed is None:
            return False
        keys, arguments = _stored(key, entry, packed, ttl_s)
        try:
            done = await cast("Any", cache_redis_raw_async().eval(_STORE, len(keys), *keys, *arguments))
        except _AWAY as error:
            self._fail(error)
            return False
        return self._count_set() if done else False

    def renew(self, tags: Iterable[str]) -> bool:
        """Make every entry of these tags old, here at once and in every process; call it after commit.

        False while Redis is away: this process then renews everything before it trusts the cache again.
        """
        chosen = list(dict.fromkeys(tags))
        if not chosen:
            return True
        local_cache().drop(chosen)
        if EVERYTHING in chosen:
            local_cache().clear()
        try:
            with cache_redis_raw().pipeline(transaction=True) as pipe:
                for tag in chosen:
                    pipe.set(_GENERATION + tag, _generation(), ex=_GENERATION_S)
                pipe.publish(CHANNEL, json.dumps(chosen))
                pipe.execute()
        except _AWAY as error:
            self._fail(error)
            return False
        self._invalidations += len(chosen)
        metrics.cache_invalidations.inc(len(chosen))
        return True

    def doubt(self) -> None:
        """Something may have changed unheard: make everything old before the next entry is believed."""
        self._doubts += 1

    # --- inside -------------------------------------------------------------------------------------------------

    def _looked(self, raw: bytes | None, tags: Sequence[str], found: Sequence[bytes | None]) -> Lookup:
        present = {
            tag: each.decode()
            for tag, each in zip((EVERYTHING, *tags), found, strict=True)
            if each is not None
        }
        if len(present) <= len(tags):
            # Evicted between two commands: nothing can be said of this key now.
            return Lookup(None, {})
        entry = None if raw is None else unpack(raw)
        if entry is not None and entry.generations != present:
            entry = None
        self._count_read(entry is not None)
        return Lookup(entry, present)

    def _packed(self, entry: Entry) -> bytes | None:
        packed = pack(entry)
        if len(packed) > get_settings().cache_value_max_bytes:
            metrics.cache_oversized.inc()
            return None
        return packed

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
        except _AWAY as error:
            self._fail(error)
            return 0
        self._invalidations += removed
        metrics.cache_invalidations.inc(removed)
        return removed

    def _read(self, raw: bytes | None) -> Any | None:
        entry = None if raw is None else unpack(raw)
        self._count_read(entry is not None)
        return None if entry is None else json.loads(entry.body)

    def count_hit(self) -> None:
        """Count a read that the first level answered."""
        self._count_read(True)

    def _count_read(self, hit: bool) -> None:
        if hit:
            self._hits += 1
            metrics.cache_hits.inc()
        else:
            self._misses += 1
            metrics.cache_misses.inc()

    def _count_set(self) -> bool:
        self._sets += 1
        metrics.cache_sets.inc()
        return True

    def _on(self) -> bool:
        if time.monotonic() < self._off_until:
            return False
        if self._doubts == self._settled:
            return True
        with self._settling:
            doubts = self._doubts
            if doubts != self._settled and self.renew([EVERYTHING]):
                self._settled = doubts
            return self._settled == doubts

    async def _on_async(self) -> bool:
        if time.monotonic() < self._off_until:
            return False
        # One short command after an outage, by the blocking client: nothing may be read before it is done.
        return True if self._doubts == self._settled else self._on()

    def _fail(self, error: Exception) -> None:
        self._off_until = time.monotonic() + _OFF_S
        self._doubts += 1
        log.warning("cache away", error=str(error))


@lru_cache(maxsize=1)
def cache() -> Cache:
    """The cache of this process."""
    return Cache()


def _keys(key: str, tags: Sequence[str]) -> list[str]:
    return [_ROOT + key, _GENERATION + EVERYTHING, *(_GENERATION + tag for tag in tags)]


def _stored(key: str, entry: Entry, packed: bytes, ttl_s: float) -> tuple[list[str], list[Any]]:
    keys = [_ROOT + key, *(_GENERATION + tag for tag in entry.generations)]
    return keys, [packed, max(1, int(ttl_s * 1000)), *entry.generations.values()]


def _generation() -> str:
    return secrets.token_hex(8)
