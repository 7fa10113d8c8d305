"""The neighbourhood of what a question names: entities, who and what belongs to them, and the chunks about those.

Reads the graph that ``graph_store`` keeps. This is the *local* half of LightRAG (Guo et al., 2024) without its language
model: entities are known from the records, so nothing has to be extracted. A question about a company reaches its people's
messages, the issues that name it and its deals.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import ClassVar
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.scope import Scope
from retrieval.embedding import ModelSpec, Vectors
from retrieval.entities import EntityIndex, KnownEntity
from retrieval.filters import Filters
from retrieval.store import model_literal, vector_literal

_TTL_S = 120.0
_SCOPES_KEPT = 64
# What an entity one link away is worth, and how many links are followed.
_DECAY = 0.6
_HOPS = 2
# An issue or deal that the neighbours' own records speak of.
_SPOKEN_OF = 0.35
_MOST_ENTITIES = 400
_MOST_SPOKEN_OF = 100
# Nobody is asked about everything that a colleague works on, unless the colleague is named.
_OF_COLLEAGUES = ("assigned", "owns")


class _Kept:
    """Entity indexes of recent scopes."""

    lock = threading.Lock()
    indexes: ClassVar[OrderedDict[str, tuple[float, EntityIndex]]] = OrderedDict()


def entity_index(session: Session, scope: Scope) -> EntityIndex:
    """The entities of a scope, read at most every two minutes per process."""
    key, now = scope.key(), time.monotonic()
    with _Kept.lock:
        held = _Kept.indexes.get(key)
    if held is not None and now - held[0] < _TTL_S:
        return held[1]
    rows = session.connection().execute(
        text(
            "SELECT id, project_id, kind, name, aliases FROM entities"
            " WHERE account_scope_id = :scope_id AND project_id = ANY(:project_ids)"
        ),
        _scope_values(scope),
    )
    made = EntityIndex.of(
        KnownEntity(row.id, row.project_id, row.kind, row.name, tuple(row.aliases)) for row in rows
    )
    with _Kept.lock:
        _Kept.indexes[key] = (now, made)
        while len(_Kept.indexes) > _SCOPES_KEPT:
            _Kept.indexes.popitem(last=False)
    return made


def named_entities(session: Session, scope: Scope, question: str) -> dict[UUID, float]:
    """The entities that a question names, each worth 1."""
    return dict.fromkeys(entity_index(session, scope).named_in(question, typed=True), 1.0)


def entities_of(session: Session, scope: Scope, chunk_ids: Iterable[UUID]) -> dict[UUID, float]:
    """What some chunks are about: the seeds of a question that names nothing; each worth 1 at most, by its share."""
    rows = (
        session.connection()
        .execute(
            text(
                "SELECT entity_id, count(*) AS chunks FROM entity_mentions WHERE chunk_id = ANY(:ids)"
                " AND account_scope_id = :scope_id AND project_id = ANY(:project_ids)"
                " GROUP BY entity_id ORDER BY chunks DESC, entity_id LIMIT 20"
            ),
            _scope_values(scope) | {"ids": list(chunk_ids)},
        )
        .all()
    )
    most = max((row.chunks for row in rows), default=1)
    return {row.entity_id: row.chunks / most for row in rows}


def neighbourhood(session: Session, scope: Scope, seeds: Mapping[UUID, float]) -> dict[UUID, float]:
    """The seeds, what is linked to them, and the issues and deals their records speak of; worth 0..1 by distance."""
    worth = dict(seeds)
    frontier = dict(seeds)
    for hop in range(_HOPS):
        if not frontier or len(worth) >= _MOST_ENTITIES:
            break
        reached: dict[UUID, float] = {}
        for one, other, kind in _links(session, scope, frontier):
            if kind in _OF_COLLEAGUES and hop:
                continue
            for start, end in ((one, other), (other, one)):
                if start in frontier:
                    value = frontier[start] * (1.0 if kind == "same_person" else _DECAY)
                    reached[end] = max(reached.get(end, 0.0), value)
        frontier = {key: value for key, value in reached.items() if value > worth.get(key, 0.0)}
        worth |= frontier
    for key in _spoken_of(session, scope, worth):
        worth.setdefault(key, _SPOKEN_OF)
    best = sorted(worth.items(), key=lambda item: (-item[1], str(item[0])))
    return dict(best[:_MOST_ENTITIES])


def _links(session: Session, scope: Scope, frontier: Mapping[UUID, float]) -> list[tuple[UUID, UUID, str]]:
    rows = session.connection().execute(
        text(
            "SELECT from_id, to_id, kind FROM entity_links WHERE account_scope_id = :scope_id"
            " AND project_id = ANY(:project_ids) AND (from_id = ANY(:ids) OR to_id = ANY(:ids))"
            " ORDER BY from_id, to_id, kind LIMIT 2000"
        ),
        _scope_values(scope) | {"ids": list(frontier)},
    )
    return [(row.from_id, row.to_id, row.kind) for row in rows]


def _spoken_of(session: Session, scope: Scope, worth: Mapping[UUID, float]) -> list[UUID]:
    near = [key for key, value in worth.items() if value >= _DECAY]
    rows = session.connection().execute(
        text(
            "SELECT o.entity_id FROM entity_mentions m JOIN entity_mentions o ON o.chunk_id = m.chunk_id"
            " JOIN entities e ON e.id = o.entity_id AND e.kind IN ('issue', 'deal')"
            " WHERE m.entity_id = ANY(:ids) AND m.account_scope_id = :scope_id AND m.project_id = ANY(:project_ids)"
            " GROUP BY o.entity_id ORDER BY count(*) DESC, o.entity_id LIMIT :limit"
        ),
        _scope_values(scope) | {"ids": near, "limit": _MOST_SPOKEN_OF},
    )
    return [row.entity_id for row in rows]


def chunks_about(
    session: Session,
    filters: Filters,
    spec: ModelSpec,
    vector: Vectors,
    worth: Mapping[UUID, float],
    limit: int,
) -> dict[UUID, tuple[float, float | None]]:
    """The chunks about these entities that are nearest to the question, with the entity's worth and the cosine.

    The cosine is None where a chunk has no vector yet. At most ``limit`` chunks, within scope, sources and dates.
    """
    if not worth or not limit or filters.sees_nothing:
        return {}
    condition, values = filters.sql()
    distance = f"e.embedding::halfvec({spec.dimension}) <=> CAST(:vector AS halfvec({spec.dimension}))"
    rows = session.connection().execute(
        text(
            f"""
            WITH about AS (
                SELECT m.chunk_id, max(w.worth) AS worth
                FROM unnest(CAST(:entities AS uuid[]), CAST(:worths AS float8[])) AS w(entity_id, worth)
                JOIN entity_mentions m ON m.entity_id = w.entity_id GROUP BY m.chunk_id
            )
            SELECT c.id, a.worth, 1 - ({distance}) AS similarity FROM about a JOIN rag_chunks c ON c.id = a.chunk_id
            LEFT JOIN rag_embeddings e ON e.chunk_id = c.id AND e.model_key = {model_literal(spec)}
            WHERE {condition}
            ORDER BY coalesce(1 - ({distance}), 0) + 0.2 * a.worth DESC, c.id LIMIT :limit
            """  # noqa: S608  our own names, a whole number and an escaped literal
        ),
        values
        | {
            "entities": list(worth),
            "worths": list(worth.values()),
            "vector": vector_literal(vector),
            "limit": limit,
        },
    )
    return {row.id: (row.worth, None if row.similarity is None else float(row.similarity)) for row in rows}


def worth_of(session: Session, worth: Mapping[UUID, float], chunk_ids: Iterable[UUID]) -> dict[UUID, float]:
    """Of these chunks the ones that are about one of the entities, with the worth of the best, 0..1."""
    rows = session.connection().execute(
        text(
            "SELECT m.chunk_id, max(w.worth) AS worth"
            " FROM unnest(CAST(:entities AS uuid[]), CAST(:worths AS float8[])) AS w(entity_id, worth)"
            " JOIN entity_mentions m ON m.entity_id = w.entity_id WHERE m.chunk_id = ANY(:ids) GROUP BY m.chunk_id"
        ),
        {"entities": list(worth), "worths": list(worth.values()), "ids": list(chunk_ids)},
    )
    return {row.chunk_id: float(row.worth) for row in rows}


def _scope_values(scope: Scope) -> dict[str, object]:
    return {"scope_id": scope.account_scope_id, "project_ids": list(scope.project_ids)}
