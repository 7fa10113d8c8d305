"""Reads which records a vendor has: every page of a stream, of which only ids, projects and what differs are kept.

Nothing is written and no watermark moves: an empty cursor makes every stream of a connector a full crawl. Messages
have no list of their own and are read conversation by conversation; very many conversations take turns (`jobs.rounds`).
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from jobs.connectors.base import Page, Record, Thread, Window
from jobs.connectors.errors import UNREADABLE, SchemaChanged
from jobs.page_writer import SyncRun, arrange, find_homes, table_of
from jobs.rounds import Part, Position, choose
from jobs.sync import Progress
from models.infra.database import reading, transaction
from models.infra.ids import ProjectId
from models.queries import reconciliation as queries
from models.queries import records as rows
from models.queries import stored_content
from models.queries.storable import write_what_fits

# Streams that arrive only with another one's pages.
WITH: Mapping[str, tuple[str, ...]] = {"messages": ("attachments",)}
# Streams that cost a request for every record of another one.
PER_PARENT: Mapping[str, str] = {"messages": "conversations"}
# Linear's window ends at the start of a run; here what changes during the crawl is to be seen too.
AHEAD = dt.timedelta(days=1)
_STRANGERS_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Home:
    """Where a record that is not here would belong, and the vendor id of the record it hangs on."""

    project_id: ProjectId
    parent: str | None


@dataclass(slots=True)
class Seen:
    """What the vendor showed of one stream, deleted records left out.

    ``shown`` are vendor ids in the vendor's order, ``altered`` those whose rows here differed when they were shown.
    ``homes`` only for records that were not here. ``total`` is set instead where the vendor's count had to do.
    ``gone`` are ids that no list shows, here or not, and that the vendor does not know when asked for them.
    """

    shown: dict[str, None] = field(default_factory=dict[str, None])
    altered: set[str] = field(default_factory=set[str])
    homes: dict[str, Home] = field(default_factory=dict[str, Home])
    total: int | None = None
    gone: set[str] = field(default_factory=set[str])


class Sweep:
    """One reading of a connection. Of the streams in ``deep`` contents are compared too."""

    def __init__(
        self,
        run: SyncRun,
        *,
        deep: Collection[str],
        count_above: int | None = None,
        position: Position = Position(),  # noqa: B008 - it is frozen
    ) -> None:
        self.run = run
        self.deep = frozenset(deep)
        self.position = position
        self._count_above = count_above
        self._seen: dict[str, Seen] = {}
        self._here: dict[str, Collection[str]] = {}
        # Set where not all conversations are read.
        self.part: Part | None = None
        self._last_messages: dict[str, int] = {}
        self._blocked_wrongly: set[str] = set()

    def seen(self, stream: str) -> Seen:
        """What the vendor has shown of a stream so far."""
        return self._seen.setdefault(stream, Seen())

    def deepen_if_big(self, stream: str) -> None:
        """Compare contents too where a pass reads but a part of the stream: the round begins with it."""
        if self.seen(PER_PARENT[stream]).total is not None:
            self.deep |= {stream, *WITH.get(stream, ())}

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
        children = [child for child, parent in PER_PARENT.items() if parent == stream and child in self.deep]
        # Children are read up to what their parents show: what arrives later must not pass for gone.
        for each in (
            stream,
            *WITH.get(stream, ()),
            *children,
            *(a for c in children for a in WITH.get(c, ())),
        ):
            self.here(each)
        empty, complete = True, False
        if stream == "issues" and stream in self.deep:
            self._compare_blockers()
        for number, page in enumerate(self.run.connector.pages(stream, self._window()), start=1):
            if self._count_above is not None and (page.total or 0) > self._count_above:
                self.seen(stream).total = page.total
                return
            self._note(stream, page)
            empty = empty and not page.records and not page.rejected
            complete = complete or page.scanned_all
            progress(Progress(self.run.connection.connector, stream, number, len(self.seen(stream).shown)))
        if stream == "contacts" and stream in self.deep:
            self._look_up_strangers()
        if self.run.connection.connector == "attio" and empty and not complete and self.here(stream):
            # An object that an administrator switched off answers like one that was never there.
            raise SchemaChanged(stream, "the vendor has switched this object off")

    def _window(self) -> Window:
        return Window({}, self.run.started + AHEAD, threads=self._threads)

    def _threads(self) -> list[Thread]:
        """Return the conversations to read: all, the newest first, or the part of the round that comes next."""
        seen = self.seen("conversations")
        # Where the vendor's count had to do, those that are here: missing ones are the conversations' own figure.
        known = self.here("conversations") if seen.total is not None else seen.shown
        self.part = choose(known, self.position)
        chosen = [*reversed([*known])] if self.part is None else self.part.threads
        return [Thread(conversation, 0, self._last_messages.get(conversation, 0)) for conversation in chosen]

    def _compare_blockers(self) -> None:
        """Compare what blocks an issue, which is no part of the issue's own answer."""
        for page in self.run.connector.pages("relations", self._window()):
            blockers = {record.vendor_id: record.fields["blocked_by"] for record in page.records}
            with reading() as session:
                altered = stored_content.find_altered_blockers(session, self.run.connection.id, blockers)
            self._blocked_wrongly = altered

    def _look_up_strangers(self) -> None:
        """Ask by id for the contacts that the list hides and no conversation shows (any more)."""
        place, seen = table_of(self.run, "contacts"), self.seen("contacts")
        with reading() as session:
            held = queries.read_inventory(session, place, self.run.connection.id)
        unshown = [each for each, row in held.items() if not row.listed and each not in seen.shown]
        # By chance where there are too many for one pass, so that every one has its turn.
        chosen = random.sample(unshown, min(len(unshown), _STRANGERS_AT_MOST))
        for vendor_id in chosen:
            try:
                record = self.run.connector.fetch_one("contacts", vendor_id)
            except UNREADABLE:
                # It exists, though it cannot be read.
                seen.shown.setdefault(vendor_id, None)
                continue
            if record is None:
                seen.gone.add(vendor_id)
            else:
                self._note("contacts", Page("contacts", (record,)))

    def _note(self, stream: str, page: Page) -> None:
        by_stream: dict[str, list[Record]] = {}
        for record in page.records:
            seen = self.seen(record.stream)
            if record.deleted:
                seen.shown.pop(record.vendor_id, None)
                continue
            seen.shown[record.vendor_id] = None
            if record.last_message_id:
                self._last_messages[record.vendor_id] = record.last_message_id
            by_stream.setdefault(record.stream, []).append(record)
        for rejected in page.rejected:
            # It exists, though it cannot be read: missing here unless an older version of it is.
            self.seen(stream).shown.setdefault(rejected.vendor_id, None)
        for owner, records in by_stream.items():
            here = self.here(owner)
            self._find_homes(owner, [record for record in records if record.vendor_id not in here])
            if owner in self.deep:
                self._compare(owner, [record for record in records if record.vendor_id in here])

    def _compare(self, stream: str, records: list[Record]) -> None:
        """Note which of the records' rows are not what the vendor shows; what is shown twice counts the last time."""
        altered = self.seen(stream).altered
        altered.difference_update(record.vendor_id for record in records)
        with transaction() as session:
            unique, batch = arrange(session, self.run, stream, records)
            if stream == "contacts":
                altered |= self._misplaced(session, unique, batch)
            table = table_of(self.run, stream).table
            found, refused = write_what_fits(
                session, batch, lambda part: stored_content.find_altered(session, table, part)
            )
            # What cannot be stored is not what is here.
            altered |= set().union(*found, refused)
            # A row whose parent is not the vendor's, because that one is not here, is wrong too.
            altered |= unique.keys() - {row["vendor_id"] for row in batch}
        if stream == "issues":
            altered |= self._blocked_wrongly & unique.keys()

    def _misplaced(
        self, session: Session, contacts: Mapping[str, Record], batch: list[dict[str, Any]]
    ) -> set[str]:
        """Return the contacts in a wrong project, of those that no rule takes; their rows then need no comparison of it."""
        unruled = [row for row in batch if self.run.router.match(contacts[row["vendor_id"]].facts) is None]
        for row in unruled:
            row["project_id"] = None
        ids = [row["vendor_id"] for row in unruled]
        return stored_content.find_misplaced_contacts(
            session, self.run.connection.id, ids, self.run.router.unassigned
        )

    def _find_homes(self, stream: str, records: list[Record]) -> None:
        if not records:
            return
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
