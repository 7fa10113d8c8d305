"""Brake on password guessing: at most 5 attempts in 5 minutes from an address, 10 in 15 minutes on an account.

A device that logged in before (`devices`) has 10 in 15 minutes of its own instead, which no stranger can use up.

Attempts are counted before the password is checked, in one atomic step, so parallel guesses cannot slip past; a
successful login forgets them. Counters live in Redis; while Redis is away a bounded table in the process takes over,
which is looser with several processes but never off.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

import redis

from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.errors import TooManyRequests, Unavailable
from models.infra.ids import new_id
from models.infra.logging import get_logger
from models.infra.redis import events_redis

log = get_logger(__name__)


@dataclass(frozen=True)
class Limit:
    """At most `attempts` within `window_s` seconds; `name` is part of the key."""

    name: str
    attempts: int
    window_s: int


PER_ADDRESS = Limit("address", 5, 5 * 60)
PER_ACCOUNT = Limit("account", 10, 15 * 60)
PER_DEVICE = Limit("device", 10, 15 * 60)

# KEYS[1] sorted set of attempts; ARGV: now, window, limit, member. Returns 0, or the seconds to wait.
_ATTEMPT = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(ARGV[1]) - tonumber(ARGV[2]))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return math.max(1, math.ceil(tonumber(oldest[2]) + tonumber(ARGV[2]) - tonumber(ARGV[1])))
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 0
"""


class LocalAttempts:
    """The same windows in this process, for the time Redis is away. Holds at most `max_keys` keys."""

    def __init__(self, max_keys: int = 4096) -> None:
        self._max_keys = max_keys
        self._times: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def attempt(self, key: str, limit: Limit, now: float) -> int:
        """Count one attempt; 0 when it is allowed, else the seconds to wait."""
        with self._lock:
            times = [t for t in self._times.get(key, []) if t > now - limit.window_s]
            self._times[key] = times
            self._times.move_to_end(key)
            if len(self._times) > self._max_keys:
                self._times.popitem(last=False)
            if len(times) >= limit.attempts:
                return max(1, int(times[0] + limit.window_s - now))
            times.append(now)
            return 0

    def forget(self, key: str) -> None:
        """Drop what was counted under a key."""
        with self._lock:
            self._times.pop(key, None)


_local = LocalAttempts()


def _key(limit: Limit, subject: str) -> str:
    # Hashed: names and addresses of people who mistyped are nobody's business in Redis.
    return f"ct:login:{limit.name}:{hashlib.sha256(subject.encode()).hexdigest()[:32]}"


def count_attempt(address: str, username: str, device: str | None = None) -> None:
    """Count a login attempt, of a known device for itself alone.

    Raises `TooManyRequests` (429, retry_after in seconds) when it is one too many.
    """
    now = utcnow().timestamp()
    for limit, subject in _counted(address, username, device):
        key = _key(limit, subject)
        try:
            arguments = [str(now), str(limit.window_s), str(limit.attempts), str(new_id())]
            wait = int(str(events_redis().eval(_ATTEMPT, 1, key, *arguments)))
        except (redis.RedisError, Unavailable) as fault:
            log.warning("login throttle counts without redis", cause=type(fault).__name__)
            wait = _local.attempt(key, limit, now)
        if wait:
            metrics.rate_limit_hits.labels(f"login_{limit.name}").inc()
            raise TooManyRequests("Too many login attempts. Try again later.", retry_after=wait)


def _counted(address: str, username: str, device: str | None) -> tuple[tuple[Limit, str], ...]:
    if device is not None:
        return ((PER_DEVICE, device),)
    return (PER_ADDRESS, address), (PER_ACCOUNT, username)


def forget_attempts(address: str, username: str, device: str | None = None) -> None:
    """Forget what `count_attempt` counted for the same arguments, after a successful login."""
    keys = [_key(limit, subject) for limit, subject in _counted(address, username, device)]
    for key in keys:
        _local.forget(key)
    try:
        events_redis().delete(*keys)
    except (redis.RedisError, Unavailable) as fault:
        log.warning("login throttle counts without redis", cause=type(fault).__name__)
