"""Raw rows of Chatwoot: inboxes, contacts, conversations, messages, attachments."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from models.tables.base import VendorRecord, child_key, peer_key, record_constraints, time_field


class Inbox(VendorRecord, table=True):
    """A channel customers write to. An inbox shared by several projects sits in the unassigned one."""

    __tablename__: ClassVar[Any] = "cw_inboxes"
    __table_args__ = record_constraints("cw_inboxes")

    name: str
    channel_type: str | None = None


class Contact(VendorRecord, table=True):
    """A customer as Chatwoot knows them; anonymous visitors have neither e-mail nor phone."""

    __tablename__: ClassVar[Any] = "cw_contacts"
    __table_args__ = (
        *record_constraints("cw_contacts"),
        Index("ix_cw_contacts_project_name", "project_id", "name"),
        Index("ix_cw_contacts_scope_name", "account_scope_id", "name", "id"),
        Index("ix_cw_contacts_scope_created", "account_scope_id", "source_created_at"),
        Index(
            "ix_cw_contacts_trgm",
            "name",
            "email",
            "phone",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops", "email": "gin_trgm_ops", "phone": "gin_trgm_ops"},
        ),
    )

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    identifier: str | None = None
    company_name: str | None = None
    last_activity_at: dt.datetime | None = time_field()


class Conversation(VendorRecord, table=True):
    """A conversation; ``vendor_id`` is the per-account display id.

    ``max_message_id`` is its message cursor; ``messages_as_of`` the ``synced_at`` up to which its messages are read.
    """

    __tablename__: ClassVar[Any] = "cw_conversations"
    __table_args__ = (
        *record_constraints("cw_conversations"),
        peer_key("cw_conversations", "contact_id", "cw_contacts"),
        Index("ix_cw_conversations_project_activity", "project_id", "last_activity_at"),
        Index("ix_cw_conversations_scope_created", "account_scope_id", "source_created_at"),
        Index("ix_cw_conversations_scope_activity", "account_scope_id", "last_activity_at", "id"),
        Index("ix_cw_conversations_contact", "connection_id", "contact_vendor_id"),
    )

    uuid: str | None = None
    inbox_vendor_id: str | None = None
    inbox_name: str | None = None
    contact_id: UUID | None = None
    contact_vendor_id: str | None = None
    contact_name: str | None = None
    status: str
    priority: str | None = None
    labels: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": text("'{}'")},
        nullable=False,  # pyright: ignore[reportArgumentType]
    )
    assignee_name: str | None = None
    subject: str | None = None
    last_activity_at: dt.datetime | None = time_field()
    waiting_since: dt.datetime | None = time_field()
    first_reply_at: dt.datetime | None = time_field()
    max_message_id: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    messages_as_of: dt.datetime | None = time_field()


class Message(VendorRecord, table=True):
    """A message. ``message_type``: 0 incoming, 1 outgoing, 2 activity, 3 template."""

    __tablename__: ClassVar[Any] = "cw_messages"
    __table_args__ = (
        *record_constraints("cw_messages"),
        child_key("cw_messages", "conversation_id", "cw_conversations"),
        Index("ix_cw_messages_conversation", "conversation_id", "sent_at"),
        Index("ix_cw_messages_project_sent", "project_id", "sent_at"),
        Index("ix_cw_messages_scope_sent", "account_scope_id", "sent_at"),
        Index(
            "ix_cw_messages_body_trgm",
            "body",
            postgresql_using="gin",
            postgresql_ops={"body": "gin_trgm_ops"},
        ),
    )

    conversation_id: UUID
    message_type: int
    private: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    body: str = Field(default="", sa_type=Text)
    content_type: str | None = None
    sender_type: str | None = Field(default=None, description="contact | user | agent_bot")
    sender_vendor_id: str | None = None
    sender_name: str | None = None
    sent_at: dt.datetime = time_field(required=True)


class Attachment(VendorRecord, table=True):
    """Metadata of a file that came with a message; the file itself stays at the vendor."""

    __tablename__: ClassVar[Any] = "cw_attachments"
    __table_args__ = (
        *record_constraints("cw_attachments"),
        child_key("cw_attachments", "message_id", "cw_messages"),
    )

    message_id: UUID
    file_type: str | None = None
    file_name: str | None = None
    file_size: int | None = None
