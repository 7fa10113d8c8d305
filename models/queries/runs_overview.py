"""Job runs as lists show them. Starting and finishing runs is the jobs' own business."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, and_, cast, column, func, or_, true
from sqlalchemy import String as Text
from sqlalchemy import select as select_rows
from sqlmodel import Session, col, select

from models.infra.ids import JobRunId
from models.infra.scope import Scope
from models.tables.platform import JobRun


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run. `subject` is what it is about (a connection or scope id); progress and counts are the job's own."""

    id: JobRunId
    job: str
    subject: str
    connector: str
    project_id: UUID | None
    status: str
    requested_by: str
    queued_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    progress: Mapping[str, Any]
    counts: Mapping[str, Any]
    error_code: str


@dataclass(frozen=True, slots=True)
class EndedRun:
    """How a run ended, when it began and how long it took, in seconds."""

    status: str
    started_at: dt.datetime
    duration_s: float


def _visible(scope: Scope) -> ColumnElement[bool]:
    """Runs of the account scope, except those about one project outside the scope."""
    return and_(
        col(JobRun.account_scope_id) == scope.account_scope_id,
        or_(col(JobRun.project_id).is_(None), col(JobRun.project_id).in_(scope.project_ids)),
    )


def list_runs(session: Session, scope: Scope, *, after: UUID | None = None, limit: int) -> list[RunFacts]:
    """Runs inside the scope, newest first, after the one with id `after`."""
    statement = select(JobRun).where(_visible(scope))
    if after is not None:
        statement = statement.where(col(JobRun.id) < after)
    return [_facts(row) for row in session.exec(statement.order_by(col(JobRun.id).desc()).limit(limit))]


def active_runs(session: Session, scope: Scope) -> list[RunFacts]:
    """Runs inside the scope that wait or work now, newest first, at most 100."""
    statement = select(JobRun).where(_visible(scope), col(JobRun.status).in_(("queued", "running")))
    return [_facts(row) for row in session.exec(statement.order_by(col(JobRun.id).desc()).limit(100))]


def last_ends(
    session: Session, scope: Scope, jobs: Sequence[str], *, each: int
) -> Mapping[str, tuple[EndedRun, ...]]:
    """The newest runs inside the scope that ran and ended, by job, `each` of one at most, oldest first."""
    # An array and no VALUES, with which SQLAlchemy compiles a statement anew each time.
    named = func.unnest(cast(list(jobs), ARRAY(Text))).table_valued(column("job", Text))
    names = named.render_derived(name="names")
    newest = (
        select_rows(
            col(JobRun.status),
            col(JobRun.started_at),
            col(JobRun.finished_at),
            col(JobRun.queued_at),
        )
        .where(
            _visible(scope),
            col(JobRun.job) == names.c.job,
            col(JobRun.started_at).is_not(None),
            col(JobRun.finished_at).is_not(None),
        )
        .order_by(col(JobRun.queued_at).desc())
        .limit(each)
        .correlate(names)
        .lateral("newest")
    )
    rows = session.execute(
        select_rows(names.c.job, newest)
        .select_from(names)
        .join(newest, true())
        .order_by(names.c.job, newest.c.queued_at)
    )
    found: dict[str, list[EndedRun]] = {}
    for row in rows:
        duration = (row.finished_at - row.started_at).total_seconds()
        found.setdefault(row.job, []).append(EndedRun(row.status, row.started_at, max(0.0, duration)))
    return {job: tuple(ends) for job, ends in found.items()}


def _facts(row: JobRun) -> RunFacts:
    return RunFacts(
        JobRunId(row.id),
        row.job,
        row.subject,
        row.connector or "",
        row.project_id,
        row.status,
        row.requested_by,
        row.queued_at,
        row.started_at,
        row.finished_at,
        row.progress,
        row.counts,
        row.error_code or "",
    )
