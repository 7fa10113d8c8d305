"""What stands around an evidence record in its conversation, issue or deal: the records just before and after it.

An answer shows one record of a conversation, not the ten that say nearly the same; whoever wants the rest opens its neighbours.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.errors import NotFound
from models.infra.scope import Scope
from retrieval import store
from retrieval.chunking import heading
from retrieval.schemas import GROUP_OF, Evidence, SourceType

MOST_NEIGHBOURS = 10

_THREAD = """
WITH wanted AS (
    SELECT c.thread_id, c.source_time, c.id FROM chunk_sources s JOIN rag_chunks c ON c.id = s.chunk_id AND c.part = 0
    WHERE s.record_id = :record_id AND s.source_type = :kind AND s.position = 0
      AND c.account_scope_id = :scope_id AND c.project_id = ANY(:project_ids)
    LIMIT 1
),
thread AS (
    SELECT c.id, c.kind, s.record_id, s.vendor_id, c.project_id, c.title, c.header, c.body, c.author, c.source_time,
           row_number() OVER (ORDER BY c.source_time NULLS FIRST, c.id) AS place
    FROM wanted w JOIN rag_chunks c ON c.thread_id = w.thread_id AND c.part = 0
    JOIN chunk_sources s ON s.chunk_id = c.id AND s.position = 0
    WHERE c.account_scope_id = :scope_id AND c.project_id = ANY(:project_ids)
)
SELECT t.*, t.place - own.place AS away FROM thread t
JOIN thread own ON own.record_id = :record_id AND own.kind = :kind
WHERE abs(t.place - own.place) <= :around
ORDER BY t.place
"""


def read_neighbours(session: Session, scope: Scope, evidence_id: str, around: int = 3) -> list[Evidence]:
    """The live records around one of the scope, itself included, oldest first; up to ``around`` on each side.

    ``score`` is 1 for the record itself, 0 for the others. Raises NotFound when the scope has no such record.
    """
    kind, record_id = _parsed(evidence_id)
    values = {
        "record_id": record_id,
        "kind": kind,
        "scope_id": scope.account_scope_id,
        "project_ids": list(scope.project_ids),
        "around": max(1, min(around, MOST_NEIGHBOURS)),
    }
    rows = session.connection().execute(text(_THREAD), values).all()
    live = store.live_records(session, scope, {(row.kind, row.record_id) for row in rows})
    if (kind, record_id) not in live:
        raise NotFound("there is no such evidence in this scope")
    return [
        Evidence(
            id=f"{row.kind}:{row.record_id}",
            source_type=row.kind,
            source_id=row.vendor_id,
            project_id=row.project_id,
            title=heading(row.kind, row.title, row.header),
            snippet=row.body,
            author=row.author,
            created_at=row.source_time,
            url=live[row.kind, row.record_id].url,
            score=float(row.away == 0),
        )
        for row in rows
        if (row.kind, row.record_id) in live
    ]


def _parsed(evidence_id: str) -> tuple[SourceType, UUID]:
    kind, _, record_id = evidence_id.partition(":")
    known: dict[str, SourceType] = {name: name for name in GROUP_OF}
    try:
        return known[kind], UUID(record_id)
    except (KeyError, ValueError) as fault:
        raise NotFound("there is no such evidence in this scope") from fault
