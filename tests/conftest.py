"""Real servers for the tests: one embedded Postgres and two Valkey a process, a clean database a test.

`database` clones a migrated template (about 50 ms), `redis` empties both Redis servers, `settings` keeps the
environment of whoever runs the tests away. A test that starts processes hands them `process_env`.
"""

import os
import secrets
from collections.abc import Generator
from pathlib import Path

os.environ["APP_ENV"] = "test"  # before anything reads the settings: no `.env` in tests

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import settings as hypothesis_settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from deploy.embedded import EmbeddedServers, ServerUrls
from deploy.processes import ProcessRegistry
from models.infra import redis as redis_clients
from models.infra.cache import cache
from models.infra.crypto import generate_key
from models.infra.database import close_database
from models.infra.rate_limit import limiter
from models.infra.settings import Settings, environment, override_settings

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "template_migrated"
LIMITS = [name for name in Settings.model_fields if name.startswith("rate_limit_")]

# The same examples everywhere; `--hypothesis-profile thorough` tries many more, and other ones every time.
hypothesis_settings.register_profile("steady", max_examples=100, derandomize=True)
hypothesis_settings.register_profile("thorough", max_examples=2_000, derandomize=False)
hypothesis_settings.load_profile("steady")


class ByModule(LoadScopeScheduling):
    """Keeps a module's tests in one process, and all browser tests, which share a running Control Tower."""

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if nodeid.startswith("tests/browser/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModule:
    """Asked by xdist. Its own groups are marks on node ids, which pytest 9 does not show it any more."""
    return ByModule(config, log)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServerUrls]:
    """The session's data servers; the template database is migrated once."""
    data_dir = tmp_path_factory.mktemp("servers")
    embedded = EmbeddedServers(
        Settings(_env_file=None, data_dir=data_dir, database_url="", redis_url="", cache_redis_url=""),
        ProcessRegistry(data_dir / "processes.json"),
        durable=False,
    )
    try:
        urls = embedded.start()
        _execute(urls, f"create database {TEMPLATE}")
        with override_settings(database_url=_url_of(urls, TEMPLATE), redis_url=urls.redis_url):
            command.upgrade(Config(toml_file=str(ROOT / "pyproject.toml")), "head")
        yield urls
    finally:
        embedded.stop()


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> Generator[Settings]:
    """Settings of a test: nothing external, data below tmp_path. Override more with `override_settings`."""
    with override_settings(
        app_env="test",
        data_dir=tmp_path / "data",
        secret_keys=generate_key(),
        database_url="",
        redis_url="",
        cache_redis_url="",
        public_url="",
        auth_credentials="",
        auth_username="",
        auth_password_hash="",
        demo_password="",
        embedding_provider="local",
        llm_base_url="",
        metrics_token="",
        trusted_proxies="",
        # Tests ask more often than people; those of the limits set their own.
        **dict.fromkeys(LIMITS, 1_000_000),
    ) as changed:
        yield changed


@pytest.fixture
def redis(servers: ServerUrls, settings: Settings) -> Generator[ServerUrls]:
    """Both Redis servers, empty, and the settings that point to them."""
    with override_settings(redis_url=servers.redis_url, cache_redis_url=servers.cache_redis_url):
        redis_clients.queue_redis().flushdb()
        redis_clients.cache_redis().flushdb()
        cache.cache_clear()
        limiter.forget()
        yield servers
        redis_clients.close_clients()


@pytest.fixture
def database(redis: ServerUrls) -> Generator[str]:
    """A migrated, empty database of its own, and settings that point to it; yields its URL."""
    name = f"test_{secrets.token_hex(6)}"
    _execute(redis, f"create database {name} template {TEMPLATE} strategy file_copy")
    url = _url_of(redis, name)
    try:
        with override_settings(database_url=url):
            yield url
    finally:
        close_database()
        _execute(redis, f"drop database {name} with (force)")


@pytest.fixture
def process_env(database: str, redis: ServerUrls, settings: Settings) -> dict[str, str]:
    """The environment of a child process that works on this test's database and Redis."""
    return environment(
        APP_ENV="test",
        PYTHONPATH=str(ROOT),
        DATA_DIR=str(settings.data_dir),
        SECRET_KEYS=settings.secret_keys.get_secret_value(),
        DATABASE_URL=database,
        REDIS_URL=redis.redis_url,
        CACHE_REDIS_URL=redis.cache_redis_url,
    )


def _url_of(urls: ServerUrls, database: str) -> str:
    return urls.database_url.rpartition("/")[0] + f"/{database}"


def _execute(urls: ServerUrls, statement: str) -> None:
    plain = urls.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement.encode())
