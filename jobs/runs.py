"""One run of a job, from its start to its end: lock, job_runs row, progress, events.

`execute` is what every task goes through. A run ends as succeeded, failed or skipped; a run whose worker has to stop
goes back to the queue. One run per (job, subject) at a time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from jobs import freshness, queues
from models.infra import events
from models.infra.clock import utcnow
from models.infra.database import is_database_away, transaction
from models.infra.errors import AppError
from models.infra.ids import JobRunId
from models.infra.logging import get_logger, origin, request_id
from models.infra.redis import queue_redis
from models.queries import job_runs
from models.queries.locks import Lock, try_lock

MAX_LOSSES = 3
# How long the queue remembers that a run was interrupted by the database, which could not be told itself.
_REMEMBER_S = 24 * 3_600
# How often a running job's progress reaches the database, and the stream of events.
_SAVE_EVERY_S = 2.0
_PUBLISH_EVERY_S = 0.25
_FUNCTIONS = {
    "sync": "jobs.tasks.sync_connection",
    "retry": "jobs.tasks.retry_connection",
    "reconcile": "jobs.tasks.reconcile_connection",
    "repair": "jobs.tasks.repair_connection",
    "refetch": "jobs.tasks.refetch_connection",
    "mirror": "jobs.tasks.mirror_connection",
    "rebind": "jobs.tasks.rebind_connection",
    "index": "jobs.tasks.index_chunks",
    "outbound": "jobs.tasks.deliver_outbound",
}
# Their subject is an account scope; that of all others is a connection.
PER_ACCOUNT_SCOPE = frozenset({"index", "outbound"})

log = get_logger(__name__)


class WorkerStopping(BaseException):  # not an error, and no `except Exception` may swallow it
    """Raised inside a running job when its worker has to stop and the job did not finish in time."""


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What a task reports: counts for people (`written`, `failed` …), and what went wrong if it did not raise."""

    counts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    failed: bool = False
    error_code: str | None = None
    error_message: str | None = None
    # Set by `execute`: somebody asked for the same work while it ran.
    again: bool = False


class Run:
    """The handle of a running job: identity, and where it says how far it is."""

    def __init__(
        self, run_id: JobRunId, job: str, connector: str | None, account_scope_id: UUID | None
    ) -> None:
        self.id = run_id
        self.job = job
        self.connector = connector
        self.account_scope_id = account_scope_id
        self._saved_at = 0.0
        self._published_at = 0.0
        self._notes: dict[str, Any] = {}
        self._midway = freshness.Midway()
        self.lock: Lock | None = None

    def progress(
        self,
        *,
        stream: str = "",
        page: int = 0,
        rows: int = 0,
        eta_s: float | None = None,
        total: int | None = None,
        project_id: str | None = None,
        note: Mapping[str, Any] | None = None,
    ) -> None:
        """Say how far the run is. Cheap: at most four events a second and a row every two leave the process.

        `total` is how many rows the vendor says there are, where it says so. `note` adds facts to the stored progress
        and is stored at once.

        Not to be called inside a transaction that must stay short: it opens its own. Raises what the database says when
        the run's lock was lost with its connection: another run may hold it now.
        """
        now = time.monotonic()
        payload: dict[str, Any] = {
            "job": self.job,
            "run_id": str(self.id),
            # Listeners show an event only to sessions of its account scope.
            "account_scope_id": str(self.account_scope_id) if self.account_scope_id else None,
            "project_id": project_id,
            "connector": self.connector,
            "stream": stream,
            "page": page,
            "rows": rows,
            "eta_s": eta_s,
            "total": total,
        }
        if now - self._published_at >= _PUBLISH_EVERY_S:
            self._published_at = now
            events.publish("job_progress", payload)
        self._notes |= note or {}
        if note or now - self._saved_at >= _SAVE_EVERY_S:
            self._saved_at = now
            if self.lock is not None:
                self.lock.assert_alive()
            kept = {
                "stream": stream,
                "page": page,
                "rows": rows,
                "eta_s": eta_s,
                "total": total,
                **self._notes,
            }
            with transaction() as session:
                job_runs.save_progress(session, self.id, kept)
        self._midway.passed(self.job, self.account_scope_id)

    def take_again(self) -> bool:
        """Whether the same work was asked for while this run runs; asking clears it, the run takes it over."""
        with transaction() as session:
            return job_runs.take_again(session, self.id)


def execute(run_id: str, work: Callable[[Run], JobOutcome]) -> JobOutcome | None:
    """Run `work` as the run `run_id`; None when there was nothing to do (unknown, ended, or held by another run).

    What `work` raises is recorded and raised again, so that the queue shows it too; except WorkerStopping, after which
    the run is queued again, and a database that went away, after which `recovery` does that.
    """
    identity = JobRunId(UUID(run_id))
    with transaction() as session:
        row = job_runs.get_run(session, identity)
        if row is None or row.status not in job_runs.ACTIVE:
            log.info("run not started: unknown or ended", run_id=run_id, status=row.status if row else None)
            return None
        run = Run(identity, row.job, row.connector, row.account_scope_id)
        subject, asked_by_request = row.subject, row.request_id or ""
    # A run of the schedule has no request: its own id then joins its lines and statements.
    token, came_from = request_id.set(asked_by_request or run_id), origin.set(f"job:{run.job}")
    try:
        with try_lock(lock_name(run.job, subject)) as held:
            if not held:
                _finish(
                    run,
                    "skipped",
                    {},
                    0.0,
                    code="already_running",
                    message="another run of the same work is active",
                )
                return None
            run.lock = held
            return _locked(run, subject, work)
    except WorkerStopping:
        # After the lock is free: the worker that takes the run over must not find it held.
        log.info("run interrupted, back to the queue", job=run.job, run_id=run_id)
        requeue(identity, lost=False)
        return None
    except Exception as error:
        if is_database_away(error):
            _note_outage(identity)
        raise
    finally:
        request_id.reset(token)
        origin.reset(came_from)


def lock_name(job: str, subject: str) -> str:
    """The name of the lock of a job and its subject."""
    return f"job:{job}:{subject}"


def requeue(run_id: JobRunId, *, lost: bool = True) -> bool:
    """Put a run back on the queue; False (and the run failed) when its worker was lost for the MAX_LOSSES-th time.

    Only the loss of a worker counts. One that was asked to stop (``lost`` False), a database that went away, or a queue
    that forgot a run which waited, says nothing about the run: it is queued however often that was.
    The outbox row goes with the state in one transaction: without Redis the dispatcher enqueues it later.
    """
    with transaction() as session:
        row = job_runs.get_run(session, run_id, lock=True)
        if row is None or row.status not in job_runs.ACTIVE:
            return False
        if lost and row.status == "running" and not _take_outage(run_id):
            losses = int(row.counts.get("losses", 0)) + 1
            row.counts = {**row.counts, "losses": losses}
            if losses >= MAX_LOSSES:
                row.status, row.finished_at = "failed", utcnow()
                row.error_code, row.error_message = "abandoned", f"its worker was lost {losses} times"
                session.add(row)
                return False
        row.status, row.started_at = "queued", None
        session.add(row)
        function, arguments = (
            function_of(row.job),
            {"run_id": str(run_id), **arguments_of(row.job, row.subject)},
        )
        job_runs.add_to_outbox(session, run_id, function, arguments)
        attempt = row.attempt
    hand_over(run_id, function, arguments, attempt)
    return True


def hand_over(run_id: JobRunId, function: str, arguments: dict[str, Any], attempt: int) -> bool:
    """Enqueue what the outbox holds and clear it; False while Redis is away (the outbox keeps it)."""
    try:
        queues.push(function, arguments, queues.job_id_of(run_id, attempt))
    except RedisError as error:
        log.warning("queue away, job kept in the outbox", run_id=str(run_id), error=str(error))
        return False
    with transaction() as session:
        job_runs.remove_from_outbox(session, run_id)
    return True


def _note_outage(run_id: JobRunId) -> None:
    """Remember that the database ended a run, not its worker: whoever brings it back must not count it as a loss."""
    try:
        queue_redis().set(_outage_key(run_id), 1, ex=_REMEMBER_S)
    except (RedisError, AppError) as error:
        log.warning("outage not noted, it will count as a loss", run_id=str(run_id), error=str(error))


def _take_outage(run_id: JobRunId) -> bool:
    try:
        return queue_redis().getdel(_outage_key(run_id)) is not None
    except (RedisError, AppError) as error:
        log.warning("no word of an outage, counted as a loss", run_id=str(run_id), error=str(error))
        return False


def _outage_key(run_id: JobRunId) -> str:
    return f"run-interrupted:{run_id}"


def function_of(job: str) -> str:
    """The task of a job name."""
    return _FUNCTIONS[job]


def arguments_of(job: str, subject: str) -> dict[str, str]:
    """The task's arguments beside `run_id`, from the run's subject."""
    return {"account_scope_id": subject} if job in PER_ACCOUNT_SCOPE else {"connection_id": subject}


def _locked(run: Run, subject: str, work: Callable[[Run], JobOutcome]) -> JobOutcome | None:
    with transaction() as session:
        row = job_runs.get_run(session, run.id, lock=True)
        if row is None or row.status not in job_runs.ACTIVE:
            return None
        row.status, row.started_at, row.attempt = "running", utcnow(), row.attempt + 1
        session.add(row)
    freshness.run_began(run.job, run.account_scope_id)
    started = time.monotonic()
    log.info("run started", job=run.job, run_id=str(run.id), subject=subject)
    try:
        outcome = work(run)
    except AppError as error:
        _finish(run, "failed", {}, time.monotonic() - started, code=error.code, message=error.message)
        raise
    except Exception as error:
        if is_database_away(error):
            # No fault of the work: recovery finds a running run without its lock, and queues it again.
            log.warning("database away, run interrupted", job=run.job, run_id=str(run.id), error=str(error))
            raise
        _finish(
            run,
            "failed",
            {},
            time.monotonic() - started,
            code="internal",
            message=f"{type(error).__name__}: {error}",
        )
        raise
    again = _finish(
        run,
        "failed" if outcome.failed else "succeeded",
        dict(outcome.counts),
        time.monotonic() - started,
        code=outcome.error_code,
        message=outcome.error_message,
    )
    return replace(outcome, again=again)


def _finish(
    run: Run,
    status: str,
    counts: dict[str, Any],
    duration_s: float,
    *,
    code: str | None = None,
    message: str | None = None,
) -> bool:
    with transaction() as session:
        row = job_runs.get_run(session, run.id, lock=True)
        if row is None:
            return False
        again = bool(row.counts.get("again"))
        row.status, row.finished_at, row.counts = status, utcnow(), counts
        row.error_code, row.error_message = code, (message or "")[:2_000] or None
        session.add(row)
    level = log.warning if status == "failed" else log.info
    level(
        "run ended",
        job=run.job,
        run_id=str(run.id),
        status=status,
        code=code,
        duration_s=round(duration_s, 3),
        **counts,
    )
    # After the commit: whoever hears of it finds the row, the figures and no old answer.
    cache_told = freshness.run_ended(run.job, run.account_scope_id, counts, status)
    events.publish(
        "job_completed",
        {
            "job": run.job,
            "run_id": str(run.id),
            "project_id": None,
            "connector": run.connector,
            "status": status,
            "counts": counts,
            "duration_s": round(duration_s, 3),
            "error_code": code,
            "account_scope_id": str(run.account_scope_id) if run.account_scope_id else None,
            "cache_told": cache_told,
        },
    )
    return again
