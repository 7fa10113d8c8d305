"""Writes of the index: chunks of rebuilt threads, claims of the embedding queue, vectors.

Plain functions, session first; nothing here commits. Bulk rows go through COPY into a temporary table, so that a
rebuild of a hundred threads is a handful of statements and writes only what changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.ids import AccountScopeId
from retrieval.chunking import ChunkDraft, embedding_text
from retrieval.embedding import ModelSpec, Vectors
from retrieval.schemas import SourceType
from retrieval.store import check_model, model_literal, vector_literal

MAX_ATTEMPTS = 3
STALE_AFTER = timedelta(minutes=5)
# Failed chunks are tried once more after a while that doubles with each failure, so many of them in one run.
RETRY_AFTER = timedelta(minutes=15)
RETRY_AT_LATEST = timedelta(hours=6)
RETRIES_PER_RUN = 480


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What replacing the chunks of some threads came to."""

    written: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """A chunk taken for embedding: the text to embed and its hash."""

    chunk_id: UUID
    account_scope_id: UUID
    project_id: UUID
    text: str
    hash: str
    attempts: int


# A unit of rebuild: every chunk of these kinds in a thread is replaced together.
Unit = tuple[UUID, tuple[SourceType, ...]]

_STAGE = """
CREATE TEMP TABLE IF NOT EXISTS chunk_stage (
    account_scope_id uuid, project_id uuid, connection_id uuid, chunk_key text, source_group text, kind text,
    thread_id uuid, part int, title text, header text, context text, body text, author text, lang text,
    content_hash text, source_time timestamptz, record_id uuid, vendor_id text, span_start int, span_end int
) ON COMMIT DELETE ROWS
"""
_STAGE_COLUMNS = (
    "account_scope_id, project_id, connection_id, chunk_key, source_group, kind, thread_id, part, title, header, context,"
    " body, author, lang, content_hash, source_time, record_id, vendor_id, span_start, span_end"
)
_DELETE_GONE = """
DELETE FROM rag_chunks c USING unnest(CAST(:threads AS uuid[]), CAST(:kinds AS text[])) AS u(thread_id, kind)
WHERE c.account_scope_id = :scope_id AND c.thread_id = u.thread_id AND c.kind = u.kind
  AND NOT EXISTS (
    SELECT 1 FROM chunk_stage s WHERE s.connection_id = c.connection_id AND s.chunk_key = c.chunk_key
  )
"""
# What a chunk mentions and its themes are of its project: a chunk that moves is read again there.
_DELETE_MOVED = """
DELETE FROM {table} m USING rag_chunks c, chunk_stage s
WHERE m.chunk_id = c.id AND c.connection_id = s.connection_id AND c.chunk_key = s.chunk_key
  AND c.project_id <> s.project_id
"""
# A vector belongs to the embedded text: title, context, author and body.
_DELETE_OUTDATED_VECTORS = """
DELETE FROM rag_embeddings e USING rag_chunks c, chunk_stage s
WHERE e.chunk_id = c.id AND c.connection_id = s.connection_id AND c.chunk_key = s.chunk_key
  AND (c.title, c.context, c.author, c.body) IS DISTINCT FROM (s.title, s.context, s.author, s.body)
"""
_UPSERT = """
WITH written AS (
    INSERT INTO rag_chunks AS c (account_scope_id, project_id, connection_id, chunk_key, source_group, kind, thread_id,
        part, title, header, context, body, author, lang, content_hash, source_time, status, created_at, updated_at)
    SELECT account_scope_id, project_id, connection_id, chunk_key, source_group, kind, thread_id, part, title, header,
           context, body, author, lang, content_hash, source_time, 'pending', :now, :now
    FROM chunk_stage
    ON CONFLICT (connection_id, chunk_key) DO UPDATE SET
        account_scope_id = excluded.account_scope_id, project_id = excluded.project_id,
        source_group = excluded.source_group, kind = excluded.kind, thread_id = excluded.thread_id, part = excluded.part,
        title = excluded.title, header = excluded.header, context = excluded.context, body = excluded.body,
        author = excluded.author, lang = excluded.lang, content_hash = excluded.content_hash,
        source_time = excluded.source_time, updated_at = excluded.updated_at,
        status = CASE WHEN (c.title, c.context, c.author, c.body)
                           IS DISTINCT FROM (excluded.title, excluded.context, excluded.author, excluded.body)
                      THEN 'pending' ELSE c.status END,
        attempts = CASE WHEN c.content_hash <> excluded.content_hash THEN 0 ELSE c.attempts END,
        error = NULL
    WHERE c.content_hash IS DISTINCT FROM excluded.content_hash OR c.project_id IS DISTINCT FROM excluded.project_id
       OR c.thread_id IS DISTINCT FROM excluded.thread_id
    RETURNING c.id, c.account_scope_id, c.project_id, c.connection_id, c.chunk_key
)
INSERT INTO chunk_sources (account_scope_id, project_id, chunk_id, position, source_type, record_id, vendor_id,
                           span_start, span_end)
SELECT w.account_scope_id, w.project_id, w.id, 0, s.kind, s.record_id, s.vendor_id, s.span_start, s.span_end
FROM written w JOIN chunk_stage s ON s.connection_id = w.connection_id AND s.chunk_key = w.chunk_key
ON CONFLICT (chunk_id, position) DO UPDATE SET source_type = excluded.source_type, record_id = excluded.record_id,
    vendor_id = excluded.vendor_id, span_start = excluded.span_start, span_end = excluded.span_end
"""

# A record that came back has another row: an unchanged chunk must not name the one that is gone.
_FOLLOW_RECORDS = """
UPDATE chunk_sources k SET record_id = s.record_id
FROM chunk_stage s JOIN rag_chunks c ON c.connection_id = s.connection_id AND c.chunk_key = s.chunk_key
WHERE k.chunk_id = c.id AND k.position = 0 AND k.record_id <> s.record_id
"""


def replace_chunks(
    session: Session, account_scope_id: AccountScopeId, units: Sequence[Unit], drafts: Iterable[ChunkDraft]
) -> Rebuilt:
    """Make the chunks of these threads exactly the drafts: write new and changed ones, delete the rest.

    A changed text loses its vector in the same transaction and is pending again; an unchanged one is not touched.
    """
    connection = session.connection()
    connection.execute(text(_STAGE))
    connection.execute(text("TRUNCATE chunk_stage"))
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY chunk_stage ({_STAGE_COLUMNS}) FROM STDIN") as copy:
        for draft in drafts:
            copy.write_row(_stage_row(draft))
    threads = [thread_id for thread_id, kinds in units for _ in kinds]
    kinds = [kind for _, kinds in units for kind in kinds]
    deleted = connection.execute(
        text(_DELETE_GONE), {"threads": threads, "kinds": kinds, "scope_id": account_scope_id}
    ).rowcount
    connection.execute(text(_DELETE_OUTDATED_VECTORS))
    for table in ("entity_mentions", "rag_theme_chunks"):
        connection.execute(text(_DELETE_MOVED.format(table=table)))
    written = connection.execute(text(_UPSERT), {"now": utcnow()}).rowcount
    connection.execute(text(_FOLLOW_RECORDS))
    return Rebuilt(written=written, deleted=deleted)


def register_model(session: Session, spec: ModelSpec) -> None:
    """Make the model known, once. Raises EmbeddingMismatch when it is known with another length."""
    if not check_model(session, spec):
        session.connection().execute(
            text(
                "INSERT INTO embedding_models (key, provider, dimension, created_at)"
                " VALUES (:key, :provider, :dimension, :now) ON CONFLICT (key) DO NOTHING"
            ),
            {"key": spec.key, "provider": spec.provider, "dimension": spec.dimension, "now": utcnow()},
        )
        check_model(session, spec)


def requeue_missing(session: Session, account_scope_id: AccountScopeId, spec: ModelSpec) -> int:
    """Put chunks back that a stopped worker left claimed, and ready ones without a vector of this model; how many."""
    result = session.connection().execute(
        text(
            """
            UPDATE rag_chunks c SET status = 'pending', claimed_at = NULL
            WHERE c.account_scope_id = :scope_id AND (
                (c.status = 'processing' AND c.claimed_at < :stale)
                OR (c.status = 'ready' AND NOT EXISTS (
                    SELECT 1 FROM rag_embeddings e WHERE e.chunk_id = c.id AND e.model_key = :model))
            )
            """
        ),
        {"scope_id": account_scope_id, "stale": utcnow() - STALE_AFTER, "model": spec.key},
    )
    return result.rowcount


def requeue_failed(session: Session, account_scope_id: AccountScopeId) -> int:
    """Give failed chunks whose wait is over one more try, newest first, at most ``RETRIES_PER_RUN``; how many.

    The first wait is ``RETRY_AFTER``, each failure doubles it up to ``RETRY_AT_LATEST``. A chunk keeps its count of attempts,
    so that it is failed again at once when the endpoint is still away.
    """
    result = session.connection().execute(
        text(
            """
            WITH due AS (
                SELECT id FROM rag_chunks
                WHERE account_scope_id = :scope_id AND status = 'failed' AND (
                    claimed_at IS NULL
                    OR claimed_at <= :now - least(:first * power(2, least(greatest(attempts - :most, 0), 16)), :longest))
                ORDER BY source_time DESC NULLS LAST, id LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            UPDATE rag_chunks c SET status = 'pending', claimed_at = NULL FROM due WHERE c.id = due.id
            """
        ),
        {
            "scope_id": account_scope_id,
            "now": utcnow(),
            "first": RETRY_AFTER,
            "longest": RETRY_AT_LATEST,
            "most": MAX_ATTEMPTS,
            "limit": RETRIES_PER_RUN,
        },
    )
    return result.rowcount


def claim_pending(session: Session, account_scope_id: AccountScopeId, limit: int) -> list[Claim]:
    """Take up to ``limit`` pending chunks, newest first and those that had failed last; other workers skip them."""
    rows = session.connection().execute(
        text(
            """
            WITH taken AS (
                SELECT id FROM rag_chunks WHERE account_scope_id = :scope_id AND status = 'pending'
                ORDER BY attempts >= :most, source_time DESC NULLS LAST, id LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            UPDATE rag_chunks c SET status = 'processing', claimed_at = :now FROM taken WHERE c.id = taken.id
            RETURNING c.id, c.account_scope_id, c.project_id, c.title, c.context, c.author, c.body, c.attempts
            """
        ),
        {"scope_id": account_scope_id, "limit": limit, "now": utcnow(), "most": MAX_ATTEMPTS},
    )
    claims: list[Claim] = []
    for row in rows:
        passage = embedding_text(row.title, row.context, row.author, row.body)
        claims.append(
            Claim(row.id, row.account_scope_id, row.project_id, passage, text_hash(passage), row.attempts)
        )
    return claims


def text_hash(passage: str) -> str:
    """SHA-256 of an embedded text: equal texts share their vector."""
    return hashlib.sha256(passage.encode("utf-8", "ignore")).hexdigest()


def reuse_vectors(session: Session, spec: ModelSpec, claims: Sequence[Claim]) -> set[UUID]:
    """Give claimed chunks the vector that an equal text already has; which chunks got one."""
    if not claims:
        return set()
    rows = session.connection().execute(
        text(
            f"""
            INSERT INTO rag_embeddings
                (account_scope_id, project_id, chunk_id, model_key, embedding, content_hash, created_at)
            SELECT c.account_scope_id, c.project_id, c.id, known.model_key, known.embedding, known.content_hash, :now
            FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS text[])) AS wanted(id, hash)
            JOIN rag_chunks c ON c.id = wanted.id
            CROSS JOIN LATERAL (
                SELECT model_key, embedding, content_hash FROM rag_embeddings
                WHERE model_key = {model_literal(spec)} AND content_hash = wanted.hash LIMIT 1
            ) known
            ON CONFLICT (chunk_id, model_key) DO UPDATE
                SET embedding = excluded.embedding, content_hash = excluded.content_hash
            RETURNING chunk_id
            """  # noqa: S608  an escaped literal of ours
        ),
        {
            "ids": [claim.chunk_id for claim in claims],
            "hashes": [claim.hash for claim in claims],
            "now": utcnow(),
        },
    )
    return {row.chunk_id for row in rows}


def write_vectors(session: Session, spec: ModelSpec, claims: Sequence[Claim], vectors: Vectors) -> None:
    """Store the vectors of claimed chunks, row by row of ``vectors``; chunks deleted meanwhile are passed over."""
    session.connection().execute(
        text(
            """
            INSERT INTO rag_embeddings
                (account_scope_id, project_id, chunk_id, model_key, embedding, content_hash, created_at)
            SELECT c.account_scope_id, c.project_id, c.id, :model, made.vector::halfvec, made.hash, :now
            FROM unnest(CAST(:ids AS uuid[]), CAST(:hashes AS text[]), CAST(:vectors AS text[])) AS made(id, hash, vector)
            JOIN rag_chunks c ON c.id = made.id AND c.status = 'processing'
            ON CONFLICT (chunk_id, model_key) DO UPDATE
                SET embedding = excluded.embedding, content_hash = excluded.content_hash
            """
        ),
        {
            "model": spec.key,
            "ids": [claim.chunk_id for claim in claims],
            "hashes": [claim.hash for claim in claims],
            "vectors": [vector_literal(vector) for vector in vectors],
            "now": utcnow(),
        },
    )


def finish_claims(session: Session, chunk_ids: Iterable[UUID]) -> None:
    """Mark claimed chunks as ready; one that changed meanwhile is pending already and stays so."""
    session.connection().execute(
        text(
            "UPDATE rag_chunks SET status = 'ready', claimed_at = NULL, error = NULL, attempts = 0"
            " WHERE id = ANY(:ids) AND status = 'processing'"
        ),
        {"ids": list(chunk_ids)},
    )


def fail_claims(session: Session, claims: Sequence[Claim], reason: str) -> None:
    """Give claimed chunks back after an error; after ``MAX_ATTEMPTS`` they are failed and keep the reason and the time."""
    session.connection().execute(
        text(
            """
            UPDATE rag_chunks SET attempts = attempts + 1, error = :reason,
                claimed_at = CASE WHEN attempts + 1 >= :most THEN CAST(:now AS timestamptz) END,
                status = CASE WHEN attempts + 1 >= :most THEN 'failed' ELSE 'pending' END
            WHERE id = ANY(:ids) AND status = 'processing'
            """
        ),
        {
            "ids": [claim.chunk_id for claim in claims],
            "reason": reason[:500],
            "most": MAX_ATTEMPTS,
            "now": utcnow(),
        },
    )


def count_pending(session: Session, account_scope_id: AccountScopeId) -> int:
    """Chunks of the scope that wait for a vector."""
    return (
        session.connection()
        .execute(
            text("SELECT count(*) FROM rag_chunks WHERE account_scope_id = :scope_id AND status = 'pending'"),
            {"scope_id": account_scope_id},
        )
        .scalar_one()
    )


def read_new_texts(
    session: Session, account_scope_id: AccountScopeId, after: datetime | None, limit: int
) -> tuple[list[str], datetime | None]:
    """Titles and bodies of chunks written after an instant, oldest first, and the instant they reach (None: no more).

    About ``limit`` chunks: those of one instant are never torn apart.
    """
    rows = (
        session.connection()
        .execute(
            text(
                "SELECT title, body, updated_at FROM rag_chunks"
                " WHERE account_scope_id = :scope_id AND (CAST(:after AS timestamptz) IS NULL OR updated_at > :after)"
                " ORDER BY updated_at FETCH FIRST :limit ROWS WITH TIES"
            ),
            {"scope_id": account_scope_id, "after": after, "limit": limit},
        )
        .all()
    )
    return [f"{row.title}\n{row.body}" for row in rows], rows[-1].updated_at if rows else None


def read_watermarks(session: Session, account_scope_id: AccountScopeId) -> dict[str, datetime]:
    """Per raw table up to which ``synced_at`` it is indexed."""
    rows = session.connection().execute(
        text("SELECT source, synced_at FROM index_watermarks WHERE account_scope_id = :scope_id"),
        {"scope_id": account_scope_id},
    )
    return {row.source: row.synced_at for row in rows}


def advance_watermarks(
    session: Session, account_scope_id: AccountScopeId, seen: Mapping[str, datetime]
) -> None:
    """Remember how far each raw table is indexed; never goes back."""
    for source, synced_at in seen.items():
        session.connection().execute(
            text(
                "INSERT INTO index_watermarks (account_scope_id, source, synced_at) VALUES (:scope_id, :source, :at)"
                " ON CONFLICT (account_scope_id, source) DO UPDATE"
                " SET synced_at = greatest(index_watermarks.synced_at, excluded.synced_at)"
            ),
            {"scope_id": account_scope_id, "source": source, "at": synced_at},
        )


def forget_watermark(session: Session, account_scope_id: AccountScopeId, source: str) -> None:
    """Have a source read from its beginning again."""
    session.connection().execute(
        text("DELETE FROM index_watermarks WHERE account_scope_id = :scope_id AND source = :source"),
        {"scope_id": account_scope_id, "source": source},
    )


def _stage_row(draft: ChunkDraft) -> tuple[Any, ...]:
    place, source = draft.place, draft.source
    return (
        place.account_scope_id, place.project_id, place.connection_id, draft.key, draft.source_group, draft.kind,
        draft.thread_id, draft.part, draft.title, draft.header, draft.context, draft.body, draft.author, draft.lang,
        draft.content_hash, draft.source_time, source.record_id, source.vendor_id, source.start, source.end,
    )  # fmt: skip
