"""Mends what a comparison found: fetches missing and stale records again, and removes what the vendor has no more.

Written by the writer of the sync, a record at a time and a bounded number a run. Nothing is removed on the word of one
crawl: where the vendor answers by id its "not found" is the proof, elsewhere a second reading that lacks the id too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.connectors.base import Page, Record, Thread, Window
from jobs.connectors.errors import UNREADABLE, BadRecord
from jobs.page_writer import SyncRun, table_of, write_records
from jobs.reconciliation import streams_of
from jobs.retry import queue_failure
from jobs.sweep import AHEAD, WITH
from jobs.sync import Progress, fetch_missing_parents, open_run
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.infra.logging import get_logger, request_id
from models.queries import reconciliation as queries
from models.queries import records as rows
from models.queries import sync_state
from models.queries.audit import add_audit_event

log = get_logger(__name__)

RECORDS_AT_MOST = 500
# A note's link is made of its parent's, which only these streams bring.
_READ_FIRST: Mapping[str, tuple[str, ...]] = {"notes": ("companies", "people", "deals")}
# What a record says itself about the one it hangs on: its row may have been hung elsewhere behind our back.
_NAMED_PARENT: Mapping[str, str] = {"messages": "conversation_id", "attachments": "message_id"}
_COUNTED = ("inserted", "updated", "unchanged", "rejected", "deleted")


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What became of one stream's differences: records by outcome, and how many wait for the next run.

    Records that failed before are tried after all others and not counted as waiting. ``set_aside`` are those that
    failed now for the first time.
    """

    stream: str
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    deleted: int = 0
    waiting: int = 0
    set_aside: int = 0

    @property
    def written(self) -> int:
        """Rows that changed."""
        return self.inserted + self.updated + self.deleted


def repair(
    connection_id: ConnectionId, stream: str, progress: Callable[[Progress], None] | None = None
) -> RepairResult:
    """Mend what the newest comparison of a stream found, RECORDS_AT_MOST records at most.

    Raises NotFound for an unknown or disabled connection, KeyError for an unknown stream, and VendorError when the
    vendor fails: what was mended until then stays.
    """
    run = open_run(connection_id)
    try:
        return _repair(run, stream, progress)
    finally:
        run.connector.close()


def repair_connection(
    connection_id: ConnectionId, progress: Callable[[Progress], None] | None = None
) -> tuple[RepairResult, ...]:
    """Mend every stream of a connection, parents first. Raises like `repair`."""
    run = open_run(connection_id)
    try:
        streams = [
            each
            for stream in streams_of(run.connection.connector, run.connector.streams)
            for each in (stream, *WITH.get(stream, ()))
        ]
        return tuple(_repair(run, stream, progress) for stream in streams)
    finally:
        run.connector.close()


def _repair(run: SyncRun, stream: str, progress: Callable[[Progress], None] | None) -> RepairResult:
    with reading() as session:
        found = queries.read_differences(session, run.connection.id, stream)
        wrong = list(dict.fromkeys([*found.missing, *found.stale, *found.extra]))
        failing = sync_state.failing_units(session, run.connection.id, stream, wrong)
    # What failed comes last, so that it never stands before what can be mended.
    failed_before = set(failing)
    untried = [each for each in wrong if each not in failed_before]
    chosen = [*untried, *failing][:RECORDS_AT_MOST]
    doubted = {*found.extra, *(found.stale if stream in _NAMED_PARENT else ())} & set(chosen)
    before = run.counts.get(stream)
    if chosen:
        if stream in run.connector.by_id:
            _refetch(run, stream, chosen, progress)
            if stream == "issues":
                _reread_blockers(run)
        else:
            _reread(run, stream, chosen, doubted, found.missing)
    with reading() as session:
        failed_now = set(sync_state.failing_units(session, run.connection.id, stream, chosen))
    after = run.counts.get(stream)
    counts = {name: getattr(after, name, 0) - getattr(before, name, 0) for name in _COUNTED}
    result = RepairResult(
        stream,
        **counts,
        waiting=max(0, len(untried) - RECORDS_AT_MOST),
        set_aside=len(failed_now - failed_before),
    )
    if chosen:
        _record(run, result)
    return result


def _refetch(
    run: SyncRun, stream: str, chosen: Iterable[str], progress: Callable[[Progress], None] | None
) -> None:
    """Read records one by one; what the vendor does not have gets a tombstone."""
    table = table_of(run, stream).table
    for number, vendor_id in enumerate(chosen, start=1):
        try:
            record = run.connector.fetch_one(stream, vendor_id)
        except UNREADABLE as error:
            log.warning("record not repaired", stream=stream, vendor_id=vendor_id, error=str(error))
            queue_failure(run, stream, vendor_id, error, {})
            run.add(stream, rejected=1)
            continue
        if record is None:
            with transaction() as session:
                gone = rows.tombstone(session, table, run.connection.id, [vendor_id])
                sync_state.resolve_errors(session, run.connection.id, stream, [vendor_id])
            run.add(stream, deleted=gone)
        else:
            _write(run, stream, [record])
        if progress is not None:
            progress(Progress(run.connection.connector, stream, 0, number))


def _reread_blockers(run: SyncRun) -> None:
    """Read again what blocks which issue: no issue's own answer tells."""
    with reading() as session:
        said = sync_state.read_cursor(session, run.connection.id, "relations")
    for page in run.connector.pages("relations", Window(said, utcnow() + AHEAD)):
        blockers = {record.vendor_id: record.fields["blocked_by"] for record in page.records}
        with transaction() as session:
            run.add("issues", updated=rows.set_blockers(session, run.connection.id, blockers))


def _reread(
    run: SyncRun,
    stream: str,
    chosen: Collection[str],
    doubted: Collection[str],
    parents: Mapping[str, str | None],
) -> None:
    """Read again what holds the records, write only those, and remove what a second reading lacks too.

    A message that its row's conversation does not hold is removed as well: the next comparison finds where it belongs.
    """
    wanted, shown = set(chosen), set[str]()
    for page in _pages(run, stream, chosen, parents):
        own = [record for record in page.records if record.stream == stream]
        shown |= {record.vendor_id for record in own} | {each.vendor_id for each in page.rejected}
        for each in page.rejected:
            if each.stream == stream and each.vendor_id in wanted:
                queue_failure(
                    run, stream, each.vendor_id, BadRecord(each.vendor_id, each.message), each.payload
                )
                run.add(stream, rejected=1)
        _write(run, stream, [record for record in own if record.vendor_id in wanted])
        for child in WITH.get(stream, ()):
            held = [each for each in page.records if each.stream == child and each.parent in wanted]
            _write(run, child, held)
    with transaction() as session:
        gone = rows.tombstone(session, table_of(run, stream).table, run.connection.id, set(doubted) - shown)
    run.add(stream, deleted=gone)


def _write(run: SyncRun, stream: str, records: list[Record]) -> None:
    if not records:
        return
    page = fetch_missing_parents(run, Page(stream, tuple(records)))
    run.add(stream, rejected=len(page.rejected))
    with transaction() as session:
        write_records(session, run, stream, list(page.records), exact=True)


def _pages(
    run: SyncRun, stream: str, chosen: Collection[str], parents: Mapping[str, str | None]
) -> Iterator[Page]:
    source = next((owner for owner, carried in WITH.items() if stream in carried), stream)
    if source == "messages":
        threads = _conversations(run, stream, chosen, parents)
        window = Window({}, utcnow() + AHEAD, threads=lambda: [Thread(each, 0) for each in threads])
    else:
        window = Window({}, utcnow() + AHEAD)
    for first in _READ_FIRST.get(stream, ()):
        for _ in run.connector.pages(first, window):
            pass
    return run.connector.pages(source, window)


def _conversations(
    run: SyncRun, stream: str, chosen: Collection[str], parents: Mapping[str, str | None]
) -> list[str]:
    """Return the conversations to read again for these messages or attachments."""
    named = {parents[each] for each in chosen if each in parents}
    known = {each for each in named if each is not None}
    known |= _parents(run, stream, chosen)
    return sorted(known if stream == "messages" else _parents(run, "messages", known))


def _parents(run: SyncRun, stream: str, vendor_ids: Collection[str]) -> set[str]:
    place = table_of(run, stream)
    with reading() as session:
        parent_table = table_of(run, place.parent_stream or "").table
        held = queries.parents_of(session, place, parent_table, run.connection.id, vendor_ids).values()
        told = queries.parents_told(session, place, _NAMED_PARENT[stream], run.connection.id, vendor_ids)
        return {*held, *told}


def _record(run: SyncRun, result: RepairResult) -> None:
    after: dict[str, Any] = {name: getattr(result, name) for name in (*_COUNTED, "waiting")}
    with transaction() as session:
        add_audit_event(
            session,
            actor="system",
            action="reconciliation.repaired",
            entity_type="connection_stream",
            entity_id=f"{run.connection.id}:{result.stream}",
            account_scope_id=run.connection.account_scope_id,
            after=after,
            request_id=request_id.get() or None,
        )
