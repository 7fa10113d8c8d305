"""Job runs as lists show them. Starting and finishing runs is the jobs' own business."""

# ruff: noqa: S608 - statements are put together from constants of this module; values are bound.

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel import Session

from models.infra.ids import JobRunId
from models.infra.scope import Scope


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


# Runs of the account scope, except those about one project outside the scope.
_VISIBLE = "r.account_scope_id = :scope AND (r.project_id IS NULL OR r.project_id = ANY(:projects))"
# Texts: the jobs page asks for them all the time, and a text costs a third of the same statement put together anew.
_LIST = f"""
SELECT r.id, r.job, r.subject, r.connector, r.project_id, r.status, r.requested_by, r.queued_at, r.started_at,
       r.finished_at, r.progress, r.counts, r.error_code
FROM job_runs r WHERE {_VISIBLE} AND %s ORDER BY r.id DESC LIMIT :limit
"""
_NEWEST, _AFTER, _ACTIVE = (
    text(_LIST % which) for which in ("true", "r.id < :after", "r.status IN ('queued', 'running')")
)
_LAST_ENDS = text(f"""
SELECT names.job, newest.*
FROM unnest(CAST(:jobs AS text[])) AS names (job)
CROSS JOIN LATERAL (
    SELECT r.status, r.started_at, r.finished_at, r.queued_at
    FROM job_runs r
    WHERE {_VISIBLE} AND r.job = names.job AND r.started_at IS NOT NULL AND r.finished_at IS NOT NULL
    ORDER BY r.queued_at DESC LIMIT :each) newest
ORDER BY names.job, newest.queued_at
""")


def list_runs(session: Session, scope: Scope, *, after: UUID | None = None, limit: int) -> list[RunFacts]:
    """Runs inside the scope, newest first, after the one with id `after`."""
    more = {"limit": limit} if after is None else {"limit": limit, "after": after}
    return [
        _facts(row) for row in session.execute(_NEWEST if after is None else _AFTER, _bound(scope) | more)
    ]


def active_runs(session: Session, scope: Scope) -> list[RunFacts]:
    """Runs inside the scope that wait or work now, newest first, at most 100."""
    return [_facts(row) for row in session.execute(_ACTIVE, _bound(scope) | {"limit": 100})]


def last_ends(
    session: Session, scope: Scope, jobs: Sequence[str], *, each: int
) -> Mapping[str, tuple[EndedRun, ...]]:
    """The newest runs inside the scope that ran and ended, by job, `each` of one at most, oldest first."""
    found: dict[str, list[EndedRun]] = {}
    for row in session.execute(_LAST_ENDS, _bound(scope) | {"jobs": list(jobs), "each": each}):
        duration = (row.finished_at - row.started_at).total_seconds()
        found.setdefault(row.job, []).append(EndedRun(row.status, row.started_at, max(0.0, duration)))
    return {job: tuple(ends) for job, ends in found.items()}


def _bound(scope: Scope) -> dict[str, Any]:
    return {"scope": scope.account_scope_id, "projects": list(scope.project_ids)}


def _facts(row: Row[Any]) -> RunFacts:
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
