"""Keeps the search index in step with the raw tables: chunks first, vectors after, newest first.

Two passes. *Rebuild* replaces the chunks of every thread that changed since the watermark; lexical search sees them as
soon as their batch is committed. *Embed* claims pending chunks in bounded batches and stores their vectors. Both can
stop after any batch and be run again: watermarks and claims carry the state, and unchanged text costs no write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session

from jobs.graph import refresh_graph
from jobs.themes import refresh_themes
from models.infra.database import reading, transaction
from models.infra.errors import AppError
from models.infra.ids import AccountScopeId
from models.infra.logging import get_logger
from models.infra.settings import get_settings
from models.queries import routing_lock
from retrieval import index_store, lexicon, sources
from retrieval.chunking import build_chunks
from retrieval.embedding import RoleEmbedding, embedding_model, model_spec
from retrieval.sources import Change, ThreadKind

# A row's synced_at is set before its transaction commits; looking back this far finds rows that committed late.
LAG = timedelta(minutes=2)
THREADS_PER_BATCH = 120
CHUNKS_PER_BATCH = 48
TEXTS_PER_BATCH = 600
EMBEDDING_THREADS = 2

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far a run is: chunks written so far, vectors made, chunks that still wait."""

    written: int
    embedded: int
    pending: int


@dataclass(frozen=True, slots=True)
class IndexResult:
    """What a run came to. ``pending`` chunks wait for the next run; ``failed`` are those this run could not embed."""

    threads: int
    written: int
    deleted: int
    embedded: int
    reused: int
    failed: int
    pending: int
    rebuild_s: float
    embed_s: float


@dataclass(slots=True)
class _Tally:
    threads: int = 0
    written: int = 0
    deleted: int = 0
    embedded: int = 0
    reused: int = 0
    failed: int = 0


def index_pending(
    account_scope_id: AccountScopeId,
    *,
    lexical_only: bool = False,
    budget_s: float,
    progress: Callable[[IndexProgress], None] | None = None,
) -> IndexResult:
    """Rebuild what changed, then embed newest first until nothing waits or ``budget_s`` seconds are over.

    ``lexical_only`` stops after the rebuild. Raises EmbeddingMismatch when stored vectors have another length than the
    configured model makes. An unavailable embedding endpoint fails its batch, not the run; later runs take up what failed.
    """
    started = time.monotonic()
    tally = _Tally()
    _rebuild(account_scope_id, tally, started + budget_s)
    refresh_graph(account_scope_id, lag=LAG, until=started + budget_s)
    _learn(account_scope_id, started + budget_s)
    rebuilt = time.monotonic()
    if not lexical_only:
        _embed(account_scope_id, tally, started + budget_s, progress)
    with reading() as session:
        pending = index_store.count_pending(session, account_scope_id)
    if not lexical_only and not pending:
        refresh_themes(account_scope_id, until=started + budget_s)
    result = IndexResult(
        threads=tally.threads,
        written=tally.written,
        deleted=tally.deleted,
        embedded=tally.embedded,
        reused=tally.reused,
        failed=tally.failed,
        pending=pending,
        rebuild_s=round(rebuilt - started, 3),
        embed_s=round(time.monotonic() - rebuilt, 3),
    )
    log.info(
        "index run", threads=result.threads, written=result.written, embedded=result.embedded, pending=pending
    )
    return result


def _rebuild(account_scope_id: AccountScopeId, tally: _Tally, until: float) -> None:
    with reading() as session:
        watermarks = index_store.read_watermarks(session, account_scope_id)
    for source in sources.SOURCES:
        mark = watermarks.get(source)
        with reading() as session:
            changes = sources.list_changes(session, account_scope_id, source, mark - LAG if mark else None)
        for batch in _batches(changes, THREADS_PER_BATCH):
            if time.monotonic() > until:
                return
            _rebuild_batch(account_scope_id, batch, tally)


def _rebuild_batch(account_scope_id: AccountScopeId, batch: Sequence[Change], tally: _Tally) -> None:
    kind = batch[0].kind
    ids = [change.thread_id for change in batch]
    # Changes come oldest first, so the watermark may move with each batch; the lag covers equal instants.
    seen: dict[str, datetime] = {batch[0].source: batch[-1].synced_at}
    with transaction() as session:
        routing_lock.share(session, account_scope_id)
        rebuilt = _replace(session, account_scope_id, kind, ids)
        index_store.advance_watermarks(session, account_scope_id, seen)
    tally.threads += len(ids)
    tally.written += rebuilt.written
    tally.deleted += rebuilt.deleted


def rebuild_threads(
    session: Session, account_scope_id: AccountScopeId, kind: ThreadKind, ids: Sequence[UUID]
) -> None:
    """Make the chunks of these threads what their records are now, inside the caller's transaction."""
    for start in range(0, len(ids), THREADS_PER_BATCH):
        _replace(session, account_scope_id, kind, ids[start : start + THREADS_PER_BATCH])


def _replace(
    session: Session, account_scope_id: AccountScopeId, kind: ThreadKind, ids: Sequence[UUID]
) -> index_store.Rebuilt:
    threads = sources.read_threads(session, account_scope_id, kind, ids)
    units = [(thread_id, sources.KINDS_OF_THREAD[kind]) for thread_id in ids]
    drafts = (draft for thread in threads for draft in build_chunks(thread))
    return index_store.replace_chunks(session, account_scope_id, units, drafts)


def _learn(account_scope_id: AccountScopeId, until: float) -> None:
    # After the chunks, which literal search finds meanwhile; a watermark of its own makes it resumable.
    with reading() as session:
        mark = index_store.read_watermarks(session, account_scope_id).get(lexicon.SOURCE)
    after = mark - LAG if mark else None
    while time.monotonic() < until:
        with transaction() as session:
            texts, after = index_store.read_new_texts(session, account_scope_id, after, TEXTS_PER_BATCH)
            if after is None:
                return
            fresh = lexicon.unknown_words(session, account_scope_id, lexicon.content_words(texts))
        # The vectors are made without a transaction open: a first batch has thousands of words.
        vectors = lexicon.encode_words(list(fresh.values()))
        with transaction() as session:
            lexicon.learn_words(session, account_scope_id, fresh, vectors)
            index_store.advance_watermarks(session, account_scope_id, {lexicon.SOURCE: after})


def _embed(
    account_scope_id: AccountScopeId,
    tally: _Tally,
    until: float,
    progress: Callable[[IndexProgress], None] | None,
) -> None:
    spec = model_spec(get_settings())
    with transaction() as session:
        index_store.register_model(session, spec)
        index_store.requeue_missing(session, account_scope_id, spec)
        index_store.requeue_failed(session, account_scope_id)
        pending = index_store.count_pending(session, account_scope_id)
    if not pending:
        return
    model = embedding_model(get_settings(), threads=EMBEDDING_THREADS)
    while time.monotonic() < until:
        claimed = _embed_batch(account_scope_id, model, tally)
        if not claimed:
            return
        pending = max(0, pending - claimed)
        if progress is not None:
            progress(IndexProgress(tally.written, tally.embedded + tally.reused, pending))


def _embed_batch(account_scope_id: AccountScopeId, model: RoleEmbedding, tally: _Tally) -> int:
    with transaction() as session:
        routing_lock.share(session, account_scope_id)
        claims = index_store.claim_pending(session, account_scope_id, CHUNKS_PER_BATCH)
        known = index_store.reuse_vectors(session, model.spec, claims)
        index_store.finish_claims(session, known)
    fresh = [claim for claim in claims if claim.chunk_id not in known]
    tally.reused += len(known)
    if not fresh:
        return len(claims)
    try:
        # No transaction is open while the model works: it takes seconds and holds no locks.
        vectors = model.encode([claim.text for claim in fresh], "passage")
    except AppError as error:
        log.warning("embedding failed", code=error.code, chunks=len(fresh), reason=error.message)
        with transaction() as session:
            index_store.fail_claims(session, fresh, f"{error.code}: {error.message}")
        tally.failed += len(fresh)
        return len(claims)
    with transaction() as session:
        routing_lock.share(session, account_scope_id)
        index_store.write_vectors(session, model.spec, fresh, vectors)
        index_store.finish_claims(session, [claim.chunk_id for claim in fresh])
    tally.embedded += len(fresh)
    return len(claims)


def _batches(changes: Sequence[Change], size: int) -> Iterator[Sequence[Change]]:
    for start in range(0, len(changes), size):
        yield changes[start : start + size]
