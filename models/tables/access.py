"""Keys with which programs use the API. Sessions, which browsers use, are beside the other platform tables."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.tables.base import id_field, time_field


class ApiKey(SQLModel, table=True):
    """A program's key. Only the hash of its token is stored, and the few first characters that name it in lists."""

    __tablename__: ClassVar[Any] = "api_keys"
    __table_args__ = (Index("ix_api_keys_scope_created", "account_scope_id", "created_at"),)

    id: UUID = id_field()
    token_hash: str = Field(unique=True)
    hint: str = Field(description="First characters of the token; they open nothing")
    name: str
    created_by: str
    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    project_ids: list[str] | None = Field(
        default=None,
        sa_type=JSONB(none_as_null=True),  # pyright: ignore[reportArgumentType]
        nullable=True,
        description="Projects the key is limited to; null: all of the account scope, also later ones",
    )
    read_only: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    created_at: dt.datetime = time_field(required=True)
    expires_at: dt.datetime = time_field(required=True)
    last_used_at: dt.datetime | None = time_field()
    revoked_at: dt.datetime | None = time_field()
