"""Webhooks as the database knows them: a connection's secret, deliveries that were taken, records they named.

These belong to connections, which belong to account scopes; no business data is here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from models.infra.ids import AccountScopeId, ConnectionId
from models.tables.platform import VendorConnection
from models.tables.reliability import RecordHint, WebhookDelivery

# Attio repeats a delivery over about three days, under the same id.
DELIVERIES_KEPT = dt.timedelta(days=7)
# Names of hints that are no stream: an Attio record whose object is known by id, and "no id helps, read on".
OBJECT = "object"
SYNC = "sync"


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A connection that deliveries are addressed to; the secret is still encrypted, None where none was set."""

    id: ConnectionId
    account_scope_id: AccountScopeId
    connector: str
    secret_encrypted: str | None


@dataclass(frozen=True, slots=True)
class WebhookPlace:
    """A connection that a vendor may deliver to; of its secret only that it is there."""

    id: ConnectionId
    connector: str
    name: str
    has_secret: bool
    enabled: bool


@dataclass(frozen=True, slots=True)
class Hint:
    """A record that a delivery named. ``stream`` is a stream's name, OBJECT or SYNC."""

    stream: str
    vendor_id: str = ""
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class PendingHint:
    """A hint that waits; ``asked_at`` tells whether the record was named again meanwhile.

    ``stored_as`` is the stream it is stored under, where that is not the hint's own any more.
    """

    hint: Hint
    asked_at: dt.datetime
    stored_as: str | None = None


def find_target(session: Session, connection_id: UUID) -> WebhookTarget | None:
    """The enabled connection of this id, or None."""
    row = session.get(VendorConnection, connection_id)
    if row is None or not row.enabled:
        return None
    return WebhookTarget(
        ConnectionId(row.id),
        AccountScopeId(row.account_scope_id),
        row.connector,
        row.webhook_secret_encrypted,
    )


def list_targets(session: Session, account_scope_id: AccountScopeId) -> list[WebhookPlace]:
    """The connections of an account scope as places to deliver to, by connector and name."""
    rows = session.execute(
        select(VendorConnection)
        .where(col(VendorConnection.account_scope_id) == account_scope_id)
        .order_by(col(VendorConnection.connector), col(VendorConnection.name), col(VendorConnection.id))
    ).scalars()
    return [
        WebhookPlace(
            ConnectionId(row.id),
            row.connector,
            row.name,
            row.webhook_secret_encrypted is not None,
            row.enabled,
        )
        for row in rows
    ]


def set_secret(
    session: Session,
    account_scope_id: AccountScopeId,
    connector: str,
    connection_id: UUID,
    secret_encrypted: str | None,
) -> bool | None:
    """Store or (None) remove a connection's secret; whether it had one. None when the scope has no such connection."""
    row = session.get(VendorConnection, connection_id, with_for_update=True)
    if row is None or row.account_scope_id != account_scope_id or row.connector != connector:
        return None
    had_one = row.webhook_secret_encrypted is not None
    row.webhook_secret_encrypted = secret_encrypted
    session.add(row)
    return had_one


def claim_delivery(session: Session, target: WebhookTarget, keys: Mapping[str, dt.timedelta]) -> bool:
    """Note that a delivery is taken; False when one of its keys was taken before and is not older than it is kept."""
    fresh = True
    for key, kept in sorted(keys.items()):
        found = session.execute(
            text(
                "INSERT INTO webhook_deliveries AS d (connection_id, account_scope_id, key, received_at)"
                " VALUES (:connection, :scope, :key, now()) ON CONFLICT (connection_id, key)"
                " DO UPDATE SET received_at = excluded.received_at WHERE d.received_at < now() - :kept RETURNING 1"
            ),
            {"connection": target.id, "scope": target.account_scope_id, "key": key, "kept": kept},
        ).first()
        fresh = fresh and found is not None
    return fresh


def wait_for_turn(
    session: Session, connection_id: ConnectionId, *, at_most: int, within: dt.timedelta
) -> int:
    """Seconds until a connection may bring another delivery, 0 for now: ``at_most`` deliveries ``within`` this time."""
    # The keys of a delivery are stored in one transaction and share its time.
    oldest = session.execute(
        select(col(WebhookDelivery.received_at))
        .distinct()
        .where(
            col(WebhookDelivery.connection_id) == connection_id,
            col(WebhookDelivery.received_at) > func.now() - within,
        )
        .order_by(col(WebhookDelivery.received_at).desc())
        .offset(at_most - 1)
        .limit(1)
    ).scalar_one_or_none()
    if oldest is None:
        return 0
    now = session.execute(select(func.now())).scalar_one()
    return max(1, int((oldest + within - now).total_seconds()))


def add_hints(session: Session, target: WebhookTarget, hints: Collection[Hint], *, at_most: int) -> None:
    """Store what a delivery named. A connection with ``at_most`` waiting gets one note to sync instead."""
    if not hints:
        return
    waiting = session.execute(
        select(func.count()).select_from(RecordHint).where(col(RecordHint.connection_id) == target.id)
    ).scalar_one()
    kept = hints if waiting + len(hints) <= at_most else (Hint(SYNC),)
    # Several keys in one statement must be different, and always in the same order: two deliveries may come at once.
    unique = {(each.stream, each.vendor_id): each for each in kept}
    values = [
        {
            "connection_id": target.id,
            "account_scope_id": target.account_scope_id,
            "stream": each.stream,
            "vendor_id": each.vendor_id,
            "parent": each.parent,
            "asked_at": func.clock_timestamp(),
        }
        for _, each in sorted(unique.items())
    ]
    statement = insert(RecordHint).values(values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["connection_id", "stream", "vendor_id"],
            set_={"asked_at": statement.excluded.asked_at, "parent": statement.excluded.parent},
        )
    )


def list_hints(session: Session, connection_id: ConnectionId, *, limit: int) -> list[PendingHint]:
    """What waits to be fetched again, the longest waiting first."""
    rows = session.execute(
        select(RecordHint)
        .where(col(RecordHint.connection_id) == connection_id)
        .order_by(col(RecordHint.asked_at), col(RecordHint.stream), col(RecordHint.vendor_id))
        .limit(limit)
    ).scalars()
    return [PendingHint(Hint(row.stream, row.vendor_id, row.parent), row.asked_at) for row in rows]


def drop_hints(session: Session, connection_id: ConnectionId, done: Collection[PendingHint]) -> None:
    """Forget hints that were followed; one that came again since it was read stays."""
    # In the order in which deliveries store them, so that neither waits for the other for ever.
    for each in sorted(done, key=lambda one: (one.stored_as or one.hint.stream, one.hint.vendor_id)):
        session.execute(
            delete(RecordHint).where(
                col(RecordHint.connection_id) == connection_id,
                col(RecordHint.stream) == (each.stored_as or each.hint.stream),
                col(RecordHint.vendor_id) == each.hint.vendor_id,
                col(RecordHint.asked_at) == each.asked_at,
            )
        )


def connections_with_hints(session: Session) -> list[ConnectionId]:
    """The connections that have something to be fetched again."""
    rows = session.execute(select(col(RecordHint.connection_id)).distinct()).scalars()
    return [ConnectionId(each) for each in rows]


def forget_old(
    session: Session, *, deliveries_before: dt.datetime, hints_before: dt.datetime, limit: int = 10_000
) -> int:
    """Delete old deliveries (``limit`` at most), and hints that syncs have overtaken; how many rows."""
    old = (
        select(col(WebhookDelivery.connection_id), col(WebhookDelivery.key))
        .where(col(WebhookDelivery.received_at) < deliveries_before)
        .limit(limit)
    )
    gone = session.execute(
        delete(WebhookDelivery)
        .where(tuple_(col(WebhookDelivery.connection_id), col(WebhookDelivery.key)).in_(old))
        .returning(col(WebhookDelivery.key))
    ).all()
    stale = session.execute(
        delete(RecordHint).where(col(RecordHint.asked_at) < hints_before).returning(col(RecordHint.stream))
    ).all()
    return len(gone) + len(stale)


def streams_of_objects(session: Session, connection_id: ConnectionId) -> dict[str, str]:
    """Attio's object ids to stream names, as the records that are here say."""
    found = session.execute(
        text(
            " UNION ALL ".join(
                f"(SELECT '{stream}' AS stream, payload #>> '{{id,object_id}}' AS object FROM attio_{stream}"  # noqa: S608
                " WHERE connection_id = :connection AND payload #>> '{id,object_id}' IS NOT NULL LIMIT 1)"
                for stream in ("companies", "people", "deals")
            )
        ),
        {"connection": connection_id},
    )
    return {row.object: row.stream for row in found}


def thread_position(session: Session, connection_id: ConnectionId, conversation: str) -> int | None:
    """The highest message id of a conversation that is here; None when the conversation is not."""
    return session.execute(
        text(
            "SELECT max_message_id FROM cw_conversations"
            " WHERE connection_id = :connection AND vendor_id = :conversation"
        ),
        {"connection": connection_id, "conversation": conversation},
    ).scalar_one_or_none()
