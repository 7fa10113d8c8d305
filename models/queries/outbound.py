"""Outbound messages: lists, single rows, the next one to send, and what its recipient's policies say.

Policies are about an address inside a project, not about a row: two contacts with one address share what was sent to it,
what came from it, and an opt-out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId
from models.infra.scope import Scope
from models.queries.accounts import within
from models.queries.keyset import keyset_page, sort_keys
from models.tables.crm import AccountContact
from models.tables.outbound import ContactChannelPolicy, OutboundMessage

SORTS = sort_keys(
    {
        "created_at": (col(OutboundMessage.created_at), "time"),
        "updated_at": (col(OutboundMessage.updated_at), "time"),
    }
)
WEEK = dt.timedelta(days=7)
# What an e-mail can be sent to without SMTPUTF8; a display name, a list or a line break is none.
_ADDRESS = re.compile(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """The policies of a contact on a channel; what nobody has set has its default."""

    opted_out: bool = False
    max_per_week: int = 2
    stop_on_reply: bool = True


def page_of_messages(
    session: Session,
    scope: Scope,
    *,
    status: str | None,
    contact_id: UUID | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """Messages: rows of (OutboundMessage, contact's name), and the next cursor."""
    statement = _messages(scope)
    if status is not None:
        statement = statement.where(col(OutboundMessage.status) == status)
    if contact_id is not None:
        statement = statement.where(col(OutboundMessage.contact_id) == contact_id)
    return keyset_page(session, statement, SORTS, sort, col(OutboundMessage.id), cursor=cursor, limit=limit)


def find_message(session: Session, scope: Scope, message_id: UUID) -> Row[Any] | None:
    """One message, as `page_of_messages` lists it."""
    return session.execute(_messages(scope).where(col(OutboundMessage.id) == message_id)).one_or_none()


def lock_message(session: Session, scope: Scope, message_id: UUID) -> OutboundMessage | None:
    """The message, locked until the transaction ends."""
    return session.exec(
        select(OutboundMessage)
        .where(*within(OutboundMessage, scope), col(OutboundMessage.id) == message_id)
        .with_for_update()
    ).one_or_none()


def lock_next_queued(session: Session, scope: AccountScopeId) -> OutboundMessage | None:
    """The message of an account scope that waits longest, locked; None when none waits."""
    return session.exec(
        select(OutboundMessage)
        .where(OutboundMessage.account_scope_id == scope, OutboundMessage.status == "queued")
        .order_by(col(OutboundMessage.approved_at), col(OutboundMessage.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()


def lock_being_sent(session: Session, scope: AccountScopeId, *, limit: int) -> Sequence[OutboundMessage]:
    """Messages that somebody began to send and did not say what became of, locked."""
    return session.exec(
        select(OutboundMessage)
        .where(OutboundMessage.account_scope_id == scope, OutboundMessage.status == "sending")
        .limit(limit)
        .with_for_update()
    ).all()


def lock_one(session: Session, message_id: UUID) -> OutboundMessage:
    """The message, whatever its scope: for the job that claimed it."""
    return session.exec(
        select(OutboundMessage).where(OutboundMessage.id == message_id).with_for_update()
    ).one()


def count_queued(session: Session, scope: AccountScopeId) -> int:
    """Messages of an account scope that wait to be sent."""
    return session.execute(
        text(
            "SELECT count(*)::int FROM outbound_messages WHERE account_scope_id = :scope AND status = 'queued'"
        ),
        {"scope": scope},
    ).scalar_one()


def scopes_with_open(session: Session) -> list[AccountScopeId]:
    """Account scopes in which a message waits or was being sent."""
    rows = session.execute(
        text(
            "SELECT DISTINCT account_scope_id FROM outbound_messages WHERE status IN ('queued', 'sending') LIMIT 1000"
        )
    ).scalars()
    return [AccountScopeId(each) for each in rows]


def live_contact(session: Session, message: OutboundMessage) -> AccountContact | None:
    """The contact a message is for, if it still is in the message's project."""
    return session.exec(
        select(AccountContact).where(
            AccountContact.id == message.contact_id,
            AccountContact.project_id == message.project_id,
            col(AccountContact.deleted_at).is_(None),
        )
    ).one_or_none()


def address_of(contact: AccountContact | None) -> str | None:
    """The contact's address as far as an e-mail can be sent to it."""
    found = (contact.email or "").strip() if contact is not None else ""
    return found if _ADDRESS.match(found) and len(found) <= 254 else None


def policy_of(session: Session, contact: AccountContact, channel: str) -> PolicyFacts:
    """What is set for a contact on a channel."""
    row = session.get(ContactChannelPolicy, (contact.id, channel))
    return PolicyFacts() if row is None else PolicyFacts(row.opted_out, row.max_per_week, row.stop_on_reply)


def set_policy(
    session: Session, contact: AccountContact, channel: str, policy: PolicyFacts, now: dt.datetime
) -> None:
    """Set a contact's policies on a channel."""
    session.merge(
        ContactChannelPolicy(
            account_scope_id=contact.account_scope_id,
            project_id=contact.project_id,
            contact_id=contact.id,
            channel=channel,
            opted_out=policy.opted_out,
            max_per_week=policy.max_per_week,
            stop_on_reply=policy.stop_on_reply,
            updated_at=now,
        )
    )
    session.flush()


def refusal(
    session: Session, message: OutboundMessage, now: dt.datetime, *, counting_queued: bool
) -> str | None:
    """Why a message must not go out now, or None: the first that holds of

    no_contact, no_address, address_changed (since it was approved), opted_out, frequency_cap (of the last seven days;
    with `counting_queued` those that wait count too), replied (something came from the address after the last message to
    it, here or in Chatwoot, and after this text was written).
    """
    contact = live_contact(session, message)
    if contact is None:
        return "no_contact"
    address = address_of(contact)
    if address is None:
        return "no_address"
    if message.address is not None and message.address != address:
        return "address_changed"
    policy = policy_of(session, contact, message.channel)
    facts = session.execute(
        text(_FACTS),
        {
            "scope": message.account_scope_id,
            "project": message.project_id,
            "id": message.id,
            "channel": message.channel,
            "address": address.lower(),
            "since": now - WEEK,
            "statuses": ["sending", "sent", "unknown", *(["queued"] if counting_queued else [])],
        },
    ).one()
    if facts.opted_out:
        return "opted_out"
    if facts.recent >= policy.max_per_week:
        return "frequency_cap"
    last_out = max(
        (each for each in (facts.last_sent, facts.last_answered) if each is not None), default=None
    )
    if (
        policy.stop_on_reply
        and facts.last_in is not None
        and last_out is not None
        and facts.last_in > max(last_out, message.written_at)
    ):
        return "replied"
    return None


_FACTS = """
WITH ours AS (
    SELECT m.status, coalesce(m.sent_at, m.claimed_at, m.approved_at) AS at FROM outbound_messages m
    WHERE m.account_scope_id = :scope AND m.project_id = :project AND m.channel = :channel AND m.id <> :id
      AND lower(m.address) = :address
), theirs AS (
    SELECT m.message_type, max(m.sent_at) AS at FROM cw_contacts k
    JOIN cw_conversations c ON c.connection_id = k.connection_id AND c.contact_vendor_id = k.vendor_id
        AND c.project_id = :project AND c.deleted_at IS NULL
    JOIN cw_messages m ON m.conversation_id = c.id AND m.deleted_at IS NULL AND NOT m.private
        AND m.message_type IN (0, 1)
    WHERE k.account_scope_id = :scope AND k.project_id = :project AND k.deleted_at IS NULL AND lower(k.email) = :address
    GROUP BY m.message_type
)
SELECT
    EXISTS (
        SELECT FROM contact_channel_policies p JOIN crm_account_contacts k ON k.id = p.contact_id
        WHERE p.account_scope_id = :scope AND p.project_id = :project AND p.channel = :channel AND p.opted_out
          AND lower(trim(k.email)) = :address
    ) AS opted_out,
    (SELECT count(*) FROM ours WHERE status = ANY(:statuses) AND at > :since) AS recent,
    (SELECT max(at) FROM ours WHERE status IN ('sent', 'unknown')) AS last_sent,
    (SELECT at FROM theirs WHERE message_type = 1) AS last_answered,
    (SELECT at FROM theirs WHERE message_type = 0) AS last_in
"""


def _messages(scope: Scope) -> Any:
    return (
        select(OutboundMessage, col(AccountContact.name).label("contact_name"))
        .outerjoin(AccountContact, col(AccountContact.id) == col(OutboundMessage.contact_id))
        .where(*within(OutboundMessage, scope))
    )
