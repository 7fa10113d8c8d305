"""Earlier questions of a scope. Writing the log is retrieval's; reading it for people is here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, CursorResult, String, and_, cast, func, text, true
from sqlmodel import Session, col, select

from models.infra.ids import ProjectId, QueryRunId
from models.infra.scope import Scope
from models.tables.retrieval import Feedback, QueryRun

_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One logged question and the projects it was asked over."""

    id: QueryRunId
    text: str
    asked_at: dt.datetime
    answerable: bool
    project_ids: tuple[ProjectId, ...]
    rating: str


@dataclass(frozen=True, slots=True)
class CachedRun:
    """A question that was answered from the cache: its own id, time and asker, and the run that was computed."""

    id: QueryRunId
    first_id: QueryRunId
    took_ms: float
    request_id: str
    user: str
    asked_at: dt.datetime


_LOG_CACHED = text("""
INSERT INTO lightrag_query_runs (id, account_scope_id, project_ids, query, mode, profile, parameters, answerable, answer,
                                 hits, quality_score, cached, took_ms, request_id, requested_by, created_at)
SELECT v.id, r.account_scope_id, r.project_ids, r.query, r.mode, r.profile, r.parameters, r.answerable, r.answer,
       r.hits, r.quality_score, true, v.took_ms, v.request_id, v.requested_by, v.created_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:firsts AS uuid[]), CAST(:tooks AS float8[]), CAST(:requests AS text[]),
            CAST(:users AS text[]), CAST(:ats AS timestamptz[]))
     AS v(id, first_id, took_ms, request_id, requested_by, created_at)
JOIN lightrag_query_runs r ON r.id = v.first_id
ON CONFLICT (id) DO NOTHING
""")


def inside(scope: Scope, account_scope_id: Any, project_ids: Any) -> ColumnElement[bool]:
    """SQL: a row that names its account scope and a JSON array of projects has no project outside of the scope."""
    allowed = cast([str(each) for each in scope.project_ids], ARRAY(String))
    return and_(account_scope_id == scope.account_scope_id, project_ids.op("<@")(func.to_jsonb(allowed)))


def list_questions(
    session: Session, scope: Scope, *, limit: int, user: str | None = None
) -> list[AskedQuestion]:
    """The newest questions of a user (None: of all) whose every project is inside the scope.

    Each text once, in its newest form, out of the newest `_LOOKED_AT` runs.
    """
    mine = true() if user is None else col(QueryRun.requested_by) == user
    rows = session.execute(
        select(
            QueryRun.id,
            QueryRun.query,
            QueryRun.created_at,
            QueryRun.answerable,
            QueryRun.project_ids,
            Feedback.rating,
        )  # pyright: ignore[reportCallIssue]
        .select_from(QueryRun)
        .join(Feedback, col(Feedback.query_run_id) == col(QueryRun.id), isouter=True)
        .where(mine, inside(scope, col(QueryRun.account_scope_id), col(QueryRun.project_ids)))
        .order_by(col(QueryRun.created_at).desc(), col(QueryRun.id).desc())
        .limit(_LOOKED_AT)
    )
    found: dict[str, AskedQuestion] = {}
    for run_id, question, asked_at, answerable, project_ids, rating in rows:
        key = question.strip().casefold()
        if key not in found:
            projects = tuple(ProjectId(UUID(each)) for each in project_ids)
            found[key] = AskedQuestion(
                QueryRunId(run_id), question, asked_at, answerable, projects, rating or ""
            )
    return list(found.values())[:limit]


def log_cached_runs(session: Session, runs: Sequence[CachedRun]) -> int:
    """Log questions that the cache answered: each row is that of the question first computed, with what was its own.

    Answers how many were logged; a question whose first run is gone (its scope was deleted) leaves no row.
    """
    done = session.execute(
        _LOG_CACHED,
        {
            "ids": [each.id for each in runs],
            "firsts": [each.first_id for each in runs],
            "tooks": [each.took_ms for each in runs],
            "requests": [each.request_id for each in runs],
            "users": [each.user for each in runs],
            "ats": [each.asked_at for each in runs],
        },
    )
    return done.rowcount if isinstance(done, CursorResult) else 0


def run_projects(session: Session, scope: Scope, query_run_id: QueryRunId) -> tuple[ProjectId, ...] | None:
    """The projects a question was asked over, or None when it is not wholly inside the scope."""
    row = session.exec(
        select(QueryRun).where(
            QueryRun.id == query_run_id, QueryRun.account_scope_id == scope.account_scope_id
        )
    ).first()
    if row is None:
        return None
    projects = tuple(ProjectId(UUID(each)) for each in row.project_ids)
    return projects if all(scope.contains(each) for each in projects) else None
