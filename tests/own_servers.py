"""Data servers of one test's own, which it may stop and start again; the session's are everybody's."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from deploy.embedded import ServerUrls, free_port
from deploy.postgres import EmbeddedPostgres
from deploy.processes import ProcessRegistry
from deploy.valkey import EmbeddedValkey
from models.infra.settings import override_settings
from tests.conftest import ROOT


class OwnServers:
    """Postgres, migrated, and the two Valkey servers. Each can go away and come back under the same URL."""

    def __init__(self, folder: Path) -> None:
        registry = ProcessRegistry(folder / "processes.json")
        self.postgres = EmbeddedPostgres(
            folder / "postgres", folder / "postgres.log", registry, durable=False
        )
        self.queue = EmbeddedValkey("queue", folder / "queue", folder / "queue.log", registry)
        self.cache = EmbeddedValkey("cache", folder / "cache", folder / "cache.log", registry)
        self._ports = {"postgres": free_port(), "queue": free_port(), "cache": free_port()}

    def start(self) -> ServerUrls:
        """Start all three and migrate the database."""
        urls = ServerUrls(
            self.postgres.start(self._ports["postgres"]),
            self.queue.start(self._ports["queue"]),
            self.cache.start(self._ports["cache"]),
        )
        with override_settings(database_url=urls.database_url, redis_url=urls.redis_url):
            command.upgrade(Config(toml_file=str(ROOT / "pyproject.toml")), "head")
        return urls

    def stop(self) -> None:
        """Stop what runs."""
        for server in (self.cache, self.queue, self.postgres):
            server.stop()

    def back(self, name: str) -> None:
        """Start a stopped server again, where it was."""
        getattr(self, name).start(self._ports[name])
