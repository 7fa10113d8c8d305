"""Databases that the measurements work on: the demo's own, and scratch ones that nothing else sees."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.embedded import EmbeddedServers
from deploy.locking import holder
from deploy.processes import ProcessRegistry
from models.infra.database import close_database
from models.infra.settings import Settings, adopt, environment, get_settings


class NoDemo(LookupError):
    """There is no demo to measure."""


@contextmanager
def demo_database(settings: Settings) -> Iterator[None]:
    """The settings point to the demo's database, or to the configured one."""
    if settings.database_url:
        yield
        return
    data_dir = settings.data_dir.resolve()
    if not (data_dir / "postgres").exists():
        raise NoDemo("There is no demo to evaluate yet: run `make up` first and let its index grow.")
    if holder(settings.data_dir) is not None:
        from deploy.postgres import running_url  # noqa: PLC0415  embedded servers are imported when used

        with pointed_to(running_url(data_dir)):
            yield
        return
    servers = EmbeddedServers(settings, ProcessRegistry(data_dir / "processes.json"))
    try:
        with pointed_to(servers.start().database_url):
            yield
    finally:
        servers.stop()


@contextmanager
def scratch_postgres(data_dir: Path) -> Iterator[str]:
    """An embedded Postgres on a directory of its own, without the Redis servers; its URL."""
    own = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]  # constructor argument of pydantic-settings
        data_dir=data_dir,
        database_url="",
        redis_url="redis://unused.invalid",
        cache_redis_url="redis://unused.invalid",
    )
    servers = EmbeddedServers(own, ProcessRegistry(data_dir / "processes.json"))
    try:
        yield servers.start().database_url
    finally:
        servers.stop()


def migrate(url: str) -> None:
    """Bring a database to the present schema."""
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(command, env=environment(DATABASE_URL=url, LOG_LEVEL="warning"), check=True, timeout=600)


@contextmanager
def pointed_to(url: str) -> Iterator[None]:
    """The settings of this process, and of what it starts, name this database until the block ends."""
    before = get_settings().database_url
    adopt(DATABASE_URL=url)
    try:
        yield
    finally:
        close_database()
        adopt(DATABASE_URL=before)
