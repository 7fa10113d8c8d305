"""The metrics that other processes make: read from the database and Redis when somebody asks for /metrics.

Workers run jobs and count nothing here, so what Prometheus learns of them comes from the rows they leave and from the
queues. Reads are bounded and a scrape waits `_WAIT_S` for them at most: a gauge that could not be read is left out
rather than shown with its last value. The time of the last success, being a time, and counters stay.
"""

import asyncio
import datetime as dt
import threading
from collections.abc import Callable

from prometheus_client import Gauge
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from jobs import enqueue
from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.database import in_db, reading
from models.infra.errors import AppError
from models.infra.logging import get_logger
from models.queries import operations
from tools_app.services.health import check_health

log = get_logger(__name__)

_WAIT_S = 2.0
_STATEMENT_MS = 1_500
_ERROR_WINDOW = dt.timedelta(hours=1)
# A run is dated before its row is committed; one that ended this lately may not be seen yet.
_COMMIT_LAG = dt.timedelta(seconds=5)


class FinishedRuns:
    """Counts runs that ended since this process began, each once, whichever process ran it."""

    def __init__(self, since: dt.datetime) -> None:
        self.counted_until = since

    def count(self, now: dt.datetime) -> None:
        """Add the runs that ended since the last call. Raises SQLAlchemyError and AppError, and adds nothing then."""
        until = max(now - _COMMIT_LAG, self.counted_until)
        with reading() as session:
            operations.limit_time(session, _STATEMENT_MS)
            found = operations.list_finished_runs(session, self.counted_until, until)
        for run in found:
            metrics.job_runs_finished.labels(run.job, run.status).inc()
            metrics.embedded_chunks.inc(run.embedded)
            if run.duration_s is not None:
                metrics.job_run_duration_seconds.labels(run.job).observe(run.duration_s)
        self.counted_until = until


finished_runs = FinishedRuns(utcnow())


class _Reader:
    """One read at a time: while a slow one is under way, a scrape starts no second one."""

    def __init__(self, name: str, read: Callable[[], None], gauge: Gauge) -> None:
        self._name, self._read, self._gauge = name, read, gauge
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Read; the gauge is empty after a read that failed."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._read()
        except (SQLAlchemyError, RedisError, AppError) as fault:
            log.warning("metrics: a read failed", source=self._name, error=type(fault).__name__)
            self.leave_out()
        finally:
            self._lock.release()

    def leave_out(self) -> None:
        """Show no value rather than an old one."""
        self._gauge.clear()


def _read_database() -> None:
    now = utcnow()
    with reading() as session:
        operations.limit_time(session, _STATEMENT_MS)
        successes = operations.oldest_success_by_connector(session)
        rates = operations.error_rate_by_connector(session, now - _ERROR_WINDOW)
    for connector, at in successes.items():
        metrics.connector_last_success_at.labels(connector).set(at.timestamp())
    metrics.connector_error_rate.clear()
    for connector, rate in rates.items():
        metrics.connector_error_rate.labels(connector).set(rate)
    finished_runs.count(now)


def _read_circuits() -> None:
    with reading() as session:
        operations.limit_time(session, _STATEMENT_MS)
        origins = operations.list_origins(session)
    opened = enqueue.open_circuits(origins)
    for connector in {connector for connector, _ in origins}:
        metrics.circuit_open.labels(connector).set(any(each == connector for each, _ in opened))


def _read_queues() -> None:
    metrics.workers_alive.set(enqueue.count_workers())
    for name, waiting in enqueue.queue_depths().items():
        metrics.queue_depth.labels(name).set(waiting)


def _read_parts() -> None:
    for part, state in check_health().checks.items():
        metrics.part_up.labels(part).set(state == "ok")


_DATABASE = _Reader("database", _read_database, metrics.connector_error_rate)
_QUEUES = _Reader("queues", _read_queues, metrics.queue_depth)
_PARTS = _Reader("parts", _read_parts, metrics.part_up)
_CIRCUITS = _Reader("circuits", _read_circuits, metrics.circuit_open)


async def refresh_metrics() -> None:
    """Bring the metrics up to date, as far as two seconds suffice. Never raises for a part that is away."""
    reads = {
        asyncio.ensure_future(in_db(_DATABASE.refresh)): _DATABASE,
        asyncio.ensure_future(in_db(_CIRCUITS.refresh)): _CIRCUITS,
        asyncio.ensure_future(asyncio.to_thread(_QUEUES.refresh)): _QUEUES,
        asyncio.ensure_future(asyncio.to_thread(_PARTS.refresh)): _PARTS,
    }
    _, late = await asyncio.wait(reads, timeout=_WAIT_S)
    for read in late:
        # It ends by its own time limits; what it finds then is for the next scrape.
        log.warning("metrics: a read takes too long")
        reads[read].leave_out()
