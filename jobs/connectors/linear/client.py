"""Reads one Linear workspace over GraphQL.

How changes are found: issues and comments by ``updatedAt`` between the watermark less an overlap and the start
of the run, newest first; so the watermark moves only after the last page. Until then the cursor holds the window and how
far it is read: a run that its quota or its time ends is continued by the next one, which then reads what changed since.
Projects, states, cycles and relations are few and are read whole: relations and their removal do not reliably touch an
issue's ``updatedAt``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, ClassVar, cast

from jobs.connectors.base import (
    Advance,
    Page,
    Record,
    Rejected,
    Window,
    has_id,
    normalise_all,
    page_numbers,
    parse_time,
)
from jobs.connectors.errors import AnswerTooLong, QueryTooComplex, RequestRefused, SchemaChanged
from jobs.connectors.http import NotThere, VendorHttp
from jobs.connectors.linear import documents, normalize
from jobs.connectors.linear.answers import classify, pace
from models.infra.logging import get_logger

_OVERLAP = dt.timedelta(minutes=5)
_PAGE_SIZES = (
    100,
    50,
    25,
    10,
)  # the next one is taken when a query is rejected as too complex, or its answer too long

_WHOLE: dict[str, tuple[str, str, Callable[[dict[str, Any]], Record]]] = {
    "projects": (documents.PROJECTS, "projects", normalize.project),
    "states": (documents.STATES, "workflowStates", normalize.state),
    "cycles": (documents.CYCLES, "cycles", normalize.cycle),
}
_CHANGED: dict[str, tuple[str, str, Callable[[dict[str, Any]], Record]]] = {
    "issues": (documents.ISSUES, "issues", normalize.issue),
    "comments": (documents.COMMENTS, "comments", normalize.comment),
}
_IDS: dict[str, tuple[str, str, Callable[[dict[str, Any]], Record]]] = {
    "issues": (documents.ISSUE_IDS, "issues", normalize.issue_id),
    "comments": (documents.COMMENT_IDS, "comments", normalize.comment_id),
}
# Comments on documents, project updates and initiatives have no issue, and are not kept here.
_ONLY: dict[str, dict[str, Any]] = {"comments": {"issue": {"null": False}}}
_ONE: dict[str, tuple[str, str, Callable[[dict[str, Any]], Record]]] = {
    "issues": (documents.ISSUE, "issue", normalize.issue),
    "comments": (documents.COMMENT, "comment", normalize.comment),
}

log = get_logger(__name__)


class LinearClient:
    """A Linear workspace as a connector."""

    streams: ClassVar[tuple[str, ...]] = ("projects", "states", "cycles", "issues", "comments", "relations")
    by_id: ClassVar[frozenset[str]] = frozenset({"issues", "comments"})
    side_by_side: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout_s: float,
        parallel: int = 1,
        quiet_until: dt.datetime | None = None,
    ) -> None:
        # An API key goes into the header as it is; only OAuth tokens carry "Bearer".
        self._http = VendorHttp(
            "linear",
            base_url,
            {"authorization": token},
            timeout_s=timeout_s,
            parallel=parallel,
            quiet_until=quiet_until,
            classify=classify,
            pace=pace,
        )
        self._page_sizes = _PAGE_SIZES

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
        if stream in _WHOLE:
            return self._whole(stream)
        if stream == "relations":
            return self._relations(window)
        return self._changed(stream, window)

    def ids(self, stream: str, window: Window) -> Generator[Page]:
        """Yield the pages of a whole stream, of its records no more than the id, the parent, and what places them.

        A tenth of the quota that `pages` costs; for streams that are few the same.
        """
        return self._ids(stream) if stream in _IDS else self.pages(stream, window)

    def fetch_one(self, stream: str, vendor_id: str) -> Record | None:
        """Return one issue or comment; the other streams are few and read whole."""
        if stream not in _ONE:
            return None
        document, field, normalise = _ONE[stream]
        try:
            node = self._query(document, {"id": vendor_id}).get(field)
            if not isinstance(node, dict):
                # Of what is gone Linear says so, in an error.
                raise SchemaChanged(field, "expected an object")
            if stream == "issues":
                self._complete_labels(node)
        except NotThere:
            return None
        # A comment that hangs on no issue (any more) is none of those that are kept here.
        return None if _is_of_no_issue(stream, node) else normalise(node)

    def _whole(self, stream: str) -> Generator[Page]:
        document, field, normalise = _WHOLE[stream]
        for nodes, after in self._connection(document, field, {}):
            records, rejected = normalise_all(stream, nodes, normalise, _id)
            yield Page(stream, records, rejected, scanned_all=after is None)

    def _ids(self, stream: str) -> Generator[Page]:
        document, field, normalise = _IDS[stream]
        for nodes, _ in self._connection(document, field, {"filter": _ONLY.get(stream)}):
            kept = [node for node in nodes if not _is_of_no_issue(stream, node)]
            yield Page(stream, *normalise_all(stream, kept, normalise, _id))

    def _changed(self, stream: str, window: Window) -> Generator[Page]:
        committed = dict(window.committed)
        started, ends = self._http.bounds_of(window.run_start)
        left: dict[str, Any] | None = committed.get("crawl")
        if left is not None:
            yield from self._crawl(stream, committed, left)
            committed = {"since": left["started"]}
        since = parse_time(committed.get("since"))
        crawl = {
            "from": (since - _OVERLAP).isoformat() if since else None,
            "to": ends.isoformat(),
            "started": started.isoformat(),
            "after": None,
        }
        yield from self._crawl(stream, committed, crawl)

    def _crawl(self, stream: str, committed: Mapping[str, Any], crawl: Mapping[str, Any]) -> Generator[Page]:
        """Read the window of a crawl from where it stands; at its end the watermark is the time it was started at."""
        document, field, normalise = _CHANGED[stream]
        bounds = {"lte": crawl["to"]} | ({"gte": crawl["from"]} if crawl["from"] else {})
        condition = {"updatedAt": bounds, **_ONLY.get(stream, {})}
        read = 0
        try:
            for nodes, after in self._connection(document, field, {"filter": condition}, crawl["after"]):
                read += 1
                kept = [node for node in nodes if not _is_of_no_issue(stream, node)]
                records, rejected = normalise_all(
                    stream, kept, lambda node: normalise(self._complete_labels(node)), _id
                )
                cursor = {**committed, "crawl": {**crawl, "after": after}} if after else None
                yield Page(stream, records, rejected, cursor=cursor or {"since": crawl["started"]})
        except RequestRefused as error:
            if read or not crawl["after"] or isinstance(error, (QueryTooComplex, AnswerTooLong)):
                raise
            # The record that the cursor stands for may be gone by now.
            log.warning("linear_crawl_anew", stream=stream, error=str(error))
            yield from self._crawl(stream, committed, {**crawl, "after": None})

    def _complete_labels(self, node: dict[str, Any]) -> dict[str, Any]:
        """Return an issue with the labels that did not fit into its own answer; few issues have so many."""
        labels: dict[str, Any] = node.get("labels") or {}
        info: dict[str, Any] = labels.pop("pageInfo", None) or {}
        advance = Advance("issue.labels")
        for _ in page_numbers("issue.labels"):
            if not info.get("hasNextPage"):
                break
            found = self._query(documents.LABELS, {"id": node["id"], "after": info.get("endCursor")})
            more = cast("dict[str, Any]", (found.get("issue") or {}).get("labels") or {"nodes": []})
            advance.check(more["nodes"])
            labels["nodes"] = [*labels["nodes"], *more["nodes"]]
            info = more.get("pageInfo") or {}
        return node

    def _relations(self, window: Window) -> Generator[Page]:
        """Yield one page whose records say, per issue, which issues block it.

        What a relation said is kept with the cursor: while it cannot be read, its issue stays blocked.
        """
        known: dict[str, list[str]] = window.committed.get("blocks") or {}
        held: dict[str, list[str]] = {}
        shown: set[str] = set()
        rejected: list[Rejected] = []
        for nodes, _ in self._connection(documents.RELATIONS, "issueRelations", {}):
            found, failed = normalise_all("relations", nodes, normalize.relation, _id)
            rejected.extend(failed)
            for relation in found:
                shown.add(relation.vendor_id)
                if relation.fields["type"] == "blocks":
                    held[relation.vendor_id] = [relation.fields["blocks"], relation.fields["blocker"]]
        unread = {each.vendor_id for each in rejected}
        if not all(map(has_id, unread)):
            # Any that is not shown may be the one that tells no id.
            unread = known.keys() - shown
        held |= {relation: known[relation] for relation in known.keys() & unread}
        blocked: dict[str, set[str]] = {}
        for issue, blocker in held.values():
            blocked.setdefault(issue, set()).add(blocker)
        records = tuple(
            Record("relations", issue, {"blocked_by": sorted(blockers)}, payload={})
            for issue, blockers in sorted(blocked.items())
        )
        cursor = {"blocks": held} if held != known else None
        yield Page("relations", records, tuple(rejected), cursor=cursor, scanned_all=True)

    def _connection(
        self, document: str, field: str, variables: dict[str, Any], after: str | None = None
    ) -> Iterator[tuple[list[dict[str, Any]], str | None]]:
        """Yield (nodes, cursor of the page behind them, None for the last). Raises SchemaChanged when it stands still."""
        seen: set[str] = {after} if after else set()
        for _ in page_numbers(field):
            try:
                data = self._query(document, {**variables, "first": self._page_sizes[0], "after": after})
            except (QueryTooComplex, AnswerTooLong):
                if len(self._page_sizes) == 1:
                    raise
                self._page_sizes = self._page_sizes[1:]
                continue
            page = data.get(field)
            if not isinstance(page, dict) or not isinstance(page.get("nodes"), list):
                raise SchemaChanged(f"{field}.nodes", "expected a list")
            info: dict[str, Any] = page["pageInfo"]
            after = info.get("endCursor") if info.get("hasNextPage") else None
            # Before the page is given away: a cursor that stands still must not be kept.
            if info.get("hasNextPage") and (not after or after in seen):
                raise SchemaChanged(f"{field}.pageInfo.endCursor", "the cursor does not advance")
            yield cast("list[dict[str, Any]]", page["nodes"]), after
            if after is None:
                return
            seen.add(after)

    def _query(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        body = self._http.post_json("/graphql", {"query": document, "variables": variables})
        # Partial data comes with errors and HTTP 200: what is missing must not pass for deleted.
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise SchemaChanged("data", "expected an object")
        return cast("dict[str, Any]", body["data"])


def _id(node: dict[str, Any]) -> str:
    return str(node["id"])


def _is_of_no_issue(stream: str, node: Any) -> bool:
    return stream == "comments" and isinstance(node, dict) and "issue" in node and node["issue"] is None
