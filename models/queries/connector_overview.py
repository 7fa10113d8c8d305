"""What is known about an account scope's connections: state, rows a stream, errors. Reads only."""

# ruff: noqa: S608 - statements are put together from constants of this module; values are bound.

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId, ConnectionId
from models.infra.scope import Scope
from models.queries.stream_sets import STREAMS

# The status of an error that was given up.
DEAD_LETTER = "dead_letter"
# Streams without records of their own, and whose records theirs belong to: their errors are counted there.
_BELONGS_TO = {"relations": "issues", "attachments": "messages"}
UNRESOLVED = ("pending", "retrying", DEAD_LETTER)
# Texts: the jobs page asks for them all the time, and a text costs a third of the same statement put together anew.
_CONNECTIONS = text("""
SELECT v.id, v.connector, v.name, v.base_url, v.enabled, s.status, s.last_started_at, s.last_success_at,
       s.last_error_at, s.last_error_kind
FROM vendor_connections v LEFT JOIN connector_sync_state s ON s.connection_id = v.id
WHERE v.account_scope_id = :scope ORDER BY v.connector, v.name, v.id
""")
_COVERS = """NOT EXISTS (
    SELECT FROM projects p
    WHERE p.account_scope_id = :scope AND p.id <> ALL(:projects) AND p.archived_at IS NULL)"""
# Unresolved errors inside a scope; those that could not be routed yet only for one that covers its account scope.
_VISIBLE = f"""e.account_scope_id = :scope AND e.status IN {UNRESOLVED}
  AND (e.project_id = ANY(:projects) OR (e.project_id IS NULL AND {_COVERS}))"""
_COVERS_ALL = text(f"SELECT {_COVERS}")
_COUNT_ERRORS = text(
    f"SELECT e.connection_id, e.stream, count(*) AS errors FROM connector_errors e WHERE {_VISIBLE} GROUP BY 1, 2"
)
_COUNT_DEAD = text(f"SELECT count(*) FROM connector_errors e WHERE {_VISIBLE} AND e.status = '{DEAD_LETTER}'")
_LIST_ERRORS = text(f"""
SELECT e.id, e.connection_id, e.project_id, e.stream, e.unit, e.error_kind, e.message, e.status, e.attempt,
       e.next_retry_at, e.created_at
FROM connector_errors e
WHERE {_VISIBLE} AND (CAST(:status AS text) IS NULL OR e.status = :status)
  AND (CAST(:after AS uuid) IS NULL OR e.id < :after)
ORDER BY e.id DESC LIMIT :limit
""")
_LIST_RETRYABLE = text(f"""
SELECT e.id, coalesce(e.next_retry_at > now(), true) AS waits
FROM connector_errors e JOIN vendor_connections v ON v.id = e.connection_id AND v.enabled
WHERE {_VISIBLE} AND (CAST(:connector AS text) IS NULL OR v.connector = :connector)
  AND (CAST(:ids AS uuid[]) IS NULL OR e.id = ANY(:ids))
  AND (CAST(:status AS text) IS NULL OR e.status = :status)
ORDER BY e.next_retry_at DESC NULLS FIRST, e.id LIMIT :limit
""")
_PAYLOAD = text(f"SELECT e.payload FROM connector_errors e WHERE {_VISIBLE} AND e.id = :id")


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
    return [
        ConnectionFacts(
            ConnectionId(row.id),
            row.connector,
            row.name,
            row.base_url,
            row.enabled,
            # A connection that has never run has no state.
            row.status or "never",
            row.last_started_at,
            row.last_success_at,
            row.last_error_at,
            row.last_error_kind or "",
        )
        for row in session.execute(_CONNECTIONS, {"scope": account_scope_id})
    ]


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
    return bool(session.execute(_COVERS_ALL, _bound(scope)).scalar_one())


def _count_errors(session: Session, scope: Scope) -> Mapping[tuple[UUID, str], int]:
    rows = session.execute(_COUNT_ERRORS, _bound(scope))
    found: Counter[tuple[UUID, str]] = Counter()
    for row in rows:
        found[row.connection_id, _BELONGS_TO.get(str(row.stream), str(row.stream))] += row.errors
    return found


def count_dead_letters(session: Session, scope: Scope) -> int:
    """Unresolved errors inside the scope that nobody tries any more by themselves."""
    return session.execute(_COUNT_DEAD, _bound(scope)).scalar_one()


def list_errors(
    session: Session, scope: Scope, *, after: UUID | None, limit: int, status: str | None = None
) -> list[ErrorFacts]:
    """Unresolved errors inside the scope (of one status, if given), newest first, after the one with id `after`.

    Errors of records that could not be routed yet are shown only to a scope that covers its whole account scope.
    """
    given = {"status": status, "after": after, "limit": limit}
    return [ErrorFacts(*row) for row in session.execute(_LIST_ERRORS, _bound(scope) | given)]


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
    given = {
        "connector": connector,
        "ids": None if ids is None else list(ids),
        "status": status,
        "limit": limit,
    }
    rows = session.execute(_LIST_RETRYABLE, _bound(scope) | given)
    return [(row.id, row.waits) for row in rows]


def read_payload(session: Session, scope: Scope, error_id: UUID) -> Mapping[str, Any] | None:
    """What the vendor sent of an unresolved error inside the scope, as it came; None when there is no such error."""
    return session.execute(_PAYLOAD, _bound(scope) | {"id": error_id}).scalar()


def _bound(scope: Scope) -> dict[str, Any]:
    return {"scope": scope.account_scope_id, "projects": list(scope.project_ids)}
