"""The design that this product replaces, as a measured baseline. Never used to answer anybody.

Vector top-k, taken from the index before scope is looked at, then per source table the records that hold any of up to six
of the question's words (``ILIKE ANY``), newest first; the lists are put one behind the other. It searches the same vectors of
the same chunks as we do, so the difference is the design's and not the model's. Raw SQL is here and not in ``store``, for the
baseline must not become part of the product.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from models.infra.scope import Scope
from retrieval.embedding import ModelSpec, Vectors
from retrieval.evaluation.sets import KeyKind
from retrieval.filters import Filters
from retrieval.schemas import SourceType
from retrieval.store import model_literal, vector_literal

MAX_TOKENS = 6
_WORD = re.compile(r"\w+")
_SHORTEST = 3
_DEFAULT_EF_SEARCH = 40
_SOURCE_LIMIT = 8

# Per source table: what it is searched by, and what "newest" means there.
_TABLES: tuple[tuple[SourceType, str, tuple[str, ...], str], ...] = (
    ("message", "cw_messages", ("body",), "sent_at"),
    ("issue", "linear_issues", ("title", "description"), "source_created_at"),
    ("comment", "linear_comments", ("body",), "source_created_at"),
    ("deal", "attio_deals", ("name", "next_step"), "source_created_at"),
    ("note", "attio_notes", ("title", "body"), "source_created_at"),
    ("company", "attio_companies", ("name", "description"), "source_created_at"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """Keys of records in the order shown, and how long the vector part and the table part took (ms)."""

    keys: tuple[str, ...]
    timings_ms: dict[str, float] = field(default_factory=dict[str, float])


def tokens(question: str) -> list[str]:
    """The first six different words of a question with three letters or more, lower case."""
    found = [word for word in _WORD.findall(question.lower()) if len(word) >= _SHORTEST]
    return list(dict.fromkeys(found))[:MAX_TOKENS]


def search(
    session: Session,
    question: str,
    scope: Scope,
    spec: ModelSpec,
    vector: Vectors,
    *,
    keys: KeyKind,
    top_k: int = 10,
    source_limit: int = _SOURCE_LIMIT,
) -> Found:
    """What the predecessor would show, best first: vector hits, then each source's newest records with a word."""
    started = time.perf_counter()
    by_vector = _vector_hits(session, scope, spec, vector, keys, top_k)
    between = time.perf_counter()
    by_words = _word_hits(session, scope, tokens(question), keys, source_limit)
    ended = time.perf_counter()
    timings = {"vector": (between - started) * 1000, "tables": (ended - between) * 1000}
    return Found(tuple(dict.fromkeys([*by_vector, *by_words])), timings)


def _vector_hits(
    session: Session, scope: Scope, spec: ModelSpec, vector: Vectors, keys: KeyKind, top_k: int
) -> list[str]:
    connection = session.connection()
    connection.execute(text("SET LOCAL hnsw.iterative_scan = off"))
    connection.execute(text(f"SET LOCAL hnsw.ef_search = {_DEFAULT_EF_SEARCH}"))
    condition, values = Filters(scope).sql()
    distance = f"e.embedding::halfvec({spec.dimension}) <=> CAST(:vector AS halfvec({spec.dimension}))"
    rows = connection.execute(
        text(
            f"""
            SELECT s.source_type, {_key(keys)} AS key
            FROM rag_embeddings e
            JOIN rag_chunks c ON c.id = e.chunk_id
            JOIN chunk_sources s ON s.chunk_id = c.id AND s.position = 0
            WHERE e.model_key = {model_literal(spec)} AND {condition}
            ORDER BY {distance} LIMIT :top_k
            """  # noqa: S608  our own column names and an escaped literal
        ),
        {**values, "vector": vector_literal(vector), "top_k": top_k},
    )
    return [f"{row.source_type}:{row.key}" for row in rows]


def _word_hits(session: Session, scope: Scope, words: Sequence[str], keys: KeyKind, limit: int) -> list[str]:
    if not words:
        return []
    values: dict[str, Any] = {
        "patterns": [f"%{word}%" for word in words],
        "scope_id": scope.account_scope_id,
        "project_ids": list(scope.project_ids),
        "limit": limit,
    }
    found: list[str] = []
    for kind, table, columns, newest in _TABLES:
        matches = " OR ".join(f"{column} ILIKE ANY(:patterns)" for column in columns)
        key = "vendor_id" if keys == "vendor" else "id::text"
        rows = session.connection().execute(
            text(
                f"SELECT {key} AS key FROM {table}"  # noqa: S608  our own names
                " WHERE account_scope_id = :scope_id AND project_id = ANY(:project_ids) AND deleted_at IS NULL"
                f" AND ({matches}) ORDER BY {newest} DESC NULLS LAST, id LIMIT :limit"
            ),
            values,
        )
        found += [f"{kind}:{row.key}" for row in rows]
    return found


def _key(keys: KeyKind) -> str:
    return "s.vendor_id" if keys == "vendor" else "s.record_id::text"
