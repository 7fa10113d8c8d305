"""The embedded data servers as one thing: Postgres and two Valkey servers below one directory, on remembered ports.

Only what is not configured from outside is started; with DATABASE_URL, REDIS_URL and CACHE_REDIS_URL set, nothing of
the embedded kind is imported.
"""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.processes import Child, ProcessRegistry
from models.infra.settings import Settings


@dataclass(frozen=True, slots=True)
class ServerUrls:
    """Where the data servers of a run are, embedded or external."""

    database_url: str
    redis_url: str
    cache_redis_url: str

    def environment(self) -> dict[str, str]:
        """The three variables a child process needs."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CACHE_REDIS_URL": self.cache_redis_url,
        }


class _Server(Protocol):
    @property
    def child(self) -> Child | None: ...

    def stop(self) -> None: ...


class EmbeddedServers:
    """Starts what `settings` leave open and stops exactly that."""

    def __init__(self, settings: Settings, registry: ProcessRegistry, *, durable: bool = True) -> None:
        self._settings = settings
        self._registry = registry
        self._durable = durable
        self._root = settings.data_dir.resolve()
        self._ports = RememberedPorts(self._root / "ports.json")
        self._running: list[_Server] = []

    def start(self) -> ServerUrls:
        """Start the servers that are not configured from outside; the URLs of all three."""
        self._root.mkdir(parents=True, exist_ok=True)
        settings = self._settings
        logs = self._root / "logs"
        database_url, redis_url, cache_url = (
            settings.database_url,
            settings.redis_url,
            settings.cache_redis_url,
        )
        if not database_url:
            from deploy.postgres import EmbeddedPostgres  # noqa: PLC0415

            server = EmbeddedPostgres(
                self._root / "postgres", logs / "postgres.log", self._registry, durable=self._durable
            )
            self._running.append(server)
            database_url = server.start(self._ports.get("postgres"))
        if not redis_url or not cache_url:
            from deploy.valkey import EmbeddedValkey  # noqa: PLC0415

            if not redis_url:
                queue = EmbeddedValkey(
                    "queue", self._root / "queue", logs / "valkey-queue.log", self._registry
                )
                self._running.append(queue)
                redis_url = queue.start(self._ports.get("queue"))
            if not cache_url:
                cache = EmbeddedValkey(
                    "cache", self._root / "cache", logs / "valkey-cache.log", self._registry
                )
                self._running.append(cache)
                cache_url = cache.start(self._ports.get("cache"))
        return ServerUrls(database_url, redis_url, cache_url)

    def children(self) -> list[Child]:
        """The processes that run now."""
        return [server.child for server in self._running if server.child is not None]

    def stop(self) -> None:
        """Stop what `start` started, last first."""
        while self._running:
            self._running.pop().stop()


class RememberedPorts:
    """Free loopback ports by name, the same ones at the next start unless somebody took them meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> int:
        """The remembered port if it is free, else a new free one, remembered."""
        known = self._read()
        port = known.get(name)
        if port is None or not is_free(port):
            taken = set(known.values())
            port = next(
                candidate for candidate in (free_port() for _ in range(100)) if candidate not in taken
            )
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps({**known, name: port}, indent=1))
            part.replace(self._path)
        return port

    def _read(self) -> dict[str, int]:
        try:
            known = json.loads(self._path.read_text())
            return {str(name): int(port) for name, port in known.items()}
        except (FileNotFoundError, ValueError, AttributeError):
            return {}


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether `port` can be bound now."""
    with socket.socket() as probe:
        # A closed connection's TIME_WAIT does not make a port taken; a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
