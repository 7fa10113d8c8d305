"""What is here of a stream, and what comparisons with the vendor have found. Judging is the jobs' work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import Session, col, select

from models.infra.ids import ConnectionId, ProjectId
from models.infra.scope import Scope
from models.queries.records import StreamTable
from models.tables.reliability import ReconciliationMetric


@dataclass(frozen=True, slots=True)
class Held:
    """A live local row. ``listed`` is False for a contact that the vendor's list hides."""

    project_id: ProjectId
    synced_at: dt.datetime
    listed: bool = True


@dataclass(frozen=True, slots=True)
class StreamReading:
    """The newest comparison of a connection's stream."""

    pct: float | None
    measured_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Differences:
    """Ids found different. ``missing`` maps each to the vendor id of its parent, where it has one."""

    missing: Mapping[str, str | None]
    extra: Sequence[str]
    stale: Sequence[str]


def read_inventory(
    session: Session, place: StreamTable, connection_id: ConnectionId, *, below: Collection[str] | None = None
) -> dict[str, Held]:
    """Return the live rows of a stream by vendor id; with ``below`` only those of these conversations."""
    listed = "coalesce(email, phone, identifier) IS NOT NULL" if place.table == "cw_contacts" else "true"
    narrowed = "" if below is None else f" AND {_below(place)}"
    found = session.execute(
        text(
            f"SELECT vendor_id, project_id, synced_at, {listed} AS listed FROM {place.table}"  # noqa: S608
            f" WHERE connection_id = :connection AND deleted_at IS NULL{narrowed}"
        ),
        {"connection": connection_id, **({} if below is None else {"below": list(below)})},
    )
    return {row.vendor_id: Held(ProjectId(row.project_id), row.synced_at, row.listed) for row in found}


def read_held(
    session: Session, place: StreamTable, connection_id: ConnectionId, vendor_ids: Collection[str]
) -> dict[str, dt.datetime]:
    """Return when the live rows among these records were written last."""
    if not vendor_ids:
        return {}
    found = session.execute(
        text(
            f"SELECT vendor_id, synced_at FROM {place.table}"  # noqa: S608 - table from STREAM_TABLES
            " WHERE connection_id = :connection AND deleted_at IS NULL AND vendor_id = ANY(:ids)"
        ),
        {"connection": connection_id, "ids": list(vendor_ids)},
    )
    return {row.vendor_id: row.synced_at for row in found}


def _below(place: StreamTable) -> str:
    threads = (
        "conversation_id IN (SELECT id FROM cw_conversations"
        " WHERE connection_id = :connection AND vendor_id = ANY(:below))"
    )
    if place.table == "cw_attachments":
        return f"message_id IN (SELECT id FROM cw_messages WHERE {threads})"  # noqa: S608 - constants
    return threads


def count_duplicates(session: Session, place: StreamTable, connection_id: ConnectionId) -> int:
    """Return how many vendor ids have more than one row. The unique key forbids any."""
    repeated = f"SELECT vendor_id FROM {place.table} WHERE connection_id = :connection GROUP BY 1 HAVING count(*) > 1"  # noqa: S608 - table from STREAM_TABLES
    return session.execute(
        text(f"SELECT count(*) FROM ({repeated}) AS twice"),  # noqa: S608 - as above
        {"connection": connection_id},
    ).scalar_one()


def parents_of(
    session: Session,
    place: StreamTable,
    parent_table: str,
    connection_id: ConnectionId,
    vendor_ids: Collection[str],
) -> dict[str, str]:
    """Return the vendor id of the parent of each child record that is here, tombstoned ones included."""
    found = session.execute(
        text(
            f"SELECT child.vendor_id, parent.vendor_id AS parent FROM {place.table} child"  # noqa: S608 - from STREAM_TABLES
            f" JOIN {parent_table} parent ON parent.id = child.{place.parent_column}"
            " WHERE child.connection_id = :connection AND child.vendor_id = ANY(:ids)"
        ),
        {"connection": connection_id, "ids": list(vendor_ids)},
    )
    return {row.vendor_id: row.parent for row in found}


def parents_told(
    session: Session, place: StreamTable, key: str, connection_id: ConnectionId, vendor_ids: Collection[str]
) -> set[str]:
    """Return the vendor ids of parents that the payloads of these child records name under ``key``."""
    found = session.execute(
        text(
            f"SELECT DISTINCT payload ->> :key FROM {place.table}"  # noqa: S608 - from STREAM_TABLES
            " WHERE connection_id = :connection AND vendor_id = ANY(:ids) AND payload ->> :key IS NOT NULL"
        ),
        {"key": key, "connection": connection_id, "ids": list(vendor_ids)},
    )
    return set(found.scalars())


def add_metrics(session: Session, rows: Sequence[Mapping[str, Any]], *, keep: dt.timedelta) -> None:
    """Store the rows of one comparison and forget the connection's comparisons that are older than ``keep``."""
    session.add_all(ReconciliationMetric(**row) for row in rows)
    session.flush()
    metric = ReconciliationMetric
    for row in rows[:1]:
        session.execute(
            delete(metric).where(
                col(metric.connection_id) == row["connection_id"],
                col(metric.stream) == row["stream"],
                col(metric.measured_at) < row["measured_at"] - keep,
            )
        )


def is_left_unread(session: Session, connection_id: ConnectionId, stream: str) -> bool:
    """Whether the last sync could not read a stream to its end, or left conversations whose messages it should have read.

    What was written after that sync (a webhook's conversation) is the next one's.
    """
    return bool(
        session.execute(
            text(
                "SELECT EXISTS (SELECT FROM connector_errors e WHERE e.connection_id = :connection"
                " AND e.stream = :stream AND e.unit = 'stream' AND e.status <> 'resolved')"
                " OR EXISTS (SELECT FROM cw_conversations c JOIN connector_sync_state s USING (connection_id)"
                " WHERE c.connection_id = :connection AND c.deleted_at IS NULL"
                " AND c.messages_as_of IS DISTINCT FROM c.synced_at"
                " AND c.synced_at < greatest(s.last_success_at, s.last_error_at))"
            ),
            {"connection": connection_id, "stream": stream},
        ).scalar_one()
    )


def latest_readings(session: Session, connection_id: ConnectionId) -> dict[str, StreamReading]:
    """Return the newest comparison of every stream of a connection that has one."""
    metric = ReconciliationMetric
    rows = session.execute(
        select(metric.stream, metric.completeness_pct, metric.measured_at)
        .where(col(metric.connection_id) == connection_id, col(metric.project_id).is_(None))
        .ext(distinct_on(col(metric.stream)))
        .order_by(col(metric.stream), col(metric.measured_at).desc(), col(metric.id).desc())
    )
    return {stream: StreamReading(pct, measured_at) for stream, pct, measured_at in rows}


def last_known_pct(session: Session, connection_id: ConnectionId, stream: str) -> float | None:
    """Return the newest completeness that is not unknown, in percent; None before there was one."""
    metric = ReconciliationMetric
    return session.execute(
        select(metric.completeness_pct)
        .where(
            col(metric.connection_id) == connection_id,
            col(metric.stream) == stream,
            col(metric.project_id).is_(None),
            col(metric.completeness_pct).is_not(None),
        )
        .order_by(col(metric.measured_at).desc(), col(metric.id).desc())
        .limit(1)
    ).scalar_one_or_none()


def read_differences(session: Session, connection_id: ConnectionId, stream: str) -> Differences:
    """Return the ids of the stream's newest comparison by ids, and the stale ones of the newest that looked."""
    rows = id_rows(session, [connection_id], stream)
    return Differences(
        {key: parent for row in rows for key, parent in row[1].missing_ids.items() if row[0] != "stale"},
        sorted({key for row in rows if row[0] != "stale" for key in row[1].extra_ids}),
        sorted({key for row in rows if row[0] == "stale" for key in row[1].stale_ids}),
    )


def id_rows(
    session: Session, connections: Sequence[UUID], stream: str | None = None, scope: Scope | None = None
) -> list[tuple[str, ReconciliationMetric]]:
    """Return the projects' rows of the newest comparison by ids, and as "stale" those of the newest that looked.

    Without ``scope`` the rows of every project: for the jobs, which work for all of them.
    """
    metric = ReconciliationMetric
    found: list[tuple[str, ReconciliationMetric]] = []
    for kind, known in (("ids", col(metric.missing)), ("stale", col(metric.stale))):
        newest = (
            select(metric.connection_id, metric.stream, func.max(col(metric.measured_at)).label("at"))
            .where(
                col(metric.connection_id).in_(connections),
                col(metric.project_id).is_(None),
                col(metric.method) == "ids",
                known.is_not(None),
            )
            .group_by(col(metric.connection_id), col(metric.stream))
            .subquery()
        )
        statement = select(metric).join(
            newest,
            (col(metric.connection_id) == newest.c.connection_id)
            & (col(metric.stream) == newest.c.stream)
            & (col(metric.measured_at) == newest.c.at),
        )
        statement = statement.where(col(metric.project_id).is_not(None))
        if stream is not None:
            statement = statement.where(col(metric.stream) == stream)
        if scope is not None:
            statement = statement.where(
                col(metric.account_scope_id) == scope.account_scope_id,
                col(metric.project_id).in_(scope.project_ids),
            )
        found.extend((kind, row) for row in session.exec(statement))
    return found
