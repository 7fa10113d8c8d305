"""Fetches the records that webhooks named, and nothing else: by their id, messages by their conversation.

Written by the writer of the sync. The vendor's own "not found" says that a record is gone: it gets a tombstone. A
hint is dropped in the transaction that follows it, so that a run killed at any point repeats at most one. What has no
address of its own (a note, a task) is left to a sync, which the caller asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobs.connectors.base import Record, Thread, Window
from jobs.connectors.errors import UNREADABLE, CircuitOpen, CredentialsInvalid, RateLimited, VendorError
from jobs.page_writer import SyncRun, table_of, write_page, write_records
from jobs.retry import queue_failure
from jobs.sync import bring_parent, fetch_missing_parents, open_run
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.infra.logging import get_logger
from models.queries import records as rows
from models.queries import webhooks as hints
from models.queries.webhooks import OBJECT, PendingHint

RECORDS_AT_MOST = 200

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Refetched:
    """What a run came to: hints followed, rows written, records set aside, and what is left to do.

    ``waiting``: there are more hints. ``needs_sync``: something was named that only a sync reads. ``error``: the
    vendor could not be asked, the hints stay.
    """

    followed: int
    written: int
    deleted: int
    failed: int
    waiting: bool
    needs_sync: bool
    error: VendorError | None = None

    def counts(self) -> dict[str, int | bool]:
        """The figures as plain JSON, for the job's row and its events."""
        return {
            "followed": self.followed,
            "written": self.written,
            "deleted": self.deleted,
            "failed": self.failed,
            "waiting": self.waiting,
            "needs_sync": self.needs_sync,
        }


def refetch_connection(connection_id: ConnectionId) -> Refetched:
    """Follow the hints of a connection, oldest first, RECORDS_AT_MOST at most.

    Raises NotFound for an unknown or disabled connection. An open circuit, a refused token or an exhausted quota ends
    the run early; a record that fails by itself goes to the queue of errors.
    """
    with reading() as session:
        pending = hints.list_hints(session, connection_id, limit=RECORDS_AT_MOST + 1)
    if not pending:
        return Refetched(0, 0, 0, 0, waiting=False, needs_sync=False)
    run = open_run(connection_id)
    try:
        return _Refetch(run).follow(pending[:RECORDS_AT_MOST], waiting=len(pending) > RECORDS_AT_MOST)
    finally:
        run.connector.close()


class _Refetch:
    """One run over a batch of hints."""

    def __init__(self, run: SyncRun) -> None:
        self._run = run
        self._followed = 0
        self._failed = 0
        self._needs_sync = False

    def follow(self, pending: Sequence[PendingHint], *, waiting: bool) -> Refetched:
        """Follow each hint: parents before children, the messages of a conversation together."""
        by_stream: dict[str, list[PendingHint]] = {}
        for each in self._resolved(pending):
            by_stream.setdefault(each.hint.stream, []).append(each)
        error: VendorError | None = None
        try:
            for stream in (
                *self._run.connector.streams,
                *(by_stream.keys() - {*self._run.connector.streams}),
            ):
                self._follow_stream(stream, by_stream.get(stream, []))
        except (CircuitOpen, CredentialsInvalid, RateLimited) as fault:
            log.warning("refetch ended early", connector=self._run.connection.connector, kind=fault.kind)
            error = fault
        counted = self._run.counts.values()
        deleted = sum(each.deleted for each in counted)
        return Refetched(
            followed=self._followed,
            written=sum(each.inserted + each.updated for each in counted) + deleted,
            deleted=deleted,
            failed=self._failed,
            waiting=waiting,
            needs_sync=self._needs_sync,
            error=error,
        )

    def _resolved(self, pending: Sequence[PendingHint]) -> list[PendingHint]:
        """Give Attio's records the stream of their object; an object that has no record here is left as it is."""
        if not any(each.hint.stream == OBJECT for each in pending):
            return list(pending)
        with reading() as session:
            streams = hints.streams_of_objects(session, self._run.connection.id)
        return [
            replace(each, hint=replace(each.hint, stream=streams[each.hint.parent]), stored_as=OBJECT)
            if each.hint.stream == OBJECT and each.hint.parent in streams
            else each
            for each in pending
        ]

    def _follow_stream(self, stream: str, pending: list[PendingHint]) -> None:
        if stream == "messages":
            threads: dict[str, list[PendingHint]] = {}
            for each in pending:
                threads.setdefault(each.hint.parent or "", []).append(each)
            for conversation, named in threads.items():
                self._reread(conversation, named)
        elif stream in self._run.connector.by_id:
            for each in pending:
                self._fetch(each)
        elif pending:
            self._needs_sync = True
            self._drop(pending)

    def _fetch(self, pending: PendingHint) -> None:
        run, stream, vendor_id = self._run, pending.hint.stream, pending.hint.vendor_id
        try:
            record = run.connector.fetch_one(stream, vendor_id)
            if record is not None:
                bring_parent(run, record)
                self._bring_leader(record)
        except (CircuitOpen, CredentialsInvalid, RateLimited):
            raise
        except (VendorError, *UNREADABLE) as error:
            self._set_aside([pending], error)
            return
        with transaction() as session:
            if record is None:
                table = table_of(run, stream).table
                run.add(stream, deleted=rows.tombstone(session, table, run.connection.id, [vendor_id]))
            elif write_records(session, run, stream, [record]):
                self._failed += 1
            hints.drop_hints(session, run.connection.id, [pending])
        self._followed += 1

    def _bring_leader(self, record: Record) -> None:
        """Fetch the record whose project this one follows, if it is not here: a deal may come before its company."""
        stream, vendor_id = record.follows or ("", "")
        if stream not in self._run.connector.by_id:
            return
        with reading() as session:
            here = rows.locate(
                session, table_of(self._run, stream).table, self._run.connection.id, [vendor_id]
            )
        leader = None if here else self._run.connector.fetch_one(stream, vendor_id)
        if leader is not None:
            with transaction() as session:
                write_records(session, self._run, stream, [leader])

    def _reread(self, conversation: str, named: list[PendingHint]) -> None:
        """Read a conversation's messages from the first that was named, and whatever is not here yet."""
        run = self._run
        with reading() as session:
            known = hints.thread_position(session, run.connection.id, conversation)
        first = min(int(each.hint.vendor_id) for each in named)
        start = max(0, min(known or 0, first - 1))
        reached = start
        window = Window({}, run.started, threads=lambda: [Thread(conversation, start)])
        try:
            for each in run.connector.pages("messages", window):
                page = fetch_missing_parents(run, each)
                with transaction() as session:
                    write_page(session, run, replace(page, positions=()))
                reached = max([reached, *(each.message_id for each in page.positions)])
        except (CircuitOpen, CredentialsInvalid, RateLimited):
            raise
        except VendorError as error:
            self._set_aside(named, error)
            return
        with transaction() as session:
            # Only now: between the first page, which shows the newest, and the last there is a gap.
            rows.advance_threads(session, run.connection.id, [(conversation, reached, None)])
            hints.drop_hints(session, run.connection.id, named)
        self._followed += len(named)

    def _set_aside(self, pending: list[PendingHint], error: Exception) -> None:
        for each in pending:
            payload = {"conversation_id": each.hint.parent} if each.hint.stream == "messages" else {}
            queue_failure(self._run, each.hint.stream, each.hint.vendor_id, error, payload)
        self._failed += len(pending)
        self._drop(pending)

    def _drop(self, pending: list[PendingHint]) -> None:
        with transaction() as session:
            hints.drop_hints(session, self._run.connection.id, pending)
        self._followed += len(pending)
