"""What Linear's answers say beside their data: how much quota is left, and what went wrong, at HTTP 200 as well as at 400."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import httpx

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
from jobs.connectors.http import NotThere, retry_after
from jobs.connectors.parsing import json_of
from models.infra.clock import utcnow

_RETRYABLE_TYPES = {"network error", "internal error", "lock timeout", "bootstrap error"}


def pace(response: httpx.Response) -> dt.datetime | None:
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


def classify(response: httpx.Response) -> VendorError | None:
    """Return the error that the body reports, at HTTP 200 as well as at 400."""
    if response.status_code >= 500 or response.status_code in (401, 404):
        return None  # what is not there, GraphQL tells; the address itself is always there
    body = json_of(response)
    errors = body.get("errors") if isinstance(body, dict) else None
    if not isinstance(errors, list) or not errors:
        return None
    first: dict[str, Any] = errors[0] if isinstance(errors[0], dict) else {}
    extensions: dict[str, Any] = first.get("extensions") or {}
    kind = str(extensions.get("type") or "").lower()
    message = f"Linear: {extensions.get('userPresentableMessage') or first.get('message') or 'error'}"
    if extensions.get("code") == "RATELIMITED" or kind == "ratelimited":
        pause = retry_after(response) or pace(response) or utcnow() + dt.timedelta(seconds=60)
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
