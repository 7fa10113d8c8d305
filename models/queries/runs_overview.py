"""Job runs as lists show them. Starting and finishing runs is the jobs' own business."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
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
