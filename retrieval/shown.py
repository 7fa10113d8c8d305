"""Records by their evidence ids, as they are now: what a stored question showed, without what is gone since.

Stored questions and cases keep ids, not texts. A record that was deleted, or that moved out of the scope, is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlmodel import Session, col, select

from models.infra.scope import Scope
from models.tables.retrieval import Chunk, ChunkSource
from retrieval import store
from retrieval.chunking import heading
from retrieval.schemas import GROUP_OF, Evidence, SourceType

_SNIPPET_CHARS = 600


def read_shown(session: Session, scope: Scope, evidence_ids: Sequence[str]) -> dict[str, Evidence]:
    """The live records of the scope among these ids, each by its id; ``score`` is 0. Malformed ids are not there."""
    wanted = {pair for each in evidence_ids if (pair := parse_evidence_id(each)) is not None}
    live = store.live_records(session, scope, wanted)
    if not live:
        return {}
    rows = session.exec(
        select(ChunkSource, Chunk)
        .join(Chunk, col(Chunk.id) == col(ChunkSource.chunk_id))
        .where(
            col(ChunkSource.record_id).in_([record_id for _, record_id in live]),
            ChunkSource.position == 0,
            Chunk.part == 0,
            Chunk.account_scope_id == scope.account_scope_id,
            col(Chunk.project_id).in_(scope.project_ids),
        )
    ).all()
    found: dict[str, Evidence] = {}
    for source, chunk in rows:
        kind: SourceType = source.source_type  # pyright: ignore[reportAssignmentType]  the table checks it
        record = live.get((kind, source.record_id))
        if record is None:
            continue
        found[f"{kind}:{source.record_id}"] = Evidence(
            id=f"{kind}:{source.record_id}",
            source_type=kind,
            source_id=source.vendor_id,
            project_id=chunk.project_id,
            title=heading(kind, chunk.title, chunk.header),
            snippet=chunk.body[:_SNIPPET_CHARS],
            author=chunk.author,
            created_at=chunk.source_time,
            url=record.url,
            score=0.0,
        )
    return found


def parse_evidence_id(value: str) -> tuple[SourceType, UUID] | None:
    """Type and record id of ``type:uuid``, None for anything else."""
    kind, _, key = value.partition(":")
    known: dict[str, SourceType] = {name: name for name in GROUP_OF}
    try:
        return known[kind], UUID(key)
    except (KeyError, ValueError):
        return None
