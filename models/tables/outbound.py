"""Outbound tables: messages drafted here, the policies of their recipients, and keys of requests made once.

A message goes `draft → queued → sending → sent`; `blocked` by a policy, `failed` when it surely was not sent, `unknown`
when nobody can tell.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, Text, text
from sqlmodel import Field, SQLModel

from models.tables.base import (
    Scoped,
    child_key,
    id_field,
    json_field,
    peer_key,
    scope_key,
    scoped_unique,
    time_field,
)
from models.tables.crm import version_field

OUTBOUND_STATUSES = ("draft", "queued", "sending", "sent", "failed", "unknown", "blocked", "cancelled")


class OutboundMessage(Scoped, table=True):
    """A message drafted here; nothing is sent without an approval."""

    __tablename__: ClassVar[Any] = "outbound_messages"
    __table_args__ = (
        scope_key("outbound_messages"),
        scoped_unique("outbound_messages"),
        peer_key("outbound_messages", "contact_id", "crm_account_contacts"),
        CheckConstraint(
            "status in ({})".format(", ".join(f"'{status}'" for status in OUTBOUND_STATUSES)),
            name="ck_outbound_status",
        ),
        Index("ix_outbound_messages_contact", "contact_id", "sent_at"),
        Index(
            "ix_outbound_messages_open",
            "account_scope_id",
            "approved_at",
            postgresql_where=text("status in ('queued', 'sending')"),
        ),
        Index("ix_outbound_messages_scope_created", "account_scope_id", "created_at"),
    )

    id: UUID = id_field()
    contact_id: UUID | None = None
    channel: str
    subject: str | None = None
    body: str = Field(sa_type=Text)
    status: str = Field(default="draft")
    approved_by: str | None = None
    approved_at: dt.datetime | None = time_field()
    # The address that was approved; a contact whose address changes afterwards is not written to.
    address: str | None = None
    # When the text was written or changed last: a reply that came later makes it out of date.
    written_at: dt.datetime = time_field(required=True)
    claimed_at: dt.datetime | None = time_field()
    sent_at: dt.datetime | None = time_field()
    sent_via: str | None = None
    reason: str | None = Field(default=None, description="Why it was blocked, failed or is unknown: a code")
    reason_detail: str | None = None
    version: int = version_field()
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class ContactChannelPolicy(Scoped, table=True):
    """Whether and how often a contact may be written to on a channel."""

    __tablename__: ClassVar[Any] = "contact_channel_policies"
    __table_args__ = (
        PrimaryKeyConstraint("contact_id", "channel"),
        child_key("contact_channel_policies", "contact_id", "crm_account_contacts"),
    )

    contact_id: UUID
    channel: str
    opted_out: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    max_per_week: int = Field(default=2)
    stop_on_reply: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    updated_at: dt.datetime = time_field(required=True)


class IdempotencyKey(SQLModel, table=True):
    """A creating request that was done, and its answer: the same request again gets that answer."""

    __tablename__: ClassVar[Any] = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("account_scope_id", "username", "route", "key"),
        ForeignKeyConstraint(
            ["account_scope_id"], ["account_scopes.id"], name="fk_idempotency_keys_scope", ondelete="CASCADE"
        ),
        Index("ix_idempotency_keys_created", "created_at"),
    )

    account_scope_id: UUID
    username: str
    route: str
    key: str
    request_hash: str
    answer: dict[str, Any] = json_field()
    created_at: dt.datetime = time_field(required=True)
