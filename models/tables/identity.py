"""Who is who across systems: pairs of records that may be the same person or company, and the pairs that people accepted.

A pair has a left side (a contact, an account made here, or a project itself) and a right side (a person or a company of
Attio). Each side keeps its record together with the record's project: a pair cannot name a record of another account
scope, and follows its records when they move.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Computed, ForeignKeyConstraint, Index, UniqueConstraint, Uuid
from sqlalchemy import Numeric as SqlNumeric
from sqlmodel import Field

from models.tables.base import (
    Scoped,
    child_key,
    id_field,
    list_field,
    scope_key,
    scoped_unique,
    time_field,
)

# Which columns name the two records of a pair of each kind; of `project_company` the left one is the project itself.
KINDS: dict[str, tuple[str, ...]] = {
    "contact_person": ("contact_id", "person_id"),
    "contact_company": ("contact_id", "company_id"),
    "project_company": ("company_id",),
    "account_company": ("account_id", "company_id"),
}
_RECORDS = ("contact_id", "account_id", "person_id", "company_id")


class IdentityPair(Scoped):
    """Mixin of a pair: `project_id` is the left record's project, `other_project_id` the right one's."""

    other_project_id: UUID = Field(nullable=False)
    kind: str = Field(nullable=False)
    contact_id: UUID | None = Field(default=None)
    account_id: UUID | None = Field(default=None)
    person_id: UUID | None = Field(default=None)
    company_id: UUID | None = Field(default=None)


def _side(*columns: str) -> Any:
    made = Computed(f"coalesce({', '.join(columns)})", persisted=True)
    return Field(default=None, sa_column=Column(Uuid(), made))


def _other_key(table: str, column: str, parent: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        [column, "other_project_id", "account_scope_id"],
        [f"{parent}.id", f"{parent}.project_id", f"{parent}.account_scope_id"],
        name=f"fk_{table}_{column}",
        ondelete="CASCADE",
        onupdate="CASCADE",
    )


def kind_check() -> str:
    """Return the condition that a pair names the records of its kind and no others."""
    return " or ".join(
        f"(kind = '{kind}' and "
        + " and ".join(f"{each} is {'not ' if each in named else ''}null" for each in _RECORDS)
        + ")"
        for kind, named in KINDS.items()
    )


def _pair_constraints(table: str) -> tuple[Any, ...]:
    return (
        scope_key(table),
        ForeignKeyConstraint(
            ["other_project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name=f"fk_{table}_other_scope",
            ondelete="CASCADE",
        ),
        scoped_unique(table),
        child_key(table, "contact_id", "cw_contacts"),
        child_key(table, "account_id", "crm_accounts"),
        _other_key(table, "person_id", "attio_people"),
        _other_key(table, "company_id", "attio_companies"),
        UniqueConstraint("account_scope_id", "kind", "left_id", "right_id", name=f"uq_{table}_pair"),
        CheckConstraint(kind_check(), name=f"ck_{table}_kind"),
        Index(f"ix_{table}_contact", "contact_id"),
        Index(f"ix_{table}_account", "account_id"),
        Index(f"ix_{table}_person", "person_id"),
        Index(f"ix_{table}_company", "company_id"),
        Index(f"ix_{table}_scope_created", "account_scope_id", "created_at", "id"),
    )


class IdentitySuggestion(IdentityPair, table=True):
    """A proposed pair with its confidence and the features that fired, and what a person decided about it.

    `updated_at` is when the preview last changed confidence or features; a decision does not touch it.
    """

    __tablename__: ClassVar[Any] = "identity_suggestions"
    __table_args__ = (
        *_pair_constraints("identity_suggestions"),
        CheckConstraint(
            "status in ('proposed', 'accepted', 'dismissed')", name="ck_identity_suggestions_status"
        ),
        CheckConstraint("confidence between 0 and 1", name="ck_identity_suggestions_confidence"),
        Index("ix_identity_suggestions_scope_confidence", "account_scope_id", "confidence", "id"),
        Index("ix_identity_suggestions_project_confidence", "project_id", "confidence", "id"),
    )

    id: UUID = id_field()
    left_id: UUID | None = _side("contact_id", "account_id", "project_id")
    right_id: UUID | None = _side("person_id", "company_id")
    confidence: Decimal = Field(sa_type=SqlNumeric(4, 3))  # pyright: ignore[reportArgumentType]
    features: list[dict[str, Any]] = list_field()
    status: str = Field(default="proposed", sa_column_kwargs={"server_default": "proposed"})
    decided_by: str | None = None
    decided_at: dt.datetime | None = time_field()
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class IdentityLink(IdentityPair, table=True):
    """A pair that a person accepted, and the suggestion it came from, which an undo returns to."""

    __tablename__: ClassVar[Any] = "identity_links"
    __table_args__ = (
        *_pair_constraints("identity_links"),
        child_key("identity_links", "suggestion_id", "identity_suggestions"),
        UniqueConstraint("suggestion_id", name="uq_identity_links_suggestion"),
    )

    id: UUID = id_field()
    left_id: UUID | None = _side("contact_id", "account_id", "project_id")
    right_id: UUID | None = _side("person_id", "company_id")
    suggestion_id: UUID
    created_by: str
    created_at: dt.datetime = time_field(required=True)
