"""Earlier questions of a scope. Writing the log is retrieval's; reading it for people is here."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, String, cast, func
from sqlmodel import Session, col, select

from models.infra.ids import ProjectId, QueryRunId
from models.infra.scope import Scope
from models.tables.retrieval import Feedback, QueryRun


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One logged question and the projects it was asked over."""

    id: QueryRunId
    text: str
    asked_at: dt.datetime
    answerable: bool
    project_ids: tuple[ProjectId, ...]
    rating: str


def list_questions(session: Session, scope: Scope, *, limit: int) -> list[AskedQuestion]:
    """The newest questions whose every project is inside the scope; each text once, in its newest form."""
    allowed = cast([str(each) for each in scope.project_ids], ARRAY(String))
    rows = session.execute(
        select(QueryRun, Feedback.rating)
        .join(Feedback, col(Feedback.query_run_id) == col(QueryRun.id), isouter=True)
        .where(
            QueryRun.account_scope_id == scope.account_scope_id,
            col(QueryRun.project_ids).op("<@")(func.to_jsonb(allowed)),
        )
        .order_by(col(QueryRun.created_at).desc(), col(QueryRun.id).desc())
        .limit(limit * 4)
    )
    found: dict[str, AskedQuestion] = {}
    for run, rating in rows:
        key = run.query.strip().casefold()
        if key not in found:
            projects = tuple(ProjectId(UUID(each)) for each in run.project_ids)
            found[key] = AskedQuestion(
                QueryRunId(run.id), run.query, run.created_at, run.answerable, projects, rating or ""
            )
    return list(found.values())[:limit]


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
