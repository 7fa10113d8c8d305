"""Reads one Linear workspace over GraphQL.

How changes are found: issues and comments by ``updatedAt`` between the watermark less an overlap and the start
of the run, newest first; so the watermark moves only after the last page. Projects, states, cycles and relations
are few and are read whole: relations and their removal do not reliably touch an issue's ``updatedAt``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, cast

import httpx

from jobs.connectors.base import Page, Record, Window, normalise_all, parse_time
from jobs.connectors.errors import (
    CredentialsInvalid,
    QueryTooComplex,
    RateLimited,
    RequestRefused,
    SchemaChanged,
    VendorDown,
    VendorError,
)
from jobs.connectors.http import NotThere, VendorHttp, retry_after
from jobs.connectors.linear import documents, normalize
from models.infra.clock import utcnow

_OVERLAP = dt.timedelta(minutes=5)
_PAGE_SIZES = (100, 50, 25, 10)  # the next one is taken when a query is rejected as too complex
_PAGES_AT_MOST = 20_000
_RETRYABLE_TYPES = {"network error", "internal error", "lock timeout", "bootstrap error"}

_WHOLE: dict[str, tuple[str, str, Callable[[dict[str, Any]], Record]]] = {
    "projects": (documents.PROJECTS, "projects", normalize.project),
    "states": (documents.STATES, "workflowStates", normalize.state),
    "cycles": (documents.CYCLES, "cycles", normalize.cycle),
}
_CHANGED: dict[str, tuple[str, str, Callable[[dict[str, Any]], Record]]] = {
    "issues": (documents.ISSUES, "issues", normalize.issue),
    "comments": (documents.COMMENTS, "comments", normalize.comment),
}


class LinearClient:
    """A Linear workspace as a connector."""

    streams: ClassVar[tuple[str, ...]] = ("projects", "states", "cycles", "issues", "comments", "relations")
    by_id: ClassVar[frozenset[str]] = frozenset({"issues"})

    def __init__(self, base_url: str, token: str, *, timeout_s: float) -> None:
        # An API key goes into the header as it is; only OAuth tokens carry "Bearer".
        self._http = VendorHttp(
            "linear", base_url, {"authorization": token}, timeout_s=timeout_s, classify=_classify
        )

    @property
    def requests_made(self) -> int:
        """HTTP requests sent so far."""
        return self._http.requests_made

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def pages(self, stream: str, window: Window) -> Iterator[Page]:
        """Yield the pages of ``stream``. Raises VendorError, KeyError for an unknown stream."""
        if stream in _WHOLE:
            return self._whole(stream)
        if stream == "relations":
            return self._relations()
        return self._changed(stream, window)

    def fetch_one(self, stream: str, vendor_id: str) -> Record | None:
        """Return one issue; the other streams are read whole or through their issue."""
        if stream != "issues":
            return None
        try:
            node = self._query(documents.ISSUE, {"id": vendor_id}).get("issue")
        except NotThere:
            return None
        return normalize.issue(node) if node else None

    def _whole(self, stream: str) -> Iterator[Page]:
        document, field, normalise = _WHOLE[stream]
        for nodes, last in self._connection(document, field, {}):
            records, rejected = normalise_all(stream, nodes, normalise, _id)
            yield Page(stream, records, rejected, scanned_all=last)

    def _changed(self, stream: str, window: Window) -> Iterator[Page]:
        document, field, normalise = _CHANGED[stream]
        since = parse_time(window.committed.get("since"))
        bounds: dict[str, str] = {"lte": window.run_start.isoformat()}
        if since is not None:
            bounds["gte"] = (since - _OVERLAP).isoformat()
        for nodes, last in self._connection(document, field, {"filter": {"updatedAt": bounds}}):
            records, rejected = normalise_all(stream, nodes, normalise, _id)
            cursor = {"since": window.run_start.isoformat()} if last else None
            yield Page(stream, records, rejected, cursor=cursor)

    def _relations(self) -> Iterator[Page]:
        """Yield one page whose records say, per issue, which issues block it."""
        blocked: dict[str, list[str]] = {}
        for nodes, _ in self._connection(documents.RELATIONS, "issueRelations", {}):
            for node in nodes:
                # There is no blockedBy field: A blocks B is a relation on A of type "blocks" whose relatedIssue is B.
                if node.get("type") == "blocks":
                    blocked.setdefault(node["relatedIssue"]["id"], []).append(node["issue"]["identifier"])
        records = tuple(
            Record("relations", issue, {"blocked_by": sorted(set(blockers))}, payload={})
            for issue, blockers in sorted(blocked.items())
        )
        yield Page("relations", records, scanned_all=True)

    def _connection(
        self, document: str, field: str, variables: dict[str, Any]
    ) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """Yield (nodes, is last page). Raises SchemaChanged when the cursor stands still."""
        after: str | None = None
        sizes = list(_PAGE_SIZES)
        for _ in range(_PAGES_AT_MOST):
            try:
                data = self._query(document, {**variables, "first": sizes[0], "after": after})
            except QueryTooComplex:
                if len(sizes) == 1:
                    raise
                sizes.pop(0)
                continue
            page = data.get(field)
            if not isinstance(page, dict) or not isinstance(page.get("nodes"), list):
                raise SchemaChanged(f"{field}.nodes", "expected a list")
            info: dict[str, Any] = page["pageInfo"]
            more = bool(info.get("hasNextPage"))
            yield cast("list[dict[str, Any]]", page["nodes"]), not more
            if not more:
                return
            if not info.get("endCursor") or info["endCursor"] == after:
                raise SchemaChanged(f"{field}.pageInfo.endCursor", "the cursor does not advance")
            after = info["endCursor"]
        raise SchemaChanged(field, f"more than {_PAGES_AT_MOST} pages")

    def _query(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        body = self._http.post_json("/graphql", {"query": document, "variables": variables})
        # Partial data comes with errors and HTTP 200: what is missing must not pass for deleted.
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise SchemaChanged("data", "expected an object")
        return cast("dict[str, Any]", body["data"])


def _classify(response: httpx.Response) -> VendorError | None:
    """Return the error that the body reports, at HTTP 200 as well as at 400."""
    if response.status_code >= 500 or response.status_code == 401:
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list) or not errors:
        return None
    first: dict[str, Any] = errors[0] if isinstance(errors[0], dict) else {}
    extensions: dict[str, Any] = first.get("extensions") or {}
    kind = str(extensions.get("type") or "").lower()
    message = f"Linear: {extensions.get('userPresentableMessage') or first.get('message') or 'error'}"
    if extensions.get("code") == "RATELIMITED" or kind == "ratelimited":
        return RateLimited(message, retry_after(response) or _latest_reset(response))
    if "entity not found" in str(first.get("message")).lower():
        return NotThere(message)
    if "too complex" in message.lower():
        return QueryTooComplex(message)
    if kind in ("authentication error", "forbidden"):
        return CredentialsInvalid(message)
    if kind == "graphql error":
        # The document no longer fits the vendor's schema: a test holds ours against the published one.
        return SchemaChanged("query", message)
    if kind in _RETRYABLE_TYPES:
        return VendorDown(message)
    return RequestRefused(message)


def _latest_reset(response: httpx.Response) -> dt.datetime:
    """Return when the exhausted quotas are refilled; the headers carry epoch milliseconds."""
    resets: list[float] = []
    for quota in ("Requests", "Complexity", "Endpoint-Requests"):
        remaining = response.headers.get(f"X-RateLimit-{quota}-Remaining")
        reset = response.headers.get(f"X-RateLimit-{quota}-Reset")
        if reset and (remaining is None or float(remaining) <= 0):
            resets.append(float(reset) / 1000)
    if not resets:
        return utcnow() + dt.timedelta(seconds=60)
    return dt.datetime.fromtimestamp(max(resets), tz=dt.UTC)


def _id(node: dict[str, Any]) -> str:
    return str(node["id"])
