"""Moves raw rows between projects, and what is stored about them beside the records themselves.

Children, vectors and sources of chunks follow their parents by the database's own cascades.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import ConnectionId, ProjectId


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A raw row as far as its place is decided by it."""

    id: UUID
    vendor_id: str
    project_id: ProjectId
    payload: Mapping[str, Any]


def read_rows(
    session: Session, table: str, connection_id: ConnectionId, size: int
) -> Iterator[list[StoredRow]]:
    """Yield all rows of a connection in batches, tombstoned ones too. Rows may be moved in between."""
    after: UUID | None = None
    while True:
        found = session.execute(
            text(
                f"SELECT id, vendor_id, project_id, payload FROM {table} WHERE connection_id = :connection"  # noqa: S608 - from STREAM_TABLES
                " AND (CAST(:after AS uuid) IS NULL OR id > :after) ORDER BY id LIMIT :size"
            ),
            {"connection": connection_id, "after": after, "size": size},
        ).all()
        if not found:
            return
        after = found[-1].id
        yield [StoredRow(row.id, row.vendor_id, ProjectId(row.project_id), row.payload) for row in found]


def read_column(session: Session, table: str, column: str, connection_id: ConnectionId) -> dict[str, Any]:
    """Return one column of a connection's rows by vendor id."""
    found = session.execute(
        text(f"SELECT vendor_id, {column} AS value FROM {table} WHERE connection_id = :connection"),  # noqa: S608 - our own names
        {"connection": connection_id},
    )
    return {row.vendor_id: row.value for row in found}


def move_rows(session: Session, table: str, homes: Mapping[UUID, ProjectId]) -> None:
    """Put rows into other projects. They count as written now, so that the index looks at them again."""
    session.execute(
        text(
            f"UPDATE {table} t SET project_id = w.project_id, synced_at = clock_timestamp()"  # noqa: S608 - from STREAM_TABLES
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:homes AS uuid[])) AS w (id, project_id) WHERE t.id = w.id"
        ),
        {"ids": list(homes), "homes": list(homes.values())},
    )


def move_errors(session: Session, table: str, stream: str, connection_id: ConnectionId) -> None:
    """Let the queued errors of records be where their records are."""
    session.execute(
        text(
            f"UPDATE connector_errors e SET project_id = t.project_id FROM {table} t"  # noqa: S608 - from STREAM_TABLES
            " WHERE e.connection_id = :connection AND e.stream = :stream AND t.connection_id = e.connection_id"
            " AND t.vendor_id = e.unit AND e.project_id IS NOT NULL AND e.project_id <> t.project_id"
        ),
        {"connection": connection_id, "stream": stream},
    )


@dataclass(frozen=True, slots=True)
class RowlessError:
    """A queued error of a project whose record never came to be a row."""

    id: UUID
    unit: str
    payload: Mapping[str, Any]
    project_id: ProjectId


def read_rowless_errors(
    session: Session, table: str, stream: str, connection_id: ConnectionId
) -> list[RowlessError]:
    """Return the queued errors of a stream that stand in a project and have no row of their own."""
    found = session.execute(
        text(
            "SELECT e.id, e.unit, e.payload, e.project_id FROM connector_errors e"  # noqa: S608 - from STREAM_TABLES
            f" LEFT JOIN {table} t ON t.connection_id = e.connection_id AND t.vendor_id = e.unit"
            " WHERE e.connection_id = :connection AND e.stream = :stream AND e.project_id IS NOT NULL AND t.id IS NULL"
        ),
        {"connection": connection_id, "stream": stream},
    )
    return [RowlessError(row.id, row.unit, row.payload or {}, ProjectId(row.project_id)) for row in found]


def place_errors(session: Session, homes: Mapping[UUID, ProjectId | None]) -> None:
    """Put queued errors into projects, or into none where nobody knows."""
    session.execute(
        text(
            "UPDATE connector_errors e SET project_id = w.project_id"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:homes AS uuid[])) AS w (id, project_id) WHERE e.id = w.id"
        ),
        {"ids": list(homes), "homes": list(homes.values())},
    )


def forget_findings(session: Session, connection_id: ConnectionId, left: Collection[ProjectId]) -> None:
    """Drop what comparisons and themes tell of records in projects that some have left: both are made again."""
    session.execute(
        text(
            "UPDATE sync_reconciliation_metrics SET missing_ids = '{}', extra_ids = '[]', stale_ids = '[]'"
            " WHERE connection_id = :connection AND project_id = ANY(:left)"
        ),
        {"connection": connection_id, "left": list(left)},
    )
    session.execute(text("DELETE FROM rag_themes WHERE project_id = ANY(:left)"), {"left": list(left)})
