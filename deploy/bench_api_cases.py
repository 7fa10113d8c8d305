"""What the API benchmark asks, and how a case is made cold: as the end of a job does it, by renewing the cache's tags."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import psycopg

from deploy.bench_api_load import Ask, Crowd, measure
from deploy.bench_api_seed import token_of
from deploy.bench_api_server import PASSWORD, USER, App
from models.infra.cache import cache
from models.infra.cache_tags import tags_of_job
from models.infra.redis import cache_redis

# After a change was told, this long for the application to have heard of it.
_HEARD_S = 0.003
_REPEATED = 300


@dataclass(slots=True)
class Context:
    """The running application and what questions about it need."""

    app: App
    database: str
    scope: UUID
    slugs: tuple[str, ...]
    crowd: Crowd = field(default_factory=Crowd)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, app: App, database: str) -> Context:
        """The context of a seeded database."""
        with _server(database) as server:
            rows = server.execute("SELECT account_scope_id, slug FROM projects ORDER BY slug").fetchall()
        # Texts never repeat, also not between two runs on the same databases.
        return cls(
            app, database, rows[0][0], tuple(row[1] for row in rows), numbers=itertools.count(time.time_ns())
        )

    async def make_cold(self) -> None:
        """What the end of a sync does to the caches."""
        await asyncio.to_thread(cache().renew, tags_of_job("sync", self.scope))
        await asyncio.sleep(_HEARD_S)

    async def has(self, case: Case) -> bool:
        """Whether the API has the case's endpoint."""
        if not self.paths:
            url = f"http://127.0.0.1:{self.app.port}/api/openapi.json"
            async with httpx.AsyncClient(cookies={"ct_session": token_of(0)}) as client:
                self.paths = frozenset((await client.get(url, timeout=30)).json()["paths"])
        return next(case.asks(self)).path.partition("?")[0] in self.paths

    async def cache_bytes(self) -> int:
        """What the cache holds when everything of ten projects is in it, beyond what an empty one takes."""
        server = cache()
        cache_redis().flushdb()
        empty = server.get_stats().memory_bytes
        for case in CASES:
            if case.is_cached:
                for project in (*self.slugs, "all"):
                    ask = _narrowed(next(case.asks(self)), project)
                    await measure(
                        self.app.port, itertools.repeat(ask), self.crowd, clients=1, seconds=20, most=1
                    )
        return server.get_stats().memory_bytes - empty


def _narrowed(ask: Ask, project: str) -> Ask:
    if ask.method == "POST":
        body = {**json.loads(ask.body), "project_id": project}
        return Ask(ask.method, ask.path, json.dumps(body))
    path = ask.path.partition("?")[0]
    name = "project_ids" if "portfolio" in path else "project_id"
    return Ask(ask.method, f"{path}?{name}={project}")


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the report. `is_cold`: before every request the caches are told of a change."""

    name: str
    asks: Callable[[Context], Iterator[Ask]]
    is_cold: bool = False
    clients: tuple[int, ...] = ()
    is_cached: bool = False


def _always(path: str, *, has_session: bool = True) -> Callable[[Context], Iterator[Ask]]:
    return lambda _context: itertools.repeat(Ask("GET", path, has_session=has_session))


def _question(text: str) -> Ask:
    return Ask("POST", "/api/lightrag/query", json.dumps({"query": text, "project_id": "project-0"}))


def _unique(context: Context) -> Iterator[Ask]:
    for number in context.numbers:
        yield _question(f"Which deadline did the client approve for release {number}?")


def _equal(_context: Context) -> Iterator[Ask]:
    return itertools.repeat(_question("Which deadline did the client approve for the homepage?"))


def _logins(_context: Context) -> Iterator[Ask]:
    body = json.dumps({"username": USER, "password": PASSWORD})
    return itertools.repeat(Ask("POST", "/api/auth/login", body, has_session=False))


_ONE = "project_ids=project-0"
_TOWER = "/api/control-tower?project_id=project-0"
CASES: tuple[Case, ...] = (
    Case("health", _always("/health", has_session=False)),
    Case("session_check", _always("/api/auth/me")),
    Case("portfolio_10_cold", _always("/api/portfolio/overview"), is_cold=True),
    Case("portfolio_1_cold", _always(f"/api/portfolio/overview?{_ONE}"), is_cold=True),
    Case("portfolio_10_warm", _always("/api/portfolio/overview"), is_cached=True),
    Case("portfolio_1_warm", _always(f"/api/portfolio/overview?{_ONE}")),
    Case("control_tower_cold", _always(_TOWER), is_cold=True),
    Case("control_tower_warm", _always(_TOWER), is_cached=True),
    Case("portfolio_messages", _always("/api/portfolio/messages")),
    Case("lightrag_uncached", _unique),
    Case("lightrag_cached", _equal, is_cached=True),
    Case("contacts", _always("/api/contacts?project_id=all")),
    Case("contacts_search", _always("/api/contacts?project_id=all&q=anna%20ivanov")),
    Case("conversations", _always("/api/conversations?project_id=all")),
    Case("messages", _always("/api/messages?project_id=project-0")),
    Case("connectors_state", _always("/api/connectors/state?project_id=all")),
    Case("jobs_status", _always("/api/jobs/status?project_id=all")),
    Case("identity_suggestions", _always("/api/identity/suggestions?project_id=project-0")),
    # One after the other: the throttle lets an account try ten times in fifteen minutes, successes are forgotten.
    Case("login", _logins, clients=(1,)),
)
# The repeated reads that are compared with the cache off and on.
REPEATED = ("session_check", "portfolio_10_warm", "portfolio_1_warm", "control_tower_warm", "lightrag_cached")


async def run_case(context: Context, case: Case, clients: int, seconds: float) -> dict[str, Any]:
    """Measure one case at one number of clients, warmed up unless it is a cold one."""
    asks = case.asks(context)
    await measure(context.app.port, asks, context.crowd, clients=min(clients, 4), seconds=0.5, most=30)
    before = context.make_cold if case.is_cold else None
    found = await measure(
        context.app.port, asks, context.crowd, clients=clients, seconds=seconds, before=before
    )
    return found.figures()


async def before_and_after(context: Context) -> dict[str, Any]:
    """Statements and CPU of each repeated read: of the application, and of the database as it counts itself."""
    result: dict[str, Any] = {}
    for case in CASES:
        if case.name not in REPEATED:
            continue
        asks = case.asks(context)
        await measure(context.app.port, asks, context.crowd, clients=1, seconds=5, most=20)
        await asyncio.sleep(1.5)
        before = (_counted(context.database), context.app.cpu_s())
        done = await measure(context.app.port, asks, context.crowd, clients=4, seconds=30, most=_REPEATED)
        # What is written in batches belongs to these reads too.
        await asyncio.sleep(1.5)
        after = (_counted(context.database), context.app.cpu_s())
        count = max(len(done.latencies), 1)
        result[case.name] = {
            "statements": round((after[0][0] - before[0][0]) / count, 3),
            "database_ms": round((after[0][1] - before[0][1]) / count, 3),
            "app_cpu_ms": round((after[1] - before[1]) * 1000 / count, 3),
            "requests": count,
        }
    return result


def _counted(database: str) -> tuple[int, float]:
    with _server(database) as server:
        row = server.execute(
            "SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time), 0) FROM pg_stat_statements s"
            " JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()"
            " AND query NOT LIKE '%pg_stat_statements%'"
        ).fetchone()
    return (0, 0.0) if row is None else (int(row[0]), float(row[1]))


def _server(database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(database.replace("postgresql+psycopg://", "postgresql://"), autocommit=True)
