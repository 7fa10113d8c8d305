"""Copies one vendor connection: page → normalise → upsert → commit, the cursor in the same transaction.

Others read ahead, one thread writes. A run killed at any point has committed whole pages only: the next one repeats
at most those that waited, and the upsert absorbs what it sees twice. One bad record is set aside; one failing stream does not stop the
others; a refused token stops the run. Deletion is concluded only from a complete crawl, never from a failed one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from jobs.connectors.base import Page, Record, Rejected, Thread, Window, has_id, is_part
from jobs.connectors.errors import (
    SURPRISES,
    UNREADABLE,
    BadRecord,
    CredentialsInvalid,
    Interrupted,
    SchemaChanged,
    VendorError,
)
from jobs.connectors.registry import open_connector
from jobs.connectors.side_by_side import read_ahead
from jobs.page_writer import (
    StreamCounts,
    SyncRun,
    pause_asked,
    read_router,
    table_of,
    write_page,
    write_records,
)
from jobs.unopened import unopened
from models.infra.clock import utcnow
from models.infra.crypto import SecretUnreadable, decrypt
from models.infra.database import reading, transaction
from models.infra.errors import AppError
from models.infra.ids import ConnectionId
from models.infra.logging import get_logger
from models.infra.settings import get_settings
from models.queries import error_queue, sync_state
from models.queries import records as rows

log = get_logger(__name__)

_COUNTS = ("fetched", "inserted", "updated", "unchanged", "rejected", "deleted")
_ALL_OF_MANY = 10
_CHECKS_AT_MOST = 200  # existence checks by id in one run; the rest waits for the next


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running sync is. ``total`` is the vendor's count where it gives one; ``eta_s`` follows from it."""

    connector: str
    stream: str
    page: int
    rows: int
    total: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What a run came to. ``status`` is ok, degraded (some streams failed) or failed (credentials)."""

    connector: str
    status: str
    streams: Mapping[str, StreamCounts]
    requests: int
    duration_s: float
    errors: Mapping[str, str] = field(default_factory=dict[str, str])

    def counts(self) -> dict[str, Any]:
        """Return the totals and the counts per stream as plain JSON, for the job's row and its events."""
        streams = {stream: _as_json(counts) for stream, counts in self.streams.items()}
        totals = {name: sum(counts[name] for counts in streams.values()) for name in _COUNTS}
        totals["written"] = totals["inserted"] + totals["updated"] + totals["deleted"]
        return {**totals, "requests": self.requests, "streams": streams, "errors": dict(self.errors)}


def sync_connection(connection_id: ConnectionId, progress: Callable[[Progress], None]) -> SyncResult:
    """Bring the local copy of one connection up to date and return the counts.

    Errors of the vendor are recorded and reported in the result; only ours are raised. Raises NotFound for
    an unknown or disabled connection. The caller holds the lock that keeps runs of a connection apart.
    """
    clock = time.monotonic()
    run = open_run(connection_id)
    with transaction() as session:
        sync_state.mark_started(session, run.connection, run.started)
    try:
        errors = _read_streams(run, progress)
        status, duration = _status(errors), time.monotonic() - clock
        with transaction() as session:
            if run.connector.schema is not None:
                sync_state.keep_schema(session, run.connection, run.connector.schema, run.started)
            _mark_finished(session, run, status, duration, next(iter(errors.values()), None))
    except BaseException as error:
        _note_interruption(run, time.monotonic() - clock, error)
        raise
    finally:
        run.connector.close()
    return SyncResult(
        run.connection.connector,
        status,
        dict(run.counts),
        run.connector.requests_made,
        duration,
        {stream: str(error) for stream, error in errors.items()},
    )


def _read_streams(run: SyncRun, progress: Callable[[Progress], None]) -> dict[str, VendorError]:
    errors: dict[str, VendorError] = {}
    for stream in run.connector.streams:
        failed = _sync_stream(run, stream, progress)
        if failed is not None:
            errors[stream] = failed
            if isinstance(failed, CredentialsInvalid):
                break
    return errors


def _mark_finished(
    session: Session, run: SyncRun, status: str, duration_s: float, error: VendorError | None
) -> None:
    sync_state.mark_finished(
        session,
        run.connection,
        status=status,
        at=utcnow(),
        duration_s=duration_s,
        counts={stream: _as_json(counts) for stream, counts in run.counts.items()},
        error_kind=error.kind if error else None,
        error_message=str(error) if error else None,
    )


def _note_interruption(run: SyncRun, duration_s: float, error: BaseException) -> None:
    """Leave no run that has ended early standing as running; without a database that has to wait for the next run."""
    try:
        with transaction() as session:
            # The first line: what follows may be a row.
            why = Interrupted(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
            _mark_finished(session, run, "degraded", duration_s, why)
    except (AppError, SQLAlchemyError) as unreachable:
        log.warning("interruption not noted", reason=type(unreachable).__name__)


def open_run(connection_id: ConnectionId) -> SyncRun:
    """Return what a run over one connection works with: its rules and an open connector, which the caller closes.

    Where the stored token cannot be opened the connector refuses every request. Raises NotFound for an unknown or
    disabled connection.
    """
    with reading() as session:
        connection = sync_state.get_connection(session, connection_id)
        router = read_router(session, connection)
        quiet_until = sync_state.read_pause(session, connection_id)
    token, unreadable = "", None
    try:
        token = decrypt(connection.token_encrypted)
    except SecretUnreadable as error:
        unreadable = error.message
    connector = open_connector(
        connection.connector,
        base_url=connection.base_url,
        external_account=connection.external_account,
        token=token,
        timeout_s=get_settings().http_timeout_s,
        parallel=get_settings().connector_page_parallelism,
        schema=connection.schema,
        quiet_until=quiet_until,
    )
    if unreadable is not None:
        connector = unopened(connector, unreadable)
    return SyncRun(connection, connector, router, utcnow())


def _status(errors: Mapping[str, VendorError]) -> str:
    if any(isinstance(error, CredentialsInvalid) for error in errors.values()):
        return "failed"
    return "degraded" if errors else "ok"


def _sync_stream(run: SyncRun, stream: str, progress: Callable[[Progress], None]) -> VendorError | None:
    """Read one stream to its end; return the vendor's error that ended it early, if one did."""
    run.add(stream)
    with reading() as session:
        cursor = sync_state.read_cursor(session, run.connection.id, stream)
        missing = _snapshot(session, run, stream)
    window = Window(cursor, run.started, threads=lambda: _threads(run), lasting=True, parks=True)
    began = time.monotonic()
    try:
        with closing(_read(run, stream, window)) as pages:
            for number, found in enumerate(pages, start=1):
                page = fetch_missing_parents(run, found)
                with transaction() as session:
                    write_page(session, run, page)
                progress(_progress(run, stream, number, page.total, time.monotonic() - began))
                if missing is not None:
                    missing.difference_update(_shown(stream, page))
                    if page.scanned_all:
                        _prune(run, stream, missing)
    except VendorError as error:
        return _queue_stream(run, stream, error)
    except SURPRISES as error:
        # What the vendor sent surprised us. The other streams need not suffer for it.
        log.exception("stream_surprised", connector=run.connection.connector, stream=stream)
        return _queue_stream(run, stream, SchemaChanged(stream, f"{type(error).__name__}: {error}"))
    counts = run.counts[stream]
    if counts.fetched == counts.rejected >= _ALL_OF_MANY:
        # One record may be odd; that none of many can be read says that the vendor writes them otherwise now.
        return _queue_stream(
            run, stream, SchemaChanged(stream, f"none of {counts.fetched} records can be read")
        )
    with transaction() as session:
        sync_state.resolve_errors(session, run.connection.id, stream, ["stream"])
    return None


def _queue_stream(run: SyncRun, stream: str, error: VendorError) -> VendorError:
    log.warning(
        "stream_failed",
        connector=run.connection.connector,
        stream=stream,
        kind=error.kind,
        error=str(error),
    )
    with transaction() as session:
        sync_state.queue_error(
            session,
            run.connection,
            stream=stream,
            unit="stream",
            kind=error.kind,
            message=str(error),
            payload={},
            retryable=error.retryable,
            retry_at=pause_asked(session, run, error),
        )
    return error


def _read(run: SyncRun, stream: str, window: Window) -> Generator[Page]:
    pages = run.connector.pages(stream, window)
    return pages if stream in run.connector.side_by_side else read_ahead(pages)


def _shown(stream: str, page: Page) -> Iterator[str]:
    yield from (record.vendor_id for record in page.records if record.stream == stream)
    yield from (rejected.vendor_id for rejected in page.rejected if rejected.stream == stream)


def _snapshot(session: Session, run: SyncRun, stream: str) -> set[str] | None:
    """Return the local ids before the crawl, and those of the error queue: only they may be missing from it.

    None where there is no table.
    """
    place = rows.STREAM_TABLES.get((run.connection.connector, stream))
    # Children are not crawled as a whole: their lists are windows, not inventories.
    if place is None or place.parent_stream is not None:
        return None
    here = rows.live_ids(session, place.table, run.connection.id)
    if stream in run.connector.by_id:  # whose errors are tried again by themselves
        return here
    failed = error_queue.unresolved_units(session, run.connection.id, stream)
    return here | {unit for unit in failed if has_id(unit) and not is_part(unit)}


def _threads(run: SyncRun) -> Iterable[Thread]:
    with transaction() as session:
        error_queue.resolve_gone_threads(session, run.connection.id)
        found = rows.threads_to_read(session, run.connection.id)
    return [
        Thread(each.conversation, each.max_message_id, each.last_message_id, each.synced_at, each.failed)
        for each in found
    ]


def fetch_missing_parents(run: SyncRun, page: Page) -> Page:
    """Read by id the parents that a page's records hang on and that are not here yet.

    A comment may arrive in a window whose issue was changed again after the window closed. Returns the page with the
    records of an unreadable parent set aside: they are read again by themselves when it can be read.
    """
    wanted: dict[str, set[str]] = {}
    # Threads were read because their conversations are here.
    here = {position.conversation for position in page.positions}
    for record in page.records:
        if record.stream == "relations" or record.parent is None or record.parent in here:
            continue
        parent_stream = table_of(run, record.stream).parent_stream
        if parent_stream and not any(r.stream == parent_stream for r in page.records):
            wanted.setdefault(parent_stream, set()).add(record.parent)
    for stream, vendor_ids in wanted.items():
        with reading() as session:
            present = rows.locate(session, table_of(run, stream).table, run.connection.id, vendor_ids)
        for vendor_id in sorted(vendor_ids - present.keys()):
            try:
                parent = run.connector.fetch_one(stream, vendor_id)
            except UNREADABLE as error:
                page = _without_children(run, page, stream, vendor_id, error)
                continue
            refused: Mapping[str, str] = {}
            if parent is not None:
                with transaction() as session:
                    refused = write_records(session, run, stream, [parent])
            for why in refused.values():
                page = _without_children(run, page, stream, vendor_id, BadRecord(vendor_id, why))
    return page


def bring_parent(run: SyncRun, record: Record) -> None:
    """Read the parent of one record, where that is missing. Raises VendorError, BadRecord for an unreadable parent."""
    for rejected in fetch_missing_parents(run, Page(record.stream, (record,))).rejected:
        raise BadRecord(rejected.vendor_id, rejected.message)


def _without_children(run: SyncRun, page: Page, stream: str, parent: str, error: Exception) -> Page:
    def hangs_on_it(record: Record) -> bool:
        return record.parent == parent and table_of(run, record.stream).parent_stream == stream

    why = f"its parent {stream}/{parent} is unreadable: {type(error).__name__}: {error}"
    log.warning(
        "children of an unreadable record set aside", stream=stream, vendor_id=parent, error=str(error)
    )
    children = tuple(
        Rejected(record.stream, record.vendor_id, why, record.payload)
        for record in page.records
        if hangs_on_it(record)
    )
    return replace(
        page,
        records=tuple(record for record in page.records if not hangs_on_it(record)),
        rejected=(*page.rejected, *children),
    )


def _prune(run: SyncRun, stream: str, missing: set[str]) -> None:
    """Tombstone what a complete crawl did not show, once it is certain; of an error of the queue nothing is left then.

    Where the vendor answers by id, a 404 is the proof; elsewhere an id must be missing from two crawls in a
    row, because an offset that slips while rows are deleted can hide a living record from one.
    """
    place = table_of(run, stream)
    if stream in run.connector.by_id:
        gone = {
            vendor_id for vendor_id in sorted(missing)[:_CHECKS_AT_MOST] if _is_gone(run, stream, vendor_id)
        }
        suspects: set[str] = set()
    else:
        with reading() as session:
            cursor = sync_state.read_cursor(session, run.connection.id, f"{stream}:missing")
        gone = missing & set(cursor.get("ids", []))
        suspects = missing - gone
    with transaction() as session:
        run.add(stream, deleted=rows.tombstone(session, place.table, run.connection.id, gone))
        sync_state.resolve_errors(session, run.connection.id, stream, sorted(gone))
        if stream not in run.connector.by_id:
            sync_state.commit_cursor(session, run.connection, f"{stream}:missing", {"ids": sorted(suspects)})


def _is_gone(run: SyncRun, stream: str, vendor_id: str) -> bool:
    try:
        return run.connector.fetch_one(stream, vendor_id) is None
    except UNREADABLE as error:
        log.warning("record is there, unreadable", stream=stream, vendor_id=vendor_id, error=str(error))
        return False


def _progress(run: SyncRun, stream: str, page: int, total: int | None, elapsed_s: float) -> Progress:
    fetched = run.counts[stream].fetched
    eta = elapsed_s / fetched * (total - fetched) if total and fetched and total > fetched else None
    return Progress(run.connection.connector, stream, page, fetched, total, round(eta, 1) if eta else None)


def _as_json(counts: StreamCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _COUNTS}
