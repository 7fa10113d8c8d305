"""Column and constraint building blocks shared by every table module.

Owns how scope is enforced by the database: a business row names its project and its account scope,
and a composite foreign key makes the pair impossible to get wrong.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKeyConstraint, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.infra.clock import utcnow
from models.infra.ids import new_id

NOW = text("now()")
NEW_ID = text("uuidv7()")


def id_field() -> Any:
    """Return a UUIDv7 primary key; the server makes it too, so that bulk inserts need no client ids."""
    return Field(default_factory=new_id, primary_key=True, sa_column_kwargs={"server_default": NEW_ID})


def time_field(*, required: bool = False, index: bool = False) -> Any:
    """Return a ``timestamptz`` column; ``required`` ones default to now."""
    if required:
        return Field(
            default_factory=utcnow,
            sa_type=DateTime(timezone=True),  # pyright: ignore[reportArgumentType]  SQLModel's stub wants a class
            sa_column_kwargs={"server_default": NOW},
            nullable=False,
            index=index,
        )
    return Field(
        default=None,
        sa_type=DateTime(timezone=True),  # pyright: ignore[reportArgumentType]
        nullable=True,
        index=index,
    )


def json_field() -> Any:
    """Return a non-null ``jsonb`` object column, empty by default."""
    return Field(
        default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": text("'{}'")}, nullable=False
    )


def list_field() -> Any:
    """Return a non-null ``jsonb`` list column, empty by default."""
    return Field(
        default_factory=list, sa_type=JSONB, sa_column_kwargs={"server_default": text("'[]'")}, nullable=False
    )


class Scoped(SQLModel):
    """Mixin of every business row: which project it belongs to, inside which account scope."""

    account_scope_id: UUID = Field(nullable=False)
    project_id: UUID = Field(nullable=False)


class VendorRecord(Scoped):
    """Mixin of the raw rows: one vendor record as last seen.

    ``content_hash`` covers everything normalised from the record, so that an unchanged record is not
    written again. ``deleted_at`` is a tombstone: the vendor no longer has the record.
    """

    id: UUID = id_field()
    connection_id: UUID = Field(nullable=False)
    vendor_id: str = Field(nullable=False)
    url: str | None = Field(default=None)
    payload: dict[str, Any] = json_field()
    content_hash: str = Field(nullable=False)
    source_created_at: dt.datetime | None = time_field()
    source_updated_at: dt.datetime | None = time_field()
    synced_at: dt.datetime = time_field(required=True)
    deleted_at: dt.datetime | None = time_field()


def scope_key(table: str) -> ForeignKeyConstraint:
    """Return the foreign key that ties (project_id, account_scope_id) to one row of ``projects``."""
    return ForeignKeyConstraint(
        ["project_id", "account_scope_id"],
        ["projects.id", "projects.account_scope_id"],
        name=f"fk_{table}_scope",
        ondelete="CASCADE",
    )


def scoped_unique(table: str) -> UniqueConstraint:
    """Return the unique key that lets children reference (id, project_id, account_scope_id)."""
    return UniqueConstraint("id", "project_id", "account_scope_id", name=f"uq_{table}_scoped")


def child_key(table: str, column: str, parent: str) -> ForeignKeyConstraint:
    """Return a reference to a parent row that carries the scope.

    ``ON UPDATE CASCADE``: when routing moves the parent to another project, its children move with it.
    """
    return ForeignKeyConstraint(
        [column, "project_id", "account_scope_id"],
        [f"{parent}.id", f"{parent}.project_id", f"{parent}.account_scope_id"],
        name=f"fk_{table}_{column}",
        ondelete="CASCADE",
        onupdate="CASCADE",
    )


def peer_key(table: str, column: str, peer: str) -> ForeignKeyConstraint:
    """Return an optional reference to a row that lives its own life but must share the project.

    Deferred to commit, so that a re-routing may move both sides in any order; the sync clears a
    reference whose sides end up in different projects.
    """
    return ForeignKeyConstraint(
        [column, "project_id", "account_scope_id"],
        [f"{peer}.id", f"{peer}.project_id", f"{peer}.account_scope_id"],
        name=f"fk_{table}_{column}",
        deferrable=True,
        initially="DEFERRED",
    )


def connection_key(table: str) -> ForeignKeyConstraint:
    """Return the foreign key of a raw row to its vendor connection inside the same account scope."""
    return ForeignKeyConstraint(
        ["connection_id", "account_scope_id"],
        ["vendor_connections.id", "vendor_connections.account_scope_id"],
        name=f"fk_{table}_connection",
        ondelete="CASCADE",
    )


def record_constraints(table: str) -> tuple[Any, ...]:
    """Return the constraints every raw table shares: scope, connection, vendor key, scoped key."""
    return (
        scope_key(table),
        connection_key(table),
        UniqueConstraint("connection_id", "vendor_id", name=f"uq_{table}_vendor"),
        scoped_unique(table),
    )
