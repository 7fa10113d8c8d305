"""A small studio at the three vendors, in this process: the connectors' own HTTP clients talk to it without sockets.

What is real: connectors, retries, breaker, sync, Postgres, Redis, and the sandbox's servers. What is not: the sockets
between them, and time. `Hours` moves the clock of Python, of the vendors and of Postgres together, and the pauses
between retries move it instead of passing.
"""

import asyncio
import datetime as dt
import functools
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from starlette.types import Message

from jobs.sandbox.sandbox import MAIN, Sandbox
from jobs.sandbox.server import Assembly, assemble
from jobs.sandbox.state import StateFile
from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.authored import StudioWorld
from models.infra import clock
from models.infra.database import close_database, transaction
from models.infra.ids import ConnectionId
from models.infra.redis import events_redis
from models.infra.settings import override_settings
from tests.jobs.sandbox.harness import ORIGINS
from tests.scopes import MadeScope, make_connection, make_scope

RULES = {
    "chatwoot": (("label", "vip", "beta"), ("inbox", "Acme mail", "acme"), ("inbox", "Acme site", "acme")),
    "linear": (("team", "ACM", "acme"),),
    "attio": (("list", "acme", "acme"),),
}
# Seconds a client waits for an answer here: a fault of `timeout` costs as much real time.
PATIENCE_S = 0.05


class Hours:
    """The common clock; it runs, and `forward` moves it."""

    def __init__(self, database_url: str) -> None:
        self.ahead = dt.timedelta(0)
        plain = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._database = psycopg.connect(plain, autocommit=True)
        # Unqualified now() and clock_timestamp() are found here before those of pg_catalog.
        self._database.execute(
            """
            CREATE SCHEMA shifted;
            CREATE TABLE shifted.clock (ahead interval NOT NULL);
            INSERT INTO shifted.clock VALUES ('0');
            CREATE FUNCTION shifted.now() RETURNS timestamptz STABLE LANGUAGE sql
                AS 'SELECT pg_catalog.now() + ahead FROM shifted.clock';
            CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
                AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM shifted.clock';
            """
        )
        self._database.execute(
            f"ALTER DATABASE {self._database.info.dbname} SET search_path = shifted, public, pg_catalog".encode()
        )
        close_database()

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += dt.timedelta(seconds=seconds)
        self._database.execute("UPDATE shifted.clock SET ahead = %s", [self.ahead])

    def now(self, zone: dt.tzinfo) -> dt.datetime:
        """The present instant."""
        return dt.datetime.now(zone) + self.ahead

    def close(self) -> None:
        """Release the connection."""
        self._database.close()


class _Exchange:
    """One request and its answer; for the sandbox's gate what uvicorn's cycle is: something that can be cut."""

    def __init__(self, request: httpx.Request) -> None:
        self.transport = self
        self._request = request
        self._asked = False
        self._patience: float = request.extensions["timeout"]["read"]
        self.cut = self.hung_up = False
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def abort(self) -> None:
        self.cut = True

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": self._request.content, "more_body": False}
        await asyncio.sleep(self._patience)
        self.hung_up = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        else:
            self.body += message.get("body", b"")

    def answer(self) -> httpx.Response:
        if self.hung_up:
            raise httpx.ReadTimeout("no answer", request=self._request)
        if self.cut or self.status is None:
            raise httpx.ReadError("connection reset", request=self._request)
        return httpx.Response(self.status, headers=self.headers, content=self.body)


class Bridge(httpx.BaseTransport):
    """Hands requests to the applications by host name. `before` is called ahead of every request."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # Streams are read side by side; the vendors answer one request after another.
        self.turn = threading.RLock()
        self.apps: dict[str, Any] = {}
        self.before: Callable[[], None] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        with self.turn:
            return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.before()
        exchange = _Exchange(request)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "headers": [(k.lower(), v) for k, v in request.headers.raw],
            "server": (request.url.host, 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        app = self.apps[request.url.host.partition(".")[0]]
        self._loop.run_until_complete(app(scope, exchange.receive, exchange.send))
        return exchange.answer()

    def close(self) -> None:
        """Nothing: clients come and go, the bridge stays."""

    def end(self) -> None:
        """Release the event loop."""
        self._loop.close()


class SmallVendors:
    """The running small studio and a database to copy it into. `restart` begins a new world."""

    def __init__(self, studio: StudioWorld, folder: Path, hours: Hours, bridge: Bridge) -> None:
        self._studio = studio
        self._folder = folder
        self.hours = hours
        self.bridge = bridge
        self._worlds = 0
        self.sandbox: Sandbox
        self.assembly: Assembly
        self.restart()

    def restart(self) -> None:
        """A new world, as authored, without faults, at the present time."""
        self._worlds += 1
        self.hours.forward(-self.hours.ahead.total_seconds())
        folder = self._folder / f"world-{self._worlds}"
        self.sandbox = Sandbox(StateFile(folder), ORIGINS, clock.utcnow, (self._studio, self._studio))
        self.assembly = assemble(self.sandbox, ORIGINS.chatwoot)
        self.bridge.apps = dict(self.assembly.apps)
        self.bridge.before = lambda: None
        self.forget_failures()

    @property
    def tenant(self) -> Tenant:
        """The records of the studio."""
        return self.sandbox.tenants[MAIN]

    def connect(self, connector: str) -> tuple[MadeScope, ConnectionId]:
        """A connection of an account scope of its own."""
        with transaction() as session:
            scope = make_scope(session, f"scope-{self._worlds}-{connector}", ("acme", "beta"))
            row = make_connection(
                session,
                scope,
                connector,
                base_url=getattr(ORIGINS, connector),
                token=self.sandbox.state.tokens[connector],
                rules=RULES[connector],
            )
        return scope, row.id

    def control(self, method: str, path: str, **body: Any) -> Any:
        """A call of the sandbox's control endpoints that must succeed."""
        before, self.bridge.before = self.bridge.before, lambda: None
        try:
            with httpx.Client(transport=self.bridge, base_url=ORIGINS.chatwoot) as client:
                answer = client.request(method, f"/_sandbox/{path}", json=body or None)
        finally:
            self.bridge.before = before
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, **body: Any) -> None:
        """Switch a fault on."""
        self.control("POST", "faults", **body)

    def calm(self) -> None:
        """Switch every fault off, and let the breaker forget."""
        self.control("DELETE", "faults")
        self.forget_failures()

    @staticmethod
    def forget_failures() -> None:
        """Close every circuit."""
        events_redis().flushdb()


def small_vendors(
    studio: StudioWorld, folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallVendors]:
    """The body of a fixture: the vendors, with time and sockets replaced until it ends."""
    hours, bridge = Hours(database_url), Bridge()
    monkeypatch.setattr("models.infra.clock.datetime", types.SimpleNamespace(now=hours.now))
    monkeypatch.setattr("tenacity.nap.time", types.SimpleNamespace(sleep=hours.forward))
    monkeypatch.setattr(
        "jobs.connectors.http.httpx.Client", functools.partial(httpx.Client, transport=bridge)
    )
    with override_settings(http_timeout_s=PATIENCE_S):
        yield SmallVendors(studio, folder, hours, bridge)
    hours.close()
    bridge.end()
