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

from sqlalchemy import ARRAY, ColumnElement, Row, TableValuedAlias, cast, column, func, select, true, tuple_
from sqlalchemy import String as Text
from sqlmodel import Session, col

from models.infra.scope import Scope
from models.queries.connector_overview import covers_account_scope
from models.queries.reconciliation import id_rows
from models.queries.records import STREAM_TABLES
from models.tables.platform import VendorConnection
from models.tables.reliability import ReconciliationMetric

Key = tuple[UUID, str]
Difference = Literal["missing", "extra", "stale"]
# Why a project's share of a stream is unknown although the stream as a whole is not.
COUNTED_ONLY = "counted_only"


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
    newest = _newest(session, scope)
    if covers_account_scope(session, scope) if is_whole is None else is_whole:
        return [_whole(row) for row in newest]
    parts = _parts(session, scope, newest)
    return [_part(row, parts.get((row.connection_id, row.stream))) for row in newest]


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


def _newest(session: Session, scope: Scope) -> list[Row[Any]]:
    """One row a stream: the newest comparison, when there was a figure last, and when ids were compared last.

    Each comes from the end of the index on (connection, stream, time), however many comparisons are kept.
    """
    metric, streams = ReconciliationMetric, _streams()

    def last(*conditions: ColumnElement[bool]) -> Any:
        return (
            select(col(metric.measured_at))
            .where(
                col(metric.connection_id) == col(VendorConnection.id),
                col(metric.stream) == streams.c.stream,
                col(metric.project_id).is_(None),
                *conditions,
            )
            .order_by(col(metric.measured_at).desc())
            .limit(1)
            .correlate(VendorConnection, streams)
            .scalar_subquery()
        )

    newest = (
        select(metric)
        .where(
            col(metric.connection_id) == col(VendorConnection.id),
            col(metric.stream) == streams.c.stream,
            col(metric.project_id).is_(None),
        )
        .order_by(col(metric.measured_at).desc(), col(metric.id).desc())
        .limit(1)
        .correlate(VendorConnection, streams)
        .lateral("newest")
    )
    rows = session.execute(
        select(
            col(VendorConnection.connector),
            newest,
            last(col(metric.completeness_pct).is_not(None)).label("known_at"),
            last(col(metric.method) == "ids", col(metric.missing).is_not(None)).label("ids_at"),
        )
        .select_from(VendorConnection)
        .join(streams, streams.c.connector == col(VendorConnection.connector))
        .join(newest, true())
        .where(col(VendorConnection.account_scope_id) == scope.account_scope_id)
    ).all()
    return sorted(rows, key=lambda row: (row.connector, str(row.connection_id), row.stream))


def _streams() -> TableValuedAlias:
    # Arrays and no VALUES: SQLAlchemy compiles a statement with VALUES anew each time, which cost more than running it.
    connectors, streams = (cast([each[at] for each in STREAM_TABLES], ARRAY(Text)) for at in (0, 1))
    named = func.unnest(connectors, streams).table_valued(column("connector", Text), column("stream", Text))
    return named.render_derived(name="streams")


def _parts(session: Session, scope: Scope, newest: Sequence[Row[Any]]) -> Mapping[Key, Row[Any]]:
    """The sums of the scope's projects in the newest comparison by ids of each stream."""
    metric = ReconciliationMetric
    wanted = [(row.connection_id, row.stream, row.ids_at) for row in newest if row.ids_at is not None]
    if not wanted:
        return {}
    rows = session.execute(
        select(
            col(metric.connection_id),
            col(metric.stream),
            func.sum(col(metric.vendor_count)).label("vendor_count"),
            func.sum(col(metric.local_count)).label("local_count"),
            func.sum(col(metric.missing)).label("missing"),
            func.sum(col(metric.extra)).label("extra"),
            func.sum(col(metric.stale)).label("stale"),
            func.bool_and(col(metric.stale).is_not(None)).label("looked"),
            func.sum(col(metric.duplicates)).label("duplicates"),
            func.sum(col(metric.ids_seen)).label("ids_seen"),
        )
        .where(
            tuple_(col(metric.connection_id), col(metric.stream), col(metric.measured_at)).in_(wanted),
            col(metric.account_scope_id) == scope.account_scope_id,
            col(metric.project_id).in_(scope.project_ids),
        )
        .group_by(col(metric.connection_id), col(metric.stream))
    )
    return {(row.connection_id, row.stream): row for row in rows}


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


def _part(newest: Row[Any], sums: Row[Any] | None) -> StreamCompleteness:
    """Return the figures of some projects: their sums, or nothing but the state while they are not known."""
    place = (newest.connection_id, newest.connector, newest.stream)
    if newest.method == "unknown" or newest.ids_at is None:
        why = newest.error_kind or "" if newest.method == "unknown" else COUNTED_ONLY
        return StreamCompleteness(*place, "unknown", newest.measured_at, newest.ids_at, error_kind=why)
    if sums is None:
        # The comparison found no record that belongs or should belong to these projects: complete by definition.
        return StreamCompleteness(*place, "ids", newest.ids_at, newest.ids_at, 100.0, 0, 0, 0, 0, None, 0, 0)
    vendor, missing = int(sums.vendor_count or 0), int(sums.missing or 0)
    return StreamCompleteness(
        *place,
        "ids",
        newest.ids_at,
        newest.ids_at,
        pct=100.0 * (vendor - missing) / vendor if vendor else 100.0,
        vendor_count=vendor,
        local_count=int(sums.local_count or 0),
        missing=missing,
        extra=int(sums.extra or 0),
        stale=int(sums.stale or 0) if sums.looked else None,
        duplicates=int(sums.duplicates or 0),
        ids_seen=int(sums.ids_seen or 0),
    )
