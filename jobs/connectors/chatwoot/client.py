"""Reads one Chatwoot account.

How changes are found (the API has no change feed):
- conversations: first a backfill by ``created_at`` ascending, where new rows only append, so that page shifts hide
  nothing (a count that falls meanwhile tells of deletes, and what slipped is read again); later ``updated_within`` seconds, which answers unpaged.
- messages: by id after the highest one already here, several conversations side by side; the newest ones of a touched
  conversation are read again, because messages have no ``updated_at`` and edits show in no list.
- contacts: the list shows only those with e-mail, phone or identifier; the others arrive as ``meta.sender``.
"""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Generator, Iterator
from typing import Any, ClassVar, cast

import httpx

from jobs.connectors.base import (
    Advance,
    Page,
    Position,
    Record,
    Rejected,
    Thread,
    Window,
    normalise_all,
    parse_time,
)
from jobs.connectors.chatwoot import normalize
from jobs.connectors.errors import RateLimited, SchemaChanged, VendorError
from jobs.connectors.http import NotThere, VendorHttp
from jobs.connectors.side_by_side import side_by_side
from models.infra.clock import utcnow

_OVERLAP = dt.timedelta(minutes=5)
_UPDATED_WITHIN_AT_MOST = dt.timedelta(days=7)  # the answer is unpaged: beyond this, page through everything
_CONTACT_SCAN_EVERY = dt.timedelta(hours=6)
_MESSAGES_NEWEST = 20
_MESSAGES_AFTER = 100
_PAGES_AT_MOST = 20_000


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
            classify=_classify,
        )
        self._parallel = parallel
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
            "messages": self._messages,
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
        items = _payload(self._http.get_json("/inboxes"), "inboxes")
        self._inbox_names = {
            str(item["id"]): str(item["name"]) for item in items if "id" in item and "name" in item
        }
        records, rejected = normalise_all("inboxes", items, normalize.inbox, _id)
        yield Page("inboxes", records, rejected, total=len(items), scanned_all=True)

    def _conversations(self, window: Window) -> Generator[Page]:
        since = parse_time(window.committed.get("since"))
        if since is not None and window.run_start - since < _UPDATED_WITHIN_AT_MOST:
            yield self._updated_conversations(since, window.run_start)
            return
        yield from self._all_conversations(window)

    def _updated_conversations(self, since: dt.datetime, run_start: dt.datetime) -> Page:
        seconds = int((run_start - since + _OVERLAP).total_seconds())
        params = {"status": "all", "assignee_type": "all", "updated_within": seconds}
        items, total = _conversation_list(self._http.get_json("/conversations", params))
        return self._conversation_page(items, cursor={"since": run_start.isoformat()}, total=total)

    def _all_conversations(self, window: Window) -> Iterator[Page]:
        # The start of the backfill is kept: what changes while it runs is asked for afterwards.
        started = str(window.committed.get("backfill_started") or window.run_start.isoformat())
        first = page = max(1, int(window.committed.get("backfill_page") or 1) - 1)
        advance, before, shown = Advance("conversations.page"), 0, 1
        for _ in range(_PAGES_AT_MOST):
            params = {"status": "all", "assignee_type": "all", "sort_by": "created_at_asc", "page": page}
            items, total = _conversation_list(self._http.get_json("/conversations", params))
            gone, before = before - (total or 0), total or 0
            if gone > 0 and page > first:
                # Deleted meanwhile: as many rows have slipped from this page onto those already read.
                page = max(first, page - math.ceil(gone / shown))
                advance = Advance("conversations.page")
                continue
            advance.check(items)
            if not items:
                yield Page(
                    "conversations", (), cursor={"since": started}, total=total, scanned_all=first == 1
                )
                return
            found = self._conversation_page(
                items, cursor={"backfill_started": started, "backfill_page": page}, total=total
            )
            page, shown = page + 1, len(items)
            yield found

    def _conversation_page(
        self, items: list[dict[str, Any]], *, cursor: dict[str, Any], total: int | None
    ) -> Page:
        names = self._inboxes_by_id()
        records, rejected = normalise_all(
            "conversations",
            items,
            lambda item: normalize.conversation(item, account_url=self._account_url, inbox_names=names),
            _id,
        )
        strangers, unreadable = normalise_all(
            "contacts",
            _strangers(items),
            lambda met: normalize.contact(
                met["sender"], account_url=self._account_url, conversation_id=met["conversation"]
            ),
            lambda met: _id(met["sender"]),
        )
        return Page(
            "conversations", (*records, *strangers), (*rejected, *unreadable), cursor=cursor, total=total
        )

    def _contacts(self, window: Window) -> Generator[Page]:
        scanned = parse_time(window.committed.get("scanned_at"))
        full = scanned is None or window.run_start - scanned >= _CONTACT_SCAN_EVERY
        since = parse_time(window.committed.get("since"))
        sort = "created_at" if full or since is None else "-last_activity_at"
        scan_cursor = window.run_start.isoformat() if full else window.committed.get("scanned_at")
        advance = Advance("contacts.page")
        for page in range(1, _PAGES_AT_MOST):
            body = self._http.get_json(
                "/contacts", {"page": page, "sort": sort, "include_contact_inboxes": "false"}
            )
            items = _payload(body, "contacts")
            advance.check(items)
            records, rejected = normalise_all(
                "contacts", items, lambda item: normalize.contact(item, account_url=self._account_url), _id
            )
            total = (body.get("meta") or {}).get("count")
            old = (
                since is not None
                and not full
                and all(_idle_since(record, since - _OVERLAP) for record in records)
            )
            if not items or old:
                cursor = {"since": window.run_start.isoformat(), "scanned_at": scan_cursor}
                yield Page("contacts", records, rejected, cursor=cursor, total=total, scanned_all=full)
                return
            yield Page("contacts", records, rejected, total=total)

    def _messages(self, window: Window) -> Generator[Page]:
        return side_by_side(window.threads(), self._thread, width=self._parallel)

    def _thread(self, thread: Thread) -> Iterator[Page]:
        path = f"/conversations/{thread.vendor_id}/messages"
        position = thread.max_message_id
        if position:
            # The newest 20 again: an edit or a delete of a recent message shows nowhere else.
            items = self._read(path, {})
            ids = _message_ids(items)
            if len(items) < _MESSAGES_NEWEST or min(ids, default=position) <= position:
                yield self._message_page(thread, items, max([position, *ids]), ended=True)
                return
            # Between them and what is here lies a gap: the position stays below it.
            yield self._message_page(thread, items, position)
        for _ in range(_PAGES_AT_MOST):
            items = self._read(path, {"after": position})
            newest = max(_message_ids(items), default=position)
            if items and newest <= position:
                raise SchemaChanged("messages.id", f"{path}: `after` did not advance")
            position = newest
            # The last one that the list showed; newer ones make the conversation one of the next run's.
            ended = len(items) < _MESSAGES_AFTER or 0 < thread.last_message_id <= position
            yield self._message_page(thread, items, position, ended=ended)
            if ended:
                return
        raise SchemaChanged("messages", f"{path}: more than {_PAGES_AT_MOST} pages")

    def _read(self, path: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            return _payload(self._http.get_json(path, params), "messages")
        except NotThere:
            return []  # deleted between the list and this call; the sweep tombstones it

    def _message_page(
        self, thread: Thread, items: list[dict[str, Any]], position: int, *, ended: bool = False
    ) -> Page:
        records: list[Record] = []
        rejected: list[Rejected] = []
        for item in items:
            try:
                records.extend(normalize.message(item, account_url=self._account_url))
            except (KeyError, TypeError, ValueError, VendorError) as error:
                rejected.append(
                    Rejected("messages", str(item.get("id")), f"{type(error).__name__}: {error}", item)
                )
        reached = Position(thread.vendor_id, position, thread.version if ended else None)
        return Page("messages", tuple(records), tuple(rejected), positions=(reached,))

    def _inboxes_by_id(self) -> dict[str, str]:
        if self._inbox_names is None:
            items = _payload(self._http.get_json("/inboxes"), "inboxes")
            self._inbox_names = {str(item["id"]): str(item["name"]) for item in items}
        return self._inbox_names


def _classify(response: httpx.Response) -> VendorError | None:
    if response.status_code != 429:
        return None
    # rack-attack answers plain text without Retry-After; its window is the full minute.
    now = utcnow()
    # Jitter, so that several workers do not come back in the same instant; nothing secret hangs on it.
    jitter_s = random.uniform(0, 3)  # noqa: S311
    next_minute = now.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    return RateLimited("Chatwoot: too many requests", next_minute + dt.timedelta(seconds=jitter_s))


def _id(item: Any) -> str:
    return str(item["id"])


def _strangers(items: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the senders that the list of contacts does not show, each with the conversation it was met in."""
    for item in items:
        meta: Any = item.get("meta") if isinstance(item, dict) else None
        sender: Any = meta.get("sender") if isinstance(meta, dict) else None
        # What is unreadable about the conversation itself is set aside with it.
        if isinstance(sender, dict) and sender.get("id") and normalize.is_hidden_from_list(sender):
            yield {"sender": sender, "conversation": str(item["id"]) if "id" in item else None}


def _message_ids(items: list[dict[str, Any]]) -> list[int]:
    # What has no readable id is set aside as a record; here it only must not stop the others.
    return [int(item["id"]) for item in items if str(item.get("id")).isdigit()]


def _idle_since(record: Record, moment: dt.datetime) -> bool:
    last = record.fields.get("last_activity_at")
    return last is None or cast("dt.datetime", last) < moment


def _payload(body: Any, what: str) -> list[dict[str, Any]]:
    payload: Any = body.get("payload") if isinstance(body, dict) else None
    if not isinstance(payload, list):
        raise SchemaChanged(f"{what}.payload", "expected a list")
    return cast("list[dict[str, Any]]", payload)


def _conversation_list(body: Any) -> tuple[list[dict[str, Any]], int | None]:
    data: Any = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("payload"), list):
        raise SchemaChanged("conversations.data.payload", "expected a list")
    total = (data.get("meta") or {}).get("all_count")
    return cast("list[dict[str, Any]]", data["payload"]), total if isinstance(total, int) else None
