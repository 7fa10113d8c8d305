"""One run of a job, from its start to its end: lock, job_runs row, progress, events.

`execute` is what every task goes through. A run ends as succeeded or failed; a run whose worker has to stop goes back
to the queue, and one that finds its work locked goes on waiting. One run per (job, subject) at a time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from jobs import freshness, outbox
from models.infra import events
from models.infra.clock import utcnow
from models.infra.database import is_database_away, transaction
from models.infra.errors import AppError
from models.infra.ids import JobRunId
from models.infra.logging import get_logger, origin, request_id
from models.queries import job_runs
from models.queries.locks import Lock, try_lock
from models.tables.platform import JobRun

# How long a run waits for the lock of the one before it, which has ended and is about to let go.
_LOCK_WAIT_S = 5.0
# How often a running job's progress reaches the database, and the stream of events.
_SAVE_EVERY_S = 2.0
_PUBLISH_EVERY_S = 0.25
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
    # Set by `execute`: who had asked for the run when it began.
    requested_by: str = ""


@dataclass(frozen=True, slots=True)
class _End:
    """How a run ended, and what follows it because somebody asked for the same work while it ran."""

    status: str
    counts: Mapping[str, Any]
    duration_s: float
    code: str | None
    following: JobRunId | None


class Run:
    """The handle of a running job: identity, and where it says how far it is."""

    def __init__(self, row: JobRun) -> None:
        self.id = JobRunId(row.id)
        self.job = row.job
        self.subject = row.subject
        self.connector = row.connector
        self.account_scope_id = row.account_scope_id
        self.requested_by = row.requested_by
        self.end: _End | None = None
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
    """Run `work` as the run `run_id`; None when there was nothing to do (unknown, ended, or locked by another process).

    A run that finds its work locked stays as it is: it is under way elsewhere, or it waits and `recovery` queues it
    again. What `work` raises is recorded and raised again, so that the queue shows it too; except WorkerStopping, after which
    the run is queued again, and a database that went away, after which `recovery` does that.
    """
    identity = JobRunId(UUID(run_id))
    with transaction() as session:
        row = job_runs.get_run(session, identity)
        if row is None or row.status not in job_runs.ACTIVE:
            log.info("run not started: unknown or ended", run_id=run_id, status=row.status if row else None)
            return None
        run = Run(row)
        asked_by_request = row.request_id or ""
    # A run of the schedule has no request: its own id then joins its lines and statements.
    token, came_from = request_id.set(asked_by_request or run_id), origin.set(f"job:{run.job}")
    try:
        return _hold_lock(run, work)
    except WorkerStopping:
        # After the lock is free: the worker that takes the run over must not find it held.
        log.info("run interrupted", job=run.job, run_id=run_id)
        if run.lock is not None:
            outbox.requeue(identity, lost=False)
        return None
    except Exception as error:
        if is_database_away(error):
            outbox.note_interruption(identity)
        raise
    finally:
        request_id.reset(token)
        origin.reset(came_from)


def _hold_lock(run: Run, work: Callable[[Run], JobOutcome]) -> JobOutcome | None:
    try:
        with try_lock(lock_name(run.job, run.subject), wait_s=_LOCK_WAIT_S) as held:
            if not held:
                log.warning("run not started: its work is locked", job=run.job, run_id=str(run.id))
                return None
            run.lock = held
            return _locked(run, work)
    finally:
        # After the lock is free: what is told takes its time, and the next run of the same work need not wait for it.
        if run.end is not None:
            _tell(run, run.end)


def lock_name(job: str, subject: str) -> str:
    """The name of the lock of a job and its subject."""
    return f"job:{job}:{subject}"


def _locked(run: Run, work: Callable[[Run], JobOutcome]) -> JobOutcome | None:
    with transaction() as session:
        row = job_runs.get_run(session, run.id, lock=True)
        if row is None or row.status not in job_runs.ACTIVE:
            return None
        row.status, row.started_at, row.attempt = "running", utcnow(), row.attempt + 1
        session.add(row)
        # From now on nobody takes the run over.
        run.requested_by = row.requested_by
    freshness.run_began(run.job, run.account_scope_id)
    started = time.monotonic()
    log.info("run started", job=run.job, run_id=str(run.id), subject=run.subject)
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
    _finish(
        run,
        "failed" if outcome.failed else "succeeded",
        dict(outcome.counts),
        time.monotonic() - started,
        code=outcome.error_code,
        message=outcome.error_message,
    )
    return replace(outcome, requested_by=run.requested_by)


def _finish(
    run: Run,
    status: str,
    counts: dict[str, Any],
    duration_s: float,
    *,
    code: str | None = None,
    message: str | None = None,
) -> None:
    """Write how the run ended and, in the same transaction, the run that was asked for while it ran."""
    with transaction() as session:
        job_runs.lock_work(session, run.job, run.subject)
        row = job_runs.get_run(session, run.id, lock=True)
        if row is None:
            return
        asker = row.counts.get(job_runs.AGAIN)
        row.status, row.finished_at, row.counts = status, utcnow(), counts
        row.error_code, row.error_message = code, (message or "")[:2_000] or None
        session.add(row)
        session.flush()
        following = outbox.follow_up(session, row, str(asker)) if asker else None
        following_id = JobRunId(following.id) if following else None
    run.end = _End(status, counts, duration_s, code, following_id)
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


def _tell(run: Run, end: _End) -> None:
    """Let queue, figures, caches and listeners know of an end that is committed."""
    if end.following is not None:
        arguments = {"run_id": str(end.following), **outbox.arguments_of(run.job, run.subject)}
        outbox.hand_over(end.following, outbox.function_of(run.job), arguments, 0)
    # Whoever hears of the end finds the row, the figures and no old answer.
    cache_told = freshness.run_ended(run.job, run.account_scope_id, end.counts, end.status)
    events.publish(
        "job_completed",
        {
            "job": run.job,
            "run_id": str(run.id),
            "project_id": None,
            "connector": run.connector,
            "status": end.status,
            "counts": end.counts,
            "duration_s": round(end.duration_s, 3),
            "error_code": end.code,
            "account_scope_id": str(run.account_scope_id) if run.account_scope_id else None,
            "cache_told": cache_told,
        },
    )
