"""What is known about an account scope's connections: state, rows a stream, errors. Reads only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, true
from sqlalchemy import select as select_rows
from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, ConnectionId
from models.infra.scope import Scope
from models.queries.stream_sets import STREAMS
from models.tables.platform import Project, VendorConnection
from models.tables.reliability import ConnectorError, ConnectorSyncState

# The status of an error that was given up.
DEAD_LETTER = "dead_letter"
UNRESOLVED = ("pending", "retrying", DEAD_LETTER)


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """A vendor connection and what its last runs came to. Never carries the token."""

    id: ConnectionId
    connector: str
    name: str
    base_url: str
    enabled: bool
    status: str
    last_started_at: dt.datetime | None
    last_success_at: dt.datetime | None
    last_error_at: dt.datetime | None
    last_error_kind: str


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Live rows of one stream inside the scope, its unresolved errors, when one of its rows was last written."""

    connection_id: ConnectionId
    stream: str
    rows: int
    errors: int
    synced_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """One failed unit of work. The vendor's payload stays in the table."""

    id: UUID
    connection_id: UUID
    project_id: UUID | None
    stream: str
    unit: str
    error_kind: str
    message: str
    status: str
    attempt: int
    next_retry_at: dt.datetime | None
    created_at: dt.datetime


def list_connections(session: Session, account_scope_id: AccountScopeId) -> list[ConnectionFacts]:
    """The connections of an account scope by connector and name."""
    rows = session.execute(
        select(VendorConnection, ConnectorSyncState)
        .join(
            ConnectorSyncState,
            col(ConnectorSyncState.connection_id) == col(VendorConnection.id),
            isouter=True,
        )
        .where(VendorConnection.account_scope_id == account_scope_id)
        .order_by(col(VendorConnection.connector), col(VendorConnection.name), col(VendorConnection.id))
    )
    found: list[ConnectionFacts] = []
    for connection, state in rows:
        # The outer join answers None for a connection that has never run.
        last: ConnectorSyncState | None = state
        found.append(
            ConnectionFacts(
                ConnectionId(connection.id),
                connection.connector,
                connection.name,
                connection.base_url,
                connection.enabled,
                last.status if last else "never",
                last.last_started_at if last else None,
                last.last_success_at if last else None,
                last.last_error_at if last else None,
                (last.last_error_kind or "") if last else "",
            )
        )
    return found


def count_streams(
    session: Session,
    scope: Scope,
    connections: Sequence[ConnectionFacts],
    rows: Mapping[tuple[str, str], tuple[int, dt.datetime | None]],
) -> list[StreamFacts]:
    """Rows (as the board has them, by connection and stream) and errors of every stream, in the order of display."""
    errors = _count_errors(session, scope)
    found: list[StreamFacts] = []
    for connector in sorted({each.connector for each in connections}):
        for stream in STREAMS[connector]:
            for each in connections:
                if each.connector == connector:
                    count, synced_at = rows.get((str(each.id), stream), (0, None))
                    error_count = errors.get((each.id, stream), 0)
                    found.append(StreamFacts(each.id, stream, count, error_count, synced_at))
    return found


def covers_account_scope(session: Session, scope: Scope) -> bool:
    """Whether the scope holds every project of its account scope: only then may it see what has no project yet."""
    return bool(session.execute(select_rows(_covers(scope))).scalar_one())


def _covers(scope: Scope) -> ColumnElement[bool]:
    others = exists().where(
        col(Project.account_scope_id) == scope.account_scope_id,
        col(Project.id).not_in(scope.project_ids),
        col(Project.archived_at).is_(None),
    )
    return not_(others)


def _visible_errors(scope: Scope) -> ColumnElement[bool]:
    mine = col(ConnectorError.project_id).in_(scope.project_ids)
    unrouted = and_(col(ConnectorError.project_id).is_(None), _covers(scope))
    return and_(
        col(ConnectorError.account_scope_id) == scope.account_scope_id,
        or_(mine, unrouted),
        col(ConnectorError.status).in_(UNRESOLVED),
    )


def _count_errors(session: Session, scope: Scope) -> Mapping[tuple[UUID, str], int]:
    rows = session.execute(
        select(col(ConnectorError.connection_id), col(ConnectorError.stream), func.count())
        .where(_visible_errors(scope))
        .group_by(col(ConnectorError.connection_id), col(ConnectorError.stream))
    )
    return {(row[0], row[1]): int(row[2]) for row in rows}


def count_dead_letters(session: Session, scope: Scope) -> int:
    """Unresolved errors inside the scope that nobody tries any more by themselves."""
    return session.execute(
        select(func.count())
        .select_from(ConnectorError)
        .where(_visible_errors(scope), col(ConnectorError.status) == DEAD_LETTER)
    ).scalar_one()


def list_errors(
    session: Session, scope: Scope, *, after: UUID | None, limit: int, status: str | None = None
) -> list[ErrorFacts]:
    """Unresolved errors inside the scope (of one status, if given), newest first, after the one with id `after`.

    Errors of records that could not be routed yet are shown only to a scope that covers its whole account scope.
    """
    statement = select(ConnectorError).where(_visible_errors(scope))
    if status is not None:
        statement = statement.where(ConnectorError.status == status)
    if after is not None:
        statement = statement.where(col(ConnectorError.id) < after)
    rows = session.exec(statement.order_by(col(ConnectorError.id).desc()).limit(limit))
    return [
        ErrorFacts(
            row.id,
            row.connection_id,
            row.project_id,
            row.stream,
            row.unit,
            row.error_kind,
            row.message,
            row.status,
            row.attempt,
            row.next_retry_at,
            row.created_at,
        )
        for row in rows
    ]


def list_retryable(
    session: Session,
    scope: Scope,
    *,
    connector: str | None = None,
    ids: Sequence[UUID] | None = None,
    status: str | None = None,
    limit: int,
) -> list[tuple[UUID, bool]]:
    """Unresolved errors inside the scope, of connections that are switched on, narrowed by what is given: id, and
    whether it is not due yet.

    Those that would wait longest come first (dead letters for ever), those that are due already last: asked again
    after a bounded number of them was made due, it answers the next ones.
    """
    error = ConnectorError
    statement = (
        select_rows(
            col(error.id), func.coalesce(col(error.next_retry_at) > func.now(), true()).label("waits")
        )
        .join(VendorConnection, col(VendorConnection.id) == col(error.connection_id))
        .where(_visible_errors(scope), col(VendorConnection.enabled))
    )
    if connector is not None:
        statement = statement.where(col(VendorConnection.connector) == connector)
    if ids is not None:
        statement = statement.where(col(error.id).in_(ids))
    if status is not None:
        statement = statement.where(col(error.status) == status)
    order = (col(error.next_retry_at).desc().nulls_first(), col(error.id))
    rows = session.execute(statement.order_by(*order).limit(limit))
    return [(row.id, bool(row.waits)) for row in rows]


def read_payload(session: Session, scope: Scope, error_id: UUID) -> Mapping[str, Any] | None:
    """What the vendor sent of an unresolved error inside the scope, as it came; None when there is no such error."""
    return session.exec(
        select(ConnectorError.payload).where(_visible_errors(scope), col(ConnectorError.id) == error_id)
    ).first()
