"""CRM tables: accounts, their contacts, opportunities with stage events, offers, outbound messages.

A row that mirrors a vendor record is known by ``connection_id`` and ``vendor_id``, whatever project it is in; the
reference to the raw row is kept only while both share the project. Both are null for what was made here.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, PrimaryKeyConstraint, Text, UniqueConstraint, text
from sqlmodel import Field

from models.tables.base import (
    Scoped,
    child_key,
    connection_key,
    id_field,
    peer_key,
    scope_key,
    scoped_unique,
    time_field,
)


def _money() -> Any:
    return Field(default=None, sa_type=Numeric(14, 2), nullable=True)  # pyright: ignore[reportArgumentType]


class Mirrored(Scoped):
    """Mixin of rows that may mirror a vendor record. ``deleted_at`` is set while the vendor does not have it."""

    connection_id: UUID | None = None
    vendor_id: str | None = None
    deleted_at: dt.datetime | None = time_field()


def _mirror_keys(table: str) -> tuple[Any, ...]:
    return (
        connection_key(table),
        UniqueConstraint("connection_id", "vendor_id", name=f"uq_{table}_vendor"),
    )


class Account(Mirrored, table=True):
    """A company the studio does business with."""

    __tablename__: ClassVar[Any] = "crm_accounts"
    __table_args__ = (
        scope_key("crm_accounts"),
        *_mirror_keys("crm_accounts"),
        scoped_unique("crm_accounts"),
        peer_key("crm_accounts", "attio_company_id", "attio_companies"),
        UniqueConstraint("project_id", "attio_company_id", name="uq_crm_accounts_company"),
        Index("ix_crm_accounts_scope_created", "account_scope_id", "created_at"),
    )

    id: UUID = id_field()
    name: str
    domain: str | None = None
    attio_company_id: UUID | None = None
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class AccountContact(Mirrored, table=True):
    """A person at an account."""

    __tablename__: ClassVar[Any] = "crm_account_contacts"
    __table_args__ = (
        child_key("crm_account_contacts", "account_id", "crm_accounts"),
        *_mirror_keys("crm_account_contacts"),
        scoped_unique("crm_account_contacts"),
        peer_key("crm_account_contacts", "attio_person_id", "attio_people"),
        Index("ix_crm_account_contacts_account", "project_id", "account_id"),
    )

    id: UUID = id_field()
    account_id: UUID
    attio_person_id: UUID | None = None
    name: str
    email: str | None = None
    phone: str | None = None
    role: str | None = None


class Opportunity(Mirrored, table=True):
    """A possible sale, mirrored from a deal or made here."""

    __tablename__: ClassVar[Any] = "crm_opportunities"
    __table_args__ = (
        scope_key("crm_opportunities"),
        *_mirror_keys("crm_opportunities"),
        scoped_unique("crm_opportunities"),
        peer_key("crm_opportunities", "account_id", "crm_accounts"),
        peer_key("crm_opportunities", "attio_deal_id", "attio_deals"),
        UniqueConstraint("project_id", "attio_deal_id", name="uq_crm_opportunities_deal"),
        CheckConstraint(
            "stage in ('lead', 'qualified', 'proposal', 'negotiation', 'won', 'lost', 'unmapped')",
            name="ck_crm_opportunities_stage",
        ),
        Index("ix_crm_opportunities_project_stage", "project_id", "stage"),
        Index("ix_crm_opportunities_scope_created", "account_scope_id", "created_at"),
    )

    id: UUID = id_field()
    account_id: UUID | None = None
    attio_deal_id: UUID | None = None
    name: str
    stage: str
    vendor_stage: str | None = Field(default=None, description="The stage's title at the vendor")
    history_until: dt.datetime | None = time_field()  # start of the stage up to which past stages were read
    amount: Decimal | None = _money()
    currency: str | None = Field(default=None, max_length=3)
    close_date: dt.date | None = None
    next_step: str | None = None
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class OpportunityStageEvent(Scoped, table=True):
    """A change of stage of an opportunity."""

    __tablename__: ClassVar[Any] = "crm_opportunity_stage_events"
    __table_args__ = (
        child_key("crm_opportunity_stage_events", "opportunity_id", "crm_opportunities"),
        Index("ix_crm_opportunity_stage_events_opportunity", "opportunity_id", "entered_at"),
        UniqueConstraint("opportunity_id", "stage", "entered_at", name="uq_crm_opportunity_stage_events"),
    )

    id: UUID = id_field()
    opportunity_id: UUID
    stage: str
    vendor_stage: str | None = None
    entered_at: dt.datetime = time_field(required=True)


class Offer(Scoped, table=True):
    """A commercial offer; it is sent only after an explicit approval."""

    __tablename__: ClassVar[Any] = "offers"
    __table_args__ = (
        scope_key("offers"),
        scoped_unique("offers"),
        peer_key("offers", "opportunity_id", "crm_opportunities"),
        CheckConstraint(
            "status in ('draft', 'pending_approval', 'approved', 'sent', 'signed', 'declined')",
            name="ck_offers_status",
        ),
        Index("ix_offers_scope_created", "account_scope_id", "created_at"),
    )

    id: UUID = id_field()
    opportunity_id: UUID | None = None
    title: str
    status: str = Field(default="draft")
    currency: str = Field(max_length=3)
    discount_pct: Decimal = Field(default=Decimal(0), sa_type=Numeric(5, 2))  # pyright: ignore[reportArgumentType]
    discount_approved_by: str | None = None
    send_approved_by: str | None = None
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class OfferItem(Scoped, table=True):
    """A line of an offer."""

    __tablename__: ClassVar[Any] = "offer_items"
    __table_args__ = (
        PrimaryKeyConstraint("offer_id", "position"),
        child_key("offer_items", "offer_id", "offers"),
    )

    offer_id: UUID
    position: int
    description: str = Field(sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric(12, 2))  # pyright: ignore[reportArgumentType]
    unit_price: Decimal = Field(sa_type=Numeric(14, 2))  # pyright: ignore[reportArgumentType]


class OutboundMessage(Scoped, table=True):
    """A message drafted here; nothing is sent without an approval."""

    __tablename__: ClassVar[Any] = "outbound_messages"
    __table_args__ = (
        scope_key("outbound_messages"),
        scoped_unique("outbound_messages"),
        peer_key("outbound_messages", "contact_id", "crm_account_contacts"),
        CheckConstraint(
            "status in ('draft', 'approved', 'queued', 'sent', 'failed', 'cancelled')",
            name="ck_outbound_status",
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
    created_at: dt.datetime = time_field(required=True)
    sent_at: dt.datetime | None = time_field()


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
