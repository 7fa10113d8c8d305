"""Events: in order, resumable, capped, and no reason for a job to fail."""

import asyncio
import contextlib

import pytest
from redis.exceptions import ResponseError

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


LARGEST = 2**64 - 1


@pytest.mark.parametrize("text", ["0-0", "5-3", f"5-{LARGEST}", f"{LARGEST}-0", f"{LARGEST - 1}-{LARGEST}"])
def test_what_redis_reads_after_is_a_position(redis: ServerUrls, text: str) -> None:
    assert events.is_position(text)
    assert events.read_after(text) == []


@pytest.mark.parametrize(
    "text",
    [f"{LARGEST}-{LARGEST}", f"{LARGEST + 1}-0", f"0-{LARGEST + 1}", "5", "5-", "-5", "5-3-1", "$", "٣-١"],
)
async def test_what_redis_cannot_read_after_is_refused_before_it_is_asked(text: str) -> None:
    assert not events.is_position(text)
    with pytest.raises(ValueError, match="not an event id"):
        await anext(events.stream(text))


@pytest.mark.parametrize("kept", [0, 1])
async def test_a_reader_whose_id_is_ahead_of_every_event_gets_the_next_one(
    redis: ServerUrls, kept: int
) -> None:
    for _ in range(kept):
        events.publish("job_completed", {"n": "before"})
    seen: list[events.Event] = []
    reader = asyncio.create_task(collect(f"{LARGEST}-0", 1, seen))
    await asyncio.sleep(0.3)
    events.publish("job_completed", {"n": "after"})
    await asyncio.wait_for(reader, 10)
    assert seen[0].payload["n"] == "after"
    await close_async_clients()


async def test_a_reader_whom_redis_goes_on_refusing_gives_up(
    redis: ServerUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_BACKOFF_S", (0.01, 0.01))
    events_redis().set(events.STREAM, "not a stream")
    with pytest.raises(ResponseError):
        await asyncio.wait_for(anext(events.stream()), 10)
    await close_async_clients()
