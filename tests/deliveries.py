"""Webhook deliveries as the vendors sign them, written from their documents and not from our code."""

import hashlib
import hmac
import json
import time
from typing import Any
from uuid import uuid4

SECRET = "whsec-0123456789abcdef"


def _hex(secret: str, content: bytes) -> str:
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def chatwoot(event: Any, *, secret: str = SECRET, ago_s: float = 0, **headers: str) -> dict[str, Any]:
    """`X-Chatwoot-Signature: sha256=<hex>` over "timestamp.body"."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    stamp = str(int(time.time() - ago_s))
    signature = "sha256=" + _hex(secret, f"{stamp}.".encode() + body)
    held = {
        "x-chatwoot-timestamp": stamp,
        "x-chatwoot-signature": signature,
        "x-chatwoot-delivery": str(uuid4()),
    }
    return {"content": body, "headers": {"content-type": "application/json", **held, **headers}}


def linear(event: Any, *, secret: str = SECRET, ago_s: float = 0, **headers: str) -> dict[str, Any]:
    """`Linear-Signature: <hex>` over the body, which carries `webhookTimestamp` in milliseconds."""
    if isinstance(event, dict):
        event = {"webhookTimestamp": int((time.time() - ago_s) * 1000), **event}
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    held = {"linear-signature": _hex(secret, body), "linear-delivery": str(uuid4()), "linear-event": "Issue"}
    return {"content": body, "headers": {"content-type": "application/json", **held, **headers}}


def attio(event: Any, *, secret: str = SECRET, **headers: str) -> dict[str, Any]:
    """`Attio-Signature: <hex>` over the body; an `Idempotency-Key` that retries share."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signature = _hex(secret, body)
    held = {"attio-signature": signature, "x-attio-signature": signature, "idempotency-key": str(uuid4())}
    return {"content": body, "headers": {"content-type": "application/json", **held, **headers}}


def issue(vendor_id: str, action: str = "update") -> dict[str, Any]:
    """Linear's body for an issue."""
    return {"action": action, "type": "Issue", "data": {"id": vendor_id}, "organizationId": "o"}


def message(vendor_id: int, conversation: int, event: str = "message_created") -> dict[str, Any]:
    """Chatwoot's body for a message: flat, the conversation embedded under its display id."""
    return {"event": event, "id": vendor_id, "message_type": "incoming", "conversation": {"id": conversation}}


def record(record_id: str, object_id: str, kind: str = "record.updated", **more: Any) -> dict[str, Any]:
    """Attio's body for one event: ids only."""
    ids = {"workspace_id": "w", "object_id": object_id, "record_id": record_id}
    return {"webhook_id": "w", "events": [{"event_type": kind, "id": ids, **more}]}
