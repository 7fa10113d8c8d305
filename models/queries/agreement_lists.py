"""Lists of agreements inside a scope, and single ones to be changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.accounts import within
from models.queries.keyset import keyset_page, sort_keys
from models.tables.agreements import Agreement

AGREEMENT_SORTS = sort_keys(
    {"due_on": (col(Agreement.due_on), "date"), "promised_at": (col(Agreement.promised_at), "time")}
)


def page_of_agreements(
    session: Session,
    scope: Scope,
    *,
    status: str | None,
    side: str | None,
    due_from: dt.date | None,
    due_to: dt.date | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Agreements due in a span of days, both included: rows of (Agreement,), and the next cursor."""
    statement = select(Agreement).where(*within(Agreement, scope))
    if status is not None:
        statement = statement.where(col(Agreement.status) == status)
    if side is not None:
        statement = statement.where(col(Agreement.side) == side)
    if due_from is not None:
        statement = statement.where(col(Agreement.due_on) >= due_from)
    if due_to is not None:
        statement = statement.where(col(Agreement.due_on) <= due_to)
    return keyset_page(
        session, statement, AGREEMENT_SORTS, sort, col(Agreement.id), cursor=cursor, limit=limit
    )


def lock_agreement(session: Session, scope: Scope, agreement_id: UUID) -> Agreement | None:
    """The agreement, locked until the transaction ends."""
    return session.exec(
        select(Agreement)
        .where(*within(Agreement, scope), col(Agreement.id) == agreement_id)
        .with_for_update()
    ).one_or_none()
