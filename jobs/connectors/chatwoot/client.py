"""Reads one Chatwoot account.

How changes are found (the API has no change feed):
- conversations: first a backfill by ``created_at`` ascending, from the last page to the first: new rows only append, and
  what moves up after a delete moves to pages still to come (``listing``); later ``updated_within`` seconds, which answers unpaged:
  where that is more than one answer can bring, or looks like a page after all, everything is paged through again.
- messages: conversation by conversation (``messages``).
- contacts: the list shows only those with e-mail, phone or identifier; the others arrive as ``meta.sender``. One that gets
  an address enters the list in its middle, so the first scan goes both ways. Between scans: who was active, who is
  new, and whoever a changed conversation shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from jobs.connectors.base import (
    Page,
    Record,
    Window,
    normalise_all,
    parse_epoch,
    parse_time,
)
from jobs.connectors.chatwoot import normalize
from jobs.connectors.chatwoot.answers import classify, conversation_list, count_of, payload_of
from jobs.connectors.chatwoot.listing import (
    Items,
    Listed,
    Read,
    read_both_ways,
    read_from_the_end,
    read_there_and_back,
)
from jobs.connectors.chatwoot.messages import MessageReader
from jobs.connectors.errors import AnswerTooLong, CircuitOpen, NotInTime, VendorDown, VendorError
from jobs.connectors.holes import Holes
from jobs.connectors.http import NotThere, VendorHttp
from jobs.connectors.readable import read_each
from models.infra.clock import utcnow
from models.infra.logging import get_logger

_OVERLAP = dt.timedelta(minutes=5)
_UPDATED_WITHIN_AT_MOST = dt.timedelta(days=7)  # the answer is unpaged: beyond this, page through everything
_CONTACT_SCAN_EVERY = dt.timedelta(hours=6)
_CONVERSATIONS_A_PAGE = 25

log = get_logger(__name__)


class ChatwootClient:
    """A Chatwoot account as a connector."""

    streams: ClassVar[tuple[str, ...]] = ("inboxes", "conversations", "contacts", "messages")
    by_id: ClassVar[frozenset[str]] = frozenset({"inboxes", "conversations", "contacts"})
    side_by_side: ClassVar[frozenset[str]] = frozenset({"messages"})

    def __init__(
        self,
        base_url: str,
        account_id: str,
        token: str,
        *,
        timeout_s: float,
        parallel: int = 1,
        quiet_until: dt.datetime | None = None,
    ) -> None:
        self._account_url = f"{base_url}/app/accounts/{account_id}"
        self._http = VendorHttp(
            "chatwoot",
            f"{base_url}/api/v1/accounts/{account_id}",
            {"api_access_token": token},
            timeout_s=timeout_s,
            parallel=parallel,
            quiet_until=quiet_until,
            classify=classify,
        )
        self._messages = MessageReader(self._http, self._account_url, parallel)
        self._inbox_names: dict[str, str] | None = None

    @property
    def requests_made(self) -> int:
        """HTTP requests sent so far."""
        return self._http.requests_made

    @property
    def schema(self) -> None:
        """Nothing: every account has the same."""
        return

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def pages(self, stream: str, window: Window) -> Generator[Page]:
        """Yield the pages of ``stream``. Raises VendorError, KeyError for an unknown stream."""
        return {
            "inboxes": self._inboxes,
            "conversations": self._conversations,
            "contacts": self._contacts,
            "messages": self._messages.pages,
        }[stream](window)

    def fetch_one(self, stream: str, vendor_id: str) -> Record | None:
        """Return one inbox, conversation or contact; other streams are read through their conversation.

        A token that may not see an inbox (any more) is refused with 401, also for its conversations: no proof of a delete.
        """
        try:
            if stream == "inboxes":
                return normalize.inbox(self._http.get_json(f"/inboxes/{vendor_id}"))
            if stream == "conversations":
                item = self._http.get_json(f"/conversations/{vendor_id}")
                return normalize.conversation(
                    item, account_url=self._account_url, inbox_names=self._inboxes_by_id()
                )
            if stream == "contacts":
                item = self._http.get_json(f"/contacts/{vendor_id}")
                return normalize.contact(item.get("payload", item), account_url=self._account_url)
        except NotThere:
            return None
        return None

    def _inboxes(self, _window: Window) -> Generator[Page]:
        items = payload_of(self._http.get_json("/inboxes"), "inboxes")
        self._inbox_names = dict(read_each("inboxes", items, _inbox_name))
        records, rejected = normalise_all("inboxes", items, normalize.inbox, _id, normalize.inbox_payload)
        yield Page("inboxes", records, rejected, total=len(items), scanned_all=True)

    def _conversations(self, window: Window) -> Generator[Page]:
        since = parse_time(window.committed.get("since"))
        holes = Holes(window.committed.get("holes", ()), parks=window.parks)
        if since is None or window.run_start - since >= _UPDATED_WITHIN_AT_MOST:
            yield from self._all_conversations(window, holes)
        elif not (yield from self._updated_conversations(since, window, holes)) and holes.known:
            number = holes.known[0]
            if holes.take(number, partial(self._list_conversations, number)) is None:
                cursor = {"since": window.run_start.isoformat(), **holes.cursor}
                yield Page("conversations", (), cursor=cursor, parked=holes.parked())
            else:
                # What deletes have moved out of the page meanwhile, only a whole reading shows.
                yield from self._all_conversations(window, holes, anew=True)
        holes.raise_first()

    def _updated_conversations(
        self, since: dt.datetime, window: Window, holes: Holes
    ) -> Generator[Page, None, bool]:
        """Yield what changed; returns whether everything was read instead."""

        def params() -> dict[str, Any]:
            # The vendor counts back from when it is asked, which pauses and retries put off.
            seconds = int((utcnow() - since + _OVERLAP).total_seconds())
            return {"status": "all", "assignee_type": "all", "updated_within": seconds}

        try:
            tries = holes.tries
            items, total = conversation_list(self._http.get_json("/conversations", params, tries=tries))
        except (VendorDown, AnswerTooLong) as error:
            if not isinstance(error, (NotInTime, AnswerTooLong)) and not window.parks:
                raise
            if isinstance(error, CircuitOpen):
                raise
            # It is unpaged: the longer it waits the longer it gets, and one record that the vendor cannot show takes
            # all others along. Everything instead, page by page.
            log.warning("chatwoot_changes_not_read", since=since.isoformat(), error=str(error))
            holes.suspect(error)
            yield from self._all_conversations(window, holes, anew=True)
            return True
        if len(items) == _CONVERSATIONS_A_PAGE < total:
            # A Chatwoot that does not know `updated_within` answers like this, with the first page of its list.
            log.warning("chatwoot_changes_may_be_a_page", since=since.isoformat(), total=total)
            yield from self._all_conversations(window, holes, anew=True)
            return True
        cursor = {"since": window.run_start.isoformat(), **holes.cursor}
        yield self._conversation_page(items, cursor=cursor, total=total, met=_senders(items))
        return False

    def _all_conversations(
        self, window: Window, holes: Holes, *, anew: bool = False
    ) -> Generator[Page, None, None]:
        # The start of the backfill is kept: what changes while it runs is asked for afterwards.
        started = parse_time(window.committed.get("backfill_started")) or window.run_start
        below = window.committed.get("backfill_below")
        # Too long ago to be asked for: from its beginning.
        if anew or window.run_start - started >= _UPDATED_WITHIN_AT_MOST:
            started, below = window.run_start, None
        reached: Mapping[str, Any] = window.committed
        read = _leaving_out(holes, self._list_conversations)
        try:
            for listed in read_from_the_end(read, "conversations.page", below):
                ended = listed.below == 1
                reached = {"backfill_started": started.isoformat(), "backfill_below": listed.below}
                if ended:
                    reached = {"since": started.isoformat()}
                parts = holes.end() if ended else {}
                page = self._conversation_page(
                    listed.items,
                    cursor={**reached, **holes.cursor},
                    total=listed.total,
                    met=_strangers(listed.items),
                    scanned_all=ended and below is None and not holes.any,
                )
                yield replace(page, **parts)
        except VendorError:
            if holes.any:
                yield Page("conversations", (), cursor={**reached, **holes.cursor})
            raise
        if below is not None:
            yield from self._updated_conversations(started, window, holes)

    def _list_conversations(self, page: int, tries: int) -> tuple[Items, int]:
        params = {"status": "all", "assignee_type": "all", "sort_by": "created_at_asc", "page": page}
        return conversation_list(self._http.get_json("/conversations", params, tries=tries))

    def _conversation_page(
        self,
        items: Items,
        *,
        cursor: dict[str, Any],
        total: int,
        met: Iterable[dict[str, Any]],
        scanned_all: bool = False,
    ) -> Page:
        names = self._inboxes_by_id()
        records, rejected = normalise_all(
            "conversations",
            items,
            lambda item: normalize.conversation(item, account_url=self._account_url, inbox_names=names),
            _id,
        )
        people, unreadable = normalise_all(
            "contacts",
            met,
            lambda each: normalize.contact(
                each["sender"], account_url=self._account_url, conversation_id=each["conversation"]
            ),
            lambda each: _id(each["sender"]),
        )
        return Page(
            "conversations",
            (*records, *people),
            (*rejected, *unreadable),
            cursor=cursor,
            total=total,
            scanned_all=scanned_all,
        )

    def _contacts(self, window: Window) -> Generator[Page]:
        since = parse_time(window.committed.get("since"))
        scanned = parse_time(window.committed.get("scanned_at"))
        holes = Holes(window.committed.get("holes", ()), parks=window.parks)
        due = scanned is None or window.run_start - scanned >= _CONTACT_SCAN_EVERY
        if since is None or due or "scan" in window.committed:
            yield from self._all_contacts(window, holes)
        else:
            cursor = yield from self._changed_contacts(window, since)
            if holes.known:
                number = holes.known[0]
                if holes.take(number, partial(self._list_contacts, "created_at", number)) is None:
                    yield Page("contacts", (), cursor={**cursor, **holes.cursor}, parked=holes.parked())
                else:
                    yield from self._all_contacts(replace(window, committed=cursor), holes)
        holes.raise_first()

    def _all_contacts(self, window: Window, holes: Holes) -> Generator[Page, None, None]:
        # A scan that was killed goes on; what became active since it started is asked for afterwards.
        scan = dict(window.committed.get("scan") or {})
        below, above = scan.get("below"), scan.get("above")
        since = scan.setdefault("since", self._started(window))
        twice = scan.setdefault("twice", window.lasting and "scanned_at" not in window.committed)
        read = _leaving_out(holes, partial(self._list_contacts, "created_at"))
        what = "contacts.page"
        try:
            for listed in (
                read_both_ways(read, what, below, above) if twice else read_from_the_end(read, what, below)
            ):
                scan |= {"below": listed.below, "above": listed.above}
                cursor = {**window.committed, "scan": {**scan}, **holes.cursor}
                yield replace(self._contact_page(listed), cursor=cursor)
        except VendorError:
            if holes.any:
                yield Page("contacts", (), cursor={**window.committed, "scan": {**scan}, **holes.cursor})
            raise
        parts = holes.end()
        cursor = {"since": since, "scanned_at": window.run_start.isoformat(), **holes.cursor}
        yield Page("contacts", (), cursor=cursor, scanned_all=below is None and not holes.any, **parts)
        if below is not None:
            started = parse_time(since) or window.run_start
            yield from self._changed_contacts(replace(window, committed=cursor), started)

    def _changed_contacts(
        self, window: Window, since: dt.datetime
    ) -> Generator[Page, None, Mapping[str, Any]]:
        """Yield who changed; returns the cursor, which does not move past a page that could not be read."""
        for field in ("last_activity_at", "created_at"):
            holes = Holes((), parks=window.parks)
            read = _leaving_out(holes, partial(self._list_contacts, f"-{field}"))
            is_last = _reaches(field, since - _OVERLAP)
            for listed in read_there_and_back(read, f"contacts.page by {field}", is_last):
                yield self._contact_page(listed)
            holes.raise_first()
        cursor = {**window.committed, "since": self._started(window)}
        yield Page("contacts", (), cursor=cursor)
        return cursor

    def _started(self, window: Window) -> str:
        # Contacts are compared by the vendor's times; conversations are asked for by a span, which no clock moves.
        return self._http.bounds_of(window.run_start)[0].isoformat()

    def _list_contacts(self, sort: str, page: int, tries: int) -> tuple[Items, int]:
        params = {"page": page, "sort": sort, "include_contact_inboxes": "false"}
        body = self._http.get_json("/contacts", params, tries=tries)
        return payload_of(body, "contacts"), count_of(body.get("meta"), "count", "contacts.meta")

    def _contact_page(self, listed: Listed) -> Page:
        records, rejected = normalise_all(
            "contacts",
            listed.items,
            lambda item: normalize.contact(item, account_url=self._account_url),
            _id,
        )
        return Page("contacts", records, rejected, total=listed.total)

    def _inboxes_by_id(self) -> dict[str, str]:
        if self._inbox_names is None:
            items = payload_of(self._http.get_json("/inboxes"), "inboxes")
            self._inbox_names = dict(read_each("inboxes", items, _inbox_name))
        return self._inbox_names


def _inbox_name(item: dict[str, Any]) -> tuple[str, str]:
    return str(item["id"]), str(item["name"])


def _leaving_out(holes: Holes, read: Callable[[int, int], tuple[Items, int]]) -> Read:
    """Return a reader of pages by number that leaves out what cannot be read."""
    return lambda number: holes.take(number, partial(read, number))


def _id(item: Any) -> str:
    return str(item["id"])


def _senders(items: Items) -> Iterator[dict[str, Any]]:
    """Yield the contacts of conversations. One that the list of contacts hides comes with the conversation it was met in."""
    for item in items:
        meta: Any = item.get("meta") if isinstance(item, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        sender: Any = meta.get("sender") if isinstance(meta, dict) else None
        # What is unreadable about the conversation itself is set aside with it.
        if isinstance(sender, dict) and sender.get("id"):
            met = str(item["id"]) if normalize.is_hidden_from_list(sender) and "id" in item else None
            yield {"sender": sender, "conversation": met}


def _strangers(items: Items) -> Iterator[dict[str, Any]]:
    """Yield only those of them whom the list of contacts hides: it brings the others."""
    return (each for each in _senders(items) if normalize.is_hidden_from_list(each["sender"]))


def _reaches(field: str, moment: dt.datetime) -> Callable[[Items], bool]:
    """Return whether a page, newest first, reaches back to a moment. Chatwoot puts those without a time last."""

    def reaches(items: Items) -> bool:
        # What is unreadable is set aside as a record, and says nothing here.
        times, _ = normalise_all("contacts", items, lambda item: parse_epoch(item.get(field)), _id)
        return any(at is None or at < moment for at in times)

    return reaches
