"""Thumbs-down as cases: which of them a scope may see, page by page or one. What they mean is retrieval's.

A case is seen only with every project that its question was asked over.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.keyset import keyset_page, sort_keys
from models.queries.query_log import inside
from models.tables.retrieval import Feedback, QueryRun

Status = Literal["open", "completed"]
SORTS = sort_keys({"voted_at": (col(Feedback.created_at), "time")})


def thumbs_down(scope: Scope) -> Any:
    """The statement of all cases of a scope: rows of vote and run."""
    return (
        select(Feedback, QueryRun)
        .join(QueryRun, col(QueryRun.id) == col(Feedback.query_run_id))
        .where(
            Feedback.rating == "down",
            Feedback.account_scope_id == scope.account_scope_id,
            inside(scope, col(QueryRun.account_scope_id), col(QueryRun.project_ids)),
        )
    )


def page_of_cases(
    session: Session, scope: Scope, status: Status | None, *, sort: str, cursor: str | None, limit: int
) -> tuple[list[tuple[Feedback, QueryRun]], str | None]:
    """Cases (None: open and completed) and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    statement = thumbs_down(scope)
    if status is not None:
        judged = col(Feedback.evidence).is_not(None)
        statement = statement.where(judged if status == "completed" else ~judged)
    rows, after = keyset_page(session, statement, SORTS, sort, col(Feedback.id), cursor=cursor, limit=limit)
    # The page adds what it is sorted by to each row.
    return [(row.Feedback, row.QueryRun) for row in rows], after


def one_case(
    session: Session, scope: Scope, query_run_id: UUID, *, lock: bool = False
) -> tuple[Feedback, QueryRun] | None:
    """Vote and run of a case, None when the scope has no such thumbs-down; `lock` keeps the vote for the caller."""
    statement = thumbs_down(scope).where(QueryRun.id == query_run_id)
    if lock:
        statement = statement.with_for_update(of=Feedback)
    row = session.execute(statement).one_or_none()
    return None if row is None else (row[0], row[1])
