"""Whether the installation works: database, Redis and workers, each with what is wrong."""

from dataclasses import dataclass
from typing import Literal

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from jobs import enqueue
from models.infra.database import reading
from models.infra.errors import AppError, Unavailable
from models.infra.logging import get_logger
from models.infra.redis import cache_redis, events_redis

log = get_logger(__name__)

State = Literal["ok", "down"]


@dataclass(frozen=True, slots=True)
class Health:
    """`down` without the database, `degraded` while something the product can do without is away."""

    status: Literal["ok", "degraded", "down"]
    checks: dict[str, State]


def _database() -> State:
    try:
        with reading() as session:
            session.execute(text("select 1"))
    except (SQLAlchemyError, AppError) as fault:
        log.warning("health: database is away", error=type(fault).__name__)
        return "down"
    return "ok"


def _redis() -> State:
    try:
        events_redis().ping()
    except (RedisError, Unavailable) as fault:
        log.warning("health: redis is away", error=type(fault).__name__)
        return "down"
    return "ok"


def _cache() -> State:
    try:
        cache_redis().ping()
    except (RedisError, Unavailable) as fault:
        log.warning("health: cache is away", error=type(fault).__name__)
        return "down"
    return "ok"


def _worker() -> State:
    return "ok" if enqueue.count_workers() else "down"


def check_health() -> Health:
    """Ask every part once."""
    checks: dict[str, State] = {
        "database": _database(),
        "redis": _redis(),
        "cache": _cache(),
    }
    checks["worker"] = _worker() if checks["redis"] == "ok" else "down"
    if checks["database"] == "down":
        return Health("down", checks)
    return Health("ok" if set(checks.values()) == {"ok"} else "degraded", checks)
