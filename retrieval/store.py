"""Reads of the index: vector search, chunks, live evidence records, names, status. Writes are in ``index_store``.

Plain functions, session first, filters or scope second. Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.scope import Scope
from retrieval.embedding import EmbeddingMismatch, ModelSpec, Vectors
from retrieval.filters import Filters
from retrieval.names import Name
from retrieval.schemas import GROUP_OF, RetrievalStatus, SourceType


@dataclass(frozen=True, slots=True)
class Scan:
    """How the vector index is searched; for the transaction, so that one transaction keeps to one way.

    ``iterative`` goes on until the filters have let enough rows through, bounded so that a rare filter ends. ``way``: as the
    planner likes, by the vector index in any case, or exactly, without it. The last two are for measuring. Planned, a part of
    at most ``exact_rows`` vectors by the planner's estimate is compared as a whole: the index would pass by all the others.
    """

    ef_search: int = 100
    iterative: bool = True
    way: Literal["planned", "index", "exact"] = "planned"
    exact_rows: int = 25_000

    def settings(self) -> tuple[str, ...]:
        """The statements that set it."""
        ways = {
            "planned": (),
            "index": ("SET LOCAL enable_sort = off",),
            "exact": ("SET LOCAL enable_indexscan = off",),
        }
        return (
            f"SET LOCAL hnsw.iterative_scan = {'relaxed_order' if self.iterative else 'off'}",
            f"SET LOCAL hnsw.ef_search = {self.ef_search:d}",
            *ways[self.way],
        )


SCAN = Scan()


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as retrieval ranks it, with the record it belongs to."""

    id: UUID
    project_id: UUID
    thread_id: UUID
    kind: SourceType
    record_id: UUID
    vendor_id: str
    title: str
    header: str
    context: str
    body: str
    lang: str
    author: str | None
    source_time: datetime | None
    from_studio: bool
    # The id of the evidence this chunk belongs to: asked for many times a search.
    evidence_id: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence_id", f"{self.kind}:{self.record_id}")


def vector_literal(vector: Vectors) -> str:
    """The vector as pgvector reads it."""
    return "[" + ",".join(f"{value:.6f}" for value in vector.tolist()) + "]"


def model_literal(spec: ModelSpec) -> str:
    """The model key as an SQL literal: a parameter would keep the planner from the partial index of the model."""
    return "'" + spec.key.replace("'", "''") + "'"


def check_model(session: Session, spec: ModelSpec) -> bool:
    """Whether vectors of this model exist. Raises EmbeddingMismatch when they have another length."""
    row = (
        session.connection()
        .execute(text("SELECT dimension FROM embedding_models WHERE key = :key"), {"key": spec.key})
        .one_or_none()
    )
    if row is not None and row.dimension != spec.dimension:
        raise EmbeddingMismatch(
            f"stored vectors of {spec.key} have {row.dimension} dimensions, the configured model {spec.dimension}"
        )
    return row is not None


def search_vectors(
    session: Session, filters: Filters, spec: ModelSpec, vector: Vectors, limit: int, scan: Scan = SCAN
) -> list[tuple[UUID, float]]:
    """The nearest chunks with their cosine similarity (-1..1), best first; at most ``limit``."""
    if filters.sees_nothing:
        return []
    connection = session.connection()
    for setting in scan.settings():
        connection.execute(text(setting))
    condition, values = filters.sql()
    narrow = "" if filters.by_scope_only else "JOIN rag_chunks c ON c.id = e.chunk_id"
    if filters.by_scope_only:
        condition = "e.account_scope_id = :scope_id AND e.project_id = ANY(:project_ids)"
    distance = f"e.embedding::halfvec({spec.dimension}) <=> CAST(:vector AS halfvec({spec.dimension}))"
    source = f"FROM rag_embeddings e {narrow} WHERE e.model_key = {model_literal(spec)} AND {condition}"
    whole = scan.way == "planned" and _expected_rows(session, source, values) <= scan.exact_rows
    # What is added to keeps no order of the index, so that every row is compared.
    order = f"({distance}) + 0" if whole else distance
    statement = f"""
        SELECT chunk_id, 1 - distance AS similarity FROM (
            SELECT e.chunk_id, {distance} AS distance {source}
            ORDER BY {order} LIMIT :limit
        ) nearest ORDER BY distance
    """  # noqa: S608  only our own column names, a whole number and an escaped literal are put in
    values |= {"vector": vector_literal(vector), "limit": limit}
    rows = connection.execute(text(statement), values)
    return [(row.chunk_id, float(row.similarity)) for row in rows]


def _expected_rows(session: Session, source: str, values: Mapping[str, object]) -> float:
    """How many rows the planner expects of a FROM with its condition."""
    plan = session.connection().execute(text(f"EXPLAIN (FORMAT JSON) SELECT {source}"), values).scalar_one()
    return plan[0]["Plan"]["Plan Rows"]


def similarities(
    session: Session, filters: Filters, spec: ModelSpec, vector: Vectors, chunk_ids: Sequence[UUID]
) -> dict[UUID, float]:
    """Cosine similarity of these chunks of the scope; those without a vector of the model are left out."""
    if not chunk_ids or filters.sees_nothing:
        return {}
    statement = f"""
        SELECT e.chunk_id, 1 - (e.embedding::halfvec({spec.dimension}) <=> CAST(:vector AS halfvec({spec.dimension})))
               AS similarity
        FROM rag_embeddings e
        WHERE e.chunk_id = ANY(:ids) AND e.model_key = {model_literal(spec)} AND e.account_scope_id = :scope_id
          AND e.project_id = ANY(:project_ids)
    """  # noqa: S608  see above
    rows = session.connection().execute(
        text(statement),
        {
            "ids": list(chunk_ids),
            "vector": vector_literal(vector),
            "scope_id": filters.scope.account_scope_id,
            "project_ids": list(filters.scope.project_ids),
        },
    )
    return {row.chunk_id: float(row.similarity) for row in rows}


def load_chunks(session: Session, filters: Filters, chunk_ids: Sequence[UUID]) -> dict[UUID, StoredChunk]:
    """These chunks of the filtered scope by id, with the record they are made of."""
    if not chunk_ids or filters.sees_nothing:
        return {}
    condition, values = filters.sql()
    rows = session.connection().execute(
        text(
            f"""
            SELECT c.id, c.project_id, c.thread_id, c.kind, s.record_id, s.vendor_id, c.title, c.header, c.context,
                   c.body, c.lang, c.author, c.source_time,
                   c.kind IN ('comment', 'note') OR coalesce(m.message_type = 1, false) AS from_studio
            FROM rag_chunks c JOIN chunk_sources s ON s.chunk_id = c.id AND s.position = 0
            LEFT JOIN cw_messages m ON m.id = s.record_id AND c.kind = 'message'
            WHERE c.id = ANY(:ids) AND {condition}
            """  # noqa: S608  the condition is ours
        ),
        values | {"ids": list(chunk_ids)},
    )
    return {row.id: StoredChunk(*row) for row in rows}


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """A record that still exists at the vendor, and the page that shows it there."""

    record_id: UUID
    url: str | None
    connection_id: UUID


_RECORD_TABLES: dict[SourceType, str] = {
    "message": "cw_messages",
    "issue": "linear_issues",
    "comment": "linear_comments",
    "deal": "attio_deals",
    "note": "attio_notes",
    "company": "attio_companies",
}


def live_records(
    session: Session, scope: Scope, wanted: Iterable[tuple[SourceType, UUID]]
) -> dict[tuple[SourceType, UUID], LiveRecord]:
    """Of these records the ones that are in scope and not deleted; a message needs a live conversation too."""
    by_type: dict[SourceType, list[UUID]] = {}
    for source_type, record_id in wanted:
        by_type.setdefault(source_type, []).append(record_id)
    if not by_type or not scope.project_ids:
        return {}
    parts: list[str] = []
    values: dict[str, object] = {"scope_id": scope.account_scope_id, "project_ids": list(scope.project_ids)}
    for source_type, ids in by_type.items():
        values[f"ids_{source_type}"] = ids
        parts.append(
            f"SELECT '{source_type}' AS source_type, id, url, connection_id FROM {_RECORD_TABLES[source_type]}"  # noqa: S608
            f" WHERE id = ANY(:ids_{source_type}) AND deleted_at IS NULL"
            " AND account_scope_id = :scope_id AND project_id = ANY(:project_ids)"
        )
    rows = session.connection().execute(text(" UNION ALL ".join(parts)), values)
    return {(row.source_type, row.id): LiveRecord(row.id, row.url, row.connection_id) for row in rows}


def count_by_group(session: Session, filters: Filters) -> dict[str, int]:
    """Chunks of the filtered scope by source group: what a search looked at."""
    if filters.sees_nothing:
        return {}
    condition, values = filters.sql()
    rows = session.connection().execute(
        text(
            "SELECT c.source_group, count(*) AS chunks FROM rag_chunks c"  # noqa: S608
            f" WHERE {condition} GROUP BY 1 ORDER BY 1"
        ),
        values,
    )
    return {row.source_group: row.chunks for row in rows}


_NAMES = """
SELECT 'project' AS kind, name AS text, id AS project_id FROM projects
 WHERE account_scope_id = :scope_id AND id = ANY(:project_ids) AND kind = 'client'
UNION SELECT 'project', alias, id FROM projects CROSS JOIN LATERAL jsonb_array_elements_text(aliases) AS alias
 WHERE account_scope_id = :scope_id AND id = ANY(:project_ids) AND kind = 'client'
UNION SELECT 'company', name, project_id FROM attio_companies
 WHERE account_scope_id = :scope_id AND project_id = ANY(:project_ids) AND deleted_at IS NULL
UNION SELECT 'person', name, project_id FROM attio_people
 WHERE account_scope_id = :scope_id AND project_id = ANY(:project_ids) AND deleted_at IS NULL
UNION SELECT 'person', name, project_id FROM cw_contacts
 WHERE account_scope_id = :scope_id AND project_id = ANY(:project_ids) AND deleted_at IS NULL AND name IS NOT NULL
UNION SELECT 'person', author, project_id FROM rag_chunks
 WHERE account_scope_id = :scope_id AND project_id = ANY(:project_ids) AND author IS NOT NULL
LIMIT 20000
"""


def read_names(session: Session, scope: Scope) -> list[Name]:
    """Names of projects, companies and people of the scope, for the gazetteer."""
    if not scope.project_ids:
        return []
    rows = session.connection().execute(
        text(_NAMES), {"scope_id": scope.account_scope_id, "project_ids": list(scope.project_ids)}
    )
    return [Name(row.kind, row.text, row.project_id) for row in rows]


def read_status(session: Session, scope: Scope, spec: ModelSpec) -> RetrievalStatus:
    """How far the index of the scope is."""
    values = {
        "scope_id": scope.account_scope_id,
        "project_ids": list(scope.project_ids),
        "model": spec.key,
    }
    rows = (
        session.connection()
        .execute(
            text(
                """
            SELECT c.status, c.source_group, count(*) AS chunks, count(e.chunk_id) AS embedded
            FROM rag_chunks c LEFT JOIN rag_embeddings e ON e.chunk_id = c.id AND e.model_key = :model
            WHERE c.account_scope_id = :scope_id AND c.project_id = ANY(:project_ids)
            GROUP BY c.status, c.source_group
            """
            ),
            values,
        )
        .all()
    )
    by_status: dict[str, int] = dict.fromkeys(("pending", "processing", "ready", "failed"), 0)
    by_group: dict[str, int] = dict.fromkeys(sorted(set(GROUP_OF.values())), 0)
    embedded = 0
    for row in rows:
        by_status[row.status] += row.chunks
        by_group[row.source_group] += row.chunks
        embedded += row.embedded
    total = sum(by_status.values())
    return RetrievalStatus(
        chunks=by_status,
        sources=by_group,
        embedded=embedded,
        embeddable=total,
        coverage=embedded / total if total else 1.0,
        model_key=spec.key,
    )
