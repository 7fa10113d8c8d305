"""The chunks of a world as plain values with their stored vectors, and exact rankings by any vectors of them.

For questions about vectors alone: no index, no words, no filters but the question's scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.tables.retrieval import Chunk, ChunkSource, Embedding
from retrieval.embedding import ModelSpec, Vectors
from retrieval.evaluation import metrics
from retrieval.evaluation.comparison import K
from retrieval.evaluation.metrics import Interval
from retrieval.evaluation.sets import Case, JudgedSet

_MOST = 20_000


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk and the record it is part of (``key``, as a judged set names it)."""

    key: str
    part: int
    project_id: UUID
    kind: str
    lang: str
    title: str
    header: str
    context: str
    author: str | None
    body: str
    written_at: datetime | None


def read_passages(session: Session, scope: Scope, spec: ModelSpec) -> tuple[list[Passage], Vectors]:
    """Chunks of a scope that have a vector of the model, record by record, with these vectors; at most 20,000."""
    rows = session.exec(
        select(Chunk, ChunkSource.vendor_id, Embedding.embedding)
        .join(ChunkSource, (col(ChunkSource.chunk_id) == col(Chunk.id)) & (col(ChunkSource.position) == 0))
        .join(Embedding, (col(Embedding.chunk_id) == col(Chunk.id)) & (col(Embedding.model_key) == spec.key))
        .where(Chunk.account_scope_id == scope.account_scope_id, col(Chunk.project_id).in_(scope.project_ids))
        .order_by(col(Chunk.kind), col(ChunkSource.vendor_id), col(Chunk.part), col(Chunk.id))
        .limit(_MOST)
    ).all()
    passages = [_passage(chunk, vendor_id) for chunk, vendor_id, _ in rows]
    vectors = [np.asarray(stored, dtype=np.float32) for _, _, stored in rows]
    return passages, np.stack(vectors) if vectors else np.empty((0, spec.dimension), dtype=np.float32)


def _passage(chunk: Chunk, vendor_id: str) -> Passage:
    return Passage(
        f"{chunk.kind}:{vendor_id}",
        chunk.part,
        chunk.project_id,
        chunk.kind,
        chunk.lang,
        chunk.title,
        chunk.header,
        chunk.context,
        chunk.author,
        chunk.body,
        chunk.source_time,
    )


def ndcg_by_vectors(
    judged: JudgedSet, asked: Vectors, passages: Sequence[Passage], vectors: Vectors
) -> list[tuple[Case, float]]:
    """NDCG@10 of every answerable case when its scope's passages are ordered by their cosine to the question.

    ``asked``: unit vectors of the cases' texts, shape (cases, d); ``vectors``: of the passages, shape (passages, d).
    """
    projects = np.array([passage.project_id.hex for passage in passages])
    cosines = asked @ vectors.T
    scores: list[tuple[Case, float]] = []
    for case, row in zip(judged.cases, cosines, strict=True):
        if not case.answerable:
            continue
        inside = np.isin(projects, [project_id.hex for project_id in case.scope.project_ids])
        order = np.argsort(-np.where(inside, row, -2.0), kind="stable")[: int(inside.sum())]
        # A record counts at its best passage; ten records may take several times as many passages.
        ranked = list(dict.fromkeys(passages[place].key for place in order[: K * 20]))
        scores.append((case, metrics.ndcg_at(ranked, case.relevant, K)))
    return scores


def mean_where(scores: Sequence[tuple[Case, float]], chosen: Callable[[Case], bool]) -> Interval:
    """The mean over the cases that are chosen."""
    return metrics.interval([value for case, value in scores if chosen(case)])


def evidence_languages(judged: JudgedSet, passages: Sequence[Passage]) -> dict[str, frozenset[str]]:
    """By case id the languages of the records that answer it."""
    spoken: dict[str, set[str]] = {}
    for passage in passages:
        spoken.setdefault(passage.key, set()).add(passage.lang)
    return {
        case.id: frozenset(lang for key in case.relevant for lang in spoken.get(key, ()))
        for case in judged.cases
    }


def projected(vectors: Vectors) -> Vectors:
    """The two directions of greatest variance (principal components) of vectors, shape (n, 2)."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return centred @ directions[:, -1:-3:-1]
