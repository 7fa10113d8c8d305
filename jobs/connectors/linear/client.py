"""Reads one Linear workspace over GraphQL.

How changes are found: issues and comments by ``updatedAt`` between the watermark less an overlap and the start
of the run, newest first; so the watermark moves only after the last page. Projects, states, cycles and relations
are few and are read whole: relations and their removal do not reliably touch an issue's ``updatedAt``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Generator, Iterator
from typing import Any, ClassVar, cast

import httpx

from jobs.connectors.base import (
    Advance,
    Page,
    Record,
    Rejected,
    Window,
    normalise_all,
    page_numbers,
    parse_time,
)
from jobs.connectors.errors import (
    LONGEST_PAUSE,
    CredentialsInvalid,
    QueryTooComplex,
    RateLimited,
    RequestRefused,
    SchemaChanged,
    UnusableAnswer,
    VendorError,
)
from jobs.connectors.http import NotThere, VendorHttp, retry_after
from jobs.connectors.linear import documents, normalize
from models.infra.clock import utcnow

_OVERLAP = dt.timedelta(minutes=5)
_PAGE_SIZES = (100, 50, 25, 10)  # the next one is taken when a query is rejected as too complex
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
_ONE: dict[str, tuple[str, str, Callable[[dict[str, Any]], Record]]] = {
    "issues": (documents.ISSUE, "issue", normalize.issue),
    "comments": (documents.COMMENT, "comment", normalize.comment),
}


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
            classify=_classify,
            pace=_pace,
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
            return self._relations()
        return self._changed(stream, window)

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
                self._complete_labels([node])
        except NotThere:
            return None
        return normalise(node)

    def _whole(self, stream: str) -> Generator[Page]:
        document, field, normalise = _WHOLE[stream]
        for nodes, last in self._connection(document, field, {}):
            records, rejected = normalise_all(stream, nodes, normalise, _id)
            yield Page(stream, records, rejected, scanned_all=last)

    def _changed(self, stream: str, window: Window) -> Generator[Page]:
        document, field, normalise = _CHANGED[stream]
        since = parse_time(window.committed.get("since"))
        started, ends = self._http.bounds_of(window.run_start)
        bounds: dict[str, str] = {"lte": ends.isoformat()}
        if since is not None:
            bounds["gte"] = (since - _OVERLAP).isoformat()
        for nodes, last in self._connection(document, field, {"filter": {"updatedAt": bounds}}):
            if stream == "issues":
                self._complete_labels(nodes)
            records, rejected = normalise_all(stream, nodes, normalise, _id)
            cursor = {"since": started.isoformat()} if last else None
            yield Page(stream, records, rejected, cursor=cursor)

    def _complete_labels(self, issues: list[dict[str, Any]]) -> None:
        """Bring the labels that did not fit into an issue's own answer; few issues have so many."""
        for issue in issues:
            labels: dict[str, Any] = issue.get("labels") or {}
            info: dict[str, Any] = labels.pop("pageInfo", None) or {}
            advance = Advance("issue.labels")
            for _ in page_numbers("issue.labels"):
                if not info.get("hasNextPage"):
                    break
                found = self._query(documents.LABELS, {"id": issue["id"], "after": info.get("endCursor")})
                more = cast("dict[str, Any]", (found.get("issue") or {}).get("labels") or {"nodes": []})
                advance.check(more["nodes"])
                labels["nodes"] = [*labels["nodes"], *more["nodes"]]
                info = more.get("pageInfo") or {}

    def _relations(self) -> Generator[Page]:
        """Yield one page whose records say, per issue, which issues block it."""
        blocked: dict[str, list[str]] = {}
        rejected: list[Rejected] = []
        for nodes, _ in self._connection(documents.RELATIONS, "issueRelations", {}):
            found, failed = normalise_all("relations", nodes, normalize.relation, _id)
            rejected.extend(failed)
            for relation in found:
                if relation.fields["type"] == "blocks":
                    blocked.setdefault(relation.fields["blocks"], []).append(relation.fields["blocker"])
        records = tuple(
            Record("relations", issue, {"blocked_by": sorted(set(blockers))}, payload={})
            for issue, blockers in sorted(blocked.items())
        )
        yield Page("relations", records, tuple(rejected), scanned_all=True)

    def _connection(
        self, document: str, field: str, variables: dict[str, Any]
    ) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """Yield (nodes, is last page). Raises SchemaChanged when the cursor stands still."""
        after: str | None = None
        seen: set[str] = set()
        for _ in page_numbers(field):
            try:
                data = self._query(document, {**variables, "first": self._page_sizes[0], "after": after})
            except QueryTooComplex:
                if len(self._page_sizes) == 1:
                    raise
                self._page_sizes = self._page_sizes[1:]
                continue
            page = data.get(field)
            if not isinstance(page, dict) or not isinstance(page.get("nodes"), list):
                raise SchemaChanged(f"{field}.nodes", "expected a list")
            info: dict[str, Any] = page["pageInfo"]
            more = bool(info.get("hasNextPage"))
            yield cast("list[dict[str, Any]]", page["nodes"]), not more
            if not more:
                return
            after = info.get("endCursor")
            if not after or after in seen:
                raise SchemaChanged(f"{field}.pageInfo.endCursor", "the cursor does not advance")
            seen.add(after)

    def _query(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        body = self._http.post_json("/graphql", {"query": document, "variables": variables})
        # Partial data comes with errors and HTTP 200: what is missing must not pass for deleted.
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise SchemaChanged("data", "expected an object")
        return cast("dict[str, Any]", body["data"])


def _pace(response: httpx.Response) -> dt.datetime | None:
    """Return when the quotas hold enough for one more query like this one; None when they do now.

    Linear's quotas are leaky buckets that are refilled evenly over the hour (linear.app/developers/rate-limiting).
    """
    cost = _header(response, "X-Complexity") or 0.0
    waits = [
        _refilled_at(response, quota, need)
        for quota, need in (("Requests", 1.0), ("Complexity", cost), ("Endpoint-Requests", 1.0))
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _refilled_at(response: httpx.Response, quota: str, need: float) -> dt.datetime | None:
    limit, remaining, reset = (
        _header(response, f"X-RateLimit-{quota}-{part}") for part in ("Limit", "Remaining", "Reset")
    )
    if remaining is None or remaining >= need:
        return None
    full = _moment(reset) if reset else None
    if (
        limit is None or limit <= 0 or quota == "Endpoint-Requests"
    ):  # the period of an endpoint's own limit is not told
        return full
    wait_s = min((need - remaining) / limit * 3600, LONGEST_PAUSE.total_seconds())
    refilled = utcnow() + dt.timedelta(seconds=wait_s)
    return min(refilled, full) if full else refilled


def _moment(epoch_ms: float) -> dt.datetime:
    """Return the time that a quota header names, LONGEST_PAUSE from now at most."""
    latest = utcnow() + LONGEST_PAUSE
    return dt.datetime.fromtimestamp(max(0.0, min(epoch_ms / 1000, latest.timestamp())), tz=dt.UTC)


def _header(response: httpx.Response, name: str) -> float | None:
    try:
        value = float(response.headers[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _classify(response: httpx.Response) -> VendorError | None:
    """Return the error that the body reports, at HTTP 200 as well as at 400."""
    if response.status_code >= 500 or response.status_code in (401, 404):
        return None  # what is not there, GraphQL tells; the address itself is always there
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
        pause = retry_after(response) or _pace(response) or utcnow() + dt.timedelta(seconds=60)
        return RateLimited(message, pause)
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
        return UnusableAnswer(message)
    return RequestRefused(message)


def _id(node: dict[str, Any]) -> str:
    return str(node["id"])
