"""The cache on a real server, and without one."""

import time

from deploy.embedded import ServerUrls
from models.infra.cache import Cache, cache
from models.infra.metrics import registry
from models.infra.redis import cache_redis, close_async_clients, close_clients
from models.infra.settings import override_settings


def metric(name: str) -> float:
    return registry.get_sample_value(name) or 0.0


def test_a_value_comes_back_as_json_until_its_time_is_over(redis: ServerUrls) -> None:
    assert cache().set("ct:1", {"a": [1, "привет"]}, ttl_s=0.05)
    assert cache().get("ct:1") == {"a": [1, "привет"]}
    time.sleep(0.1)
    assert cache().get("ct:1") is None


async def test_a_hit_needs_no_thread(redis: ServerUrls) -> None:
    cache().set("k", 5, ttl_s=60)
    assert await cache().get_async("k") == 5
    await close_async_clients()


def test_delete_removes_and_counts(redis: ServerUrls) -> None:
    cache().set("a", 1, 60)
    cache().set("b", 2, 60)
    assert cache().delete("a", "b", "c") == 2


def test_invalidation_by_prefix_takes_the_prefix_literally(redis: ServerUrls) -> None:
    for key in ("portfolio:1", "portfolio:2", "ct:1", "p[o]*:1", "pXo:1"):
        cache().set(key, 1, 60)
    assert cache().invalidate_by_prefix("portfolio:") == 2
    assert cache().invalidate_by_prefix("p[o]*") == 1
    assert cache().get("pXo:1") == 1
    assert cache().get("ct:1") == 1


def test_invalidation_removes_more_keys_than_one_batch(redis: ServerUrls) -> None:
    with cache_redis().pipeline() as pipe:
        for number in range(1_203):
            pipe.set(f"ctc:many:{number}", "1")
        pipe.execute()
    assert cache().invalidate_by_prefix("many:") == 1_203


def test_hits_misses_sets_and_invalidations_are_counted(redis: ServerUrls) -> None:
    names = ("cache_hits_total", "cache_misses_total", "cache_sets_total", "cache_invalidations_total")
    before = [metric(name) for name in names]
    cache().set("k", 1, 60)
    cache().get("k")
    cache().get("none")
    cache().delete("k")
    assert [metric(name) - was for name, was in zip(names, before, strict=True)] == [1, 1, 1, 1]
    stats = cache().get_stats()
    assert (stats.hits, stats.misses, stats.sets, stats.invalidations, stats.available) == (1, 1, 1, 1, True)


def test_without_redis_everything_is_a_miss_and_nothing_raises(redis: ServerUrls) -> None:
    with override_settings(cache_redis_url="redis://127.0.0.1:1/0"):
        alone = Cache()
        assert alone.get("k") is None
        assert alone.set("k", 1, 60) is False
        assert alone.delete("k") == 0
        assert alone.invalidate_by_prefix("k") == 0
        assert alone.get_stats().available is False
    close_clients()


def test_without_a_configured_redis_there_is_no_cache_either() -> None:
    assert Cache().get("k") is None
