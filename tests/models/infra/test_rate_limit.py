"""Rate limits: the same windows in Redis and without it, one subject apart from another, nothing unbounded."""

import asyncio
import datetime as dt
from collections.abc import Generator

import pytest

from models.infra.clock import frozen
from models.infra.errors import TooManyRequests
from models.infra.rate_limit import LocalWindows, RateLimit, RateLimiter
from models.infra.redis import cache_redis, close_async_clients
from models.infra.settings import override_settings

START = dt.datetime(2026, 3, 18, 10, tzinfo=dt.UTC)  # the first second of a window
LIMIT = RateLimit("test", 10, 60)


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


@pytest.fixture(params=["redis", "without redis", "redis that refuses"])
def store(request: pytest.FixtureRequest, redis: object) -> Generator[str]:
    if request.param == "redis":
        yield request.param
        return
    url = "" if request.param == "without redis" else "redis://127.0.0.1:1/0"
    with override_settings(cache_redis_url=url):
        yield request.param


@pytest.fixture
async def limiter(store: str):
    yield RateLimiter()
    await close_async_clients()


async def ask(limiter: RateLimiter, seconds: float, times: int = 1, subject: str = "somebody") -> list[float]:
    with frozen(at(seconds)):
        return [await limiter.count(LIMIT, subject) for _ in range(times)]


async def test_as_many_as_allowed_pass_at_once_and_the_next_has_to_wait(limiter: RateLimiter) -> None:
    waits = await ask(limiter, 0, 12)
    assert waits[:10] == [0.0] * 10
    assert all(0 < wait <= 66 for wait in waits[10:])


async def test_whoever_waits_as_long_as_told_may_go_on(limiter: RateLimiter) -> None:
    wait = (await ask(limiter, 5, 11))[-1]
    assert (await ask(limiter, 5 + wait - 0.5))[0] > 0
    assert await ask(limiter, 5 + wait + 0.01) == [0.0]


async def test_a_windows_edge_allows_no_second_burst(limiter: RateLimiter) -> None:
    await ask(limiter, 59, 10)
    passed = [await ask(limiter, second / 2) for second in range(120, 236)]
    assert sum(wait == [0.0] for wait in passed) <= 10
    await ask(limiter, 300)
    assert await ask(limiter, 301, 9) == [0.0] * 9


async def test_subjects_and_limits_are_apart(limiter: RateLimiter) -> None:
    await ask(limiter, 0, 11)
    assert await ask(limiter, 0, 10, "another") == [0.0] * 10
    with frozen(at(0)):
        assert await limiter.count(RateLimit("other", 1), "somebody") == 0.0


async def test_check_raises_with_whole_seconds_to_wait(limiter: RateLimiter) -> None:
    await ask(limiter, 0, 10)
    with frozen(at(0)), pytest.raises(TooManyRequests) as refused:
        await limiter.check(LIMIT, "somebody")
    assert 1 <= refused.value.retry_after <= 66
    assert refused.value.details == {"limit": "test"}


async def test_processes_count_together_and_parallel_asking_cannot_slip_past(redis: object) -> None:
    limiters = [RateLimiter(), RateLimiter()]
    with frozen(at(0)):
        waits = await asyncio.gather(*(limiters[n % 2].count(LIMIT, "somebody") for n in range(40)))
    assert sum(wait == 0 for wait in waits) == 10
    await close_async_clients()


async def test_a_generous_limit_is_taken_in_portions_and_never_exceeded(
    redis: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    generous, asked = RateLimit("generous", 100), 0
    ask_redis = RateLimiter._ask

    async def counted(self: RateLimiter, *arguments: object) -> tuple[int, float]:
        nonlocal asked
        asked += 1
        return await ask_redis(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(RateLimiter, "_ask", counted)
    one, two = RateLimiter(), RateLimiter()
    with frozen(at(0)):
        waits = [await one.count(generous, "somebody") for _ in range(103)]
        assert [wait > 0 for wait in waits] == [False] * 100 + [True] * 3
        assert asked == 11
        shared = [await (one, two)[n % 2].count(generous, "both") for n in range(150)]
        assert 100 - generous.portion < sum(wait == 0 for wait in shared) <= 100
    await close_async_clients()


async def test_a_burst_within_a_generous_limit_passes_whole(redis: object) -> None:
    limit, one = RateLimit("test", 100, 60), RateLimiter()
    with frozen(START):
        waits = await asyncio.gather(*(one.count(limit, "somebody") for _ in range(110)))
    assert [wait == 0 for wait in waits] == [True] * 100 + [False] * 10
    await close_async_clients()


async def test_what_is_left_of_a_portion_ends_with_its_window(redis: object) -> None:
    limiter, generous = RateLimiter(), RateLimit("generous", 100)
    with frozen(at(59)):
        await limiter.count(generous, "somebody")
    with frozen(at(181)):
        passed = [await limiter.count(generous, "somebody") for _ in range(110)]
    assert sum(wait == 0 for wait in passed) == 100
    await close_async_clients()


async def test_what_is_kept_is_small_expires_and_names_nobody(redis: object) -> None:
    limiter = RateLimiter()
    for _ in range(5):
        await limiter.count(LIMIT, "198.51.100.7")
    [key] = cache_redis().keys("ctl:*")
    assert "198.51.100.7" not in key
    assert 0 < cache_redis().ttl(key) <= 120
    assert cache_redis().hlen(key) == 3
    await close_async_clients()


async def test_redis_that_is_back_counts_again(redis: object) -> None:
    limiter = RateLimiter()
    with override_settings(cache_redis_url=""):
        assert await limiter.count(LIMIT, "somebody") == 0.0
    limiter._off_until = 0.0
    await limiter.count(LIMIT, "somebody")
    assert len(cache_redis().keys("ctl:*")) == 1
    await close_async_clients()


def test_a_flood_of_subjects_does_not_fill_the_memory() -> None:
    windows = LocalWindows(max_subjects=100)
    for number in range(1_000):
        windows.count(str(number), LIMIT, 0.0)
    assert len(windows._held) == 100
