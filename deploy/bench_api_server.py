"""What the API benchmark runs against: data servers and an application of its own, and a stub of an embedding service.

The application is the one that production serves, in one process; only its settings say that embeddings come from a
loopback address, where the stub answers one fixed vector. Everything lies below one directory and ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bcrypt
import psycopg

from deploy.bench_api_seed import DIMENSION, MODEL_KEY, seed
from deploy.embedded import EmbeddedServers, ServerUrls, free_port
from deploy.processes import ProcessRegistry
from jobs.identity.preview import compare_scope
from models.infra.crypto import generate_key
from models.infra.database import close_database, transaction
from models.infra.ids import AccountScopeId
from models.infra.settings import Settings, environment, override_settings
from models.queries import job_runs
from models.queries.dashboard_refresh import refresh_views

ROOT = Path(__file__).resolve().parent.parent
USER, PASSWORD = "bench", "a password of the benchmark"
_READY_S = 240.0
_SEEDED = "seeded 2"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class App:
    """A running application: its port and process, and the log file that says why if it fails."""

    port: int
    process: subprocess.Popen[bytes]
    ready_s: float

    def cpu_s(self) -> float:
        """CPU seconds the application used so far, its children included."""
        return sum(_cpu(pid) for pid in _family(self.process.pid))

    def memory_mb(self) -> float:
        """Resident memory of the application now."""
        return sum(_resident(pid) for pid in _family(self.process.pid))


@contextmanager
def data_servers(directory: Path) -> Iterator[ServerUrls]:
    """Postgres and the two Valkey servers below `directory`."""
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]  # constructor argument of pydantic-settings
        data_dir=directory,
        database_url="",
        redis_url="",
        cache_redis_url="",
    )
    servers = EmbeddedServers(settings, ProcessRegistry(directory / "processes.json"))
    try:
        yield servers.start()
    finally:
        servers.stop()


def prepared(urls: ServerUrls, name: str, shape: Any, scale: int) -> str:
    """The URL of a database that holds the shape at a scale; seeded now unless an earlier run kept it."""
    database = f"{urls.database_url.rpartition('/')[0]}/{name}"
    plain = urls.database_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain, autocommit=True) as server:
        row = server.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
        ).fetchone()
        if row is not None and row[0] == _SEEDED:
            return database
        if row is not None:
            # Left half-way by a run that was stopped.
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        server.execute(f"CREATE DATABASE {name}".encode())
        env = environment(APP_ENV="test", DATABASE_URL=database, PYTHONPATH=str(ROOT))
        subprocess.run(
            [sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=env, check=True, timeout=300
        )
        seed(database, shape, scale)
        with override_settings(database_url=database):
            with transaction() as session:
                refresh_views(session)
                scopes = job_runs.list_account_scopes(session)
            for scope in scopes:
                compare_scope(AccountScopeId(scope), lambda _kind, _rows: None)
            close_database()
        server.execute(f"COMMENT ON DATABASE {name} IS '{_SEEDED}'".encode())
    return database


@contextmanager
def application(
    urls: ServerUrls, database: str, embeddings: str, directory: Path, *, cached: bool
) -> Iterator[App]:
    """The application on a database of these servers, with or without a cache; started and stopped here."""
    port = free_port()
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode()
    env = environment(
        APP_ENV="development",
        HOST="127.0.0.1",
        PORT=str(port),
        PYTHONPATH=str(ROOT),
        DATA_DIR=str(directory),
        SECRET_KEYS=generate_key(),
        AUTH_CREDENTIALS=f"{USER}:{hashed}",
        DATABASE_URL=database,
        REDIS_URL=urls.redis_url,
        CACHE_REDIS_URL=urls.cache_redis_url if cached else "",
        EMBEDDING_PROVIDER="openai",
        EMBEDDING_BASE_URL=embeddings,
        EMBEDDING_MODEL=MODEL_KEY.partition(":")[2],
        EMBEDDING_DIMENSION=str(DIMENSION),
        # Clients come from many addresses, as a proxy would name them: limits count by address.
        TRUSTED_PROXIES="127.0.0.1/32",
        LOG_LEVEL="info",
        REFLEX_ENV_MODE="prod",
        REFLEX_STATE_MANAGER_MODE="memory",
        REFLEX_CHECK_LATEST_VERSION="false",
        REFLEX_WEB_WORKDIR=str(directory / "web"),
        __REFLEX_SKIP_COMPILE="true",
    )
    command = [sys.executable, "-m", "deploy.server"]
    started = time.monotonic()
    with (directory / "app.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        _await_ready(port, process, directory / "app.log")
        yield App(port, process, time.monotonic() - started)
    finally:
        family = _family(process.pid)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            # The worker too: it would outlive a server that is killed.
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(10)


def _await_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _READY_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError("the application did not start:\n" + log.read_text(errors="replace")[-3000:])


@contextmanager
def embedding_stub() -> Iterator[str]:
    """An OpenAI-compatible embedding service that knows one vector; yields its base URL."""
    vector = [round(((at * 7919) % 1000) / 500 - 1, 4) for at in range(DIMENSION)]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            texts: list[Any] = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
            body = json.dumps(
                {"data": [{"index": at, "embedding": vector} for at in range(len(texts))]}
            ).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ARG002 - the base class's signature
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _family(pid: int) -> list[int]:
    """A process and everything below it."""
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        if children.exists():
            found += [int(each) for each in children.read_text().split()]
    return found


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0
