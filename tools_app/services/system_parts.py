"""What is looked at on the system page, and from when on a part needs somebody: one function a part."""

import datetime as dt
import platform
import shutil
import tomllib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import redis
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from jobs import enqueue
from models.infra.clock import utcnow
from models.infra.database import reading
from models.infra.redis import cache_redis, queue_redis
from models.infra.settings import get_settings
from models.queries import operations
from models.queries.job_runs import list_cadences
from models.queries.system_facts import read_server
from tools_app.services.system import Fact, Finding, Look, Part, State, SystemView, look_at

_ROOT = Path(__file__).resolve().parents[2]
_STATEMENT_MS = 1_500
_CONNECTIONS_WARN = 0.8
# RQ's workers beat every 45 s at least while they are idle (worker_ttl 60), a turn comes every 30 s.
_SILENT = dt.timedelta(minutes=3)
_WAITING_WARN = 100
_GIB = 1024**3
# Free space below either: share of the disk, bytes.
_DISK_WARN, _DISK_BAD = (0.10, 2 * _GIB), (0.03, _GIB // 2)
_PACKAGES = ("reflex", "granian", "sqlmodel", "psycopg", "rq", "llama-index-core")


def postgres() -> Finding:
    """The server, its room, and whether the schema is the one this code was written for."""
    with reading() as session:
        operations.limit_time(session, _STATEMENT_MS)
        found = read_server(session)
    wanted = schema_head()
    state: State = "ok"
    hint = ""
    if wanted and found.revision != wanted:
        state, hint = "bad", "postgres_schema"
    elif found.connections >= _CONNECTIONS_WARN * found.connections_at_most:
        state, hint = "warn", "postgres_connections"
    facts = (
        Fact("version", found.version),
        Fact("pgvector", found.vector_version),
        Fact("size", found.size, "bytes"),
        Fact("connections", f"{found.connections} / {found.connections_at_most}"),
        Fact("schema", found.revision),
        Fact("up_since", found.started_at, "instant"),
    )
    return Finding((Part("postgres", state, facts, hint),))


def scheduler() -> Finding:
    """Whether turns are given: the scheduler leaves nothing behind but the time of the next one."""
    now = utcnow()
    with reading() as session:
        operations.limit_time(session, _STATEMENT_MS)
        turns = [each for each in list_cadences(session) if each.enabled]
    planned = [each.next_run_at for each in turns if each.next_run_at is not None]
    given = [each.last_dispatched_at for each in turns if each.last_dispatched_at is not None]
    late = not planned or min(planned) < now - _SILENT
    facts = (
        Fact("cadences", len(turns), "count"),
        Fact("last_turn", max(given, default=None), "instant"),
        Fact("next_turn", min(planned, default=None), "instant"),
    )
    return Finding((Part("scheduler", "bad" if late else "ok", facts, "scheduler_late" if late else ""),))


def queue_server() -> Finding:
    """The Redis of queue and events: it must not evict, and should survive a restart."""
    facts = _info(queue_redis())
    state: State = "ok"
    hint = ""
    if facts.get("maxmemory_policy") != "noeviction":
        state, hint = "bad", "redis_evicts"
    elif not facts.get("aof_enabled"):
        state, hint = "warn", "redis_volatile"
    return Finding((Part("redis", state, _redis_facts(facts), hint),))


def cache_server() -> Finding:
    """The Redis of the cache: it must be bounded."""
    facts = _info(cache_redis())
    unbounded = not facts.get("maxmemory")
    return Finding(
        (
            Part(
                "cache",
                "warn" if unbounded else "ok",
                _redis_facts(facts),
                "cache_unbounded" if unbounded else "",
            ),
        )
    )


def workers_and_queues() -> Finding:
    """Who works, and whether every queue has somebody who listens."""
    queues, workers = enqueue.look_at_queues()
    oldest = utcnow() - _SILENT
    silent = [each for each in workers if each.last_heartbeat is not None and each.last_heartbeat < oldest]
    state: State = "ok"
    hint = ""
    if not workers:
        state, hint = "bad", "workers_none"
    elif silent:
        state, hint = "warn", "workers_silent"
    crew = Part("workers", state, (Fact("workers", len(workers), "count"),), hint)
    state, hint = "ok", ""
    if any(each.workers == 0 for each in queues):
        state, hint = "bad", "queues_unattended"
    elif any(each.waiting > _WAITING_WARN for each in queues):
        state, hint = "warn", "queues_long"
    line = Part("queues", state, (Fact("waiting", sum(each.waiting for each in queues), "count"),), hint)
    return Finding((crew, line), queues, tuple(sorted(workers, key=lambda each: each.name)))


def disk() -> Finding:
    """The disk of the data directory."""
    place = get_settings().data_dir.resolve()
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    state: State = "ok"
    if _is_below(usage.free, usage.total, _DISK_BAD):
        state = "bad"
    elif _is_below(usage.free, usage.total, _DISK_WARN):
        state = "warn"
    facts = (
        Fact("free", usage.free, "bytes"),
        Fact("total", usage.total, "bytes"),
        Fact("used", 100 * (1 - usage.free / usage.total), "percent"),
        Fact("path", str(place)),
    )
    return Finding((Part("disk", state, facts, "" if state == "ok" else "disk_full"),))


def versions() -> Finding:
    """What this process is made of."""
    facts = (
        Fact("product", product_version()),
        Fact("python", platform.python_version()),
        *(Fact(name, version(name)) for name in _PACKAGES),
    )
    return Finding((Part("versions", "ok", facts),))


_LOOKS = (
    Look(("postgres",), postgres, asks_database=True),
    Look(("redis",), queue_server),
    Look(("cache",), cache_server),
    Look(("workers", "queues"), workers_and_queues),
    Look(("scheduler",), scheduler, asks_database=True),
    Look(("disk",), disk),
    Look(("versions",), versions),
)


async def system_view() -> SystemView:
    """The whole installation, within two seconds."""
    return await look_at(_LOOKS)


@lru_cache(maxsize=1)
def schema_head() -> str:
    """The revision that this code's migrations lead to; empty where they are not shipped with it."""
    try:
        return ScriptDirectory(str(_ROOT / "migrations")).get_current_head() or ""
    except CommandError:
        return ""


@lru_cache(maxsize=1)
def product_version() -> str | None:
    """The version in pyproject.toml; None where it is not shipped with the code."""
    project = _ROOT / "pyproject.toml"
    return tomllib.loads(project.read_text())["project"]["version"] if project.exists() else None


def _is_below(free: int, total: int, limit: tuple[float, int]) -> bool:
    share, least = limit
    return free < share * total or free < least


def _info(client: redis.Redis) -> dict[str, Any]:
    # The client types its answer as sync or async.
    return cast("dict[str, Any]", client.info())


def _redis_facts(info: dict[str, Any]) -> tuple[Fact, ...]:
    valkey = info.get("valkey_version")
    limit = int(info.get("maxmemory") or 0)
    return (
        Fact("version", f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version')}"),
        Fact("memory", int(info["used_memory"]), "bytes"),
        Fact("memory_limit", limit or None, "bytes"),
        Fact("policy", info.get("maxmemory_policy")),
        Fact("clients", int(info.get("connected_clients") or 0), "count"),
        Fact("up_since", utcnow() - dt.timedelta(seconds=int(info.get("uptime_in_seconds") or 0)), "instant"),
    )
