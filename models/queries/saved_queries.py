"""Questions that people keep: each user's own, seen only with every project that they were kept for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.query_log import inside
from models.tables.retrieval import SavedQuery


def list_saved(session: Session, scope: Scope, user: str, *, limit: int) -> Sequence[SavedQuery]:
    """The newest questions that a user keeps inside the scope."""
    return session.exec(
        select(SavedQuery)
        .where(
            SavedQuery.saved_by == user,
            inside(scope, col(SavedQuery.account_scope_id), col(SavedQuery.project_ids)),
        )
        .order_by(col(SavedQuery.created_at).desc(), col(SavedQuery.id).desc())
        .limit(limit)
    ).all()


def count_saved(session: Session, scope: Scope, user: str) -> int:
    """How many questions a user keeps in the whole account scope."""
    return session.exec(
        select(func.count())
        .select_from(SavedQuery)
        .where(SavedQuery.account_scope_id == scope.account_scope_id, SavedQuery.saved_by == user)
    ).one()


def save_query(session: Session, scope: Scope, user: str, question: str) -> tuple[SavedQuery, bool]:
    """Keep a question for exactly these projects; answers its row and whether it is new."""
    key = hashlib.sha256(question.strip().casefold().encode()).hexdigest()
    made = session.execute(
        insert(SavedQuery)
        .values(
            account_scope_id=scope.account_scope_id,
            project_ids=[str(each) for each in scope.project_ids],
            scope_key=scope.key(),
            saved_by=user,
            query=question,
            query_key=key,
        )
        .on_conflict_do_nothing(constraint="uq_saved_queries_question")
        .returning(col(SavedQuery.id))
    ).first()
    row = session.exec(
        select(SavedQuery).where(
            SavedQuery.account_scope_id == scope.account_scope_id,
            SavedQuery.saved_by == user,
            SavedQuery.scope_key == scope.key(),
            SavedQuery.query_key == key,
        )
    ).one()
    return row, made is not None


def remove_saved(session: Session, scope: Scope, user: str, saved_id: UUID) -> str | None:
    """Keep a question no longer; its text, or None when the user keeps no such question inside the scope."""
    return session.execute(
        delete(SavedQuery)
        .where(
            col(SavedQuery.id) == saved_id,
            col(SavedQuery.saved_by) == user,
            inside(scope, col(SavedQuery.account_scope_id), col(SavedQuery.project_ids)),
        )
        .returning(col(SavedQuery.query))
    ).scalar_one_or_none()
