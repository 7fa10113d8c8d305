"""The way of a run onto the queue: its task and arguments, the outbox, and how it comes back after an interruption.

What is to be enqueued is written to Postgres with the run's state, in one transaction, and cleared once Redis has it.
"""

from typing import Any, Literal
from uuid import UUID

from redis.exceptions import RedisError
from sqlmodel import Session

from jobs import queues
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.errors import AppError
from models.infra.ids import ConnectionId, JobRunId
from models.infra.logging import get_logger
from models.infra.redis import queue_redis
from models.queries import job_runs
from models.tables.platform import JobRun

MAX_LOSSES = 3
# How long the queue remembers that a run was interrupted by the database, which could not be told itself.
_REMEMBER_S = 24 * 3_600
_FUNCTIONS = {
    "sync": "jobs.tasks.sync_connection",
    "retry": "jobs.tasks.retry_connection",
    "reconcile": "jobs.tasks.reconcile_connection",
    "repair": "jobs.tasks.repair_connection",
    "refetch": "jobs.tasks.refetch_connection",
    "mirror": "jobs.tasks.mirror_connection",
    "rebind": "jobs.tasks.rebind_connection",
    "identity": "jobs.tasks.preview_identity",
    "index": "jobs.tasks.index_chunks",
    "outbound": "jobs.tasks.deliver_outbound",
    "signals": "jobs.tasks.detect_signals",
    "agreements": "jobs.tasks.extract_agreements",
}
# Their subject is an account scope; that of all others is a connection.
PER_ACCOUNT_SCOPE = frozenset({"identity", "index", "outbound", "signals", "agreements"})

log = get_logger(__name__)


def function_of(job: str) -> str:
    """The task of a job name."""
    return _FUNCTIONS[job]


def is_known(function: str) -> bool:
    """Whether this version has a task; a newer one that was rolled back may have left what it asked for."""
    return function in _FUNCTIONS.values()


def arguments_of(job: str, subject: str) -> dict[str, str]:
    """The task's arguments beside `run_id`, from the run's subject."""
    return {"account_scope_id": subject} if job in PER_ACCOUNT_SCOPE else {"connection_id": subject}


def task_arguments(row: JobRun) -> dict[str, Any]:
    """All arguments of a run's task."""
    return {"run_id": str(row.id), **arguments_of(row.job, row.subject)}


def requeue(
    run_id: JobRunId, *, lost: bool = True, seen: tuple[str, int] | None = None
) -> Literal["queued", "given_up", "left"]:
    """Put a run back on the queue; it is given up (and failed) when its worker was lost for the MAX_LOSSES-th time.

    A run that ended is left alone, so is one that is not as it was `seen` (status and attempt) any more, and one of a
    job that this version does not know. What was asked for while a run ran that is given up follows it.

    Only the loss of a worker counts. One that was asked to stop (``lost`` False), a database that went away, or a queue
    that forgot a run which waited, says nothing about the run: it is queued however often that was.
    The outbox row goes with the state in one transaction: without Redis the dispatcher enqueues it later.
    """
    with transaction() as session:
        row = _lock_run(session, run_id)
        if row is None or row.status not in job_runs.ACTIVE or seen not in (None, (row.status, row.attempt)):
            return "left"
        waited = row.status == "queued"
        given_up = lost and not waited and not _take_outage(run_id) and _count_loss(row)
        if given_up:
            session.flush()
            asker = row.counts.get(job_runs.AGAIN)
            sent = follow_up(session, row, str(asker)) if asker else None
        else:
            row.status, row.started_at = "queued", None
            job_runs.add_to_outbox(session, run_id, function_of(row.job), task_arguments(row))
            sent = row
        job = (
            None
            if sent is None
            else (JobRunId(sent.id), function_of(sent.job), task_arguments(sent), sent.attempt)
        )
    if job is not None:
        hand_over(*job, adrift=lost and waited)
    return "given_up" if given_up else "queued"


def _lock_run(session: Session, run_id: JobRunId) -> JobRun | None:
    """The run, locked together with its work; None for one that is gone, or of a job that this version does not know."""
    row = job_runs.get_run(session, run_id)
    if row is None or row.job not in _FUNCTIONS:
        return None
    job_runs.lock_work(session, row.job, row.subject)
    session.expire(row)
    return job_runs.get_run(session, run_id, lock=True)


def _count_loss(row: JobRun) -> bool:
    """Note that a run's worker was lost; whether that was once too often, and the run has failed."""
    losses = int(row.counts.get("losses", 0)) + 1
    row.counts = {**row.counts, "losses": losses}
    if losses < MAX_LOSSES:
        return False
    row.status, row.finished_at = "failed", utcnow()
    row.error_code, row.error_message = "abandoned", f"its worker was lost {losses} times"
    return True


def follow_up(session: Session, row: JobRun, asker: str) -> JobRun | None:
    """The next run of the same work as a run that has ended, in the outbox; for `asker`, who asked while it ran.

    None at a connection that was switched off meanwhile. The caller holds `job_runs.lock_work`.
    """
    if row.job not in PER_ACCOUNT_SCOPE and not job_runs.list_enabled_connections(
        session, connection_id=ConnectionId(UUID(row.subject))
    ):
        return None
    following, _ = job_runs.create_run(
        session,
        job=row.job,
        subject=row.subject,
        requested_by=asker,
        account_scope_id=row.account_scope_id,
        connector=row.connector,
        request_id=row.request_id,
    )
    job_runs.add_to_outbox(session, JobRunId(following.id), function_of(row.job), task_arguments(following))
    return following


def hand_over(
    run_id: JobRunId, function: str, arguments: dict[str, Any], attempt: int, *, adrift: bool = False
) -> bool:
    """Enqueue what the outbox holds and clear it; False while Redis is away (the outbox keeps it).

    The queue takes no job that it knows, unless that one is `adrift`: lost with the worker that had taken it.
    """
    try:
        if adrift:
            queues.forget(queues.job_id_of(run_id, attempt))
        queues.push(function, arguments, queues.job_id_of(run_id, attempt))
    except RedisError as error:
        log.warning("queue away, job kept in the outbox", run_id=str(run_id), error=str(error))
        return False
    with transaction() as session:
        job_runs.remove_from_outbox(session, run_id)
    return True


def note_interruption(run_id: JobRunId) -> None:
    """Remember that a run was ended by the database or on request: whoever brings it back must not count a loss."""
    try:
        queue_redis().set(_outage_key(run_id), 1, ex=_REMEMBER_S)
    except (RedisError, AppError) as error:
        log.warning("interruption not noted, it will count as a loss", run_id=str(run_id), error=str(error))


def _take_outage(run_id: JobRunId) -> bool:
    try:
        return queue_redis().getdel(_outage_key(run_id)) is not None
    except (RedisError, AppError) as error:
        log.warning("no word of an outage, counted as a loss", run_id=str(run_id), error=str(error))
        return False


def _outage_key(run_id: JobRunId) -> str:
    return f"run-interrupted:{run_id}"
