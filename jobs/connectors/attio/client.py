"""Reads one Attio workspace.

Records have no ``updated_at`` and lists no cursor, so every stream is a full scan by ``created_at`` ascending
with a content hash deciding what is written: 10,000 records are 20 requests. Offsets slip when a record is
deleted meanwhile; a page of overlap is not needed for correctness, because what slipped is seen by the next
scan and nothing counts as deleted before two scans miss it.

The workspace's schema is read once a crawl, before the first records; single records are read with the one that is kept.
With it is kept where the pages of an object's records are, so that notes keep their links when their object cannot be read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, cast

import httpx

from jobs.connectors.attio import normalize
from jobs.connectors.attio.schema import OBJECTS, RECORD_ID, Schema, from_json, read_schema
from jobs.connectors.base import Advance, Page, Record, Window, normalise_all, page_numbers
from jobs.connectors.errors import SchemaChanged, VendorError
from jobs.connectors.holes import Holes
from jobs.connectors.http import NotThere, VendorHttp
from jobs.connectors.parsing import json_of
from jobs.connectors.readable import read_each

_RECORDS_LIMIT = 500
_NOTES_LIMIT = 50


class AttioClient:
    """An Attio workspace as a connector."""

    streams: ClassVar[tuple[str, ...]] = ("companies", "people", "deals", "notes", "tasks")
    by_id: ClassVar[frozenset[str]] = frozenset({"companies", "people", "deals"})
    side_by_side: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout_s: float,
        parallel: int = 1,
        schema: Mapping[str, Any] | None = None,
        quiet_until: dt.datetime | None = None,
    ) -> None:
        self._http = VendorHttp(
            "attio",
            base_url,
            {"authorization": f"Bearer {token}"},
            timeout_s=timeout_s,
            parallel=parallel,
            quiet_until=quiet_until,
            classify=_classify,
        )
        self._members: dict[str, str] | None = None
        self._entries: dict[str, set[str]] | None = None
        self._kept = from_json(schema or {})
        self._read: Schema | None = None
        self._pages_by_record: dict[tuple[str, str], str] = {}
        self._read_whole: set[str] = set()
        self._page_patterns = dict(self._kept.pages) if self._kept else {}

    @property
    def requests_made(self) -> int:
        """HTTP requests sent so far."""
        return self._http.requests_made

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The workspace's schema as read now, to be kept; None when it was not read or does not fit."""
        if self._read is None:
            return None
        try:
            for name in self._read.attributes:
                self._read.check(name, self._kept)
        except SchemaChanged:
            # The one that fitted last tells a renamed attribute from one that is gone: it stays.
            return None
        return replace(self._read, pages=self._page_patterns).to_json()

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def pages(self, stream: str, window: Window) -> Generator[Page]:
        """Yield the pages of ``stream``. Raises VendorError, KeyError for an unknown stream."""
        if stream == "notes":
            return self._notes(window)
        if stream == "tasks":
            return self._tasks(window)
        return self._records(stream)

    def fetch_one(self, stream: str, vendor_id: str) -> Record | None:
        """Return one company, person or deal, or None when it is gone (deleted or merged away)."""
        if stream not in self.by_id:
            return None
        try:
            body = self._http.get_json(f"/v2/objects/{stream}/records/{vendor_id}")
        except NotThere:
            return None
        return self._normaliser(stream, self._kept or self._fresh_schema())(body["data"])

    def stage_history(self, deal_id: str) -> list[dict[str, Any]]:
        """Return the stage values of a deal, past ones included; none when the deal is gone. Raises VendorError."""
        path = f"/v2/objects/deals/records/{deal_id}/attributes/stage/values"
        try:
            return _data(self._http.get_json(path, {"show_historic": "true"}), "deals.stage")
        except NotThere:
            return []

    def _fresh_schema(self) -> Schema:
        if self._read is None:
            self._read = read_schema(self._list_at)
        return self._read

    def _list_at(self, path: str) -> list[dict[str, Any]] | None:
        try:
            return _data(self._http.get_json(path), path.partition("?")[0].removeprefix("/v2/"))
        except NotThere:
            return None

    def _normaliser(self, stream: str, schema: Schema) -> Callable[[dict[str, Any]], Record]:
        schema.check(stream, self._kept)
        unusable = schema.unusable(stream)
        if stream == "companies":
            entries = self._lists_by_company()
            return lambda item: normalize.company(
                item, lists=frozenset(entries.get(str(item["id"]["record_id"]), ())), unusable=unusable
            )
        if stream == "people":
            return lambda item: normalize.person(item, unusable=unusable)
        members = self._member_names()
        return lambda item: normalize.deal(item, members=members, unusable=unusable)

    def _records(self, stream: str) -> Generator[Page]:
        if stream not in OBJECTS:
            raise KeyError(stream)
        normalise = self._normaliser(stream, self._fresh_schema())
        advance = Advance(f"{stream}.offset")
        for page in page_numbers(stream):
            body = {
                "sorts": [{"attribute": "created_at", "direction": "asc"}],
                "limit": _RECORDS_LIMIT,
                "offset": page * _RECORDS_LIMIT,
            }
            try:
                items = _data(self._http.post_json(f"/v2/objects/{stream}/records/query", body), stream)
            except NotThere:
                # The deals object is off until an administrator switches it on: nothing to read, nothing deleted.
                yield Page(stream, ())
                return
            advance.check(items)
            records, rejected = normalise_all(stream, items, normalise, _record_id)
            for record in records:
                if record.url:
                    self._pages_by_record[stream, record.vendor_id] = record.url
                    if record.url.count(record.vendor_id) == 1:
                        self._page_patterns[stream] = record.url.replace(record.vendor_id, RECORD_ID)
            last = len(items) < _RECORDS_LIMIT
            if last and not rejected:
                self._read_whole.add(stream)
            yield Page(stream, records, rejected, scanned_all=last and not rejected)
            if last:
                return

    def _page_of(self, stream: str, record_id: str) -> str | None:
        """Return a record's page: as its record shows it, or where those of its object are while not all could be read."""
        shown = self._pages_by_record.get((stream, record_id))
        if shown or stream in self._read_whole or stream not in self._page_patterns:
            return shown
        return self._page_patterns[stream].replace(RECORD_ID, record_id)

    def _notes(self, window: Window) -> Generator[Page]:
        members = self._member_names()

        def normalise(item: dict[str, Any]) -> Record:
            page = self._page_of(str(item["parent_object"]), str(item["parent_record_id"]))
            return normalize.note(item, members=members, app_url=page)

        return self._listed(
            "notes", window, {"limit": _NOTES_LIMIT}, normalise, lambda item: str(item["id"]["note_id"])
        )

    def _tasks(self, window: Window) -> Generator[Page]:
        members = self._member_names()
        return self._listed(
            "tasks",
            window,
            {"limit": _RECORDS_LIMIT, "sort": "created_at:asc"},
            lambda item: normalize.task(item, members=members, objects=self._object_slug),
            lambda item: str(item["id"]["task_id"]),
        )

    def _listed(
        self,
        stream: str,
        window: Window,
        params: dict[str, Any],
        normalise: Callable[[dict[str, Any]], Record],
        vendor_id: Callable[[Any], str],
    ) -> Generator[Page]:
        """Yield the pages of a list that is read with GET; ``params`` hold its page size.

        It is read whole every time, so that what is left out of it has its next turn with the next reading.
        """
        advance = Advance(f"{stream}.offset")
        limit = params["limit"]
        known = window.committed.get("holes", ())
        holes = Holes(known, parks=window.parks)
        for page in page_numbers(stream):
            query = {**params, "offset": page * limit}
            try:
                items = holes.take(page + 1, partial(self._list_page, stream, query))
            except VendorError:
                if holes.any:
                    yield Page(stream, (), cursor=holes.cursor)
                raise
            if items is None:
                continue
            advance.check(items)
            records, rejected = normalise_all(stream, items, normalise, vendor_id)
            last = len(items) < limit
            parts = holes.end() if last else {}
            found = Page(stream, records, rejected, scanned_all=last and not rejected and not holes.any)
            yield replace(found, cursor=holes.cursor if last and (holes.any or known) else None, **parts)
            if last:
                holes.raise_first()
                return

    def _list_page(self, stream: str, query: dict[str, Any], tries: int) -> list[dict[str, Any]]:
        return _data(self._http.get_json(f"/v2/{stream}", query, tries=tries), stream)

    def _member_names(self) -> dict[str, str]:
        if self._members is None:
            members = _data(self._http.get_json("/v2/workspace_members"), "workspace_members")
            self._members = dict(read_each("workspace_members", members, _member))
        return self._members

    def _object_slug(self, object_id: str) -> str | None:
        """Return the slug of an object by its id; workspaces have objects of their own."""
        return (self._read or self._kept or self._fresh_schema()).objects.get(object_id)

    def _lists_by_company(self) -> dict[str, set[str]]:
        """Return the slugs of the lists each company is an entry of. Entries carry only ids."""
        if self._entries is None:
            entries: dict[str, set[str]] = {}
            found = read_each("lists", _data(self._http.get_json("/v2/lists"), "lists"), _list)
            for slug in (slug for slug, parents in found if "companies" in parents):
                for record_id in self._list_members(slug):
                    entries.setdefault(record_id, set()).add(slug)
            self._entries = entries
        return self._entries

    def _list_members(self, slug: str) -> Iterator[str]:
        advance = Advance(f"lists.{slug}")
        for page in page_numbers(f"lists.{slug}"):
            body = {"limit": _RECORDS_LIMIT, "offset": page * _RECORDS_LIMIT}
            items = _data(self._http.post_json(f"/v2/lists/{slug}/entries/query", body), f"lists.{slug}")
            advance.check(items)
            yield from read_each(f"lists.{slug}", items, lambda item: str(item["parent_record_id"]))
            if len(items) < _RECORDS_LIMIT:
                return


def _classify(response: httpx.Response) -> VendorError | None:
    """Return NotThere for Attio's own 404; the rest (Retry-After as a date, {"message"} bodies) VendorHttp expects."""
    if response.status_code != 404:
        return None
    body = json_of(response)
    own = isinstance(body, dict) and body.get("code") == "not_found"
    return NotThere(f"Attio: {body.get('message') or 'not found'}") if own else None


def _member(item: dict[str, Any]) -> tuple[str, str]:
    name = " ".join(filter(None, (item.get("first_name"), item.get("last_name"))))
    return str(item["id"]["workspace_member_id"]), name


def _list(item: dict[str, Any]) -> tuple[str, list[Any]]:
    parents: Any = item.get("parent_object")
    return str(item["api_slug"]), parents if isinstance(parents, list) else [parents]


def _record_id(item: dict[str, Any]) -> str:
    return str(item["id"]["record_id"])


def _data(body: Any, what: str) -> list[dict[str, Any]]:
    data: Any = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise SchemaChanged(f"{what}.data", "expected a list")
    return cast("list[dict[str, Any]]", data)
