"""What each vendor's webhook deliveries look like: how they are signed and which records they name. Pure.

Header names are given in lower case. Vendors' documents: Chatwoot's "webhook signature" (`sha256=<hex>` over
"timestamp.body"), Linear's "webhooks" (`Linear-Signature`, hex over the body, which carries `webhookTimestamp` in
milliseconds), Attio's "webhooks" (`Attio-Signature`, hex over the body; no time is signed).
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from models.queries.webhooks import OBJECT, SYNC, Hint

Headers = Mapping[str, str]
# Hints that one delivery may bring; Attio announces batches. One with more is followed by a sync.
HINTS_AT_MOST = 100
# What a Linear comment may hang on beside an issue.
_OTHER_THAN_ISSUES = ("projectUpdateId", "initiativeUpdateId", "documentContentId", "projectId", "postId")


class Malformed(ValueError):
    """A delivery that is signed and yet not what its vendor sends."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """How to read a vendor's deliveries.

    ``signed(headers, body)`` is what the signature covers, ``signature(headers)`` its hex; ``sent_at(headers, event)``
    the signed Unix time in seconds, None where the vendor signs none. ``hints(event)`` are the records it names.
    """

    delivery_header: str
    signature: Callable[[Headers], str]
    signed: Callable[[Headers, bytes], bytes]
    sent_at: Callable[[Headers, Mapping[str, Any]], float | None]
    hints: Callable[[Mapping[str, Any]], tuple[Hint, ...]]


def sign(secret: str, content: bytes) -> str:
    """HMAC-SHA256 in lower-case hex: what all three vendors use."""
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def _chatwoot_signature(headers: Headers) -> str:
    return headers.get("x-chatwoot-signature", "").removeprefix("sha256=")


def _chatwoot_signed(headers: Headers, body: bytes) -> bytes:
    return headers.get("x-chatwoot-timestamp", "").encode("latin-1", "replace") + b"." + body


def _chatwoot_sent_at(headers: Headers, _event: Mapping[str, Any]) -> float:
    return _number(headers.get("x-chatwoot-timestamp"))


def _chatwoot_hints(event: Mapping[str, Any]) -> tuple[Hint, ...]:
    kind = str(event.get("event"))
    if kind.startswith("conversation_") and "typing" not in kind:
        return (Hint("conversations", _id(event.get("id"))),)
    if kind.startswith("contact_"):
        return (Hint("contacts", _id(event.get("id"))),)
    if kind.startswith("message_"):
        # A message moves its conversation too: status, waiting time, last activity.
        conversation = _id(_part(event, "conversation").get("id"))
        return (
            Hint("conversations", conversation),
            Hint("messages", _number_id(event.get("id")), conversation),
        )
    return (Hint(SYNC),) if kind.startswith("inbox_") else ()


def _linear_hints(event: Mapping[str, Any]) -> tuple[Hint, ...]:
    kind = event.get("type")
    if kind == "Issue":
        return (Hint("issues", _id(_part(event, "data").get("id"))),)
    if kind == "Comment":
        data = _part(event, "data")
        # A comment of a project update or a document names that instead of an issue, and is not kept here.
        elsewhere = not data.get("issueId") and any(data.get(name) for name in _OTHER_THAN_ISSUES)
        return () if elsewhere else (Hint("comments", _id(data.get("id"))),)
    # These have no query by id in the connector, or are read whole.
    if kind in ("IssueRelation", "IssueLabel", "Project", "Cycle", "WorkflowState"):
        return (Hint(SYNC),)
    return ()


def _linear_sent_at(_headers: Headers, event: Mapping[str, Any]) -> float:
    return _number(event.get("webhookTimestamp")) / 1000


def _attio_hints(event: Mapping[str, Any]) -> tuple[Hint, ...]:
    events = event.get("events")
    if not isinstance(events, list):
        raise Malformed("events is no list")
    found: list[Hint] = []
    for each in events:
        if not isinstance(each, dict):
            raise Malformed("an event is no object")
        found.extend(_attio_event(each))
    return tuple(dict.fromkeys(found))


def _attio_event(event: dict[str, Any]) -> tuple[Hint, ...]:
    kind, ids = str(event.get("event_type")), _part(event, "id")
    if kind == "record.merged":
        # Attio: each of two events names the new record and one original; older ones may name no duplicate.
        named = [ids.get("record_id"), event.get("duplicate_record_id")]
        found = [Hint(OBJECT, _id(each), _id(ids.get("object_id"))) for each in named if each is not None]
        return (*found, Hint(SYNC))
    if kind.startswith("record."):
        return (Hint(OBJECT, _id(ids.get("record_id")), _id(ids.get("object_id"))),)
    # Lists decide projects; notes and tasks have no query by id here; a sync reads the attributes anew.
    read_by_sync = ("list-entry.", "list.", "note.", "note-content.", "task.", "object-attribute.")
    return (Hint(SYNC),) if kind.startswith(read_by_sync) else ()


VENDORS: Mapping[str, Vendor] = {
    "chatwoot": Vendor(
        "x-chatwoot-delivery", _chatwoot_signature, _chatwoot_signed, _chatwoot_sent_at, _chatwoot_hints
    ),
    "linear": Vendor(
        "linear-delivery",
        lambda headers: headers.get("linear-signature", ""),
        lambda _, body: body,
        _linear_sent_at,
        _linear_hints,
    ),
    "attio": Vendor(
        "idempotency-key",
        lambda headers: headers.get("attio-signature") or headers.get("x-attio-signature", ""),
        lambda _, body: body,
        lambda _headers, _event: None,
        _attio_hints,
    ),
}


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise Malformed(f"{name} is no object")
    return value


def _id(value: object) -> str:
    """A vendor id as text. Raises Malformed for what is none, or is too long to be one."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not 0 < len(str(value)) <= 64:
        raise Malformed("an id is missing")
    text = str(value)
    if not text.isascii() or not text.replace("-", "").replace("_", "").isalnum():
        raise Malformed("an id has characters that no id has")
    return text


def _number_id(value: object) -> str:
    text = _id(value)
    if not text.isdigit():
        raise Malformed("a message id is no number")
    return text


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Malformed("the signed time is missing")
    try:
        number = float(value)
    except (ValueError, OverflowError) as fault:
        raise Malformed("the signed time is no number") from fault
    if not math.isfinite(number):
        raise Malformed("the signed time is no number")
    return number
