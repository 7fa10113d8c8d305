"""How many requests to one origin are under way at once: a bounded number in this process, the same for all of them.

Each process has a semaphore an origin. Over all processes leases in Redis count; one that a dead process left behind
runs out. While Redis is away each process keeps to its own.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

from redis.exceptions import RedisError

from models.infra.errors import AppError
from models.infra.logging import get_logger
from models.infra.redis import events_redis

LEASE_S = 60.0  # longer than any request lasts
_LOOK_S = 0.01
_LOOK_AT_MOST_S = 0.1
# While Redis is away every attempt to reach it costs time; so often it is tried.
_ASK_AGAIN_S = 5.0
_TAKE = """
local at = redis.call('TIME')
local now = tonumber(at[1]) + tonumber(at[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""

log = get_logger(__name__)


class Busy(Exception):
    """Nobody gave a slot back in time."""


class Slots:
    """The slots of one origin as one of its callers uses them. Safe to share between threads."""

    def __init__(self, key: str, limit: int) -> None:
        self._key = f"slots:{key}"
        self._limit = limit
        self._own = _own_slots(key, limit)
        self._away_until = 0.0

    @contextmanager
    def hold(self, patience_s: float) -> Generator[None]:
        """Hold a slot during the block. Raises Busy when none was free within ``patience_s`` seconds."""
        until = time.monotonic() + patience_s
        if not self._own.acquire(timeout=patience_s):
            raise Busy(self._key)
        try:
            lease = self._take(until)
            try:
                yield
            finally:
                if lease:
                    self._give_back(lease)
        finally:
            self._own.release()

    def _take(self, until: float) -> str | None:
        """Return a lease, or None while Redis is away."""
        lease, pause_s = secrets.token_hex(8), _LOOK_S
        while time.monotonic() >= self._away_until:
            try:
                if cast("int", events_redis().eval(_TAKE, 1, self._key, self._limit, int(LEASE_S), lease)):
                    return lease
            except (RedisError, AppError) as error:
                self._away_until = time.monotonic() + _ASK_AGAIN_S
                log.info("slots kept in this process", reason=type(error).__name__)
                break
            if time.monotonic() >= until:
                raise Busy(self._key)
            # Jitter, so that processes do not ask in step; nothing secret hangs on it.
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311
            pause_s = min(_LOOK_AT_MOST_S, pause_s * 1.5)
        return None

    def _give_back(self, lease: str) -> None:
        try:
            events_redis().zrem(self._key, lease)
        except (RedisError, AppError):
            self._away_until = time.monotonic() + _ASK_AGAIN_S  # the lease runs out by itself


_own: dict[str, tuple[int, threading.BoundedSemaphore]] = {}
_lock = threading.Lock()


def _own_slots(key: str, limit: int) -> threading.BoundedSemaphore:
    with _lock:
        held = _own.get(key)
        if held is None or held[0] != limit:  # another number only after the setting changed
            held = _own[key] = (limit, threading.BoundedSemaphore(limit))
        return held[1]
