"""Themes in the database: which projects need new ones, their vectors and texts, what a question finds among them.

Plain functions, session first; nothing here commits. A theme belongs to one project, so a search over several projects sees
the themes of exactly those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.ids import AccountScopeId
from retrieval.embedding import ModelSpec, Vectors
from retrieval.filters import Filters
from retrieval.schemas import Lang
from retrieval.store import model_literal, vector_literal
from retrieval.themes import Cluster

# Beyond this many chunks, newest first, a project's themes are made of these.
MAX_CHUNKS = 20_000
# Themes are made again when this share of the project's vectors changed.
_CHANGED_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Material:
    """The chunks that a project's themes are made of, row by row with their unit vectors."""

    ids: list[UUID]
    langs: list[Lang]
    texts: list[str]
    vectors: Vectors


def outdated_projects(session: Session, account_scope_id: AccountScopeId, spec: ModelSpec) -> list[UUID]:
    """Projects whose vectors are no longer those of their themes: added, removed or replaced ones count."""
    rows = session.connection().execute(
        text(
            f"""
            WITH made AS (SELECT project_id, min(created_at) AS at FROM rag_themes
                          WHERE account_scope_id = :scope_id AND model_key = :model GROUP BY 1),
            held AS (SELECT t.project_id, count(*) AS chunks FROM rag_theme_chunks tc JOIN rag_themes t ON t.id = tc.theme_id
                     WHERE t.account_scope_id = :scope_id AND t.model_key = :model GROUP BY 1),
            there AS (SELECT e.project_id, least(count(*), :most) AS chunks,
                             count(*) FILTER (WHERE m.at IS NULL OR e.created_at > m.at) AS fresh
                      FROM rag_embeddings e LEFT JOIN made m USING (project_id)
                      WHERE e.account_scope_id = :scope_id AND e.model_key = {model_literal(spec)} GROUP BY 1)
            SELECT t.project_id FROM there t LEFT JOIN held h USING (project_id)
            WHERE abs(t.chunks - coalesce(h.chunks, 0)) > :share * t.chunks OR t.fresh > :share * t.chunks
            UNION SELECT h.project_id FROM held h LEFT JOIN there t USING (project_id) WHERE t.project_id IS NULL
            ORDER BY 1
            """  # noqa: S608  an escaped literal of ours
        ),
        {
            "scope_id": account_scope_id,
            "model": spec.key,
            "most": MAX_CHUNKS,
            "share": _CHANGED_SHARE,
        },
    )
    return [row.project_id for row in rows]


def read_material(session: Session, project_id: UUID, spec: ModelSpec) -> Material:
    """The embedded chunks of a project, newest first by time and then by id."""
    rows = (
        session.connection()
        .execute(
            text(
                f"""
                SELECT c.id, c.lang, c.title || E'\\n' || c.body AS words, halfvec_send(e.embedding) AS vector
                FROM rag_embeddings e JOIN rag_chunks c ON c.id = e.chunk_id
                WHERE e.project_id = :project_id AND e.model_key = {model_literal(spec)}
                ORDER BY c.source_time DESC NULLS LAST, c.id LIMIT :most
                """  # noqa: S608  an escaped literal of ours
            ),
            {"project_id": project_id, "most": MAX_CHUNKS},
        )
        .all()
    )
    # The binary form: two 16-bit numbers, then the halves, all big-endian.
    vectors = [np.frombuffer(row.vector, dtype=">f2", offset=4).astype(np.float32) for row in rows]
    stacked = np.stack(vectors) if vectors else np.empty((0, spec.dimension), dtype=np.float32)
    return Material(
        [row.id for row in rows], [row.lang for row in rows], [row.words for row in rows], stacked
    )


def replace_themes(
    session: Session,
    account_scope_id: AccountScopeId,
    project_id: UUID,
    spec: ModelSpec,
    material: Material,
    themes: Sequence[tuple[Cluster, Mapping[Lang, Sequence[str]]]],
) -> None:
    """Make these the themes of a project; chunks deleted meanwhile are passed over."""
    connection = session.connection()
    scope: dict[str, Any] = {"scope_id": account_scope_id, "project_id": project_id}
    connection.execute(text("DELETE FROM rag_themes WHERE project_id = :project_id"), scope)
    for found, labels in themes:
        made = connection.execute(
            text(
                "INSERT INTO rag_themes (account_scope_id, project_id, model_key, labels, size, centroid, created_at)"
                " VALUES (:scope_id, :project_id, :model, CAST(:labels AS jsonb), :size, CAST(:centre AS halfvec), :now)"
                " RETURNING id"
            ),
            scope
            | {
                "model": spec.key,
                "labels": json.dumps({lang: list(said) for lang, said in labels.items()}),
                "size": len(found.members),
                "centre": vector_literal(found.centre),
                "now": utcnow(),
            },
        ).scalar_one()
        connection.execute(
            text(
                "INSERT INTO rag_theme_chunks (account_scope_id, project_id, theme_id, chunk_id, similarity)"
                " SELECT c.account_scope_id, c.project_id, :theme, c.id, m.similarity"
                " FROM unnest(CAST(:ids AS uuid[]), CAST(:near AS float8[])) AS m(id, similarity)"
                " JOIN rag_chunks c ON c.id = m.id AND c.project_id = :project_id"
            ),
            scope
            | {
                "theme": made,
                "ids": [material.ids[place] for place in found.members],
                "near": list(found.similarities),
            },
        )


@dataclass(frozen=True, slots=True)
class ThemeHit:
    """A theme, how many of its chunks the filters let through, and those that represent it best for the question.

    ``chunks``: ids with their cosine to the question, best first.
    """

    id: UUID
    labels: dict[Lang, list[str]]
    size: int
    chunks: tuple[tuple[UUID, float], ...]


def search_themes(
    session: Session,
    filters: Filters,
    spec: ModelSpec,
    vector: Vectors,
    *,
    from_clients: bool,
    per_theme: int = 3,
) -> list[ThemeHit]:
    """The themes of the filtered scope, each with its best evidence; in no order. ``from_clients``: what clients wrote only."""
    if filters.sees_nothing:
        return []
    condition, values = filters.sql()
    distance = f"e.embedding::halfvec({spec.dimension}) <=> CAST(:vector AS halfvec({spec.dimension}))"
    theirs = "AND m.message_type = 0" if from_clients else ""
    rows = session.connection().execute(
        text(
            f"""
            WITH near AS (
                SELECT tc.theme_id, c.id, 1 - ({distance}) AS similarity, tc.similarity AS central
                FROM rag_theme_chunks tc JOIN rag_themes t ON t.id = tc.theme_id AND t.model_key = {model_literal(spec)}
                JOIN rag_chunks c ON c.id = tc.chunk_id
                JOIN chunk_sources s ON s.chunk_id = c.id AND s.position = 0
                JOIN rag_embeddings e ON e.chunk_id = c.id AND e.model_key = {model_literal(spec)}
                LEFT JOIN cw_messages m ON m.id = s.record_id AND c.kind = 'message'
                WHERE {condition} {theirs} AND length(c.body) >= 40
            ),
            placed AS (
                SELECT *, count(*) OVER (PARTITION BY theme_id) AS size,
                       row_number() OVER (PARTITION BY theme_id ORDER BY similarity + central DESC, id) AS place
                FROM near
            )
            SELECT t.id, t.labels, p.size, p.id AS chunk_id, p.similarity FROM placed p JOIN rag_themes t ON t.id = p.theme_id
            WHERE p.place <= :per_theme ORDER BY t.id, p.place
            """  # noqa: S608  our own names, a whole number and escaped literals
        ),
        values | {"vector": vector_literal(vector), "per_theme": per_theme},
    )
    found: dict[UUID, ThemeHit] = {}
    for row in rows:
        held = found.get(row.id)
        chunks = (*(held.chunks if held else ()), (row.chunk_id, float(row.similarity)))
        found[row.id] = ThemeHit(row.id, row.labels, row.size, chunks)
    return list(found.values())
