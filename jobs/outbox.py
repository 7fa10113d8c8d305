"""The way of a run onto the queue: its task and arguments, the outbox, and how it comes back after an interruption.

What is to be enqueued is written to Postgres with the run's state, in one transaction, and cleared once Redis has it.
"""

from typing import Any, Literal

from redis.exceptions import RedisError

from jobs import queues
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.errors import AppError
from models.infra.ids import JobRunId
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

    A run that ended is left alone, and so is one that is not as it was `seen` (status and attempt) any more.

    Only the loss of a worker counts. One that was asked to stop (``lost`` False), a database that went away, or a queue
    that forgot a run which waited, says nothing about the run: it is queued however often that was.
    The outbox row goes with the state in one transaction: without Redis the dispatcher enqueues it later.
    """
    with transaction() as session:
        row = job_runs.get_run(session, run_id, lock=True)
        if row is None or row.status not in job_runs.ACTIVE or seen not in (None, (row.status, row.attempt)):
            return "left"
        if lost and row.status == "running" and not _take_outage(run_id):
            losses = int(row.counts.get("losses", 0)) + 1
            row.counts = {**row.counts, "losses": losses}
            if losses >= MAX_LOSSES:
                row.status, row.finished_at = "failed", utcnow()
                row.error_code, row.error_message = "abandoned", f"its worker was lost {losses} times"
                session.add(row)
                return "given_up"
        waited = row.status == "queued"
        row.status, row.started_at = "queued", None
        session.add(row)
        function, arguments = function_of(row.job), task_arguments(row)
        job_runs.add_to_outbox(session, run_id, function, arguments)
        attempt = row.attempt
    hand_over(run_id, function, arguments, attempt, adrift=lost and waited)
    return "queued"


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
