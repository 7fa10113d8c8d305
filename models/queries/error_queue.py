"""Whose turn it is in the queue of connector errors; what puts units in and takes them out is in `sync_state`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import ConnectionId
from models.queries.sync_state import DueError


def unresolved_units(session: Session, connection_id: ConnectionId, stream: str) -> list[str]:
    """Return the units of a stream that failed and have not succeeded since, dead letters included."""
    found = session.execute(
        text(
            "SELECT unit FROM connector_errors"
            " WHERE connection_id = :connection AND stream = :stream AND status <> 'resolved'"
        ),
        {"connection": connection_id, "stream": stream},
    )
    return list(found.scalars())


def postpone(
    session: Session, connection_id: ConnectionId, units: Sequence[DueError], by: dt.timedelta
) -> None:
    """Give pending units their next turn a while from now: that is no attempt, and others have theirs before."""
    session.execute(
        text(
            "UPDATE connector_errors e SET next_retry_at = now() + :by"
            " FROM unnest(CAST(:streams AS text[]), CAST(:units AS text[])) AS waiting (stream, unit)"
            " WHERE e.connection_id = :connection AND e.stream = waiting.stream AND e.unit = waiting.unit"
            " AND e.status = 'pending'"
        ),
        {
            "connection": connection_id,
            "streams": [each.stream for each in units],
            "units": [each.unit for each in units],
            "by": by,
        },
    )


def resolve_gone_threads(session: Session, connection_id: ConnectionId) -> None:
    """Mark the errors of conversations that are gone at the vendor as resolved: nobody reads their messages any more."""
    session.execute(
        text(
            "UPDATE connector_errors e SET status = 'resolved', next_retry_at = NULL, updated_at = now()"
            " FROM cw_conversations c WHERE e.connection_id = :connection AND e.stream = 'messages'"
            " AND e.status <> 'resolved' AND c.connection_id = e.connection_id"
            " AND e.unit = 'conversation:' || c.vendor_id AND c.deleted_at IS NOT NULL"
        ),
        {"connection": connection_id},
    )
