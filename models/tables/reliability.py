"""Reliability tables: watermarks, connector state, the error queue, reconciliation figures, webhooks."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, PrimaryKeyConstraint, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.tables.base import connection_key, id_field, json_field, list_field, scope_key, time_field


class SyncWatermark(SQLModel, table=True):
    """The committed cursor of one stream; it moves in the transaction that writes the rows."""

    __tablename__: ClassVar[Any] = "sync_watermarks"
    __table_args__ = (
        PrimaryKeyConstraint("connection_id", "stream"),
        connection_key("sync_watermarks"),
    )

    connection_id: UUID
    account_scope_id: UUID
    stream: str
    committed: dict[str, Any] = json_field()
    updated_at: dt.datetime = time_field(required=True)


class ConnectorSyncState(SQLModel, table=True):
    """What the last runs of a connection came to."""

    __tablename__: ClassVar[Any] = "connector_sync_state"
    __table_args__ = (
        PrimaryKeyConstraint("connection_id"),
        connection_key("connector_sync_state"),
        CheckConstraint(
            "status in ('never', 'running', 'ok', 'degraded', 'failed')", name="ck_sync_state_status"
        ),
    )

    connection_id: UUID
    account_scope_id: UUID
    status: str = Field(default="never")
    last_started_at: dt.datetime | None = time_field()
    last_success_at: dt.datetime | None = time_field()
    last_error_at: dt.datetime | None = time_field()
    last_error_kind: str | None = None
    last_error_message: str | None = None
    last_duration_s: float | None = None
    counts: dict[str, Any] = json_field()


class ConnectorError(SQLModel, table=True):
    """One failed unit of work in the retry queue. ``project_id`` is null until the record can be routed."""

    __tablename__: ClassVar[Any] = "connector_errors"
    __table_args__ = (
        scope_key("connector_errors"),
        connection_key("connector_errors"),
        UniqueConstraint("connection_id", "stream", "unit", name="uq_connector_errors_unit"),
        CheckConstraint(
            "status in ('pending', 'retrying', 'resolved', 'dead_letter')", name="ck_connector_errors_status"
        ),
        Index("ix_connector_errors_project", "project_id", "status", "error_kind"),
        Index("ix_connector_errors_due", "status", "next_retry_at"),
    )

    id: UUID = id_field()
    account_scope_id: UUID
    project_id: UUID | None = None
    connection_id: UUID
    stream: str
    unit: str = Field(description="The vendor id of a bad record, or the name of a failed page")
    error_kind: str
    message: str = Field(sa_type=Text)
    payload: dict[str, Any] = json_field()
    status: str = Field(default="pending")
    attempt: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    next_retry_at: dt.datetime | None = time_field()
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)


class ReconciliationMetric(SQLModel, table=True):
    """One comparison of the local copy of a stream with the vendor.

    A pass writes a row for the connection (``project_id`` null) and one for each project that has records,
    all with the same ``measured_at``. The ids stand in the projects' rows, 10,000 of a kind at most, so that
    whoever may see a project sees its ids and no others.
    """

    __tablename__: ClassVar[Any] = "sync_reconciliation_metrics"
    __table_args__ = (
        connection_key("sync_reconciliation_metrics"),
        Index("ix_reconciliation_stream", "connection_id", "stream", "measured_at"),
        CheckConstraint("method in ('ids', 'counts', 'unknown')", name="ck_reconciliation_method"),
    )

    id: UUID = id_field()
    account_scope_id: UUID
    project_id: UUID | None = None
    connection_id: UUID
    stream: str
    method: str
    vendor_count: int | None = None
    local_count: int
    missing: int | None = None
    extra: int | None = None
    stale: int | None = Field(default=None, description="Null unless contents were compared")
    duplicates: int | None = None
    completeness_pct: float | None = Field(
        default=None, description="0..100; null when the vendor was unreachable"
    )
    ids_seen: int | None = Field(default=None, description="Different ids the vendor showed")
    error_kind: str | None = Field(default=None, description="Why the method is unknown")
    missing_ids: dict[str, Any] = json_field()  # vendor id → its parent's vendor id or null
    extra_ids: list[str] = list_field()
    stale_ids: list[str] = list_field()
    measured_at: dt.datetime = time_field(required=True)


class WebhookDelivery(SQLModel, table=True):
    """A webhook delivery that was taken, by what makes it one: it is not taken a second time. Kept for days."""

    __tablename__: ClassVar[Any] = "webhook_deliveries"
    __table_args__ = (
        PrimaryKeyConstraint("connection_id", "key"),
        connection_key("webhook_deliveries"),
        Index("ix_webhook_deliveries_received", "connection_id", "received_at"),
        Index("ix_webhook_deliveries_age", "received_at"),
    )

    connection_id: UUID
    account_scope_id: UUID
    key: str = Field(description="The vendor's delivery id, or a digest of what was signed")
    received_at: dt.datetime = time_field(required=True)


class RecordHint(SQLModel, table=True):
    """A record that a webhook named and that is to be fetched again; naming it twice is one row.

    ``stream`` may also be ``object`` (Attio: ``parent`` is the object's id) or ``sync`` (nothing to fetch by id).
    """

    __tablename__: ClassVar[Any] = "record_hints"
    __table_args__ = (
        PrimaryKeyConstraint("connection_id", "stream", "vendor_id"),
        connection_key("record_hints"),
        Index("ix_record_hints_asked", "connection_id", "asked_at"),
    )

    connection_id: UUID
    account_scope_id: UUID
    stream: str
    vendor_id: str
    parent: str | None = Field(default=None, description="A message's conversation, an Attio record's object")
    asked_at: dt.datetime = time_field(required=True)
