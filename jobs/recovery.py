"""Brings back what was lost between Postgres and the queue: unsent jobs, dead workers' runs, runs Redis forgot.

Runs every half minute and does little: each pass is bounded and safe to repeat.
"""

import datetime as dt
import time
from dataclasses import dataclass

from jobs import outbox, queues, runs
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import JobRunId
from models.infra.logging import get_logger
from models.queries import idempotency, job_runs, sync_state, webhooks
from models.queries.locks import is_locked
from models.tables.platform import JobRun

# A run younger than this may simply not have been picked up yet.
_SETTLED_S = 30
# A job that no queue and no worker has is looked at twice, this far apart: a worker may just be taking it.
_LOOK_AGAIN_S = 3.0
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
    for run in _find_lost(settled_s):
        run_id = JobRunId(run.id)
        became = outbox.requeue(run_id, seen=(run.status, run.attempt))
        if became == "queued":
            requeued += 1
            log.warning("lost run queued again", run_id=str(run_id), job=run.job)
        elif became == "given_up":
            given_up += 1
            log.error("lost run given up", run_id=str(run_id), job=run.job)
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


def _find_lost(settled_s: float) -> list[JobRun]:
    with reading() as session:
        active = list(job_runs.list_active(session, older_than=utcnow() - dt.timedelta(seconds=settled_s)))
    # A run takes the lock before it says so and says it ended before it lets go: running without lock is dead.
    dead = [
        row
        for row in active
        if row.status == "running" and not is_locked(runs.lock_name(row.job, row.subject))
    ]
    adrift = _adrift([row for row in active if row.status == "queued"])
    if adrift:
        time.sleep(_LOOK_AGAIN_S)
        adrift = _adrift(adrift)
    return dead + adrift


def _adrift(waiting: list[JobRun]) -> list[JobRun]:
    """Of runs that wait, those whose job is neither in a queue nor with a worker that lives."""
    return [row for row in waiting if not queues.is_held(queues.job_id_of(row.id, row.attempt))]


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
        if not outbox.is_known(function):
            log.warning("job of another version left in the outbox", run_id=str(run_id), function=function)
            continue
        if not outbox.hand_over(run_id, function, arguments, attempts.get(run_id, 0)):
            break
        sent += 1
    return sent
