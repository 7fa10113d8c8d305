"""Reads the messages of Chatwoot's conversations: by id after the highest one already here, several side by side.

The newest ones of a touched conversation are read again, because messages have no ``updated_at`` and edits show in no list.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import chain
from typing import Any

from jobs.connectors.base import (
    Page,
    Parked,
    Position,
    Thread,
    Window,
    normalise_all,
    page_numbers,
    thread_unit,
)
from jobs.connectors.chatwoot import normalize
from jobs.connectors.chatwoot.answers import payload_of
from jobs.connectors.errors import SchemaChanged, VendorError
from jobs.connectors.http import ATTEMPTS, NotThere, VendorHttp
from jobs.connectors.side_by_side import side_by_side

_MESSAGES_NEWEST = 20
_MESSAGES_AFTER = 100
_LARGEST_ID = 2**63 - 1


class MessageReader:
    """Reads threads of one account."""

    def __init__(self, http: VendorHttp, account_url: str, parallel: int) -> None:
        self._http, self._account_url, self._parallel = http, account_url, parallel

    def pages(self, window: Window) -> Generator[Page]:
        """Yield the pages of the window's threads. Raises VendorError."""
        park = _park_thread if window.parks else None
        return side_by_side(window.threads(), self._thread, width=self._parallel, park=park)

    def _thread(self, thread: Thread) -> Iterator[Page]:
        path = f"/conversations/{thread.vendor_id}/messages"
        position = thread.max_message_id
        if position:
            # The newest 20 again: an edit or a delete of a recent message shows nowhere else.
            items = self._read(path, {}, tries=1 if thread.failed_before else ATTEMPTS)
            ids = _message_ids(items)
            if len(items) < _MESSAGES_NEWEST or min(ids, default=position) <= position:
                yield self._message_page(thread, items, max([position, *ids]), ended=True)
                return
            # Between them and what is here lies a gap: the position stays below it.
            yield self._message_page(thread, items, position)
        for _ in page_numbers(f"messages of {path}"):
            items = self._read(path, {"after": position}, tries=1 if thread.failed_before else ATTEMPTS)
            ids = _message_ids(items)
            newest = max(ids, default=position)
            # Of a few without ids nothing can be said; a whole page of them would come again and again.
            if newest <= position and (ids or len(items) >= _MESSAGES_AFTER):
                raise SchemaChanged("messages.id", f"{path}: `after` did not advance")
            position = newest
            # The last one that the list showed; newer ones make the conversation one of the next run's.
            ended = len(items) < _MESSAGES_AFTER or 0 < thread.last_message_id <= position
            yield self._message_page(thread, items, position, ended=ended)
            if ended:
                return

    def _read(self, path: str, params: dict[str, Any], *, tries: int) -> list[dict[str, Any]]:
        try:
            return payload_of(self._http.get_json(path, params, tries=tries), "messages")
        except NotThere:
            return []  # deleted between the list and this call; the sweep tombstones it

    def _message_page(
        self, thread: Thread, items: list[dict[str, Any]], position: int, *, ended: bool = False
    ) -> Page:
        found, rejected = normalise_all(
            "messages", items, lambda item: normalize.message(item, account_url=self._account_url), _id
        )
        reached = Position(thread.vendor_id, position, thread.version if ended else None)
        return Page("messages", tuple(chain.from_iterable(found)), rejected, positions=(reached,))


def _park_thread(thread: Thread, error: VendorError) -> Page:
    payload = {"conversation_id": thread.vendor_id}
    return Page("messages", (), parked=(Parked(thread_unit(thread.vendor_id), error, payload),))


def _message_ids(items: list[Any]) -> list[int]:
    # What has no readable id is set aside as a record; here it only must not stop the others.
    shown = (str(item.get("id")) for item in items if isinstance(item, dict))
    return [int(each) for each in shown if each.isdecimal() and int(each) <= _LARGEST_ID]


def _id(item: Any) -> str:
    return str(item["id"])
