"""Copies one vendor connection: page → normalise → upsert → commit, the cursor in the same transaction.

A run killed at any point has committed whole pages only: the next one repeats at most the page that was lost,
and the upsert absorbs what it sees twice. One bad record is set aside; one failing stream does not stop the
others; a refused token stops the run. Deletion is concluded only from a complete crawl, never from a failed one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlmodel import Session

from jobs.connectors.base import Connector, Page, Record, Thread, Window
from jobs.connectors.errors import CredentialsInvalid, VendorError
from jobs.connectors.registry import open_connector
from jobs.routing import Router, Rule
from models.infra.clock import utcnow
from models.infra.crypto import decrypt
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId, ProjectId
from models.infra.logging import get_logger
from models.infra.settings import get_settings
from models.queries import records as rows
from models.queries import sync_state
from models.queries.sync_state import ConnectionRow

log = get_logger(__name__)

_VERIFIED_BY_ID = frozenset({"contacts", "companies", "people", "deals"})
_COUNTS = ("fetched", "inserted", "updated", "unchanged", "rejected", "deleted")
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
class StreamCounts:
    """Records of one stream in one run."""

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    deleted: int = 0

    def plus(self, **more: int) -> StreamCounts:
        """Return the counts with ``more`` added."""
        return replace(self, **{name: getattr(self, name) + value for name, value in more.items()})


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


@dataclass(slots=True)
class _Run:
    connection: ConnectionRow
    connector: Connector
    router: Router
    started: dt.datetime
    progress: Callable[[Progress], None]
    counts: dict[str, StreamCounts] = field(default_factory=dict[str, StreamCounts])

    def add(self, stream: str, **more: int) -> None:
        self.counts[stream] = self.counts.get(stream, StreamCounts()).plus(**more)


def sync_connection(connection_id: ConnectionId, progress: Callable[[Progress], None]) -> SyncResult:
    """Bring the local copy of one connection up to date and return the counts.

    Errors of the vendor are recorded and reported in the result; only ours are raised. Raises NotFound for
    an unknown or disabled connection. The caller holds the lock that keeps runs of a connection apart.
    """
    settings = get_settings()
    clock = time.monotonic()
    with transaction() as session:
        connection = sync_state.get_connection(session, connection_id)
        router = _router(session, connection)
        started = utcnow()
        sync_state.mark_started(session, connection, started)
    connector = open_connector(
        connection.connector,
        base_url=connection.base_url,
        external_account=connection.external_account,
        token=decrypt(connection.token_encrypted),
        timeout_s=settings.http_timeout_s,
    )
    run = _Run(connection, connector, router, started, progress)
    errors: dict[str, VendorError] = {}
    try:
        for stream in connector.streams:
            failed = _sync_stream(run, stream)
            if failed is not None:
                errors[stream] = failed
                if isinstance(failed, CredentialsInvalid):
                    break
    finally:
        connector.close()
    status = _status(errors)
    duration = time.monotonic() - clock
    first = next(iter(errors.values()), None)
    with transaction() as session:
        sync_state.mark_finished(
            session,
            connection,
            status=status,
            at=utcnow(),
            duration_s=duration,
            counts={stream: _as_json(counts) for stream, counts in run.counts.items()},
            error_kind=first.kind if first else None,
            error_message=str(first) if first else None,
        )
    return SyncResult(
        connection.connector,
        status,
        dict(run.counts),
        connector.requests_made,
        duration,
        {stream: str(error) for stream, error in errors.items()},
    )


def _router(session: Session, connection: ConnectionRow) -> Router:
    bindings = sync_state.list_bindings(session, connection.id)
    return Router(
        [Rule(rule.priority, rule.rule_kind, rule.rule_value, rule.project_id) for rule in bindings],
        sync_state.unassigned_project(session, connection.account_scope_id),
    )


def _status(errors: Mapping[str, VendorError]) -> str:
    if any(isinstance(error, CredentialsInvalid) for error in errors.values()):
        return "failed"
    return "degraded" if errors else "ok"


def _sync_stream(run: _Run, stream: str) -> VendorError | None:
    """Read one stream to its end; return the vendor's error that ended it early, if one did."""
    run.add(stream)
    with reading() as session:
        cursor = sync_state.read_cursor(session, run.connection.id, stream)
        before = _snapshot(session, run, stream)
    window = Window(cursor, run.started, threads=lambda: _threads(run))
    seen: set[str] = set()
    began = time.monotonic()
    try:
        for number, page in enumerate(run.connector.pages(stream, window), start=1):
            _fetch_missing_parents(run, page)
            with transaction() as session:
                _write_page(session, run, page)
            seen.update(record.vendor_id for record in page.records if record.stream == stream)
            seen.update(rejected.vendor_id for rejected in page.rejected)
            run.progress(_progress(run, stream, number, page.total, time.monotonic() - began))
            if page.scanned_all and before is not None:
                _prune(run, stream, before - seen)
    except VendorError as error:
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
            )
        return error
    with transaction() as session:
        sync_state.resolve_errors(session, run.connection.id, stream, ["stream"])
    return None


def _snapshot(session: Session, run: _Run, stream: str) -> set[str] | None:
    """Return the local ids before the crawl: only they may be missing from it. None where there is no table."""
    place = rows.STREAM_TABLES.get((run.connection.connector, stream))
    # Children are not crawled as a whole: their lists are windows, not inventories.
    if place is None or place.parent_stream is not None:
        return None
    return rows.live_ids(session, place.table, run.connection.id)


def _threads(run: _Run) -> Iterable[Thread]:
    with reading() as session:
        found = rows.threads_to_read(session, run.connection.id, run.started)
    return [Thread(vendor_id, position) for vendor_id, position in found]


def _table(run: _Run, stream: str) -> rows.StreamTable:
    return rows.STREAM_TABLES[run.connection.connector, stream]


def _fetch_missing_parents(run: _Run, page: Page) -> None:
    """Read by id the parents that a page's records hang on and that are not here yet.

    A comment may arrive in a window whose issue was changed again after the window closed.
    """
    wanted: dict[str, set[str]] = {}
    for record in page.records:
        if record.stream == "relations" or record.parent is None:
            continue
        parent_stream = _table(run, record.stream).parent_stream
        if parent_stream and not any(r.stream == parent_stream for r in page.records):
            wanted.setdefault(parent_stream, set()).add(record.parent)
    for stream, vendor_ids in wanted.items():
        with reading() as session:
            present = rows.locate(session, _table(run, stream).table, run.connection.id, vendor_ids)
        for vendor_id in sorted(vendor_ids - present.keys()):
            parent = run.connector.fetch_one(stream, vendor_id)
            if parent is not None:
                with transaction() as session:
                    _write_records(session, run, stream, [parent])


def _write_page(session: Session, run: _Run, page: Page) -> None:
    """Write everything a page brings, and its cursor, in the caller's transaction."""
    by_stream: dict[str, list[Record]] = {}
    for record in page.records:
        by_stream.setdefault(record.stream, []).append(record)
    if page.stream == "relations":
        blockers = {record.vendor_id: record.fields["blocked_by"] for record in page.records}
        changed = rows.set_blockers(session, run.connection.id, blockers)
        run.add("relations", fetched=len(page.records), updated=changed)
    else:
        for stream, found in by_stream.items():
            _write_records(session, run, stream, found)
    for rejected in page.rejected:
        run.add(rejected.stream, fetched=1, rejected=1)
        sync_state.queue_error(
            session,
            run.connection,
            stream=rejected.stream,
            unit=rejected.vendor_id,
            kind="bad_record",
            message=rejected.message,
            payload=rejected.payload,
            retryable=True,
        )
    if page.thread_position is not None:
        rows.advance_thread(session, run.connection.id, *page.thread_position)
    if page.cursor is not None:
        sync_state.commit_cursor(session, run.connection, page.stream, page.cursor)


def _write_records(session: Session, run: _Run, stream: str, found: list[Record]) -> None:
    place = _table(run, stream)
    unique = {record.vendor_id: record for record in found}  # a page may repeat a record; the last one counts
    parents: dict[str, rows.Placed] = {}
    if place.parent_stream:
        ids = {record.parent for record in unique.values() if record.parent}
        parents = rows.locate(session, _table(run, place.parent_stream).table, run.connection.id, ids)
    homes = _homes(session, run, stream, unique.values())
    batch: list[dict[str, Any]] = []
    orphaned = 0
    for record in unique.values():
        parent = parents.get(record.parent or "")
        if place.parent_column and parent is None:
            orphaned += 1  # its parent is gone at the vendor, and it with it
            continue
        project = parent.project_id if parent else homes.get(record.vendor_id, run.router.unassigned)
        row = _row(run.connection, record, project)
        if place.parent_column and parent is not None:
            row[place.parent_column] = str(parent.id)
        batch.append(row)
    written = rows.upsert(session, place.table, batch)
    rows.link_peers(session, place.table, run.connection.id, unique.keys())
    sync_state.resolve_errors(session, run.connection.id, stream, list(unique))
    run.add(
        stream,
        fetched=len(unique),
        inserted=written.inserted,
        updated=written.updated,
        unchanged=written.unchanged,
        rejected=orphaned,
    )


def _homes(session: Session, run: _Run, stream: str, found: Iterable[Record]) -> dict[str, ProjectId]:
    """Return the project of each record that has no parent: by rule, else by the record it follows."""
    homes: dict[str, ProjectId] = {}
    following: dict[str, dict[str, str]] = {}
    strays: list[str] = []
    for record in found:
        matched = run.router.match(record.facts)
        if matched is not None:
            homes[record.vendor_id] = matched
        elif record.follows is not None:
            following.setdefault(record.follows[0], {})[record.vendor_id] = record.follows[1]
        elif stream == "contacts":
            strays.append(record.vendor_id)
    for leader_stream, leaders in following.items():
        placed = rows.locate(
            session, _table(run, leader_stream).table, run.connection.id, set(leaders.values())
        )
        homes |= {
            follower: placed[leader].project_id for follower, leader in leaders.items() if leader in placed
        }
    if strays:
        homes |= rows.projects_of_contacts(session, run.connection.id, strays)
    return homes


def _row(connection: ConnectionRow, record: Record, project_id: ProjectId) -> dict[str, Any]:
    content = clean(
        {
            **{name: _plain(value) for name, value in record.fields.items()},
            "payload": record.payload,
            "url": record.url,
            "source_created_at": _plain(record.created_at),
            "source_updated_at": _plain(record.updated_at),
            "deleted": record.deleted,
        }
    )
    canonical = json.dumps([content, record.parent], sort_keys=True, ensure_ascii=False)
    return {
        **content,
        "connection_id": str(connection.id),
        "account_scope_id": str(connection.account_scope_id),
        "project_id": str(project_id),
        "vendor_id": record.vendor_id,
        "content_hash": hashlib.sha256(canonical.encode()).hexdigest(),
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else value


def clean(value: Any) -> Any:
    """Return JSON-like data without what Postgres cannot store: NUL characters and lone surrogates."""
    if isinstance(value, str):
        if "\x00" in value:
            value = value.replace("\x00", "")
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {clean(key): clean(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _prune(run: _Run, stream: str, missing: set[str]) -> None:
    """Tombstone what a complete crawl did not show, once it is certain.

    Where the vendor answers by id, a 404 is the proof; elsewhere an id must be missing from two crawls in a
    row, because an offset that slips while rows are deleted can hide a living record from one.
    """
    place = _table(run, stream)
    if stream in _VERIFIED_BY_ID:
        gone = {
            vendor_id
            for vendor_id in sorted(missing)[:_CHECKS_AT_MOST]
            if run.connector.fetch_one(stream, vendor_id) is None
        }
        suspects: set[str] = set()
    else:
        with reading() as session:
            cursor = sync_state.read_cursor(session, run.connection.id, f"{stream}:missing")
        gone = missing & set(cursor.get("ids", []))
        suspects = missing - gone
    with transaction() as session:
        run.add(stream, deleted=rows.tombstone(session, place.table, run.connection.id, gone))
        if stream not in _VERIFIED_BY_ID:
            sync_state.commit_cursor(session, run.connection, f"{stream}:missing", {"ids": sorted(suspects)})


def _progress(run: _Run, stream: str, page: int, total: int | None, elapsed_s: float) -> Progress:
    fetched = run.counts[stream].fetched
    eta = elapsed_s / fetched * (total - fetched) if total and fetched and total > fetched else None
    return Progress(run.connection.connector, stream, page, fetched, total, round(eta, 1) if eta else None)


def _as_json(counts: StreamCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _COUNTS}
