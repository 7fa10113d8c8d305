"""Hears which tags changed, so that the first level of this process may be trusted. One task a process runs it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from redis.exceptions import RedisError

from models.infra.cache import CHANNEL, EVERYTHING, cache
from models.infra.errors import Unavailable
from models.infra.local_cache import local_cache
from models.infra.logging import get_logger
from models.infra.redis import cache_listening_async

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
# A connection that says nothing is asked, so that a dead peer is noticed.
_PING_S = 1.0
_PONG_S = 1.0

log = get_logger(__name__)


async def listen() -> None:
    """Follow invalidations until cancelled. What could not be heard counts as changed."""
    failures = 0
    while True:
        try:
            pubsub = cache_listening_async().pubsub()
        except Unavailable:
            # No cache is configured: there is nothing to hear, and nothing to trust.
            return
        try:
            await pubsub.subscribe(CHANNEL)
            # The first message confirms the subscription: what changes from here on is heard.
            await pubsub.get_message(timeout=_PONG_S)
            cache().doubt()
            local_cache().trust()
            log.info("cache trusted")
            failures = 0
            await _follow(pubsub)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("cache invalidations not heard", error=str(error))
        finally:
            local_cache().distrust()
            cache().doubt()
            await _close(pubsub)
        await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
        failures += 1


async def _follow(pubsub: Any) -> None:
    waiting_for_pong = False
    while True:
        message = await pubsub.get_message(timeout=_PONG_S if waiting_for_pong else _PING_S)
        if message is None:
            if waiting_for_pong:
                raise TimeoutError("no answer")
            await pubsub.ping()
            waiting_for_pong = True
            continue
        waiting_for_pong = False
        if message.get("type") == "message":
            _apply(message["data"])


def _apply(data: str) -> None:
    try:
        tags = [str(each) for each in json.loads(data)]
    except (ValueError, TypeError):
        tags = [EVERYTHING]
    if EVERYTHING in tags:
        local_cache().clear()
    else:
        local_cache().drop(tags)


async def _close(pubsub: Any) -> None:
    try:
        await pubsub.aclose()
    except (RedisError, OSError) as error:
        log.debug("listener's connection was gone", error=type(error).__name__)
