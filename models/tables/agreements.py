"""Agreements found in conversations, and how far each reader of messages has come.

An agreement hangs on the message that makes it and follows it into another project. Its words stand in `evidence`, the
promise first, then what settled it; readers get them only while they may read the record.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar, Literal, get_args
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.tables.base import (
    Scoped,
    child_key,
    id_field,
    list_field,
    scope_key,
    scoped_unique,
    time_field,
)
from models.tables.crm import version_field

Side = Literal["studio", "client"]
AgreementStatus = Literal["open", "kept", "broken"]
MessageReader = Literal["signals", "agreements"]

SIDES: tuple[Side, ...] = get_args(Side)
AGREEMENT_STATUSES: tuple[AgreementStatus, ...] = get_args(AgreementStatus)


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(each) for each in values)})"


class Agreement(Scoped, table=True):
    """A promise with a day. `evidence`: `[{type, id, quote}]`, the promise first, then what kept it."""

    __tablename__: ClassVar[Any] = "agreements"
    __table_args__ = (
        scope_key("agreements"),
        scoped_unique("agreements"),
        child_key("agreements", "message_id", "cw_messages"),
        UniqueConstraint("message_id", "promise_key", name="uq_agreements_promise"),
        CheckConstraint(_one_of("side", SIDES), name="ck_agreements_side"),
        CheckConstraint(_one_of("status", AGREEMENT_STATUSES), name="ck_agreements_status"),
        CheckConstraint("jsonb_array_length(evidence) > 0", name="ck_agreements_evidence"),
        Index("ix_agreements_project_due", "project_id", "due_on", "id"),
        Index("ix_agreements_scope_due", "account_scope_id", "due_on"),
        Index("ix_agreements_scope_created", "account_scope_id", "created_at"),
    )

    id: UUID = id_field()
    message_id: UUID
    promise_key: str = Field(description="Tells the promises of a message apart, whatever their order")
    side: str = Field(description="Who promised: studio | client")
    due_on: dt.date
    evidence: list[dict[str, Any]] = list_field()
    status: str = Field(default="open")
    decided_by: str | None = None
    decided_at: dt.datetime | None = time_field()
    version: int = version_field()
    promised_at: dt.datetime = time_field(required=True)
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class MessageScan(SQLModel, table=True):
    """How far a reader has come in the messages of an account scope: the last row by (`synced_at`, id), by which rules."""

    __tablename__: ClassVar[Any] = "message_scans"
    __table_args__ = (PrimaryKeyConstraint("account_scope_id", "reader"),)

    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    reader: str
    rules: str
    read_to: dt.datetime | None = time_field()
    read_to_id: UUID | None = None
