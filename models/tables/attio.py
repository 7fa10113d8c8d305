"""Raw rows of Attio: companies, people, deals, notes, tasks."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from models.tables.base import VendorRecord, peer_key, record_constraints, time_field


def _texts() -> Any:
    return Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": text("'{}'")},
        nullable=False,  # pyright: ignore[reportArgumentType]
    )


class Company(VendorRecord, table=True):
    """A company record."""

    __tablename__: ClassVar[Any] = "attio_companies"
    __table_args__ = (
        *record_constraints("attio_companies"),
        Index("ix_attio_companies_scope_created", "account_scope_id", "source_created_at"),
    )

    name: str
    domains: list[str] = _texts()
    description: str = Field(default="", sa_type=Text)
    city: str | None = None
    country: str | None = None
    categories: list[str] = _texts()


class Person(VendorRecord, table=True):
    """A person record."""

    __tablename__: ClassVar[Any] = "attio_people"
    __table_args__ = (
        *record_constraints("attio_people"),
        peer_key("attio_people", "company_id", "attio_companies"),
    )

    name: str
    emails: list[str] = _texts()
    phones: list[str] = _texts()
    job_title: str | None = None
    company_id: UUID | None = None
    company_vendor_id: str | None = None


class Deal(VendorRecord, table=True):
    """A deal; ``value`` is in ``currency``, never mixed with another one."""

    __tablename__: ClassVar[Any] = "attio_deals"
    __table_args__ = (
        *record_constraints("attio_deals"),
        peer_key("attio_deals", "company_id", "attio_companies"),
        Index("ix_attio_deals_project_stage", "project_id", "stage"),
        Index("ix_attio_deals_scope_created", "account_scope_id", "source_created_at"),
        Index(
            "ix_attio_deals_name_trgm",
            "name",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
        ),
    )

    name: str
    stage: str | None = None
    stage_since: dt.datetime | None = time_field()
    value: Decimal | None = Field(default=None, sa_type=Numeric(14, 2))  # pyright: ignore[reportArgumentType]
    currency: str | None = Field(default=None, max_length=3)
    owner_name: str | None = None
    company_id: UUID | None = None
    company_vendor_id: str | None = None
    company_name: str | None = None
    people_vendor_ids: list[str] = _texts()
    next_step: str | None = None
    close_date: dt.date | None = None


class Note(VendorRecord, table=True):
    """A note on a company, person or deal, named by ``parent_object`` and ``parent_vendor_id``."""

    __tablename__: ClassVar[Any] = "attio_notes"
    __table_args__ = (
        *record_constraints("attio_notes"),
        Index("ix_attio_notes_parent", "connection_id", "parent_object", "parent_vendor_id"),
        Index("ix_attio_notes_scope_created", "account_scope_id", "source_created_at"),
    )

    parent_object: str
    parent_vendor_id: str
    parent_name: str | None = None
    title: str = ""
    body: str = Field(default="", sa_type=Text)
    author_name: str | None = None


class Task(VendorRecord, table=True):
    """A task; ``linked_object`` and ``linked_vendor_id`` name the first record it is about, null when about none."""

    __tablename__: ClassVar[Any] = "attio_tasks"
    __table_args__ = (
        *record_constraints("attio_tasks"),
        Index("ix_attio_tasks_project_deadline", "project_id", "deadline_at"),
    )

    content: str = Field(default="", sa_type=Text)
    deadline_at: dt.datetime | None = time_field()
    is_completed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    completed_at: dt.datetime | None = time_field()
    assignee_names: list[str] = _texts()
    linked_object: str | None = None
    linked_vendor_id: str | None = None
