"""Webhook deliveries: proof, replay window, idempotency, and what they ask to be fetched again.

A delivery is a hint and carries no data into the copy: the records it names are fetched from the vendor by a job, and
polling stays the truth. Everything a delivery needs is decided in one database transaction, without Redis: the job is
asked for after the answer, and what a process could not ask for any more the next `retry` cadence does.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from sqlmodel import Session

from jobs import enqueue
from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.crypto import SecretUnreadable, decrypt, encrypt
from models.infra.database import reading, transaction
from models.infra.errors import AppError, InvalidInput, NotFound, TooManyRequests, Unauthenticated
from models.infra.ids import AccountScopeId, ConnectionId
from models.infra.logging import get_logger
from models.infra.settings import get_settings
from models.queries import webhooks as queries
from models.queries.webhooks import DELIVERIES_KEPT, SYNC, Hint, WebhookTarget
from tools_app.services import audit_trail
from tools_app.services.faults import DATABASE_AWAY
from tools_app.services.views import SessionView
from tools_app.services.webhook_overview import delivery_url, tally
from tools_app.services.webhook_vendors import HINTS_AT_MOST, VENDORS, Malformed, Vendor, sign

Outcome = Literal["accepted", "duplicate", "ignored"]
# What webhook_deliveries_total counts: the three that are answered 200, then what is refused.
OUTCOMES = (
    "accepted", "duplicate", "ignored", "unsigned", "stale", "malformed", "too_large", "too_many", "failed",
)  # fmt: skip

BODY_AT_MOST = 1024 * 1024
# Attio sends at most 25 a second to one address.
_AT_MOST, _WITHIN = 1_500, dt.timedelta(minutes=1)
_HINTS_WAITING_AT_MOST = 1_000
# Stands in for the secret of a connection that is not there, or has none.
_NOBODY = secrets.token_hex(32)
SECRET_LENGTH = (16, 256)

log = get_logger(__name__)


class TooLarge(AppError):
    """A body over BODY_AT_MOST bytes."""

    code, status = "too_large", 413


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it came in: names from the path, headers in lower case, the raw body."""

    connector: str
    binding: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a delivery. ``connection_id`` is set when there is something to fetch."""

    outcome: Outcome
    connection_id: ConnectionId | None = None


def receive(delivery: Delivery) -> Received:
    """Take a delivery, or raise: Unauthenticated (bad signature, no such binding, stale), InvalidInput, TooManyRequests.

    Whoever cannot sign learns nothing: an unknown vendor, binding or signature is the same answer.
    """
    target: WebhookTarget | None = None
    try:
        target = _find(delivery)
        received = _receive(delivery, target)
    except AppError as fault:
        count(delivery.connector, _COUNTED_AS.get(fault.code, "failed"), target)
        raise
    except DATABASE_AWAY:
        count(delivery.connector, "failed", target)
        raise
    count(delivery.connector, received.outcome, target)
    return received


def count(connector: str, outcome: str, target: WebhookTarget | None = None) -> None:
    """Count a delivery in webhook_deliveries_total, and for its connection if there is one.

    A vendor that we do not know is "unknown".
    """
    metrics.webhook_deliveries.labels(connector if connector in VENDORS else "unknown", outcome).inc()
    if target is not None:
        tally.add(target.id, outcome)


def ask_for_fetch(connection_id: ConnectionId) -> None:
    """Ask for the job that follows the hints. Called after the answer: it may wait for Redis, and it never raises."""
    try:
        enqueue.request_refetch(connection_id, "webhook")
    except (*DATABASE_AWAY, AppError) as fault:
        # The hints are stored: the next `retry` cadence asks again.
        log.warning("refetch not asked for", connection_id=str(connection_id), error=type(fault).__name__)


def set_secret(session: SessionView, connector: str, binding: str, secret: str | None) -> str:
    """Store (or with None remove) the secret that a connection's deliveries are signed with; returns their URL.

    The change is audited, the secret is not returned by anything. Raises NotFound for a connection outside the
    caller's account scope and InvalidInput for a secret that is too short, too long or not printable ASCII.
    """
    if secret is not None and not (
        SECRET_LENGTH[0] <= len(secret) <= SECRET_LENGTH[1] and secret.isascii() and secret.isprintable()
    ):
        low, high = SECRET_LENGTH
        raise InvalidInput(f"A webhook secret has {low} to {high} printable ASCII characters.")
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))
    connection_id = _as_uuid(binding)
    if connection_id is None:
        raise NotFound("There is no such connection.")
    encrypted = None if secret is None else encrypt(secret)
    with transaction() as db:
        had_one = queries.set_secret(db, account_scope_id, connector, connection_id, encrypted)
        if had_one is None:
            raise NotFound("There is no such connection.")
        audit_trail.record_event(
            db,
            actor=session.user,
            action="connector.webhook_secret",
            entity=audit_trail.Entity("vendor_connection", str(connection_id)),
            account_scope_id=account_scope_id,
            before={"secret": had_one},
            after={"secret": secret is not None},
        )
    return delivery_url(connector, connection_id)


_COUNTED_AS = {
    "webhook_unsigned": "unsigned",
    "webhook_stale": "stale",
    "webhook_malformed": "malformed",
    "too_many_requests": "too_many",
}


def _receive(delivery: Delivery, found: WebhookTarget | None) -> Received:
    target, vendor = _proven(delivery, found)
    try:
        event = _parse(delivery.body)
        _check_time(vendor.sent_at(delivery.headers, event))
        hints = vendor.hints(event)
    except Malformed as fault:
        raise InvalidInput(f"The delivery cannot be read: {fault}.", code="webhook_malformed") from fault
    if not hints:
        return Received("ignored")
    if len(hints) > HINTS_AT_MOST:
        hints = (Hint(SYNC),)
    with transaction() as session:
        return _store(session, delivery, vendor, target, hints)


def _store(
    session: Session, delivery: Delivery, vendor: Vendor, target: WebhookTarget, hints: tuple[Hint, ...]
) -> Received:
    wait_s = queries.wait_for_turn(session, target.id, at_most=_AT_MOST, within=_WITHIN)
    if wait_s:
        raise TooManyRequests("Too many deliveries.", retry_after=wait_s)
    if not queries.claim_delivery(session, target, _keys(delivery, vendor)):
        return Received("duplicate")
    queries.add_hints(session, target, hints, at_most=_HINTS_WAITING_AT_MOST)
    return Received("accepted", target.id)


def _proven(delivery: Delivery, target: WebhookTarget | None) -> tuple[WebhookTarget, Vendor]:
    """The connection that the delivery is for. Raises Unauthenticated unless its secret signed the delivery."""
    vendor = VENDORS.get(delivery.connector, VENDORS["linear"])
    # Absent ones take the same work, so that the time of the answer tells no more than the answer.
    stored = _decoy(get_settings().secret_keys.get_secret_value())
    if target is not None and target.secret_encrypted is not None:
        stored = target.secret_encrypted
    expected = sign(_readable(stored), vendor.signed(delivery.headers, delivery.body))
    given = vendor.signature(delivery.headers).encode("latin-1", "replace")
    if not hmac.compare_digest(expected.encode(), given) or target is None:
        raise Unauthenticated("The delivery is not signed as expected.", code="webhook_unsigned")
    return target, vendor


def _find(delivery: Delivery) -> WebhookTarget | None:
    connection_id = _as_uuid(delivery.binding)
    if connection_id is None or delivery.connector not in VENDORS:
        return None
    with reading() as session:
        target = queries.find_target(session, connection_id)
    return target if target is not None and target.connector == delivery.connector else None


def _readable(stored: str) -> str:
    try:
        return decrypt(stored)
    except SecretUnreadable as fault:
        log.warning("webhook secret unreadable", error=fault.message)
        return _NOBODY


@lru_cache(maxsize=1)
def _decoy(_keys: str) -> str:
    """An encrypted secret that nobody has. Made again when SECRET_KEYS change; raises without them."""
    return encrypt(_NOBODY)


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise Malformed("its body is no JSON") from fault
    if not isinstance(event, dict):
        raise Malformed("its body is no JSON object")
    return event


def _check_time(sent_at: float | None) -> None:
    window_s = get_settings().webhook_replay_window_s
    if sent_at is not None and abs(utcnow().timestamp() - sent_at) > window_s:
        raise Unauthenticated(
            f"The delivery was signed more than {window_s} s from now.", code="webhook_stale"
        )


def _keys(delivery: Delivery, vendor: Vendor) -> dict[str, dt.timedelta]:
    """What makes this delivery one, and how long it is remembered.

    A delivery id is not signed: where the signed content carries its time, the content counts too, so that a
    replay under another id is known. Attio's content does not: two changes of a record are the same bytes.
    """
    named = delivery.headers.get(vendor.delivery_header, "")
    content = f"content:{hashlib.sha256(vendor.signed(delivery.headers, delivery.body)).hexdigest()}"
    keys = {} if not named else {f"id:{hashlib.sha256(named.encode()).hexdigest()}": DELIVERIES_KEPT}
    if delivery.connector != "attio":
        keys[content] = DELIVERIES_KEPT
    elif not named:
        keys[content] = dt.timedelta(seconds=get_settings().webhook_replay_window_s)
    return keys


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
