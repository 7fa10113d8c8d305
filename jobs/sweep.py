"""Reads which records a vendor has: every page of a stream, of which only ids, hashes and projects are kept.

Nothing is written and no watermark moves: an empty cursor makes every stream of a connector a full crawl. Messages
have no list of their own and are read conversation by conversation, the newest ones first; of very many conversations
the older ones take turns.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from jobs.connectors.base import Page, Record, Thread, Window
from jobs.connectors.errors import SchemaChanged
from jobs.page_writer import SyncRun, content_of, find_homes, table_of
from jobs.sync import Progress
from models.infra.database import reading
from models.infra.ids import ProjectId
from models.queries import reconciliation as queries
from models.queries import records as rows
from models.queries import sync_state

# More conversations than this are not read in one pass: half of them are the newest, the others go round the older ones.
THREADS_AT_MOST = 5_000
SWEPT = "messages:swept"
# Streams that arrive only with another one's pages.
WITH: Mapping[str, tuple[str, ...]] = {"messages": ("attachments",)}
# Streams that cost a request for every record of another one.
PER_PARENT: Mapping[str, str] = {"messages": "conversations"}
# Linear's window ends at the start of a run; here what changes during the crawl is to be seen too.
AHEAD = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a record that is not here would belong, and the vendor id of the record it hangs on."""

    project_id: ProjectId
    parent: str | None


@dataclass(slots=True)
class Seen:
    """What the vendor showed of one stream, deleted records left out.

    ``hashes`` by vendor id; an empty hash where contents were not compared or could not be read. ``homes`` only for
    records that were not here. ``total`` is set instead where the vendor's count had to do.
    """

    hashes: dict[str, str] = field(default_factory=dict[str, str])
    homes: dict[str, Home] = field(default_factory=dict[str, Home])
    total: int | None = None


class Sweep:
    """One reading of a connection. With ``deep`` contents are hashed too."""

    def __init__(self, run: SyncRun, *, deep: bool, count_above: int | None = None) -> None:
        self.run = run
        self.deep = deep
        self._count_above = count_above
        self._seen: dict[str, Seen] = {}
        self._here: dict[str, Collection[str]] = {}
        # Set where not all conversations are read: which ones are, and the last of them.
        self.threads: tuple[str, ...] | None = None
        self.reached: str | None = None
        self._last_messages: dict[str, int] = {}

    def seen(self, stream: str) -> Seen:
        """What the vendor has shown of a stream so far."""
        return self._seen.setdefault(stream, Seen())

    def here(self, stream: str) -> Collection[str]:
        """Ids of the live rows that were here before the stream was first looked at."""
        if stream not in self._here:
            with reading() as session:
                self._here[stream] = frozenset(
                    queries.read_inventory(session, table_of(self.run, stream), self.run.connection.id)
                )
        return self._here[stream]

    def read(self, stream: str, progress: Callable[[Progress], None]) -> None:
        """Read a stream to its end, or only its count where that is above ``count_above``. Raises VendorError."""
        children = [child for child, parent in PER_PARENT.items() if parent == stream and self.deep]
        # Children are read up to what their parents show: what arrives later must not pass for gone.
        for each in (
            stream,
            *WITH.get(stream, ()),
            *children,
            *(a for c in children for a in WITH.get(c, ())),
        ):
            self.here(each)
        empty, complete = True, False
        for number, page in enumerate(self.run.connector.pages(stream, self._window()), start=1):
            if self._count_above is not None and (page.total or 0) > self._count_above:
                self.seen(stream).total = page.total
                return
            self._note(stream, page)
            empty = empty and not page.records and not page.rejected
            complete = complete or page.scanned_all
            progress(Progress(self.run.connection.connector, stream, number, len(self.seen(stream).hashes)))
        if self.run.connection.connector == "attio" and empty and not complete and self.here(stream):
            # An object that an administrator switched off answers like one that was never there.
            raise SchemaChanged(stream, "the vendor has switched this object off")

    def _window(self) -> Window:
        return Window({}, self.run.started + AHEAD, threads=self._threads)

    def _threads(self) -> list[Thread]:
        """Return the conversations to read: all, or the newest and, after those of the last pass, the next older ones."""
        ordered = list(reversed(self.seen("conversations").hashes))
        chosen = ordered
        if len(ordered) > THREADS_AT_MOST:
            newest = ordered[: THREADS_AT_MOST // 2]
            chosen = [*newest, *self._next_older(ordered[len(newest) :], THREADS_AT_MOST - len(newest))]
            self.threads, self.reached = tuple(chosen), chosen[-1]
        return [Thread(conversation, 0, self._last_messages.get(conversation, 0)) for conversation in chosen]

    def _next_older(self, older: list[str], count: int) -> list[str]:
        with reading() as session:
            last = sync_state.read_cursor(session, self.run.connection.id, SWEPT).get("reached")
        start = older.index(last) + 1 if last in older else 0
        return older[start : start + count] or older[:count]

    def _note(self, stream: str, page: Page) -> None:
        by_stream: dict[str, list[Record]] = {}
        for record in page.records:
            seen = self.seen(record.stream)
            if record.deleted:
                seen.hashes.pop(record.vendor_id, None)
                continue
            seen.hashes[record.vendor_id] = content_of(record)[1] if self.deep else ""
            if record.last_message_id:
                self._last_messages[record.vendor_id] = record.last_message_id
            if record.vendor_id not in self.here(record.stream):
                by_stream.setdefault(record.stream, []).append(record)
        for rejected in page.rejected:
            # It exists, though it cannot be read: missing here unless an older version of it is.
            self.seen(stream).hashes.setdefault(rejected.vendor_id, "")
        for owner, records in by_stream.items():
            self._find_homes(owner, records)

    def _find_homes(self, stream: str, records: list[Record]) -> None:
        place = table_of(self.run, stream)
        with reading() as session:
            homes = find_homes(session, self.run, stream, records)
            parents: dict[str, rows.Placed] = {}
            if place.parent_stream:
                ids = {record.parent for record in records if record.parent}
                table = table_of(self.run, place.parent_stream).table
                parents = rows.locate(session, table, self.run.connection.id, ids)
        for record in records:
            placed = parents.get(record.parent or "")
            project = placed.project_id if placed else homes.get(record.vendor_id)
            leader = (place.parent_stream, record.parent) if place.parent_stream else record.follows
            self.seen(stream).homes[record.vendor_id] = Home(project or self._home_of(leader), record.parent)

    def _home_of(self, leader: tuple[str | None, str | None] | None) -> ProjectId:
        """Return where a record that is missing itself would belong, the unassigned project if nobody can tell."""
        stream, vendor_id = leader or (None, None)
        home = self.seen(stream).homes.get(vendor_id) if stream and vendor_id else None
        return home.project_id if home else self.run.router.unassigned
