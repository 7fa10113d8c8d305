"""Job runs, the outbox and the cadences: what was asked for, what runs, what ended how.

These are bookkeeping of the platform; only the lists that a person reads take a scope.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from models.infra.clock import utcnow
from models.infra.ids import AccountScopeId, ConnectionId, JobRunId
from models.tables.platform import AccountScope, JobOutbox, JobRun, ScheduledJob, VendorConnection

ACTIVE = ("queued", "running")
# Where a running run keeps who asked for the same work meanwhile.
AGAIN = "again"


def create_run(
    session: Session,
    *,
    job: str,
    subject: str,
    requested_by: str,
    account_scope_id: UUID | None = None,
    connector: str | None = None,
    request_id: str | None = None,
    again: bool = False,
    beyond: str | None = None,
) -> tuple[JobRun, bool]:
    """The active run of (job, subject), or a new queued one; and whether it is new.

    With `again`, a run that is already running is marked to be followed by another: it may have passed what changed.
    A run that `beyond` asked for does less than is asked for now: one that waits is taken over, one that runs is
    followed by another. The transaction's advisory lock makes two callers at once get the same run, and a run that
    ends meanwhile is waited for: it either heard of this or is over.
    """
    lock_work(session, job, subject)
    found = session.execute(
        select(JobRun)
        .where(col(JobRun.job) == job, col(JobRun.subject) == subject, col(JobRun.status).in_(ACTIVE))
        .order_by(col(JobRun.queued_at).desc())
        .limit(1)
        .with_for_update()
    ).scalar_one_or_none()
    if found is not None:
        does_less = found.requested_by == beyond
        if found.status == "running" and (again or does_less):
            # Who asked first is who the next run is for.
            found.counts = {AGAIN: requested_by, **found.counts}
        elif does_less:
            found.requested_by = requested_by
        return found, False
    run = JobRun(
        job=job,
        subject=subject,
        requested_by=requested_by,
        account_scope_id=account_scope_id,
        connector=connector,
        request_id=request_id or None,
    )
    session.add(run)
    session.flush()
    return run, True


def lock_work(session: Session, job: str, subject: str) -> None:
    """Let nobody else ask for (job, subject) until the transaction ends. To be taken before a run's row is locked."""
    session.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:name, 1))"), {"name": f"{job}:{subject}"}
    )


def get_run(session: Session, run_id: JobRunId, *, lock: bool = False) -> JobRun | None:
    """One run, optionally locked until the transaction ends."""
    statement = select(JobRun).where(col(JobRun.id) == run_id)
    return session.execute(statement.with_for_update() if lock else statement).scalar_one_or_none()


def take_again(session: Session, run_id: JobRunId) -> bool:
    """Clear the mark that `create_run` sets with `again`; whether it was set."""
    result = session.execute(
        update(JobRun)
        .where(col(JobRun.id) == run_id, col(JobRun.counts).op("?")(AGAIN))
        .values(counts=col(JobRun.counts).op("-")(AGAIN))
        .returning(col(JobRun.id))
    )
    return result.first() is not None


def save_progress(session: Session, run_id: JobRunId, progress: dict[str, Any]) -> None:
    """Overwrite what a running job says about itself."""
    session.execute(update(JobRun).where(col(JobRun.id) == run_id).values(progress=progress))


def list_active(session: Session, *, older_than: dt.datetime, limit: int = 200) -> Sequence[JobRun]:
    """Queued and running runs of every scope that were asked for before `older_than`, oldest first."""
    return (
        session.execute(
            select(JobRun)
            .where(col(JobRun.status).in_(ACTIVE), col(JobRun.queued_at) < older_than)
            .order_by(col(JobRun.queued_at))
            .limit(limit)
        )
        .scalars()
        .all()
    )


def delete_finished(session: Session, *, before: dt.datetime, limit: int = 5_000) -> int:
    """Forget runs that ended before `before`; how many."""
    old = select(col(JobRun.id)).where(col(JobRun.finished_at) < before).limit(limit)
    result = session.execute(delete(JobRun).where(col(JobRun.id).in_(old)).returning(col(JobRun.id)))
    return len(result.all())


def add_to_outbox(session: Session, entry_id: UUID, function: str, arguments: dict[str, Any]) -> None:
    """Note that a job must be enqueued, in the transaction that asks for it."""
    session.execute(
        insert(JobOutbox)
        .values(id=entry_id, function=function, arguments=arguments, created_at=utcnow())
        .on_conflict_do_update(index_elements=["id"], set_={"function": function, "arguments": arguments})
    )


def remove_from_outbox(session: Session, entry_id: UUID) -> None:
    """The job reached the queue."""
    session.execute(delete(JobOutbox).where(col(JobOutbox.id) == entry_id))


def list_outbox(session: Session, limit: int = 200) -> Sequence[JobOutbox]:
    """What waits for the queue, oldest first; rows another process works on are skipped."""
    return (
        session.execute(
            select(JobOutbox)
            .order_by(col(JobOutbox.created_at))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )


def save_cadence(session: Session, name: str, cadence_s: int) -> None:
    """Record a cadence; a switched-off one stays off."""
    session.execute(
        insert(ScheduledJob)
        .values(name=name, cadence_s=cadence_s)
        .on_conflict_do_update(index_elements=["name"], set_={"cadence_s": cadence_s})
    )


def plan_cadence(session: Session, name: str, at: dt.datetime) -> None:
    """Note when a cadence's next turn comes (aware); one that is switched off has none."""
    session.execute(
        update(ScheduledJob)
        .where(col(ScheduledJob.name) == name)
        .values(next_run_at=case((col(ScheduledJob.enabled), at), else_=None))
    )


def drop_other_cadences(session: Session, names: Sequence[str]) -> None:
    """Forget cadences that the product no longer has."""
    session.execute(delete(ScheduledJob).where(col(ScheduledJob.name).not_in(names)))


def mark_dispatched(session: Session, name: str) -> bool:
    """Note that a cadence's turn came; False when it is switched off or unknown."""
    now = utcnow()
    result = session.execute(
        update(ScheduledJob)
        .where(col(ScheduledJob.name) == name, col(ScheduledJob.enabled))
        .values(
            last_dispatched_at=now,
            next_run_at=func.make_interval(0, 0, 0, 0, 0, 0, col(ScheduledJob.cadence_s)) + now,
        )
        .returning(col(ScheduledJob.name))
    )
    return result.first() is not None


def list_cadences(session: Session) -> Sequence[ScheduledJob]:
    """Every cadence, by name."""
    return session.execute(select(ScheduledJob).order_by(col(ScheduledJob.name))).scalars().all()


def list_enabled_connections(
    session: Session,
    *,
    account_scope_id: AccountScopeId | None = None,
    connection_id: ConnectionId | None = None,
) -> Sequence[VendorConnection]:
    """Connections that are switched on: all, those of a scope, or the one asked for (inside the scope, if given)."""
    statement = select(VendorConnection).where(col(VendorConnection.enabled))
    if account_scope_id is not None:
        statement = statement.where(col(VendorConnection.account_scope_id) == account_scope_id)
    if connection_id is not None:
        statement = statement.where(col(VendorConnection.id) == connection_id)
    return (
        session.execute(statement.order_by(col(VendorConnection.created_at), col(VendorConnection.id)))
        .scalars()
        .all()
    )


def list_account_scopes(session: Session) -> Sequence[UUID]:
    """Ids of all account scopes, oldest first."""
    return (
        session.execute(select(col(AccountScope.id)).order_by(col(AccountScope.created_at))).scalars().all()
    )
