"""Connections, their cursors, what their runs came to, and the connector error queue."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, select

from models.infra.errors import NotFound
from models.infra.ids import AccountScopeId, ConnectionId, ProjectId
from models.queries.storable import clean
from models.tables.platform import Project, ProjectBinding, VendorConnection

_BACKOFF_BASE_S = 30
_BACKOFF_CAP_S = 6 * 3600
_ATTEMPTS_AT_MOST = 5
_PAUSE = "connection:pause"  # stands with the cursors: like them it is where the next run starts from


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A vendor connection as a run needs it; the token is still encrypted."""

    id: ConnectionId
    account_scope_id: AccountScopeId
    connector: str
    name: str
    base_url: str
    external_account: str
    token_encrypted: str
    schema: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class BindingRow:
    """A routing rule of a connection."""

    priority: int
    rule_kind: str
    rule_value: str
    project_id: ProjectId


@dataclass(frozen=True, slots=True)
class DueError:
    """A failed unit whose next attempt is due."""

    stream: str
    unit: str
    payload: dict[str, Any]


def get_connection(session: Session, connection_id: ConnectionId) -> ConnectionRow:
    """Return a connection. Raises NotFound when it does not exist or is disabled."""
    row = session.get(VendorConnection, connection_id)
    if row is None or not row.enabled:
        raise NotFound("no such connection")
    return ConnectionRow(
        ConnectionId(row.id),
        AccountScopeId(row.account_scope_id),
        row.connector,
        row.name,
        row.base_url,
        row.external_account,
        row.token_encrypted,
        row.schema_cache,
    )


def list_bindings(session: Session, connection_id: ConnectionId) -> list[BindingRow]:
    """Return the routing rules of a connection."""
    rows = session.exec(select(ProjectBinding).where(ProjectBinding.connection_id == connection_id))
    return [
        BindingRow(row.priority, row.rule_kind, row.rule_value, ProjectId(row.project_id)) for row in rows
    ]


def unassigned_project(session: Session, account_scope_id: AccountScopeId) -> ProjectId:
    """Return the scope's project for what no rule takes. Raises NotFound when the scope has none."""
    found = session.exec(
        select(Project.id).where(Project.account_scope_id == account_scope_id, Project.kind == "unassigned")
    ).first()
    if found is None:
        raise NotFound("the account scope has no unassigned project")
    return ProjectId(found)


def read_cursor(session: Session, connection_id: ConnectionId, stream: str) -> dict[str, Any]:
    """Return the committed cursor of a stream; empty before its first page."""
    found = session.execute(
        text("SELECT committed FROM sync_watermarks WHERE connection_id = :connection AND stream = :stream"),
        {"connection": connection_id, "stream": stream},
    ).scalar()
    return dict(found or {})


def commit_cursor(
    session: Session, connection: ConnectionRow, stream: str, cursor: Mapping[str, Any]
) -> None:
    """Store the cursor in the transaction of the rows it stands for."""
    session.execute(
        text(
            "INSERT INTO sync_watermarks (connection_id, account_scope_id, stream, committed, updated_at)"
            " VALUES (:connection, :scope, :stream, CAST(:cursor AS jsonb), now())"
            " ON CONFLICT (connection_id, stream)"
            " DO UPDATE SET committed = excluded.committed, updated_at = excluded.updated_at"
        ),
        {
            "connection": connection.id,
            "scope": connection.account_scope_id,
            "stream": stream,
            "cursor": json.dumps(dict(cursor)),
        },
    )


def keep_pause(session: Session, connection: ConnectionRow, until: dt.datetime) -> None:
    """Keep until when the vendor wants to be left alone, for the runs to come; an earlier moment shortens nothing."""
    known = read_pause(session, connection.id)
    if known is None or until > known:
        commit_cursor(session, connection, _PAUSE, {"until": until.isoformat()})


def read_pause(session: Session, connection_id: ConnectionId) -> dt.datetime | None:
    """Return until when the vendor wanted to be left alone, as it last said; None when it never did."""
    until = read_cursor(session, connection_id, _PAUSE).get("until")
    return dt.datetime.fromisoformat(until) if until else None


def mark_started(session: Session, connection: ConnectionRow, at: dt.datetime) -> None:
    """Note that a run of the connection began."""
    session.execute(
        text(
            "INSERT INTO connector_sync_state (connection_id, account_scope_id, status, last_started_at)"
            " VALUES (:connection, :scope, 'running', :at) ON CONFLICT (connection_id)"
            " DO UPDATE SET status = 'running', last_started_at = excluded.last_started_at"
        ),
        {"connection": connection.id, "scope": connection.account_scope_id, "at": at},
    )


def keep_schema(
    session: Session, connection: ConnectionRow, schema: Mapping[str, Any], at: dt.datetime
) -> None:
    """Keep what was learnt of the vendor account's own schema."""
    session.execute(
        text(
            "UPDATE vendor_connections SET schema_cache = CAST(:schema AS jsonb), schema_read_at = :at WHERE id = :id"
        ),
        {"schema": json.dumps(dict(schema)), "at": at, "id": connection.id},
    )


def mark_finished(
    session: Session,
    connection: ConnectionRow,
    *,
    status: str,
    at: dt.datetime,
    duration_s: float,
    counts: Mapping[str, Any],
    error_kind: str | None = None,
    error_message: str | None = None,
) -> None:
    """Note how a run ended: ``ok``, ``degraded`` (some streams failed) or ``failed``. Only ``ok`` is a success."""
    session.execute(
        text(
            "UPDATE connector_sync_state SET status = CAST(:status AS varchar), last_duration_s = :duration,"
            " counts = CAST(:counts AS jsonb),"
            " last_success_at = CASE WHEN CAST(:status AS varchar) = 'ok' THEN :at ELSE last_success_at END,"
            " last_error_at = CASE WHEN CAST(:status AS varchar) = 'ok' THEN last_error_at ELSE :at END,"
            " last_error_kind = CAST(:kind AS varchar), last_error_message = CAST(:message AS varchar)"
            " WHERE connection_id = :connection"
        ),
        {
            "connection": connection.id,
            "status": status,
            "at": at,
            "duration": duration_s,
            "counts": json.dumps(dict(counts)),
            "kind": error_kind,
            "message": error_message,
        },
    )


def mark_abandoned(session: Session, at: dt.datetime) -> int:
    """Correct connections that stand as running though no sync of theirs runs: its worker is gone. Returns how many."""
    return session.execute(
        text(
            "UPDATE connector_sync_state s SET status = 'degraded', last_error_at = :at,"
            " last_error_kind = 'interrupted', last_error_message = 'the worker of the last run was lost'"
            " WHERE s.status = 'running' AND NOT EXISTS (SELECT FROM job_runs r WHERE r.job = 'sync'"
            " AND r.subject = s.connection_id::text AND r.status = 'running')"
        ),
        {"at": at},
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def queue_error(
    session: Session,
    connection: ConnectionRow,
    *,
    stream: str,
    unit: str,
    kind: str,
    message: str,
    payload: Mapping[str, Any],
    retryable: bool,
    project_id: ProjectId | None = None,
    retry_at: dt.datetime | None = None,
) -> None:
    """Put a failed unit into the queue, or count one more attempt of it.

    ``project_id`` is where the unit belongs, None while that is not known: it is the account scope's then. An empty
    ``payload`` leaves what an earlier attempt kept.

    Retries back off exponentially (30 s doubling, 6 h at most); after five attempts, or at once for a kind
    that no retry can mend, the unit is a dead letter. ``retry_at`` is the vendor's word when to come again: it is kept
    to, and coming too early is no attempt.
    """
    session.execute(
        text(
            """
            INSERT INTO connector_errors AS e (account_scope_id, project_id, connection_id, stream, unit, error_kind,
                message, payload, status, attempt, next_retry_at)
            VALUES (:scope, :project, :connection, :stream, :unit, :kind, :message, CAST(:payload AS jsonb),
                CASE WHEN :retryable THEN 'pending' ELSE 'dead_letter' END, :counted,
                CASE WHEN :retryable THEN greatest(CAST(:retry_at AS timestamptz), now() + make_interval(secs => :base)) END)
            ON CONFLICT (connection_id, stream, unit) DO UPDATE SET
                error_kind = excluded.error_kind, message = excluded.message,
                payload = CASE WHEN excluded.payload = '{}' THEN e.payload ELSE excluded.payload END,
                updated_at = now(), project_id = coalesce(excluded.project_id, e.project_id),
                attempt = CASE WHEN e.status = 'resolved' THEN :counted ELSE e.attempt + :counted END,
                status = CASE WHEN excluded.status = 'dead_letter'
                                OR (e.status <> 'resolved' AND e.attempt + :counted >= :most) THEN 'dead_letter'
                              ELSE 'pending' END,
                next_retry_at = CASE WHEN excluded.status = 'dead_letter'
                                       OR (e.status <> 'resolved' AND e.attempt + :counted >= :most) THEN NULL
                    WHEN CAST(:retry_at AS timestamptz) IS NOT NULL THEN excluded.next_retry_at
                    ELSE now() + make_interval(secs => least(:cap, :base * power(2,
                        CASE WHEN e.status = 'resolved' THEN 0 ELSE e.attempt END))) END
            """
        ),
        {
            "scope": connection.account_scope_id,
            "project": project_id,
            "connection": connection.id,
            "stream": stream,
            "unit": unit,
            "kind": kind,
            "message": clean(message[:2000]),
            "payload": json.dumps(clean(payload)),
            "retryable": retryable,
            "base": _BACKOFF_BASE_S,
            "cap": _BACKOFF_CAP_S,
            "most": _ATTEMPTS_AT_MOST,
            "counted": 0 if retry_at else 1,
            "retry_at": retry_at,
        },
    )


def resolve_errors(session: Session, connection_id: ConnectionId, stream: str, units: list[str]) -> int:
    """Mark queued errors of units that have succeeded since as resolved; return how many."""
    if not units:
        return 0
    return session.execute(
        text(
            "UPDATE connector_errors SET status = 'resolved', next_retry_at = NULL, updated_at = now()"
            " WHERE connection_id = :connection AND stream = :stream AND unit = ANY(:units) AND status <> 'resolved'"
        ),
        {"connection": connection_id, "stream": stream, "units": units},
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def resolve_others(session: Session, connection_id: ConnectionId, stream: str, units: list[str]) -> int:
    """Mark a stream's queued errors as resolved, except those of ``units``; return how many."""
    return session.execute(
        text(
            "UPDATE connector_errors SET status = 'resolved', next_retry_at = NULL, updated_at = now()"
            " WHERE connection_id = :connection AND stream = :stream AND unit <> ALL(:units) AND status <> 'resolved'"
        ),
        {"connection": connection_id, "stream": stream, "units": units},
    ).rowcount  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]


def failing_units(
    session: Session, connection_id: ConnectionId, stream: str, units: Sequence[str]
) -> list[str]:
    """Return those of the units that have an unresolved error, the longest untouched first."""
    found = session.execute(
        text(
            "SELECT unit FROM connector_errors WHERE connection_id = :connection AND stream = :stream"
            " AND unit = ANY(:units) AND status <> 'resolved' ORDER BY updated_at, id"
        ),
        {"connection": connection_id, "stream": stream, "units": list(units)},
    )
    return list(found.scalars())


def list_due_errors(session: Session, connection_id: ConnectionId, *, limit: int) -> list[DueError]:
    """Pending units of a connection whose time has come, the longest waiting first."""
    rows = session.execute(
        text(
            "SELECT stream, unit, payload FROM connector_errors WHERE connection_id = :connection"
            " AND status = 'pending' AND next_retry_at <= now() ORDER BY next_retry_at, id LIMIT :limit"
        ),
        {"connection": connection_id, "limit": limit},
    )
    return [DueError(row.stream, row.unit, dict(row.payload)) for row in rows]


def connections_with_due_errors(session: Session) -> list[ConnectionId]:
    """The enabled connections that have a unit whose time has come."""
    rows = session.execute(
        text(
            "SELECT DISTINCT e.connection_id FROM connector_errors e JOIN vendor_connections c ON c.id = e.connection_id"
            " WHERE c.enabled AND e.status = 'pending' AND e.next_retry_at <= now()"
        )
    )
    return [ConnectionId(row.connection_id) for row in rows]


def requeue_errors(
    session: Session, account_scope_id: AccountScopeId, error_ids: Sequence[UUID]
) -> dict[UUID, ConnectionId]:
    """Give waiting and dead units a fresh start, due now; the connection of each.

    Left out are those that the scope does not have, and those whose connection is switched off.
    """
    rows = session.execute(
        text(
            "UPDATE connector_errors SET status = 'pending', attempt = 0, next_retry_at = now(), updated_at = now()"
            " WHERE id = ANY(:ids) AND account_scope_id = :scope AND status IN ('pending', 'retrying', 'dead_letter')"
            " AND connection_id IN (SELECT c.id FROM vendor_connections c WHERE c.enabled)"
            " RETURNING id, connection_id"
        ),
        {"ids": list(error_ids), "scope": account_scope_id},
    )
    return {row.id: ConnectionId(row.connection_id) for row in rows}
