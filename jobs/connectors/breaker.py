"""The circuit breaker between us and a vendor: 5 failures within a minute open it, then nothing is sent for 30 s.

pybreaker (Nygard, Release It!) owns the states. By itself it counts consecutive failures and lets every process probe;
`BreakerStorage` makes that a window of time and a single probe, shared by all workers through Redis. While Redis is
away each process keeps its own count. One breaker per connector and origin: two accounts at one server share it.
"""

from __future__ import annotations

import datetime as dt
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

import httpx
import pybreaker
from redis import Redis
from redis.exceptions import RedisError

from jobs.connectors.errors import CircuitOpen, UnusableAnswer, VendorDown
from models.infra.errors import AppError
from models.infra.logging import get_logger
from models.infra.redis import events_redis

FAILURES = 5
WINDOW_S = 60.0
RESET_S = 30.0
# A probe whose process died is given up after this; longer than any HTTP timeout. Whoever has to wait does so before it
# takes the probe.
_PROBE_S = 30.0
# A vendor that nobody calls any more is forgotten.
_FORGET_S = 24 * 3600
# While Redis is away every attempt to reach it costs time; so often it is tried.
_ASK_AGAIN_S = 5.0

T = TypeVar("T")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a breaker opens (failures within so many seconds), and how long it stays open before a probe."""

    failures: int = FAILURES
    window_s: float = WINDOW_S
    reset_s: float = RESET_S


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of a breaker: when it opened (None while closed) and who holds the probe."""

    opened_at: float | None = None
    probe: str | None = None


def circuit_key(connector: str, base_url: str) -> str:
    """What a breaker and its slots are known by: the connector and the origin it talks to, however that is spelled."""
    url = httpx.URL(base_url)  # which writes in lower case, and leaves out the scheme's own port
    origin = httpx.URL(scheme=url.scheme, host=url.host.rstrip("."), port=url.port)
    return f"{connector}:{str(origin).rstrip('/')}"


class Breaker:
    """Guards the calls to one connector's origin. Safe to share between threads."""

    def __init__(self, key: str, limits: Limits | None = None) -> None:
        self._key = key
        self._limits = limits or Limits()

    def check(self) -> None:
        """Raise CircuitOpen where ``call`` would, without taking the probe."""
        circuit = read_circuit(self._key)
        if circuit.opened_at is not None and (
            circuit.probe is not None or time.time() < circuit.opened_at + self._limits.reset_s
        ):
            raise self._refusal()

    def call(self, work: Callable[[], T]) -> T:
        """Run ``work``. Raises what it raises, or CircuitOpen without running it.

        Only VendorDown counts as a failure, an UnusableAnswer not: a refused token, a missing record, a 429 or half an
        answer prove that the vendor is there.
        """
        storage = BreakerStorage(self._key, self._limits)
        # pybreaker holds a lock during the call: one instance a call lets calls run side by side.
        guard = pybreaker.CircuitBreaker(
            fail_max=self._limits.failures,
            reset_timeout=self._limits.reset_s,
            exclude=[_is_no_failure],
            state_storage=storage,
            throw_new_error_on_trip=False,
        )
        try:
            return guard.call(work)
        except pybreaker.CircuitBreakerError as error:
            raise self._refusal() from error

    def _refusal(self) -> CircuitOpen:
        return CircuitOpen(
            f"{self._key}: not asked, it failed {self._limits.failures} times within"
            f" {self._limits.window_s:.0f} s; next try within {self._limits.reset_s:.0f} s"
        )


def read_circuit(key: str) -> Circuit:
    """The state of a breaker as every process sees it, or as this one does while Redis is away."""
    return _with_fallback(key, lambda shared: shared.circuit())


class BreakerStorage(pybreaker.CircuitBreakerStorage):
    """pybreaker's state of one call: a window of failures and one probe for all processes."""

    def __init__(self, key: str, limits: Limits) -> None:
        super().__init__("window")
        self._key = key
        self._limits = limits
        self._me = secrets.token_hex(8)
        self._successes = 0

    @property
    def state(self) -> str:
        """closed, open, or half-open for the one that holds the probe."""
        circuit = read_circuit(self._key)
        if circuit.opened_at is None:
            return pybreaker.STATE_CLOSED
        return pybreaker.STATE_HALF_OPEN if circuit.probe == self._me else pybreaker.STATE_OPEN

    @state.setter
    def state(self, state: str) -> None:
        if state == pybreaker.STATE_HALF_OPEN:
            _with_fallback(self._key, lambda shared: shared.take_probe(self._me))
        elif state == pybreaker.STATE_CLOSED:
            _with_fallback(self._key, lambda shared: shared.close())
            log.info("circuit closed", circuit=self._key)

    def increment_counter(self) -> None:
        """Count a failure now."""
        _with_fallback(self._key, lambda shared: shared.add_failure(self._limits.window_s))

    def reset_counter(self) -> None:
        """Nothing: a success between failures does not make them older; closing clears them."""

    def increment_success_counter(self) -> None:
        """Count a success of the probe."""
        self._successes += 1

    def reset_success_counter(self) -> None:
        """Forget the successes of the probe."""
        self._successes = 0

    @property
    def counter(self) -> int:
        """Failures of all processes within the window."""
        return _with_fallback(self._key, lambda shared: shared.failures(self._limits.window_s))

    @property
    def success_counter(self) -> int:
        """Successes of the probe."""
        return self._successes

    @property
    def opened_at(self) -> dt.datetime | None:
        """When it opened; now, while somebody else probes: the others wait for what comes of it."""
        circuit = read_circuit(self._key)
        if circuit.opened_at is None:
            return None
        waiting = circuit.probe not in (None, self._me)
        return dt.datetime.fromtimestamp(time.time() if waiting else circuit.opened_at, dt.UTC)

    @opened_at.setter
    def opened_at(self, datetime: dt.datetime) -> None:
        at = datetime.timestamp()
        _with_fallback(self._key, lambda shared: shared.open(at))
        log.warning("circuit opened", circuit=self._key)


class _Store(Protocol):
    def circuit(self) -> Circuit: ...
    def take_probe(self, owner: str) -> None: ...
    def close(self) -> None: ...
    def open(self, at: float) -> None: ...
    def add_failure(self, window_s: float) -> None: ...
    def failures(self, window_s: float) -> int: ...


class _RedisStore:
    """A breaker's state in Redis; scores and times are Unix seconds."""

    def __init__(self, client: Redis, key: str) -> None:
        self._redis = client
        self._opened, self._probe, self._failed = (
            f"circuit:{key}:{part}" for part in ("opened", "probe", "failures")
        )

    def circuit(self) -> Circuit:
        opened, probe = cast("list[str | None]", self._redis.mget([self._opened, self._probe]))
        return Circuit(float(opened) if opened else None, probe)

    def take_probe(self, owner: str) -> None:
        self._redis.set(self._probe, owner, nx=True, ex=int(_PROBE_S))

    def close(self) -> None:
        self._redis.delete(self._opened, self._probe, self._failed)

    def open(self, at: float) -> None:
        with self._redis.pipeline() as together:
            together.set(self._opened, at, ex=_FORGET_S)
            together.delete(self._probe)
            together.execute()

    def add_failure(self, window_s: float) -> None:
        now = time.time()
        with self._redis.pipeline() as together:
            together.zadd(self._failed, {f"{now}:{secrets.token_hex(4)}": now})
            together.zremrangebyscore(self._failed, "-inf", now - window_s)
            together.expire(self._failed, int(window_s) + 1)
            together.execute()

    def failures(self, window_s: float) -> int:
        return cast("int", self._redis.zcount(self._failed, time.time() - window_s, "+inf"))


@dataclass(slots=True)
class _LocalStore:
    """A breaker's state in this process, for the time that Redis is away."""

    opened_at: float | None = None
    probe: str | None = None
    failed: deque[float] = field(default_factory=lambda: deque(maxlen=1_000))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def circuit(self) -> Circuit:
        return Circuit(self.opened_at, self.probe)

    def take_probe(self, owner: str) -> None:
        with self.lock:
            self.probe = self.probe or owner

    def close(self) -> None:
        with self.lock:
            self.opened_at, self.probe = None, None
            self.failed.clear()

    def open(self, at: float) -> None:
        with self.lock:
            self.opened_at, self.probe = at, None

    def add_failure(self, window_s: float) -> None:
        with self.lock:
            self.failed.append(time.time())
            while self.failed and self.failed[0] < time.time() - window_s:
                self.failed.popleft()

    def failures(self, window_s: float) -> int:
        return sum(at >= time.time() - window_s for at in list(self.failed))


class _Fallback:
    """What this process knows by itself, and until when it does not ask Redis again."""

    def __init__(self) -> None:
        self._stores: dict[str, _LocalStore] = {}
        self._away_until = 0.0

    def use(self, key: str, work: Callable[[_Store], T]) -> T:
        """Do ``work`` on the state in Redis, or on this process's own while Redis is away."""
        if time.monotonic() >= self._away_until:
            try:
                return work(_RedisStore(events_redis(), key))
            except (RedisError, AppError) as error:
                self._away_until = time.monotonic() + _ASK_AGAIN_S
                log.info("circuit kept in this process", reason=type(error).__name__)
        return work(self._stores.setdefault(key, _LocalStore()))

    def forget(self) -> None:
        """Start anew, between tests."""
        self._stores.clear()
        self._away_until = 0.0


_fallback = _Fallback()
forget_local = _fallback.forget


def _with_fallback(key: str, work: Callable[[_Store], T]) -> T:
    return _fallback.use(key, work)


def _is_no_failure(error: object) -> bool:
    return not isinstance(error, VendorDown) or isinstance(error, UnusableAnswer)
