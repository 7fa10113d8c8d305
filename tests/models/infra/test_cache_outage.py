"""The cache server stops, data change meanwhile, it comes back with what it held: nothing old is served."""

import asyncio
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.embedded import free_port
from deploy.processes import ProcessRegistry
from deploy.valkey import EmbeddedValkey
from models.infra import redis as redis_clients
from models.infra.cache import cache
from models.infra.cache_listener import listen
from models.infra.local_cache import local_cache
from models.infra.read_through import Policy, read_through
from models.infra.redis import close_async_clients
from models.infra.settings import override_settings
from tests.models.infra.test_read_through import Source

POLICY = Policy(ttl_s=600, stale_s=600)


class Server:
    """A Valkey that keeps its data over a restart, as a cache server with persistence would: the worst case."""

    def __init__(self, folder: Path) -> None:
        self._port = free_port()
        self._registry = ProcessRegistry(folder / "processes.json")
        self._folder = folder
        self._valkey: EmbeddedValkey | None = None

    def start(self) -> str:
        """Start it on the same port; its URL (with a password of this start)."""
        self._valkey = EmbeddedValkey("queue", self._folder / "valkey", self._folder / "log", self._registry)
        return self._valkey.start(self._port)

    def stop(self) -> None:
        """Stop it."""
        if self._valkey is not None:
            self._valkey.stop()


@pytest.fixture
def server(tmp_path: Path) -> Generator[Server]:
    made = Server(tmp_path)
    cache.cache_clear()
    yield made
    made.stop()
    redis_clients.close_clients()
    cache.cache_clear()


@pytest.mark.parametrize("listens", [True, False])
async def test_what_changed_while_the_cache_was_away_is_not_served_old(server: Server, listens: bool) -> None:
    source = Source()
    url = server.start()
    with override_settings(cache_redis_url=url):
        task = asyncio.create_task(listen()) if listens else None
        await asyncio.sleep(0.3)
        for _ in range(3):
            await read_through(POLICY, "ct:x", ("ct:1",), source)
        assert source.reads == 1
        server.stop()
        source.value = "two"
        # Its job says so, and nobody hears it.
        assert cache().renew(["ct:1"]) is False
        for _ in range(3):
            assert (await read_through(POLICY, "ct:x", ("ct:1",), source)).body == b"two"
        assert source.reads == 4
        await close_async_clients()
        source.value = "three"
    url = server.start()
    with override_settings(cache_redis_url=url):
        cache()._off_until = 0.0
        assert (await read_through(POLICY, "ct:x", ("ct:1",), source)).body == b"three"
        # A listener that is back makes everything old once more; alone, the next read is a hit.
        again = await read_through(POLICY, "ct:x", ("ct:1",), source)
        assert again.body == b"three"
        assert again.is_hit or listens
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await close_async_clients()
    assert not local_cache().is_trusted
