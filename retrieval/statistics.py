"""How common a word is and how much of the table a scope holds, from what Postgres keeps for its planner.

Counting is what a large table cannot afford at every question; ANALYZE has counted a sample already (`pg_stats`: up to ten
times the column's statistics target of words). Read at most once in five minutes per process and database.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from retrieval.language import stem, words

_TTL_S = 300.0

_READ = """
SELECT (SELECT reltuples FROM pg_class WHERE oid = 'rag_chunks'::regclass) AS rows,
       s.attname AS name,
       coalesce(s.most_common_elems::text::text[], s.most_common_vals::text::text[]) AS keys,
       coalesce(s.most_common_elem_freqs, s.most_common_freqs) AS shares
FROM pg_stats s
WHERE s.schemaname = current_schema() AND s.tablename = 'rag_chunks' AND s.attname IN ('tsv', 'project_id')
"""


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """``rows`` of ``rag_chunks`` (0: never analysed); the share of rows, 0..1, that hold a stem or belong to a project."""

    rows: float = 0.0
    stems: Mapping[str, float] = field(default_factory=dict[str, float])
    projects: Mapping[str, float] = field(default_factory=dict[str, float])

    def share_of(self, written: str) -> float:
        """About which share of the rows holds a word; of several words, the rarest one's share."""
        rare = min(self.stems.values(), default=0.0)
        return min((self.stems.get(stem(word), rare) for word in words(written)), default=0.0)

    def share_of_projects(self, project_ids: Sequence[UUID]) -> float:
        """Which share of the rows these projects hold, at most 1; an unknown project counts as one row."""
        least = 1 / max(self.rows, 1.0)
        return min(sum(self.projects.get(str(project_id), least) for project_id in project_ids), 1.0)


class _Kept:
    """The statistics of this process' databases."""

    lock: ClassVar[Any] = threading.Lock()
    read: ClassVar[dict[str, tuple[float, TableStatistics]]] = {}


def read_statistics(session: Session) -> TableStatistics:
    """The table's statistics, as of the last ANALYZE."""
    key = str(session.get_bind().engine.url)
    now = time.monotonic()
    with _Kept.lock:
        held = _Kept.read.get(key)
    if held is not None and now - held[0] < _TTL_S:
        return held[1]
    rows = session.connection().execute(text(_READ)).all()
    shares: dict[str, dict[str, float]] = {"tsv": {}, "project_id": {}}
    for row in rows:
        # After the shares of the elements come their least, their greatest and the share of nulls.
        shares[row.name].update(zip(row.keys or (), row.shares or (), strict=False))
    total = max((float(row.rows) for row in rows), default=0.0)
    made = TableStatistics(max(total, 0.0), shares["tsv"], shares["project_id"])
    with _Kept.lock:
        _Kept.read[key] = (now, made)
    return made
