"""How each vendor sends a delivery: headers and signature over the raw body."""

import hashlib
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from jobs.sandbox.webhooks.happened import Happened

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery, ready to be posted; `key` is the vendor's delivery id, the same in every attempt."""

    vendor: str
    url: str
    key: str
    event: str
    headers: dict[str, str]
    body: bytes


def deliver(
    happened: Happened, url: str, secret: str, hook_id: str, at: datetime, *, signed: bool = True
) -> Delivery:
    """The delivery of one change; `at` is the instant it is stamped with. Without `signed` no signature is sent."""
    told = orjson.dumps([happened.event, happened.key, happened.at, happened.body])
    key = str(uuid.uuid5(uuid.UUID(hook_id), told.decode()))
    body, headers = _WORDED[happened.vendor](happened, hook_id, key, at)
    raw = _escaped(orjson.dumps(body)) if happened.vendor == "chatwoot" else orjson.dumps(body)
    if signed:
        headers |= _SIGNED[happened.vendor](secret, raw, at)
    headers["Content-Type"] = "application/json"
    return Delivery(happened.vendor, url, key, happened.event, headers, raw)


def _chatwoot(happened: Happened, _: str, key: str, at: datetime) -> tuple[Json, dict[str, str]]:
    # Chatwoot: a flat body, the entity's fields beside `event`.
    del at
    return {**happened.body, "event": happened.event}, {"X-Chatwoot-Delivery": key}


def _sign_chatwoot(secret: str, raw: bytes, at: datetime) -> dict[str, str]:
    # Chatwoot: sha256=<hex> over "timestamp." and the raw body; the timestamp is in seconds.
    stamp = str(int(at.timestamp()))
    return {
        "X-Chatwoot-Timestamp": stamp,
        "X-Chatwoot-Signature": f"sha256={_mac(secret, stamp.encode() + b'.' + raw)}",
    }


def _linear(happened: Happened, hook_id: str, key: str, at: datetime) -> tuple[Json, dict[str, str]]:
    # Linear: webhookTimestamp, in milliseconds, is part of the signed body.
    kind, _, action = happened.event.partition(".")
    stamp = int(at.timestamp() * 1000)
    body = {
        "action": action,
        "type": kind,
        "createdAt": happened.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        **happened.body,
        "webhookId": hook_id,
        "webhookTimestamp": stamp,
    }
    headers = {
        "Linear-Delivery": key,
        "Linear-Event": kind,
        "Linear-Timestamp": str(stamp),
        "User-Agent": "Linear-Webhook",
    }
    return body, headers


def _sign_linear(secret: str, raw: bytes, _: datetime) -> dict[str, str]:
    return {"Linear-Signature": _mac(secret, raw)}


def _attio(happened: Happened, hook_id: str, key: str, _: datetime) -> tuple[Json, dict[str, str]]:
    # Attio: ids only, one event in an array; the Idempotency-Key is the same across attempts.
    event = {"event_type": happened.event, **happened.body}
    return {"webhook_id": hook_id, "events": [event]}, {"Idempotency-Key": key}


def _sign_attio(secret: str, raw: bytes, _: datetime) -> dict[str, str]:
    signature = _mac(secret, raw)
    return {"Attio-Signature": signature, "X-Attio-Signature": signature}


def _mac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _escaped(raw: bytes) -> bytes:
    # Rails escapes these in JSON, so a body that is serialised again does not verify.
    return raw.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


_WORDED: Final[dict[str, Callable[[Happened, str, str, datetime], tuple[Json, dict[str, str]]]]] = {
    "chatwoot": _chatwoot,
    "linear": _linear,
    "attio": _attio,
}
_SIGNED: Final[dict[str, Callable[[str, bytes, datetime], dict[str, str]]]] = {
    "chatwoot": _sign_chatwoot,
    "linear": _sign_linear,
    "attio": _sign_attio,
}
