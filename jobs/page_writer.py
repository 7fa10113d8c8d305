"""Writes one page of records: finds each its parent and its project, upserts, keeps the cursor with the rows.

Everything happens in the caller's transaction, so that a page is either here with its cursor or not at all.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import orjson
from sqlmodel import Session

from jobs.connectors.base import Connector, Page, Record, Rejected, thread_unit
from jobs.connectors.errors import RateLimited, VendorError
from jobs.connectors.http import LONGEST_WAIT_S
from jobs.routing import Router, Rule
from models.infra.clock import utcnow
from models.infra.ids import ProjectId
from models.queries import records as rows
from models.queries import routing_lock, sync_state
from models.queries.storable import clean, write_what_fits
from models.queries.sync_state import ConnectionRow


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


@dataclass(slots=True)
class SyncRun:
    """A running sync: what it reads from, how it routes, and what it has counted so far."""

    connection: ConnectionRow
    connector: Connector
    router: Router
    started: dt.datetime
    counts: dict[str, StreamCounts] = field(default_factory=dict[str, StreamCounts])

    def add(self, stream: str, **more: int) -> None:
        """Count more records of a stream."""
        self.counts[stream] = self.counts.get(stream, StreamCounts()).plus(**more)


def pause_asked(session: Session, run: SyncRun, error: VendorError) -> dt.datetime | None:
    """Return when an error says to come again; a pause too long to be waited for is kept for the runs to come."""
    if not isinstance(error, RateLimited):
        return None
    if error.retry_at - utcnow() > dt.timedelta(seconds=LONGEST_WAIT_S):
        sync_state.keep_pause(session, run.connection, error.retry_at)
    return error.retry_at


class Placing(Protocol):
    """Who decides where records belong: a connection and its rules."""

    @property
    def connection(self) -> ConnectionRow:
        """The connection."""
        ...

    @property
    def router(self) -> Router:
        """Its rules."""
        ...


def read_router(session: Session, connection: ConnectionRow) -> Router:
    """Return the rules of a connection as they are now."""
    bindings = sync_state.list_bindings(session, connection.id)
    return Router(
        [Rule(rule.priority, rule.rule_kind, rule.rule_value, rule.project_id) for rule in bindings],
        sync_state.unassigned_project(session, connection.account_scope_id),
    )


def table_of(run: Placing, stream: str) -> rows.StreamTable:
    """Return where a stream of the run's connector is kept. Raises KeyError for an unknown stream."""
    return rows.STREAM_TABLES[run.connection.connector, stream]


def write_page(session: Session, run: SyncRun, page: Page) -> set[tuple[str, str]]:
    """Write everything a page brings, and its cursor, in the caller's transaction.

    Returns stream and id of the records that could not be stored; they are in the queue of errors.
    """
    refused: set[tuple[str, str]] = set()
    by_stream: dict[str, list[Record]] = {}
    for record in page.records:
        by_stream.setdefault(record.stream, []).append(record)
    if page.stream == "relations":
        blockers = {record.vendor_id: record.fields["blocked_by"] for record in page.records}
        changed = rows.set_blockers(session, run.connection.id, blockers)
        run.add("relations", fetched=len(page.records), updated=changed)
        # They come all at once: what is not unreadable now is readable, or gone.
        sync_state.resolve_others(
            session, run.connection.id, page.stream, [each.vendor_id for each in page.rejected]
        )
    else:
        for stream, found in by_stream.items():
            refused |= {(stream, each) for each in write_records(session, run, stream, found)}
    for rejected in page.rejected:
        run.add(rejected.stream, fetched=1)
        _queue_bad_record(session, run, rejected)
    rows.advance_threads(
        session,
        run.connection.id,
        [(reached.conversation, reached.message_id, reached.as_of) for reached in page.positions],
    )
    _write_parts(session, run, page)
    if page.cursor is not None:
        sync_state.commit_cursor(session, run.connection, page.stream, page.cursor)
    return refused


def _queue_bad_record(session: Session, run: SyncRun, rejected: Rejected) -> None:
    run.add(rejected.stream, rejected=1)
    sync_state.queue_error(
        session,
        run.connection,
        stream=rejected.stream,
        unit=rejected.vendor_id,
        kind="bad_record",
        message=rejected.message,
        payload=rejected.payload,
        retryable=True,
        project_id=find_known_home(session, run, rejected.stream, rejected.vendor_id, rejected.payload),
    )


def _write_parts(session: Session, run: SyncRun, page: Page) -> None:
    """Queue the parts that could not be read, and settle those that were."""
    for part in page.parked:
        sync_state.queue_error(
            session,
            run.connection,
            stream=page.stream,
            unit=part.unit,
            kind=part.error.kind,
            message=str(part.error),
            payload=part.payload,
            retryable=part.error.retryable,
            project_id=find_known_home(session, run, page.stream, part.unit, part.payload),
            retry_at=pause_asked(session, run, part.error),
        )
    read = [thread_unit(reached.conversation) for reached in page.positions if reached.as_of is not None]
    sync_state.resolve_errors(session, run.connection.id, page.stream, [*page.settled, *read])


def arrange(
    session: Session, run: SyncRun, stream: str, found: Iterable[Record]
) -> tuple[dict[str, Record], list[dict[str, Any]]]:
    """Return the different records of one stream by vendor id, and the rows they are stored as.

    Without a row are those whose parent is not here: it is gone at the vendor, and they with it.
    """
    place = table_of(run, stream)
    unique = {record.vendor_id: record for record in found}  # a page may repeat a record; the last one counts
    parents: dict[str, rows.Placed] = {}
    if place.parent_stream:
        ids = {record.parent for record in unique.values() if record.parent}
        parents = rows.locate(session, table_of(run, place.parent_stream).table, run.connection.id, ids)
    homes = find_homes(session, run, stream, unique.values())
    batch: list[dict[str, Any]] = []
    for record in unique.values():
        parent = parents.get(record.parent or "")
        if place.parent_column and parent is None:
            continue
        project = parent.project_id if parent else homes.get(record.vendor_id, run.router.unassigned)
        row = _row(run.connection, record, project)
        if place.parent_column and parent is not None:
            row[place.parent_column] = str(parent.id)
        batch.append(row)
    return unique, batch


def write_records(
    session: Session, run: SyncRun, stream: str, found: list[Record], *, exact: bool = False
) -> Mapping[str, str]:
    """Upsert records of one stream. One whose parent is gone at the vendor is counted as rejected.

    With ``exact`` a row is written again too whose columns are not what its hash says. What the database refuses goes to
    the queue of errors; returns why, by vendor id.
    """
    place = table_of(run, stream)
    # The rules may have changed since the run began; until this transaction ends they cannot.
    routing_lock.share(session, run.connection.account_scope_id)
    routing_lock.write_alone(session, run.connection.id)
    run.router = read_router(session, run.connection)
    unique, batch = arrange(session, run, stream, found)
    parts, refused = write_what_fits(
        session, batch, lambda part: rows.upsert(session, place.table, part, exact=exact)
    )
    stored = unique.keys() - refused.keys()
    if stream == "messages":
        deleted = [record.vendor_id for record in unique.values() if record.deleted]
        if buried := rows.bury_attachments(session, run.connection.id, deleted):
            run.add("attachments", deleted=buried)
    rows.link_peers(session, place.table, run.connection.id, stored)
    sync_state.resolve_errors(session, run.connection.id, stream, list(stored))
    run.add(
        stream,
        fetched=len(unique),
        inserted=sum(each.inserted for each in parts),
        updated=sum(each.updated for each in parts),
        unchanged=sum(each.unchanged for each in parts),
        rejected=len(unique) - len(batch),
    )
    for vendor_id, why in refused.items():
        _queue_bad_record(session, run, Rejected(stream, vendor_id, why, unique[vendor_id].payload))
    return refused


def find_homes(session: Session, run: Placing, stream: str, found: Iterable[Record]) -> dict[str, ProjectId]:
    """Return the project of each record that has no parent: by rule, else by the record it follows.

    Records that no rule takes and that follow nothing here are left out: they belong to the unassigned project.
    """
    homes: dict[str, ProjectId] = {}
    unmatched: list[Record] = []
    for record in found:
        matched = run.router.match(record.facts)
        if matched is not None:
            homes[record.vendor_id] = matched
        else:
            unmatched.append(record)
    if stream == "contacts":
        # Of the first conversation of all that are here, so that it does not change with the order they are read in.
        ids = [record.vendor_id for record in unmatched]
        homes |= rows.projects_of_contacts(session, run.connection.id, ids)
    following: dict[str, dict[str, str]] = {}
    for record in unmatched:
        if record.follows is not None and record.vendor_id not in homes:
            following.setdefault(record.follows[0], {})[record.vendor_id] = record.follows[1]
    for leader_stream, leaders in following.items():
        placed = rows.locate(
            session, table_of(run, leader_stream).table, run.connection.id, set(leaders.values())
        )
        homes |= {
            follower: placed[leader].project_id for follower, leader in leaders.items() if leader in placed
        }
    return homes


def find_known_home(
    session: Session, run: Placing, stream: str, vendor_id: str, payload: Mapping[str, Any]
) -> ProjectId | None:
    """Return the project of a record that could not be read: that of its row, or of the parent its payload names.

    None for one that was never here and names no parent that is: nobody knows yet where it belongs.
    """
    place = rows.STREAM_TABLES.get((run.connection.connector, stream))
    if place is None:
        return None
    known = [(place.table, vendor_id)]
    if place.parent_stream:
        named = payload.get("conversation_id") if stream == "messages" else payload.get("issue")
        parent = named.get("id") if isinstance(named, dict) else named
        known.append((table_of(run, place.parent_stream).table, str(parent)))
    for table, key in known:
        if found := rows.locate(session, table, run.connection.id, [key]).get(key):
            return found.project_id
    return None


def content_of(record: Record) -> tuple[dict[str, Any], str]:
    """Return a record's columns as they are stored, and the SHA-256 of them and its parent's id, in hex.

    Two readings of an unchanged record have the same hash, whichever run made them.
    """
    content = {
        **record.fields,
        "payload": record.payload,
        "url": record.url,
        "source_created_at": record.created_at,
        "source_updated_at": record.updated_at,
        "deleted": record.deleted,
    }
    try:
        canonical = orjson.dumps([content, record.parent], option=orjson.OPT_SORT_KEYS)
        unclean = b"\\u0000" in canonical
    except TypeError:
        # A lone surrogate; or a number beyond 64 bits, which the slower writer knows.
        canonical, unclean = b"", True
    if unclean:
        content = clean({name: _plain(value) for name, value in content.items()})
        canonical = json.dumps([content, record.parent], sort_keys=True, ensure_ascii=False).encode()
    return content, hashlib.sha256(canonical).hexdigest()


def _row(connection: ConnectionRow, record: Record, project_id: ProjectId) -> dict[str, Any]:
    content, content_hash = content_of(record)
    return {
        **content,
        "connection_id": str(connection.id),
        "account_scope_id": str(connection.account_scope_id),
        "project_id": str(project_id),
        "vendor_id": record.vendor_id,
        "content_hash": content_hash,
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (dt.date, dt.datetime)) else value
