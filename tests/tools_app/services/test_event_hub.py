"""One reader for many listeners: bounded, filtered, ended with a reason."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from redis.exceptions import ResponseError

from deploy.embedded import ServerUrls
from models.infra import events
from models.infra.redis import close_async_clients, events_redis
from tools_app.services.event_hub import EventHub, Listener, event_hub


@pytest.fixture
async def hub(redis: ServerUrls) -> AsyncIterator[EventHub]:
    yield event_hub()
    event_hub().close()
    await asyncio.sleep(0)
    await close_async_clients()


async def subscribed(hub: EventHub) -> None:
    """Wait until the hub's reader hears announcements."""
    for _ in range(500):
        if events_redis().pubsub_numsub(events.CHANNEL)[0][1]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the hub did not subscribe")


async def publish(number: int, kind: str = "job_progress") -> None:
    await asyncio.to_thread(events.publish, kind, {"number": number})


async def numbers(listener: Listener, count: int) -> list[int]:
    return [event.payload["number"] for _ in range(count) if (event := await listener.take(5))]


async def test_many_listeners_share_one_subscription(hub: EventHub) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(hub.listen(lambda _: True)) for _ in range(50)]
        await subscribed(hub)
        assert events_redis().pubsub_numsub(events.CHANNEL)[0][1] == 1
        await publish(1)
        assert [await numbers(each, 1) for each in listeners] == [[1]] * 50


async def test_a_listener_that_takes_nothing_is_ended_and_the_others_miss_nothing(hub: EventHub) -> None:
    with hub.listen(lambda _: True, room=5) as slow, hub.listen(lambda _: True, room=50) as quick:
        await subscribed(hub)
        for number in range(20):
            await publish(number)
        assert await numbers(quick, 20) == list(range(20))
        assert slow.ended == "slow"
        assert await slow.take(0.01) is None


async def test_a_listener_has_only_what_it_wants_and_what_is_for_people(hub: EventHub) -> None:
    with hub.listen(lambda event: event.payload["number"] % 2 == 0) as listener:
        await subscribed(hub)
        await publish(0, "between_processes")
        for number in range(1, 5):
            await publish(number)
        assert await numbers(listener, 2) == [2, 4]


async def test_closing_ends_who_listens_and_who_comes_later(hub: EventHub) -> None:
    with hub.listen(lambda _: True) as before:
        hub.close()
        assert before.ended == "closing"
        assert await before.take(5) is None
    with hub.listen(lambda _: True) as after:
        assert after.ended == "closing"


async def test_a_refusal_ends_the_listeners_and_the_next_one_reads_again(
    hub: EventHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused() -> AsyncIterator[events.Event]:
        raise ResponseError("WRONGTYPE")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(events, "stream", refused)
        with hub.listen(lambda _: True) as listener:
            assert await listener.take(5) is None
            assert listener.ended == "refused"
    with hub.listen(lambda _: True) as listener:
        await subscribed(hub)
        await publish(7)
        assert await numbers(listener, 1) == [7]


async def test_an_entry_that_nobody_understands_stops_nothing(hub: EventHub) -> None:
    with hub.listen(lambda _: True) as listener:
        await subscribed(hub)
        events_redis().xadd(events.STREAM, {"kind": "job_progress", "payload": "{half"})
        events_redis().xadd(events.STREAM, {"foreign": "1"})
        await publish(3)
        assert await numbers(listener, 1) == [3]
