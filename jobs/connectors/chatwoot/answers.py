"""What Chatwoot's answers look like: envelopes, counts, and how it says that it refuses or has no such record."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any, cast

import httpx

from jobs.connectors.chatwoot.listing import Items
from jobs.connectors.errors import RateLimited, SchemaChanged, VendorError
from jobs.connectors.http import NotThere
from jobs.connectors.parsing import json_of
from models.infra.clock import utcnow

_NOT_FOUND = "Resource could not be found"


def classify(response: httpx.Response) -> VendorError | None:
    """Return what Chatwoot itself says went wrong, None where a status speaks for itself.

    Only its own words say that a record is gone: a proxy before it answers 404 too, for whatever is behind it.
    """
    if response.status_code == 404 and _error_of(response) == _NOT_FOUND:
        return NotThere(f"Chatwoot: {_NOT_FOUND}")
    if response.status_code != 429:
        return None
    # rack-attack answers plain text without Retry-After; its window is the full minute.
    now = utcnow()
    # Jitter, so that several workers do not come back in the same instant; nothing secret hangs on it.
    jitter_s = random.uniform(0, 3)  # noqa: S311
    next_minute = now.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)
    return RateLimited("Chatwoot: too many requests", next_minute + dt.timedelta(seconds=jitter_s))


def _error_of(response: httpx.Response) -> object:
    body = json_of(response)
    return body.get("error") if isinstance(body, dict) else None


def payload_of(body: Any, what: str) -> Items:
    """Return the list that an answer wraps. Raises SchemaChanged."""
    payload: Any = body.get("payload") if isinstance(body, dict) else None
    if not isinstance(payload, list):
        raise SchemaChanged(f"{what}.payload", "expected a list")
    return cast("Items", payload)


def conversation_list(body: Any) -> tuple[Items, int]:
    """Return the conversations of an answer, and the vendor's count of all. Raises SchemaChanged."""
    data: Any = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("payload"), list):
        raise SchemaChanged("conversations.data.payload", "expected a list")
    return cast("Items", data["payload"]), count_of(data.get("meta"), "all_count", "conversations.data.meta")


def count_of(meta: Any, name: str, what: str) -> int:
    """Return a count that an answer gives beside its list. Raises SchemaChanged."""
    count: Any = meta.get(name) if isinstance(meta, dict) else None
    if not str(count).isdigit():
        raise SchemaChanged(f"{what}.{name}", "expected a number")
    return int(count)
