"""Platform tables: scopes, projects, vendor connections and their bindings, sessions, jobs, audit."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.infra.clock import utcnow
from models.tables.base import NOW, connection_key, id_field, json_field, scope_key, time_field


class AccountScope(SQLModel, table=True):
    """The portfolio boundary: a group of projects that may be shown together."""

    __tablename__: ClassVar[Any] = "account_scopes"

    id: UUID = id_field()
    slug: str = Field(unique=True)
    name: str
    timezone: str = Field(default="UTC", description="IANA zone that decides what 'today' is")
    base_currency: str = Field(default="EUR", max_length=3)
    created_at: dt.datetime = time_field(required=True)


class Project(SQLModel, table=True):
    """The unit of isolation. ``kind`` is ``client``, or ``unassigned`` for what no routing rule takes."""

    __tablename__: ClassVar[Any] = "projects"
    __table_args__ = (
        UniqueConstraint("id", "account_scope_id", name="uq_projects_scoped"),
        UniqueConstraint("account_scope_id", "slug", name="uq_projects_slug"),
        CheckConstraint("kind in ('client', 'unassigned')", name="ck_projects_kind"),
        Index(
            "uq_projects_unassigned",
            "account_scope_id",
            unique=True,
            postgresql_where=text("kind = 'unassigned'"),
        ),
    )

    id: UUID = id_field()
    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    slug: str
    name: str
    kind: str = Field(default="client")
    aliases: list[str] = Field(
        default_factory=list,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'[]'")},
        nullable=False,
        description="Other spellings of the client's name (the other alphabet, abbreviations)",
    )
    created_at: dt.datetime = time_field(required=True)
    archived_at: dt.datetime | None = time_field()


class VendorConnection(SQLModel, table=True):
    """One vendor account, fetched once for all projects of its scope."""

    __tablename__: ClassVar[Any] = "vendor_connections"
    __table_args__ = (
        UniqueConstraint("id", "account_scope_id", name="uq_vendor_connections_scoped"),
        UniqueConstraint(
            "account_scope_id",
            "connector",
            "base_url",
            "external_account",
            name="uq_vendor_connections_account",
        ),
        CheckConstraint(
            "connector in ('chatwoot', 'linear', 'attio')", name="ck_vendor_connections_connector"
        ),
    )

    id: UUID = id_field()
    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    connector: str
    name: str
    base_url: str = Field(description="Origin of the API, without a trailing slash")
    external_account: str = Field(default="", description="Chatwoot account id; empty for the others")
    token_encrypted: str = Field(description="Fernet ciphertext")
    webhook_secret_encrypted: str | None = Field(
        default=None, description="Fernet ciphertext; without it every delivery is refused"
    )
    settings: dict[str, Any] = json_field()
    # Of vendors whose accounts have a schema of their own: as the last sync that it fitted has read it.
    schema_cache: dict[str, Any] = json_field()
    schema_read_at: dt.datetime | None = time_field()
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    created_at: dt.datetime = time_field(required=True)


class ProjectBinding(SQLModel, table=True):
    """A routing rule: which records of a connection belong to a project. Lower priority wins."""

    __tablename__: ClassVar[Any] = "project_bindings"
    __table_args__ = (
        scope_key("project_bindings"),
        connection_key("project_bindings"),
        UniqueConstraint("connection_id", "rule_kind", "rule_value", name="uq_project_bindings_rule"),
        CheckConstraint(
            "rule_kind in ('inbox', 'label', 'company_domain', 'team', 'project', 'company', 'list', 'deal_filter')",
            name="ck_project_bindings_kind",
        ),
    )

    id: UUID = id_field()
    account_scope_id: UUID
    project_id: UUID
    connection_id: UUID
    priority: int = Field(default=100)
    rule_kind: str
    rule_value: str = Field(description="Inbox name, label, domain, team key, list slug, 'attribute=value' …")
    created_at: dt.datetime = time_field(required=True)


class UserSession(SQLModel, table=True):
    """A signed-in browser. Only the hash of its token is stored."""

    __tablename__: ClassVar[Any] = "sessions"

    id: UUID = id_field()
    token_hash: str = Field(unique=True)
    csrf_token: str
    username: str
    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    active_project_id: UUID | None = Field(default=None, foreign_key="projects.id", ondelete="SET NULL")
    ip: str | None = None
    user_agent: str | None = None
    created_at: dt.datetime = time_field(required=True)
    last_seen_at: dt.datetime = time_field(required=True)
    expires_at: dt.datetime = time_field(required=True)
    ended_at: dt.datetime | None = time_field()


class ScheduledJob(SQLModel, table=True):
    """A cadence: which job is dispatched how often."""

    __tablename__: ClassVar[Any] = "scheduled_jobs"

    name: str = Field(primary_key=True)
    cadence_s: int
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    last_dispatched_at: dt.datetime | None = time_field()
    next_run_at: dt.datetime | None = time_field()


class JobRun(SQLModel, table=True):
    """One run of one job, from the request to its end."""

    __tablename__: ClassVar[Any] = "job_runs"
    __table_args__ = (
        CheckConstraint(
            "status in ('queued', 'running', 'succeeded', 'failed', 'skipped')", name="ck_job_runs_status"
        ),
        Index("ix_job_runs_scope_queued", "account_scope_id", "queued_at"),
        Index("ix_job_runs_job_queued", "job", "queued_at"),
        Index("ix_job_runs_scope_id", "account_scope_id", "id"),
        Index(
            "ix_job_runs_active",
            "job",
            "subject",
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
    )

    id: UUID = id_field()
    job: str
    subject: str = Field(default="", description="What the run is about: a connection id, a scope id")
    account_scope_id: UUID | None = Field(default=None, foreign_key="account_scopes.id", ondelete="CASCADE")
    project_id: UUID | None = None
    connector: str | None = None
    status: str = Field(default="queued")
    requested_by: str = Field(default="schedule")
    request_id: str | None = None
    attempt: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    queued_at: dt.datetime = time_field(required=True)
    started_at: dt.datetime | None = time_field()
    finished_at: dt.datetime | None = time_field()
    progress: dict[str, Any] = json_field()
    counts: dict[str, Any] = json_field()
    error_code: str | None = None
    error_message: str | None = None


class JobOutbox(SQLModel, table=True):
    """Jobs asked for while Redis was away; the dispatcher enqueues them when it is back."""

    __tablename__: ClassVar[Any] = "job_outbox"

    id: UUID = id_field()
    function: str
    arguments: dict[str, Any] = json_field()
    created_at: dt.datetime = time_field(required=True)
    dispatched_at: dt.datetime | None = time_field(index=True)


class AuditEvent(SQLModel, table=True):
    """Append-only: who did what to which entity. Partitioned by month of ``created_at``."""

    __tablename__: ClassVar[Any] = "audit_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_scope_id"], ["account_scopes.id"], name="fk_audit_events_scope", ondelete="CASCADE"
        ),
        Index("ix_audit_events_scope_created", "account_scope_id", "created_at"),
        Index("ix_audit_events_entity", "entity_type", "entity_id"),
        {"postgresql_partition_by": "RANGE (created_at)"},
    )

    id: UUID = id_field()
    # Part of the key because a partitioned table's key must contain the partition column.
    created_at: dt.datetime = Field(
        default_factory=utcnow,
        sa_type=DateTime(timezone=True),  # pyright: ignore[reportArgumentType]
        sa_column_kwargs={"server_default": NOW},
        primary_key=True,
    )
    account_scope_id: UUID | None = None
    project_id: UUID | None = None
    actor: str
    action: str
    entity_type: str
    entity_id: str
    before: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    after: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    request_id: str | None = None
