"""Completeness as people may see it: the newest comparison of each stream with its vendor, inside a scope."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.queries.connector_overview import covers_account_scope
from models.queries.reconciliation import id_rows
from models.tables.platform import VendorConnection
from models.tables.reliability import ReconciliationMetric

Key = tuple[UUID, str]


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
class DifferentId:
    """One id of a difference; ``kind`` is missing, extra or stale."""

    connection_id: UUID
    connector: str
    stream: str
    kind: str
    vendor_id: str
    project_id: UUID
    measured_at: dt.datetime


def list_completeness(session: Session, scope: Scope) -> list[StreamCompleteness]:
    """Return the newest comparison of every stream that was compared, by connector and stream.

    A scope that holds its whole account scope gets the figures of the connection. A narrower one gets those of
    its projects from the newest comparison by ids: a mere count does not tell projects apart.
    """
    newest = _newest(session, scope)
    known = _known_since(session, scope)
    if covers_account_scope(session, scope):
        return [_whole(connector, row, known) for connector, row in newest]
    parts: dict[Key, list[ReconciliationMetric]] = {}
    for kind, row in id_rows(session, sorted({row.connection_id for _, row in newest}), scope=scope):
        if kind == "ids":
            parts.setdefault((row.connection_id, row.stream), []).append(row)
    return [
        _part(connector, row, known, parts.get((row.connection_id, row.stream), []))
        for connector, row in newest
    ]


def list_differences(session: Session, scope: Scope, connector: str, stream: str | None) -> list[DifferentId]:
    """Return the different ids of the scope's projects by stream, kind and id; of all streams without ``stream``."""
    connections = session.exec(
        select(VendorConnection.id).where(
            VendorConnection.account_scope_id == scope.account_scope_id,
            VendorConnection.connector == connector,
        )
    ).all()
    found: list[DifferentId] = []
    for kind, row in id_rows(session, connections, stream, scope):
        ids = (
            {"stale": row.stale_ids}
            if kind == "stale"
            else {"missing": row.missing_ids, "extra": row.extra_ids}
        )
        found.extend(
            DifferentId(row.connection_id, connector, row.stream, name, key, row.project_id, row.measured_at)
            for name, keys in ids.items()
            for key in keys
            if row.project_id is not None
        )
    return sorted(found, key=lambda each: (each.stream, each.kind, each.vendor_id, each.connection_id))


def _newest(session: Session, scope: Scope) -> list[tuple[str, ReconciliationMetric]]:
    metric = ReconciliationMetric
    rows = session.execute(
        select(metric, col(VendorConnection.connector))
        .join(VendorConnection, col(VendorConnection.id) == col(metric.connection_id))
        .where(metric.account_scope_id == scope.account_scope_id, col(metric.project_id).is_(None))
        .ext(distinct_on(col(metric.connection_id), col(metric.stream)))
        .order_by(
            col(metric.connection_id),
            col(metric.stream),
            col(metric.measured_at).desc(),
            col(metric.id).desc(),
        )
    )
    return sorted(
        ((connector, row) for row, connector in rows),
        key=lambda each: (each[0], str(each[1].connection_id), each[1].stream),
    )


def _known_since(session: Session, scope: Scope) -> Mapping[Key, dt.datetime]:
    metric = ReconciliationMetric
    rows = session.execute(
        select(metric.connection_id, metric.stream, func.max(col(metric.measured_at)))
        .where(
            metric.account_scope_id == scope.account_scope_id,
            col(metric.project_id).is_(None),
            col(metric.completeness_pct).is_not(None),
        )
        .group_by(col(metric.connection_id), col(metric.stream))
    )
    return {(connection_id, stream): at for connection_id, stream, at in rows}


def _whole(connector: str, row: ReconciliationMetric, known: Mapping[Key, dt.datetime]) -> StreamCompleteness:
    return StreamCompleteness(
        row.connection_id,
        connector,
        row.stream,
        row.method,
        row.measured_at,
        known.get((row.connection_id, row.stream)),
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


def _part(
    connector: str,
    newest: ReconciliationMetric,
    known: Mapping[Key, dt.datetime],
    parts: Sequence[ReconciliationMetric],
) -> StreamCompleteness:
    """Return the figures of some projects: their sums, or nothing but the state while the vendor is away."""
    known_at = known.get((newest.connection_id, newest.stream))
    connection, stream = newest.connection_id, newest.stream
    if newest.method == "unknown":
        return StreamCompleteness(
            connection,
            connector,
            stream,
            "unknown",
            newest.measured_at,
            known_at,
            error_kind=newest.error_kind or "",
        )
    vendor = sum(row.vendor_count or 0 for row in parts)
    missing = sum(row.missing or 0 for row in parts)
    looked = bool(parts) and all(row.stale is not None for row in parts)
    return StreamCompleteness(
        connection,
        connector,
        stream,
        "ids",
        parts[0].measured_at if parts else newest.measured_at,
        known_at,
        pct=100.0 * (vendor - missing) / vendor if vendor else 100.0,
        vendor_count=vendor,
        local_count=sum(row.local_count for row in parts),
        missing=missing,
        extra=sum(row.extra or 0 for row in parts),
        stale=sum(row.stale or 0 for row in parts) if looked else None,
        duplicates=sum(row.duplicates or 0 for row in parts),
        ids_seen=sum(row.ids_seen or 0 for row in parts),
    )
