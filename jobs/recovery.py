"""Brings back what was lost between Postgres and the queue: unsent jobs, dead workers' runs, runs Redis forgot.

Runs every half minute and does little: each pass is bounded and safe to repeat.
"""

import datetime as dt
from dataclasses import dataclass

from jobs import queues, runs
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import JobRunId
from models.infra.logging import get_logger
from models.queries import idempotency, job_runs, sync_state, webhooks
from models.queries.locks import is_locked

# A run younger than this may simply not have been picked up yet.
_SETTLED_S = 30
_KEEP_RUNS = dt.timedelta(days=30)
# Syncs have read what webhooks named long ago.
_KEEP_HINTS = dt.timedelta(days=1)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a pass did: jobs sent from the outbox, lost runs queued again, runs given up, old rows deleted."""

    sent: int
    requeued: int
    given_up: int
    deleted: int


def recover(settled_s: float = _SETTLED_S) -> Recovered:
    """One pass over runs older than `settled_s`. What Redis does not take now stays for the next pass."""
    sent = _send_outbox()
    requeued = given_up = 0
    with reading() as session:
        active = job_runs.list_active(session, older_than=utcnow() - dt.timedelta(seconds=settled_s))
        lost = [
            (JobRunId(row.id), row.job)
            for row in active
            if _is_lost(
                row.status, runs.lock_name(row.job, row.subject), queues.job_id_of(row.id, row.attempt)
            )
        ]
    for run_id, job in lost:
        if runs.requeue(run_id):
            requeued += 1
            log.warning("lost run queued again", run_id=str(run_id), job=job)
        else:
            given_up += 1
            log.error("lost run given up", run_id=str(run_id), job=job)
    with transaction() as session:
        sync_state.mark_abandoned(session, utcnow())
        deleted = job_runs.delete_finished(session, before=utcnow() - _KEEP_RUNS)
        deleted += webhooks.forget_old(
            session,
            deliveries_before=utcnow() - webhooks.DELIVERIES_KEPT,
            hints_before=utcnow() - _KEEP_HINTS,
        )
        deleted += idempotency.forget_old(session, utcnow())
    return Recovered(sent, requeued, given_up, deleted)


def _is_lost(status: str, lock: str, job_id: str) -> bool:
    if status == "running":
        # A run takes the lock before it says so and says it ended before it lets go: running without lock is dead.
        return not is_locked(lock)
    return not queues.is_known(job_id)


def _send_outbox() -> int:
    with transaction() as session:
        waiting = [
            (JobRunId(entry.id), entry.function, entry.arguments) for entry in job_runs.list_outbox(session)
        ]
        attempts = {
            run_id: row.attempt for run_id, _, _ in waiting if (row := job_runs.get_run(session, run_id))
        }
    sent = 0
    for run_id, function, arguments in waiting:
        if not runs.hand_over(run_id, function, arguments, attempts.get(run_id, 0)):
            break
        sent += 1
    return sent
