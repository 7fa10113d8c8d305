"""Events: in order, resumable, capped, and no reason for a job to fail."""

import asyncio
import contextlib

from deploy.embedded import ServerUrls
from models.infra import events
from models.infra.redis import close_async_clients, close_clients, events_redis
from models.infra.settings import override_settings


def test_events_are_read_in_order_after_any_of_them(redis: ServerUrls) -> None:
    ids = [events.publish("job_progress", {"page": page}) for page in range(3)]
    assert [event.payload["page"] for event in events.read_after(None)] == [0, 1, 2]
    assert [event.id for event in events.read_after(ids[0])] == ids[1:]


def test_the_stream_keeps_a_bounded_number(redis: ServerUrls) -> None:
    for number in range(events.MAX_EVENTS + 300):
        events.publish("job_progress", {"n": number})
    assert events_redis().xlen(events.STREAM) <= events.MAX_EVENTS + 200


def test_publishing_without_redis_is_logged_and_not_raised(redis: ServerUrls) -> None:
    with override_settings(redis_url="redis://127.0.0.1:1/0"):
        assert events.publish("job_completed", {"job": "sync"}) == ""
    close_clients()


async def collect(last_id: str | None, number: int, into: list[events.Event]) -> None:
    async for event in events.stream(last_id):
        into.append(event)
        if len(into) == number:
            return


async def test_a_reader_gets_what_comes_after_it_started(redis: ServerUrls) -> None:
    events.publish("job_completed", {"n": "before"})
    seen: list[events.Event] = []
    reader = asyncio.create_task(collect(None, 2, seen))
    await asyncio.sleep(0.3)
    events.publish("job_completed", {"n": "one"})
    events.publish("job_completed", {"n": "two"})
    await asyncio.wait_for(reader, 10)
    assert [event.payload["n"] for event in seen] == ["one", "two"]
    await close_async_clients()


async def test_a_reader_that_was_away_gets_what_it_missed(redis: ServerUrls) -> None:
    last = events.publish("job_completed", {"n": 0})
    events.publish("job_completed", {"n": 1})
    seen: list[events.Event] = []
    reader = asyncio.create_task(collect(last, 2, seen))
    await asyncio.sleep(0.2)
    events.publish("job_completed", {"n": 2})
    await asyncio.wait_for(reader, 10)
    assert [event.payload["n"] for event in seen] == [1, 2]
    await close_async_clients()


async def test_a_reader_survives_a_broken_connection(redis: ServerUrls) -> None:
    seen: list[events.Event] = []
    reader = asyncio.create_task(collect(None, 1, seen))
    await asyncio.sleep(0.3)
    for kind in ("normal", "pubsub"):
        with contextlib.suppress(Exception):
            events_redis().client_kill_filter(_type=kind, skipme=True)
    await asyncio.sleep(0.1)
    events.publish("job_completed", {"n": 1})
    await asyncio.wait_for(reader, 20)
    assert seen[0].payload == {"n": 1}
    await close_async_clients()
