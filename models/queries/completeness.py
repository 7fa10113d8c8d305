"""Completeness as people may see it: the newest comparison of each stream with its vendor, inside a scope.

A stream's figure is 100 * |vendor and local| / |vendor| in percent, a connector's the same over its streams' sums
(`total_of`), and that of several connectors the least of theirs (`weakest`). Whoever shows completeness asks here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlmodel import Session, col

from models.infra.scope import Scope
from models.queries.connector_overview import covers_account_scope
from models.queries.reconciliation import id_rows
from models.queries.records import STREAM_TABLES
from models.tables.platform import VendorConnection

Difference = Literal["missing", "extra", "stale"]
# Why a project's share of a stream is unknown although the stream as a whole is not.
COUNTED_ONLY = "counted_only"
# A row a stream: its newest comparison, when there was a figure last, when ids were compared last and, for some projects
# only, the sums of their rows in that comparison by ids. Each comes from the end of the index on (connection, stream,
# time), however many comparisons are kept.
_NEWEST = text("""
SELECT v.connector, n.*,
       (SELECT m.measured_at FROM sync_reconciliation_metrics m
        WHERE m.connection_id = v.id AND m.stream = s.stream AND m.project_id IS NULL AND m.completeness_pct IS NOT NULL
        ORDER BY m.measured_at DESC LIMIT 1) AS known_at,
       i.ids_at, p.*
FROM vendor_connections v
JOIN unnest(CAST(:connectors AS text[]), CAST(:streams AS text[])) AS s (connector, stream) ON s.connector = v.connector
CROSS JOIN LATERAL (
    SELECT m.connection_id, m.stream, m.method, m.measured_at, m.completeness_pct, m.vendor_count, m.local_count,
           m.missing, m.extra, m.stale, m.duplicates, m.ids_seen, m.error_kind
    FROM sync_reconciliation_metrics m
    WHERE m.connection_id = v.id AND m.stream = s.stream AND m.project_id IS NULL
    ORDER BY m.measured_at DESC, m.id DESC LIMIT 1) n
LEFT JOIN LATERAL (
    SELECT m.measured_at AS ids_at FROM sync_reconciliation_metrics m
    WHERE m.connection_id = v.id AND m.stream = s.stream AND m.project_id IS NULL
      AND m.method = 'ids' AND m.missing IS NOT NULL
    ORDER BY m.measured_at DESC LIMIT 1) i ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS parts, sum(m.vendor_count) AS part_vendor, sum(m.local_count) AS part_local,
           sum(m.missing) AS part_missing, sum(m.extra) AS part_extra, sum(m.stale) AS part_stale,
           bool_and(m.stale IS NOT NULL) AS part_looked, sum(m.duplicates) AS part_duplicates,
           sum(m.ids_seen) AS part_seen
    FROM sync_reconciliation_metrics m
    WHERE m.connection_id = v.id AND m.stream = s.stream AND m.measured_at = i.ids_at
      AND m.account_scope_id = :scope AND m.project_id = ANY(:projects)) p ON NOT :is_whole
WHERE v.account_scope_id = :scope
ORDER BY v.connector COLLATE "C", v.id, s.stream COLLATE "C"
""")


@dataclass(frozen=True, slots=True)
class StreamCompleteness:
    """The newest comparison of a stream. Counts are inside the scope; ``pct`` is 0..100 or None while unknown.

    ``known_at`` is when there was a figure last: the age of what is known while the vendor cannot be reached.
    """

    connection_id: UUID
    connector: str
    stream: str
    method: str
    measured_at: dt.datetime
    known_at: dt.datetime | None
    pct: float | None = None
    vendor_count: int | None = None
    local_count: int | None = None
    missing: int | None = None
    extra: int | None = None
    stale: int | None = None
    duplicates: int | None = None
    ids_seen: int | None = None
    error_kind: str = ""


@dataclass(frozen=True, slots=True)
class Total:
    """Completeness of several streams together, 0..100. None while one of them ``is_unknown``, or was never measured.

    ``known_at`` is the oldest last figure among those that are unknown: since when it is.
    """

    pct: float | None
    is_unknown: bool = False
    known_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class DifferentId:
    """One id of a difference."""

    connection_id: UUID
    connector: str
    stream: str
    kind: Difference
    vendor_id: str
    project_id: UUID
    measured_at: dt.datetime


def total_of(streams: Sequence[StreamCompleteness]) -> Total:
    """The completeness of what these streams make up, say a connector: 100 * |vendor and local| / |vendor|, summed.

    Streams of which the vendor has nothing add nothing; when it has nothing at all the copy is complete.
    """
    unknown = [each for each in streams if each.pct is None]
    if unknown or not streams:
        known_at = min((each.known_at for each in unknown if each.known_at is not None), default=None)
        return Total(None, bool(unknown), known_at)
    held = sum((each.pct or 0.0) / 100 * (each.vendor_count or 0) for each in streams)
    vendor = sum(each.vendor_count or 0 for each in streams)
    return Total(100.0 * held / vendor if vendor else 100.0)


def weakest(totals: Sequence[Total]) -> Total:
    """What is said of several connectors at once: unknown if one is, not measured if one was never, else the least."""
    unknown = [each for each in totals if each.is_unknown]
    figures = [each.pct for each in totals if each.pct is not None]
    if unknown or not totals or len(figures) < len(totals):
        known_at = min((each.known_at for each in unknown if each.known_at is not None), default=None)
        return Total(None, bool(unknown), known_at)
    return Total(min(figures))


def list_completeness(
    session: Session, scope: Scope, *, is_whole: bool | None = None
) -> list[StreamCompleteness]:
    """Return the newest comparison of every stream that was compared, by connector and stream.

    A scope that holds its whole account scope gets the figures of the connection. A narrower one gets those of
    its projects from the newest comparison by ids: a mere count does not tell projects apart. Who knows whether it is
    whole says so by ``is_whole``.
    """
    whole = covers_account_scope(session, scope) if is_whole is None else is_whole
    bound = {
        "scope": scope.account_scope_id,
        "projects": list(scope.project_ids),
        "is_whole": whole,
        "connectors": [connector for connector, _ in STREAM_TABLES],
        "streams": [stream for _, stream in STREAM_TABLES],
    }
    rows = session.execute(_NEWEST, bound).all()
    return [_whole(row) if whole else _part(row) for row in rows]


def list_differences(
    session: Session, scope: Scope, connector: str | None = None, stream: str | None = None
) -> list[DifferentId]:
    """Return the different ids of the scope's projects, of one connector or stream if given, in no order."""
    connection = VendorConnection
    statement = select(col(connection.id), col(connection.connector)).where(
        col(connection.account_scope_id) == scope.account_scope_id
    )
    if connector is not None:
        statement = statement.where(col(connection.connector) == connector)
    names: dict[UUID, str] = {row.id: row.connector for row in session.execute(statement)}
    found: list[DifferentId] = []
    for kind, row in id_rows(session, list(names), stream, scope):
        ids: Mapping[Difference, Iterable[str]] = (
            {"stale": row.stale_ids}
            if kind == "stale"
            else {"missing": row.missing_ids, "extra": row.extra_ids}
        )
        found.extend(
            DifferentId(
                row.connection_id,
                names[row.connection_id],
                row.stream,
                name,
                key,
                row.project_id,
                row.measured_at,
            )
            for name, keys in ids.items()
            for key in keys
            if row.project_id is not None
        )
    return found


def _whole(row: Row[Any]) -> StreamCompleteness:
    return StreamCompleteness(
        row.connection_id,
        row.connector,
        row.stream,
        row.method,
        row.measured_at,
        row.known_at,
        row.completeness_pct,
        row.vendor_count,
        row.local_count,
        row.missing,
        row.extra,
        row.stale,
        row.duplicates,
        row.ids_seen,
        row.error_kind or "",
    )


def _part(row: Row[Any]) -> StreamCompleteness:
    """Return the figures of some projects: their sums, or nothing but the state while they are not known."""
    place = (row.connection_id, row.connector, row.stream)
    if row.method == "unknown" or row.ids_at is None:
        why = row.error_kind or "" if row.method == "unknown" else COUNTED_ONLY
        return StreamCompleteness(*place, "unknown", row.measured_at, row.ids_at, error_kind=why)
    if not row.parts:
        # The comparison found no record that belongs or should belong to these projects: complete by definition.
        return StreamCompleteness(*place, "ids", row.ids_at, row.ids_at, 100.0, 0, 0, 0, 0, None, 0, 0)
    vendor, missing = int(row.part_vendor or 0), int(row.part_missing or 0)
    return StreamCompleteness(
        *place,
        "ids",
        row.ids_at,
        row.ids_at,
        pct=100.0 * (vendor - missing) / vendor if vendor else 100.0,
        vendor_count=vendor,
        local_count=int(row.part_local or 0),
        missing=missing,
        extra=int(row.part_extra or 0),
        stale=int(row.part_stale or 0) if row.part_looked else None,
        duplicates=int(row.part_duplicates or 0),
        ids_seen=int(row.part_seen or 0),
    )
