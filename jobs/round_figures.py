"""What the parts of a round come to together: of each part the newest figures, and what earlier parts left open.

A pass reads one part of a big account. Its figures alone would pass for those of all: complete, while messages of a part
read before are still missing. So the counts of every part are kept until it is read again, and ids that differ until
they are mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import Session

from jobs.comparison import Figures
from jobs.page_writer import table_of
from jobs.rounds import Part, order
from jobs.sweep import Sweep
from models.infra.ids import ProjectId
from models.queries import reconciliation as queries
from models.queries import sync_state
from models.queries.reconciliation import Held

# By the id that a part begins after: of each project how many the vendor has and how many were here.
Kept = Mapping[str, Mapping[str, list[int]]]


def others(kept: Kept, part: Part) -> dict[str, Mapping[str, list[int]]]:
    """Return the kept parts that ``part`` does not stand for now. Pure."""
    return {start: counts for start, counts in kept.items() if not _replaces(part, start)}


def add_earlier(
    session: Session,
    sweep: Sweep,
    stream: str,
    part: Part,
    parts: dict[ProjectId, Figures],
    local: Mapping[str, Held],
) -> None:
    """Add to the figures of a part, by project, those of the other parts; keep its own for the passes to come.

    ``local`` are the rows of the part.
    """
    connection = sweep.run.connection
    kept: dict[str, Any] = sync_state.read_cursor(session, connection.id, _key(stream))
    rest = others(kept, part)
    own = {str(project): [each.vendor, each.local] for project, each in parts.items()}
    sync_state.commit_cursor(session, connection, _key(stream), {**rest, part.start: own})
    for counts in rest.values():
        for project, (vendor, here) in counts.items():
            figures = _of(parts, ProjectId(UUID(project)))
            figures.vendor += vendor
            figures.local += here
    _carry(session, sweep, stream, part, parts, local)


def forget(session: Session, sweep: Sweep, stream: str) -> None:
    """Drop what was kept: one pass has read everything."""
    connection = sweep.run.connection
    if sync_state.read_cursor(session, connection.id, _key(stream)):
        sync_state.commit_cursor(session, connection, _key(stream), {})


def _carry(
    session: Session,
    sweep: Sweep,
    stream: str,
    part: Part,
    parts: dict[ProjectId, Figures],
    local: Mapping[str, Held],
) -> None:
    """Add the ids that the comparison before found in other parts, as far as they were not mended since."""
    shown = sweep.seen(stream).shown
    parents = frozenset(part.threads) if stream == "messages" else sweep.seen("messages").shown
    for kind, row in queries.id_rows(session, [sweep.run.connection.id], stream):
        if row.project_id is None:
            continue
        told = {*row.stale_ids} if kind == "stale" else {*row.missing_ids, *row.extra_ids}
        open_ids = {each for each in told if each not in local and each not in shown}
        held = queries.read_held(session, table_of(sweep.run, stream), sweep.run.connection.id, open_ids)
        figures = _of(parts, ProjectId(row.project_id))
        if kind == "stale":
            figures.stale = [
                *(figures.stale or []),
                *(each for each, written in held.items() if written < row.measured_at),
            ]
            continue
        figures.extra += [each for each in row.extra_ids if each in held]
        figures.missing |= {
            each: parent
            for each, parent in row.missing_ids.items()
            if each in open_ids and each not in held and parent not in parents
        }


def _of(parts: dict[ProjectId, Figures], project: ProjectId) -> Figures:
    return parts.setdefault(project, Figures(stale=[]))


def _replaces(part: Part, start: str) -> bool:
    return order(start) >= order(part.start) and (part.last is None or order(start) < order(part.last))


def _key(stream: str) -> str:
    return f"{stream}:parts"
