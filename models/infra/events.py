"""Events that a process tells the others after it committed: a capped Redis Stream, announced on pub/sub.

The stream makes a reader resumable by id; the announcement makes it prompt. Nothing here is the truth: a reader that
missed events reads the database again.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError

from models.infra.logging import get_logger
from models.infra.redis import events_redis, events_redis_async

STREAM = "ct:events"
CHANNEL = "ct:announce"
MAX_EVENTS = 2_000
_IDLE_S = 15.0
_BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
# What Redis understood and refuses. It may be passing (a failover, a changed password), but not for long.
_REFUSALS = (ResponseError, AuthenticationError, AuthorizationError)
# Both halves of a stream id are unsigned 64-bit numbers.
_LARGEST = 2**64 - 1

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its stream id, its kind (`job_progress`, `job_completed`, …) and its payload."""

    id: str
    kind: str
    payload: Mapping[str, Any]


def is_position(text: str) -> bool:
    """Whether a text is an event id that something can come after: two unsigned 64-bit numbers, not both the largest."""
    halves = text.split("-")
    if len(halves) != 2 or not all(half.isascii() and half.isdigit() and len(half) <= 20 for half in halves):
        return False
    time_ms, number = _order(text)
    return max(time_ms, number) <= _LARGEST and (time_ms, number) != (_LARGEST, _LARGEST)


def publish(kind: str, payload: Mapping[str, Any]) -> str:
    """Append an event and announce it; returns its id. Call it after commit.

    Returns an empty string, and logs, when Redis is away: the work that is reported was done all the same.
    """
    body = json.dumps(payload, default=str, ensure_ascii=False, separators=(",", ":"))
    try:
        client = events_redis()
        event_id = cast("str", client.xadd(STREAM, {"kind": kind, "payload": body}, maxlen=MAX_EVENTS))
        client.publish(CHANNEL, event_id)
    except RedisError as error:
        log.warning("event not published", kind=kind, error=str(error))
        return ""
    return event_id


def read_after(last_id: str | None, limit: int = 100) -> list[Event]:
    """At most `limit` events after `last_id` (None: from the oldest kept), oldest first. Raises RedisError."""
    start = f"({last_id}" if last_id else "-"
    return _parse(cast("list[Any]", events_redis().xrange(STREAM, start, "+", count=limit)))


async def stream(last_id: str | None = None) -> AsyncIterator[Event]:
    """Events as they come, after `last_id` or, without it, from now on. Reconnects by itself; ends by cancellation.

    An id that is ahead of the newest event means "from now on" too: nothing was ever sent under it. Raises ValueError
    for what is no event id, and RedisError when Redis answers and goes on refusing: that no waiting repairs.
    """
    if last_id is not None and not is_position(last_id):
        raise ValueError("not an event id")
    client = events_redis_async()
    position = last_id
    failures = 0
    while True:
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        try:
            # Before subscribing: whoever sees the subscription may rely on what he publishes being read.
            newest = await _newest_id(client)
            position = newest if position is None else min(position, newest, key=_order)
            await pubsub.subscribe(CHANNEL)
            while True:
                # Read first: what came between two announcements, or before the first, is in the stream.
                batch = _parse(await client.xrange(STREAM, f"({position}", "+", count=100))
                failures = 0
                for event in batch:
                    position = event.id
                    yield event
                if not batch:
                    await pubsub.get_message(timeout=_IDLE_S)
        except (RedisError, OSError) as error:
            if isinstance(error, _REFUSALS) and failures >= len(_BACKOFF_S):
                log.exception("event stream refused")
                raise
            log.warning("event stream interrupted", error=str(error))
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1
        finally:
            await pubsub.aclose()


async def has_gap(last_id: str) -> bool:
    """Whether some events after `last_id` may be lost: dropped from the capped stream, or the id is not of this stream.

    Raises RedisError.
    """
    client = events_redis_async()
    oldest = _parse(await client.xrange(STREAM, "-", "+", count=1))
    if not oldest or _order(last_id) > _order(await _newest_id(client)):
        return last_id != "0-0"
    # Nothing was dropped while the stream has room: its oldest event is the first there ever was.
    return _order(last_id) < _order(oldest[0].id) and await _is_trimmed(client)


async def missed(last_id: str) -> AsyncIterator[Event]:
    """The kept events after `last_id`, oldest first. Raises RedisError."""
    client = events_redis_async()
    position = last_id
    while batch := _parse(await client.xrange(STREAM, f"({position}", "+", count=100)):
        for event in batch:
            yield event
        position = batch[-1].id


async def newest_id() -> str:
    """The id of the newest event, `0-0` without one. Raises RedisError."""
    return await _newest_id(events_redis_async())


def comes_after(event_id: str, other: str) -> bool:
    """Whether an event is newer than another; ids are compared as the two numbers they are."""
    return _order(event_id) > _order(other)


async def _is_trimmed(client: Any) -> bool:
    facts = cast("dict[str, Any]", await client.xinfo_stream(STREAM))
    # The server counts every entry ever added; what is missing now was dropped.
    return int(facts.get("entries-added", 0)) > int(facts["length"])


async def _newest_id(client: Any) -> str:
    newest = _parse(await client.xrevrange(STREAM, "+", "-", count=1))
    return newest[0].id if newest else "0-0"


def _order(event_id: str) -> tuple[int, int]:
    time_ms, _, number = event_id.partition("-")
    return int(time_ms), int(number)


def _parse(entries: list[Any]) -> list[Event]:
    return [_event(str(entry), fields) for entry, fields in entries]


def _event(event_id: str, fields: Mapping[str, str]) -> Event:
    try:
        return Event(event_id, fields["kind"], json.loads(fields["payload"]))
    except (KeyError, ValueError) as error:
        # Not ours, or half a write of an older version: nobody listens to its kind, and the next event is read.
        log.warning("event not understood", event_id=event_id, error=type(error).__name__)
        return Event(event_id, "", {})
