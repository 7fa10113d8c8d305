"""CRM tables: accounts, their contacts, opportunities with stage events, offers, money settings.

A row that mirrors a vendor record is known by ``connection_id`` and ``vendor_id``, whatever project it is in; the
reference to the raw row is kept only while both share the project. Both are null for what was made here.
`version` grows with every change of a row, so that nobody overwrites what they have not seen.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Numeric,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

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
from models.tables.crm_stages import stage_check


def _money() -> Any:
    return Field(default=None, sa_type=Numeric(14, 2), nullable=True)  # pyright: ignore[reportArgumentType]


def version_field() -> Any:
    """Return the counter of a row's changes, 1 when it is made."""
    return Field(default=1, sa_column_kwargs={"server_default": text("1")}, nullable=False)


def _percent() -> Any:
    return Field(default=None, sa_type=Numeric(5, 2), nullable=True)  # pyright: ignore[reportArgumentType]


def _scope_only(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["account_scope_id"], ["account_scopes.id"], name=f"fk_{table}_scope", ondelete="CASCADE"
    )


class Mirrored(Scoped):
    """Mixin of rows that may mirror a vendor record. ``deleted_at`` is set while the vendor does not have it."""

    connection_id: UUID | None = None
    vendor_id: str | None = None
    deleted_at: dt.datetime | None = time_field()
    version: int = version_field()


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
    notes: str | None = Field(default=None, sa_type=Text)
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
        CheckConstraint(stage_check(), name="ck_crm_opportunities_stage"),
        Index("ix_crm_opportunities_account", "account_id"),
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
    history_digest: str | None = None  # of the events that were here when they were read
    amount: Decimal | None = _money()
    currency: str | None = Field(default=None, max_length=3)
    close_date: dt.date | None = None
    next_step: str | None = None
    probability_pct: Decimal | None = _percent()  # of this one, instead of its stage's
    notes: str | None = Field(default=None, sa_type=Text)
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class OpportunityStageEvent(Scoped, table=True):
    """A change of stage of an opportunity."""

    __tablename__: ClassVar[Any] = "crm_opportunity_stage_events"
    __table_args__ = (
        child_key("crm_opportunity_stage_events", "opportunity_id", "crm_opportunities"),
        Index("ix_crm_opportunity_stage_events_opportunity", "opportunity_id", "entered_at"),
        # Not its stage: a title may be renamed, and learnt later.
        UniqueConstraint("opportunity_id", "entered_at", name="uq_crm_opportunity_stage_events"),
    )

    id: UUID = id_field()
    opportunity_id: UUID
    stage: str
    vendor_stage: str | None = None
    changed_by: str | None = Field(default=None, description="Who set it here; null for what a vendor tells")
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
    discount_approved_at: dt.datetime | None = time_field()
    send_approved_by: str | None = None
    send_approved_at: dt.datetime | None = time_field()
    sent_at: dt.datetime | None = time_field()
    decided_at: dt.datetime | None = time_field()
    notes: str | None = Field(default=None, sa_type=Text)
    version: int = version_field()
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


class StageProbability(SQLModel, table=True):
    """What an account scope thinks of a stage, instead of the default."""

    __tablename__: ClassVar[Any] = "stage_probabilities"
    __table_args__ = (PrimaryKeyConstraint("account_scope_id", "stage"), _scope_only("stage_probabilities"))

    account_scope_id: UUID
    stage: str
    probability_pct: Decimal = Field(sa_type=Numeric(5, 2))  # pyright: ignore[reportArgumentType]
    updated_at: dt.datetime = time_field(required=True)


class ExchangeRate(SQLModel, table=True):
    """From a day on, one unit of `from_currency` is worth `rate` units of `to_currency`."""

    __tablename__: ClassVar[Any] = "exchange_rates"
    __table_args__ = (
        UniqueConstraint(
            "account_scope_id", "from_currency", "to_currency", "valid_on", name="uq_exchange_rates_day"
        ),
        _scope_only("exchange_rates"),
        CheckConstraint("rate > 0", name="ck_exchange_rates_rate"),
        CheckConstraint("from_currency <> to_currency", name="ck_exchange_rates_pair"),
    )

    id: UUID = id_field()
    account_scope_id: UUID
    from_currency: str = Field(max_length=3)
    to_currency: str = Field(max_length=3)
    valid_on: dt.date
    rate: Decimal = Field(sa_type=Numeric(20, 10))  # pyright: ignore[reportArgumentType]
    updated_at: dt.datetime = time_field(required=True)
