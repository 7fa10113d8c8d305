"""The shape every connector has: pages of normalised records, each page with the cursor it allows to commit."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, ClassVar, Protocol, TypeVar

from jobs.connectors.errors import UNREADABLE, SchemaChanged, VendorError

T = TypeVar("T")

Json = Mapping[str, Any]
Fact = tuple[str, str]
"""(rule kind, value in lower case): something a routing rule may look at, e.g. ``("team", "hpn")``."""

_ID = re.compile(r"[\w.:-]+")
_NO_ID = "unreadable:"
PAGES_AT_MOST = 100_000  # of one list; in Chatwoot's smallest pages 1,500,000 contacts


@dataclass(frozen=True, slots=True)
class Record:
    """One vendor record, normalised. ``fields`` are the table's own columns; times are aware, in UTC.

    ``facts`` and ``follows`` decide its project: a matching rule wins, else the project of the record
    that it follows. ``parent`` is the record whose row a child table references. ``last_message_id`` is a conversation's
    newest message as its list shows it, 0 where it shows none.
    """

    stream: str
    vendor_id: str
    fields: Json
    payload: Json
    url: str | None = None
    created_at: dt.datetime | None = None
    updated_at: dt.datetime | None = None
    deleted: bool = False
    parent: str | None = None
    facts: frozenset[Fact] = frozenset()
    follows: tuple[str, str] | None = None
    last_message_id: int = 0

    def __post_init__(self) -> None:
        # An id that is null, or no plain value, is no id: two such records would be one row.
        if self.vendor_id == "None" or not _ID.fullmatch(self.vendor_id):
            raise ValueError(f"no usable id: {self.vendor_id[:100]!r}")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be normalised, kept with its payload for the error queue."""

    stream: str
    vendor_id: str
    message: str
    payload: Json


@dataclass(frozen=True, slots=True)
class Parked:
    """A part of a stream that could not be read, a page or a conversation, and why. The rest of the stream is read."""

    unit: str
    error: VendorError
    payload: Json


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one answer. ``cursor`` is what the stream may commit together with them; None keeps the old one.

    ``total`` is the vendor's own count where it gives one. ``scanned_all`` is set on the last page of a
    crawl that has seen every record of the stream: only then may missing records count as deleted. ``positions`` are
    how far its conversations are read, at most one each. ``parked`` are parts that could not be read, ``settled`` the
    units of those that could not be read once and now were.
    """

    stream: str
    records: tuple[Record, ...]
    rejected: tuple[Rejected, ...] = ()
    cursor: Json | None = None
    total: int | None = None
    scanned_all: bool = False
    positions: tuple[Position, ...] = ()
    parked: tuple[Parked, ...] = ()
    settled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """How far a page brings a conversation: its highest message id here, without a gap below.

    ``as_of`` is the thread's version once it is read to its end, None before.
    """

    conversation: str
    message_id: int
    as_of: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation whose messages are to be read, and the highest message id already here.

    ``last_message_id`` is what the vendor's list showed as its last one, 0 where that is not known; ``version`` names
    the state of the conversation that the reading is for. One that ``failed_before`` is asked for once, not again and
    again.
    """

    vendor_id: str
    max_message_id: int
    last_message_id: int = 0
    version: dt.datetime | None = None
    failed_before: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """What a stream is asked for: its committed cursor, the fixed start of the run, and open threads.

    ``lasting``: no later run looks again for what this one misses, so that lists which may shift are read twice.
    ``parks``: a page or a conversation that cannot be read is told of in ``Page.parked``, the rest is read, and then the
    first of their errors raised. Without it the first one ends the reading of a list.
    """

    committed: Json
    run_start: dt.datetime
    threads: Callable[[], Iterable[Thread]] = field(default=tuple)
    lasting: bool = False
    parks: bool = False


class Connector(Protocol):
    """One vendor account."""

    streams: ClassVar[tuple[str, ...]]
    by_id: ClassVar[frozenset[str]]
    """Streams whose records ``fetch_one`` reads; its None is the vendor's word that a record is gone."""
    side_by_side: ClassVar[frozenset[str]]
    """Streams that are read several requests at a time; the others are a page after the other."""

    def pages(self, stream: str, window: Window) -> Generator[Page]:
        """Yield the pages of a stream, oldest commitment first; closing it stops the reading. Raises VendorError."""
        ...

    def fetch_one(self, stream: str, vendor_id: str) -> Record | None:
        """Return one record by id, or None when the vendor does not have it. Raises VendorError."""
        ...

    @property
    def requests_made(self) -> int:
        """HTTP requests sent so far, retries included."""
        ...

    @property
    def schema(self) -> Json | None:
        """What was learnt of the account's own schema, to be kept on the connection; None where there is nothing new."""
        ...

    def close(self) -> None:
        """Release the connections."""
        ...


def merge(pages: Sequence[Page]) -> Page:
    """Return several pages of one stream as one, later positions of a conversation replacing earlier ones."""
    if len(pages) == 1:
        return pages[0]
    last = pages[-1]
    positions = {position.conversation: position for page in pages for position in page.positions}
    return replace(
        last,
        records=tuple(chain.from_iterable(page.records for page in pages)),
        rejected=tuple(chain.from_iterable(page.rejected for page in pages)),
        positions=tuple(positions.values()),
        parked=tuple(chain.from_iterable(page.parked for page in pages)),
        settled=tuple(chain.from_iterable(page.settled for page in pages)),
    )


def page_numbers(what: str, *, first: int = 0) -> Iterator[int]:
    """Yield the numbers from ``first`` up to PAGES_AT_MOST, then raise SchemaChanged: such a list has no end."""
    yield from range(first, PAGES_AT_MOST + 1)
    raise SchemaChanged(what, f"more than {PAGES_AT_MOST} pages")


class Advance:
    """Notices numbered pages that stand still: a page parameter that the vendor ignores would be read for ever."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._first: list[Any] = []
        self._last: list[Any] = []

    def check(self, items: Iterable[Any]) -> None:
        """Raise SchemaChanged when a page shows the ids of the page before it, or of the first."""
        ids = [item.get("id") for item in items if isinstance(item, dict)]
        if ids and ids in (self._first, self._last):
            raise SchemaChanged(self._what, "the page does not advance")
        self._first, self._last = self._first or ids, ids


def normalise_all(
    stream: str,
    items: Iterable[Any],
    normalise: Callable[[Any], T],
    vendor_id: Callable[[Any], str],
    kept: Callable[[dict[str, Any]], Json] = dict,
) -> tuple[tuple[T, ...], tuple[Rejected, ...]]:
    """Normalise each item; one that fails is set aside with what is ``kept`` of it, the others go on."""
    records: list[T] = []
    rejected: list[Rejected] = []
    for item in items:
        try:
            records.append(normalise(item))
        except UNREADABLE as error:
            payload = kept(item) if isinstance(item, dict) else {"value": repr(item)[:2000]}
            unit = _unit_of(item, vendor_id)
            rejected.append(Rejected(stream, unit, f"{type(error).__name__}: {error}", payload))
    return tuple(records), tuple(rejected)


def _unit_of(item: Any, vendor_id: Callable[[Any], str]) -> str:
    """Return what an unreadable item is known by: its id, or a digest of it where it has none."""
    try:
        found = vendor_id(item)
    except (KeyError, TypeError, AttributeError):
        found = ""
    if found != "None" and _ID.fullmatch(found):
        return found
    # The same in every process and run, so that the attempts add up.
    written = json.dumps(item, sort_keys=True, default=repr).encode()
    return f"{_NO_ID}{hashlib.sha256(written).hexdigest()[:32]}"


def page_unit(number: int) -> str:
    """What a page of a list is known by in the error queue, if it cannot be read."""
    return f"page:{number}"


def thread_unit(conversation: str) -> str:
    """What a conversation is known by in the error queue of messages, if they cannot be read."""
    return f"conversation:{conversation}"


def is_part(unit: str) -> bool:
    """Whether a unit of the error queue is a stream or a part of one; the others are records."""
    return unit == "stream" or unit.startswith(("page:", "conversation:"))


def has_id(unit: str) -> bool:
    """Whether a unit of the error queue is known by the id of its record, by which the vendor can be asked for it."""
    return not unit.startswith(_NO_ID)


def parse_time(value: object) -> dt.datetime | None:
    """Return an aware UTC time from an ISO 8601 string (up to nanoseconds) or None. Raises ValueError."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"not a time: {value!r}")  # noqa: TRY004 - one error for unusable input
    head, dot, tail = value.partition(".")
    if dot:
        # Attio sends nine digits of a second; Python keeps six.
        digits = len(tail) - len(tail.lstrip("0123456789"))
        value = f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}"
    parsed = dt.datetime.fromisoformat(value)
    try:
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"not a time: {value!r}") from error


def parse_epoch(value: object) -> dt.datetime | None:
    """Return an aware UTC time from epoch seconds. Chatwoot writes 0 where it means null."""
    if value in (None, 0, ""):
        return None
    if isinstance(value, (int, float, str)):
        try:
            return dt.datetime.fromtimestamp(float(value), tz=dt.UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(f"not an epoch time: {value!r}") from error
    raise ValueError(f"not an epoch time: {value!r}")
