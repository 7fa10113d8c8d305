"""Keeps entities, links and mentions in step with raw rows and chunks, after every rebuild of the index.

Resumable after any batch: one watermark says up to which raw row the entities are made, one per project up to which chunk
mentions are read. A new or renamed person or company is looked for in all chunks of its project again.
"""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId
from models.infra.logging import get_logger
from models.queries import routing_lock
from retrieval import graph_store, index_store
from retrieval.entities import EntityIndex
from retrieval.graph_store import ENTITIES, MENTIONS

CHUNKS_PER_BATCH = 1000

log = get_logger(__name__)


def refresh_graph(account_scope_id: AccountScopeId, *, lag: timedelta, until: float) -> int:
    """Bring the graph of a scope up to date until ``until`` (monotonic seconds); how many chunks were read.

    ``lag`` is how far back a watermark is not trusted, as rows commit later than they are stamped.
    """
    if time.monotonic() > until:
        return 0
    with transaction() as session:
        routing_lock.share(session, account_scope_id)
        marks = index_store.read_watermarks(session, account_scope_id)
        newest, mark = graph_store.newest_change(session, account_scope_id), marks.get(ENTITIES)
        # Within the lag a row may have committed after the last run with an older stamp than it saw.
        if newest is not None and (mark is None or newest > min(mark, utcnow() - lag)):
            refresh_within(session, account_scope_id)
            index_store.advance_watermarks(session, account_scope_id, {ENTITIES: newest})
    return _read_chunks(account_scope_id, lag, until)


def refresh_within(session: Session, account_scope_id: AccountScopeId) -> None:
    """Make entities and links of a scope what its records are now, inside the caller's transaction."""
    again = graph_store.refresh_entities(session, account_scope_id)
    links = graph_store.refresh_links(session, account_scope_id)
    for project_id in again:
        index_store.forget_watermark(session, account_scope_id, _source(project_id))
    log.info("graph refreshed", links_changed=links, projects_again=len(again))


def _read_chunks(account_scope_id: AccountScopeId, lag: timedelta, until: float) -> int:
    with reading() as session:
        marks = index_store.read_watermarks(session, account_scope_id)
        entities = graph_store.read_entities(session, account_scope_id)
    indexes = {project_id: EntityIndex.of(found) for project_id, found in entities.items()}
    done = 0
    for project_id in sorted(indexes):
        mark = marks.get(_source(project_id))
        after = mark - lag if mark else None
        while time.monotonic() < until:
            with transaction() as session:
                routing_lock.share(session, account_scope_id)
                batch = graph_store.read_unread(
                    session, account_scope_id, after, CHUNKS_PER_BATCH, project_id
                )
                if not batch:
                    break
                graph_store.write_mentions(session, batch, indexes)
                after = batch[-1].updated_at
                index_store.advance_watermarks(session, account_scope_id, {_source(project_id): after})
            done += len(batch)
    return done


def _source(project_id: UUID) -> str:
    return f"{MENTIONS}:{project_id}"
