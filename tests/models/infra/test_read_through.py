"""One computation for a stampede, no entry served after a change, and life without Redis."""

import asyncio
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from deploy.embedded import ServerUrls
from models.infra.cache import EVERYTHING, Cache, cache
from models.infra.cache_codec import Entry, pack, unpack
from models.infra.cache_listener import listen
from models.infra.local_cache import LocalCache, local_cache
from models.infra.read_through import Policy, read_through
from models.infra.redis import cache_redis, close_async_clients, close_clients
from models.infra.settings import override_settings
from tests.models.infra.test_cache import metric

LONG = Policy(ttl_s=60)


@pytest.fixture
async def listening(redis: ServerUrls) -> AsyncGenerator[ServerUrls]:
    """A process that hears invalidations."""
    task = asyncio.create_task(listen())
    for _ in range(100):
        if local_cache().is_trusted:
            break
        await asyncio.sleep(0.02)
    assert local_cache().is_trusted
    # The first use makes everything old, and the message that says so comes back.
    await cache().fetch_async("first", ())
    await asyncio.sleep(0.1)
    yield redis
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not local_cache().is_trusted
    await close_async_clients()


class Source:
    """A truth that counts how often it is read."""

    def __init__(self, value: str = "one", takes_s: float = 0.0) -> None:
        self.value, self.takes_s, self.reads = value, takes_s, 0
        self.began = asyncio.Event()

    async def __call__(self) -> bytes:
        self.reads += 1
        self.began.set()
        seen = self.value
        await asyncio.sleep(self.takes_s)
        return seen.encode()


async def test_a_stampede_of_200_equal_cold_requests_computes_once(redis: ServerUrls) -> None:
    source = Source(takes_s=0.1)
    reads = await asyncio.gather(*(read_through(LONG, "ct:x", ("ct:1",), source) for _ in range(200)))
    assert source.reads == 1
    assert {each.body for each in reads} == {b"one"}
    await close_async_clients()


async def test_a_stampede_without_redis_computes_once_in_a_process_too() -> None:
    source = Source(takes_s=0.1)
    with override_settings(cache_redis_url="redis://127.0.0.1:1/0"):
        await asyncio.gather(*(read_through(LONG, "ct:x", ("ct:1",), source) for _ in range(50)))
        assert source.reads == 1
    await close_async_clients()


def test_two_processes_compute_once_between_them(redis: ServerUrls, process_env: dict[str, str]) -> None:
    program = textwrap.dedent("""
        import asyncio, sys
        from models.infra.read_through import Policy, read_through
        from models.infra.redis import close_async_clients
        async def compute():
            print("computed", flush=True)
            await asyncio.sleep(1.0)
            return b"theirs"
        async def main():
            reads = await asyncio.gather(*(read_through(Policy(60), "ct:y", ("ct:1",), compute) for _ in range(100)))
            assert {each.body for each in reads} == {b"theirs"}
            await close_async_clients()
        asyncio.run(main())
    """)
    running = [
        subprocess.Popen([sys.executable, "-c", program], env=process_env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [each.communicate(timeout=60)[0] for each in running]
    assert [each.returncode for each in running] == [0, 0]
    assert "".join(printed).count("computed") == 1


async def test_what_a_computation_raises_reaches_everybody_who_waits_and_nothing_is_stored(
    redis: ServerUrls,
) -> None:
    async def fails() -> bytes:
        await asyncio.sleep(0.05)
        raise ValueError("no")

    found = await asyncio.gather(
        *(read_through(LONG, "ct:x", ("ct:1",), fails) for _ in range(5)), return_exceptions=True
    )
    assert [type(each) for each in found] == [ValueError] * 5
    assert (await read_through(LONG, "ct:x", ("ct:1",), Source())).body == b"one"
    await close_async_clients()


async def test_a_caller_who_goes_away_leaves_the_computation_to_the_others(redis: ServerUrls) -> None:
    source = Source(takes_s=0.2)
    first = asyncio.create_task(read_through(LONG, "ct:x", ("ct:1",), source))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(read_through(LONG, "ct:x", ("ct:1",), source))
    await asyncio.sleep(0.02)
    first.cancel()
    assert (await second).body == b"one"
    assert source.reads == 1
    await close_async_clients()


async def test_a_change_during_a_computation_is_not_overwritten_by_it(redis: ServerUrls) -> None:
    source = Source(takes_s=0.15)
    early = asyncio.create_task(read_through(LONG, "ct:x", ("ct:1",), source))
    await asyncio.wait_for(source.began.wait(), 10)
    source.value = "two"
    cache().renew(["ct:1"])
    # Who asks after the change joins the computation that began before it, and must not get its answer.
    late = asyncio.create_task(read_through(LONG, "ct:x", ("ct:1",), source))
    assert (await early).body == b"one"
    assert (await late).body == b"two"
    assert (await read_through(LONG, "ct:x", ("ct:1",), source)).body == b"two"
    await close_async_clients()


async def test_what_is_past_its_time_is_served_once_more_while_it_is_computed_anew(redis: ServerUrls) -> None:
    policy, source = Policy(ttl_s=0.1, stale_s=30), Source()
    await read_through(policy, "ct:x", ("ct:1",), source)
    await asyncio.sleep(0.15)
    source.value = "two"
    assert (await read_through(policy, "ct:x", ("ct:1",), source)).body == b"one"
    await asyncio.sleep(0.1)
    assert source.reads == 2
    await close_async_clients()


async def test_what_a_change_made_old_is_not_served_past_its_time_either(redis: ServerUrls) -> None:
    policy, source = Policy(ttl_s=0.1, stale_s=30), Source()
    await read_through(policy, "ct:x", ("ct:1",), source)
    source.value = "two"
    cache().renew(["ct:1"])
    assert (await read_through(policy, "ct:x", ("ct:1",), source)).body == b"two"
    await close_async_clients()


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(0, 2)),
            st.tuples(st.just("change"), st.integers(0, 2)),
            st.tuples(st.just("change all"), st.just(0)),
            st.tuples(st.just("evict"), st.integers(0, 2)),
            st.tuples(st.just("lose generation"), st.integers(0, 2)),
        ),
        max_size=25,
    )
)
def test_whatever_happens_a_read_answers_the_truth(redis: ServerUrls, steps: list[tuple[str, int]]) -> None:
    """Three entries of one or two tags each; a change renews its tag, keys vanish at any time."""
    tags = (("a",), ("b",), ("a", "b"))

    async def run() -> None:
        cache_redis().flushdb()
        sources = [Source("0"), Source("0"), Source("0")]
        count = 0
        for what, which in steps:
            if what == "read":
                found = await read_through(LONG, f"ct:{which}", tags[which], sources[which])
                assert found.body.decode() == sources[which].value
            elif what.startswith("change"):
                count += 1
                changed = {EVERYTHING} if what == "change all" else set(tags[which])
                for own, source in zip(tags, sources, strict=True):
                    if EVERYTHING in changed or changed & set(own):
                        source.value = str(count)
                assert cache().renew(changed)
            elif what == "evict":
                cache_redis().delete(f"ctc:ct:{which}")
            else:
                cache_redis().delete(f"ctc:gen:{tags[which][0]}")
        await close_async_clients()

    asyncio.run(run())


@examples(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(callers=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 0.03)), min_size=1, max_size=30))
def test_callers_who_overlap_share_one_computation(
    redis: ServerUrls, callers: list[tuple[int, float]]
) -> None:
    async def run() -> None:
        cache_redis().flushdb()
        sources = [Source(str(key), takes_s=0.02) for key in range(3)]

        async def call(key: int, delay: float) -> None:
            await asyncio.sleep(delay)
            found = await read_through(LONG, f"ct:{key}", ("a",), sources[key])
            assert found.body.decode() == str(key)

        await asyncio.gather(*(call(*each) for each in callers))
        assert [each.reads for each in sources] == [int(key in {k for k, _ in callers}) for key in range(3)]
        await close_async_clients()

    asyncio.run(run())


# --- the first level --------------------------------------------------------------------------------------------


async def test_a_second_read_needs_no_redis_while_invalidations_are_heard(listening: ServerUrls) -> None:
    source = Source()
    await read_through(LONG, "ct:x", ("ct:1",), source)
    held = local_cache().get("ct:x")
    assert held is not None
    assert held.value == b"one"
    assert (await read_through(LONG, "ct:x", ("ct:1",), source)).is_hit
    assert source.reads == 1


async def test_another_processes_change_empties_the_first_level(listening: ServerUrls) -> None:
    source = Source()
    await read_through(LONG, "ct:x", ("ct:1",), source)
    source.value = "two"
    other = Cache()
    # The other process's own first level is not this one's: only the message may tell.
    drops = local_cache().version
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.infra.cache.local_cache", LocalCache)
        assert other.renew(["ct:1"])
    for _ in range(100):
        if local_cache().version > drops:
            break
        await asyncio.sleep(0.01)
    assert (await read_through(LONG, "ct:x", ("ct:1",), source)).body == b"two"


async def test_a_lost_connection_empties_the_first_level_and_makes_every_entry_old(
    listening: ServerUrls,
) -> None:
    source = Source()
    await read_through(LONG, "ct:x", ("ct:1",), source)
    source.value = "two"
    # Nobody says that the value changed: what happens while nobody listens cannot be heard.
    cache_redis().client_kill_filter(_type="pubsub")
    for _ in range(200):
        if local_cache().get("ct:x") is None:
            break
        await asyncio.sleep(0.01)
    for _ in range(200):
        if local_cache().is_trusted:
            break
        await asyncio.sleep(0.01)
    assert (await read_through(LONG, "ct:x", ("ct:1",), source)).body == b"two"


def test_a_value_is_not_held_when_a_change_came_while_it_was_computed() -> None:
    held = LocalCache()
    held.trust()
    version = held.version
    held.drop(["another tag"])
    assert not held.put("k", 1, 1, time.time() + 60, ("t",), version)
    assert held.put("k", 1, 1, time.time() + 60, ("t",), held.version)


def test_the_first_level_is_bounded_and_drops_the_least_used_first() -> None:
    held = LocalCache(max_bytes=10_000)
    held.trust()
    for number in range(20):
        held.put(str(number), number, 600, time.time() + 60, ("t",), held.version)
        held.get("0")
    assert held.size_bytes <= 10_000
    assert held.get("0") is not None
    assert held.get("1") is None
    assert not held.put("large", 1, 5_000, time.time() + 60, ("t",), held.version)
    held.drop(["t"])
    assert held.size_bytes == 0


def test_without_a_listener_there_is_no_first_level() -> None:
    held = LocalCache()
    assert not held.put("k", 1, 1, time.time() + 60, ("t",), held.version)
    assert held.get("k") is None


# --- values -----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=5_000), st.dictionaries(st.text(max_size=20), st.text(max_size=16), max_size=4))
def test_an_entry_comes_back_as_it_went_in(body: bytes, generations: dict[str, str]) -> None:
    entry = Entry(body, 1.5, generations)
    assert unpack(pack(entry)) == entry


@given(st.binary(max_size=200))
def test_bytes_that_are_no_entry_are_none_or_an_entry_but_no_error(raw: bytes) -> None:
    assert unpack(raw) is None or isinstance(unpack(raw), Entry)


def test_long_values_are_compressed_and_short_ones_are_not() -> None:
    assert len(pack(Entry(b"a" * 10_000, 0, {}))) < 500
    assert len(pack(Entry(b"a" * 500, 0, {}))) > 500


async def test_a_value_too_large_is_computed_each_time_and_counted(redis: ServerUrls) -> None:
    import secrets

    large = Source(secrets.token_hex(4_000))
    before = metric("cache_oversized_total")
    with override_settings(cache_value_max_bytes=1_024):
        for _ in range(2):
            assert not (await read_through(LONG, "ct:x", ("ct:1",), large)).is_hit
    assert large.reads == 2
    assert metric("cache_oversized_total") == before + 2
    await close_async_clients()


def test_a_cache_that_failed_makes_everything_old_before_it_is_trusted_again(redis: ServerUrls) -> None:
    one = Cache()
    looked = one.fetch("k", ["t"])
    assert one.store("k", Entry(b"1", time.time() + 60, looked.generations), 60)
    with override_settings(cache_redis_url="redis://127.0.0.1:1/0"):
        assert one.fetch("k", ["t"]).generations == {}
        assert one.renew(["t"]) is False
    one._off_until = 0.0
    assert one.fetch("k", ["t"]).entry is None
    close_clients()
