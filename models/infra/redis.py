"""Redis clients: queue, events and cache are kept apart, so that none starves another.

Every client has connect and read timeouts; the cache's are short, because an answer without cache beats a wait.
Clients are made once per URL and, the asynchronous ones, once per event loop.
"""

import asyncio
from functools import lru_cache
from weakref import WeakKeyDictionary

import redis
import redis.asyncio as redis_async
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from models.infra.errors import Unavailable
from models.infra.settings import get_settings

_CONNECT_S = 2.0
_READ_S = 5.0
_CACHE_S = 0.25
_CACHE_CONNECTIONS, _EVENT_CONNECTIONS = 16, 10_000


def queue_redis() -> redis.Redis:
    """The client of the job queue. Answers bytes: RQ stores serialised jobs."""
    return _client("queue", _url(get_settings().redis_url, "REDIS_URL"), _READ_S, decode=False)


def events_redis() -> redis.Redis:
    """The client of events: stream and pub/sub. Answers text."""
    return _client("events", _url(get_settings().redis_url, "REDIS_URL"), _READ_S, decode=True)


def cache_redis() -> redis.Redis:
    """The client of the cache. Answers text; short timeouts; no retries."""
    return _client("cache", _url(get_settings().cache_redis_url, "CACHE_REDIS_URL"), _CACHE_S, decode=True)


def cache_redis_raw() -> redis.Redis:
    """The cache's client for stored entries: answers bytes."""
    return _client(
        "cache-raw", _url(get_settings().cache_redis_url, "CACHE_REDIS_URL"), _CACHE_S, decode=False
    )


def cache_redis_raw_async() -> redis_async.Redis:
    """The asynchronous twin of `cache_redis_raw`, one per running event loop."""
    url = _url(get_settings().cache_redis_url, "CACHE_REDIS_URL")
    return _async_client("cache-raw", url, _CACHE_S, decode=False)


def cache_listening_async() -> redis_async.Redis:
    """The cache's client that listens to invalidations, one per running event loop. Answers text."""
    url = _url(get_settings().cache_redis_url, "CACHE_REDIS_URL")
    return _async_client("cache-listener", url, _READ_S)


def events_redis_async() -> redis_async.Redis:
    """The asynchronous twin of `events_redis`, one per running event loop."""
    return _async_client("events", _url(get_settings().redis_url, "REDIS_URL"), _READ_S)


def cache_redis_async() -> redis_async.Redis:
    """The asynchronous twin of `cache_redis`, one per running event loop."""
    return _async_client("cache", _url(get_settings().cache_redis_url, "CACHE_REDIS_URL"), _CACHE_S)


async def close_async_clients() -> None:
    """Close the running loop's clients, at shutdown."""
    for client in _by_loop.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()


def close_clients() -> None:
    """Close this process's synchronous clients, at shutdown and between tests."""
    for client in list(_sync.values()):
        client.close()
    _sync.clear()
    _client.cache_clear()


_sync: dict[tuple[str, str], redis.Redis] = {}
_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], redis_async.Redis]] = (
    WeakKeyDictionary()
)


@lru_cache(maxsize=32)
def _client(role: str, url: str, read_s: float, *, decode: bool) -> redis.Redis:
    client = redis.Redis.from_url(
        url,
        socket_connect_timeout=min(_CONNECT_S, read_s * 4),
        socket_timeout=read_s,
        health_check_interval=30,
        decode_responses=decode,
        client_name=f"ct-{role}",
        # One retry bridges a server restart; more would hide an outage behind waiting callers.
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 0 if role.startswith("cache") else 1),
    )
    _sync[role, url] = client
    return client


def _async_client(role: str, url: str, read_s: float, *, decode: bool = True) -> redis_async.Redis:
    clients = _by_loop.setdefault(asyncio.get_running_loop(), {})
    if (role, url) not in clients:
        is_cache = role.startswith("cache")
        pool = redis_async.BlockingConnectionPool.from_url(
            url,
            # A stampede queues for a few connections instead of opening hundreds; event streams hold one each.
            max_connections=_CACHE_CONNECTIONS if is_cache else _EVENT_CONNECTIONS,
            timeout=_CONNECT_S,
            socket_connect_timeout=min(_CONNECT_S, read_s * 4),
            socket_timeout=read_s,
            health_check_interval=30,
            decode_responses=decode,
            client_name=f"ct-{role}",
            # The cache's answer is worth one try: who asks computes instead.
            retry=AsyncRetry(ExponentialBackoff(cap=0.2, base=0.05), 0 if is_cache else 1),
        )
        clients[role, url] = redis_async.Redis.from_pool(pool)
    return clients[role, url]


def _url(value: str, name: str) -> str:
    if not value:
        raise Unavailable(f"{name} is not set", code="redis_not_configured")
    return value
