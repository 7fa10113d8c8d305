"""Lists of signals and next best actions inside a scope, and the records that show them as far as they may be read.

What a record says is read from the record: one that is gone, or lies outside the scope, has no title, author and link.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.accounts import within
from models.queries.keyset import keyset_page, sort_keys
from models.tables.signals import NextBestAction, Signal

SIGNAL_SORTS = sort_keys(
    {
        "occurred_at": (col(Signal.occurred_at), "time"),
        "created_at": (col(Signal.created_at), "time"),
        "severity": (col(Signal.severity), "number"),
    }
)
ACTION_SORTS = sort_keys(
    {"due_on": (col(NextBestAction.due_on), "date"), "created_at": (col(NextBestAction.created_at), "time")}
)
_RECORDS = text("""
SELECT m.id, coalesce(c.subject, c.contact_name, '#' || c.vendor_id) AS title, coalesce(m.sender_name, '') AS author,
       m.sent_at AS at, coalesce(m.url, c.url, '') AS url
FROM cw_messages m JOIN cw_conversations c ON c.id = m.conversation_id
WHERE m.id = ANY(:messages) AND m.account_scope_id = :scope AND m.project_id = ANY(:projects)
  AND m.deleted_at IS NULL AND c.deleted_at IS NULL
UNION ALL
SELECT i.id, i.identifier || ' ' || i.title, coalesce(i.assignee_name, ''), coalesce(i.source_updated_at, i.synced_at),
       coalesce(i.url, '')
FROM linear_issues i
WHERE i.id = ANY(:issues) AND i.account_scope_id = :scope AND i.project_id = ANY(:projects) AND i.deleted_at IS NULL
UNION ALL
SELECT d.id, d.name, coalesce(d.owner_name, ''), coalesce(d.source_updated_at, d.synced_at), coalesce(d.url, '')
FROM attio_deals d
WHERE d.id = ANY(:deals) AND d.account_scope_id = :scope AND d.project_id = ANY(:projects) AND d.deleted_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """A record as evidence shows it; `url` opens it at the vendor ("" when it has no page)."""

    title: str
    author: str
    at: dt.datetime
    url: str


def page_of_signals(
    session: Session,
    scope: Scope,
    *,
    status: str | None,
    kind: str | None,
    severity: int | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Signals of at least a severity: rows of (Signal,), and the next cursor."""
    statement = select(Signal).where(*within(Signal, scope))
    if status is not None:
        statement = statement.where(col(Signal.status) == status)
    if kind is not None:
        statement = statement.where(col(Signal.kind) == kind)
    if severity is not None:
        statement = statement.where(col(Signal.severity) >= severity)
    return keyset_page(session, statement, SIGNAL_SORTS, sort, col(Signal.id), cursor=cursor, limit=limit)


def page_of_actions(
    session: Session, scope: Scope, *, status: str | None, sort: str, cursor: str | None, limit: int
) -> tuple[Sequence[Row[Any]], str | None]:
    """Next best actions: rows of (NextBestAction, Signal), and the next cursor."""
    statement = _actions(scope)
    if status is not None:
        statement = statement.where(col(NextBestAction.status) == status)
    return keyset_page(
        session, statement, ACTION_SORTS, sort, col(NextBestAction.id), cursor=cursor, limit=limit
    )


def find_action(session: Session, scope: Scope, action_id: UUID) -> Row[Any] | None:
    """One action, as `page_of_actions` lists it."""
    return session.execute(_actions(scope).where(col(NextBestAction.id) == action_id)).one_or_none()


def lock_signal(session: Session, scope: Scope, signal_id: UUID) -> Signal | None:
    """The signal, locked until the transaction ends."""
    return session.exec(
        select(Signal).where(*within(Signal, scope), col(Signal.id) == signal_id).with_for_update()
    ).one_or_none()


def lock_action(session: Session, scope: Scope, action_id: UUID) -> NextBestAction | None:
    """The action, locked until the transaction ends."""
    return session.exec(
        select(NextBestAction)
        .where(*within(NextBestAction, scope), col(NextBestAction.id) == action_id)
        .with_for_update()
    ).one_or_none()


def lock_open_actions(session: Session, signal: Signal) -> Sequence[NextBestAction]:
    """The signal's actions that nobody has decided, locked."""
    return session.exec(
        select(NextBestAction)
        .where(
            col(NextBestAction.signal_id) == signal.id,
            col(NextBestAction.project_id) == signal.project_id,
            col(NextBestAction.status) == "open",
        )
        .with_for_update()
    ).all()


def read_records(
    session: Session, scope: Scope, wanted: Mapping[str, Sequence[UUID]]
) -> dict[UUID, ShownRecord]:
    """The records of these kinds and ids that are there and inside the scope, in one read."""
    if not any(wanted.values()):
        return {}
    bound = {
        "scope": scope.account_scope_id,
        "projects": list(scope.project_ids),
        **{f"{kind}s": list(wanted.get(kind, ())) for kind in ("message", "issue", "deal")},
    }
    return {
        row.id: ShownRecord(row.title, row.author, row.at, row.url)
        for row in session.execute(_RECORDS, bound)
    }


def _actions(scope: Scope) -> Any:
    return (
        select(NextBestAction, Signal)
        .join(Signal, col(Signal.id) == col(NextBestAction.signal_id))
        .where(*within(NextBestAction, scope), *within(Signal, scope))
    )
