"""first tables

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import pgvector.sqlalchemy
import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


_EXTENSIONS = ("vector", "pg_trgm")

# Partitions are made ahead of time; there is no default one, because it would keep DETACH CONCURRENTLY from working.
_ENSURE_PARTITIONS = """
CREATE FUNCTION ensure_audit_partitions(months_ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    made integer := 0;
    partition text;
BEGIN
    FOR step IN 0..months_ahead LOOP
        partition := 'audit_events_' || to_char(month, 'YYYY_MM');
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)',
                partition, month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
            );
            made := made + 1;
        END IF;
        month := (month + interval '1 month')::date;
    END LOOP;
    RETURN made;
END $$
"""


def upgrade() -> None:
    for extension in _EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    op.create_table(
        "account_scopes",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("slug", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("timezone", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("base_currency", sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "embedding_models",
        sa.Column("key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("provider", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "job_outbox",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("function", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column(
            "arguments",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_job_outbox_dispatched_at"), "job_outbox", ["dispatched_at"], unique=False)
    op.create_table(
        "scheduled_jobs",
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("cadence_s", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("last_dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("action", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("entity_type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("entity_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("request_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_scope_id"], ["account_scopes.id"], name="fk_audit_events_scope", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", "created_at"),
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index("ix_audit_events_entity", "audit_events", ["entity_type", "entity_id"], unique=False)
    op.create_index(
        "ix_audit_events_scope_created", "audit_events", ["account_scope_id", "created_at"], unique=False
    )
    op.create_table(
        "index_watermarks",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("source", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_scope_id", "source"),
    )
    op.create_table(
        "job_runs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("job", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("subject", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=True),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("connector", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("requested_by", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("request_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "progress",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("error_code", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("error_message", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.CheckConstraint(
            "status in ('queued', 'running', 'succeeded', 'failed', 'skipped')", name="ck_job_runs_status"
        ),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_job_runs_job_queued", "job_runs", ["job", "queued_at"], unique=False)
    op.create_index("ix_job_runs_scope_queued", "job_runs", ["account_scope_id", "queued_at"], unique=False)
    op.create_table(
        "lightrag_query_runs",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("mode", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("profile", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column(
            "parameters",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("answerable", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("hits", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("quality_score", sa.Float(), nullable=False),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("took_ms", sa.Float(), nullable=False),
        sa.Column("request_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("requested_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_lightrag_query_runs_scope_created",
        "lightrag_query_runs",
        ["account_scope_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column(
            "aliases", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('client', 'unassigned')", name="ck_projects_kind"),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account_scope_id", "slug", name="uq_projects_slug"),
        sa.UniqueConstraint("id", "account_scope_id", name="uq_projects_scoped"),
    )
    op.create_index(
        "uq_projects_unassigned",
        "projects",
        ["account_scope_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'unassigned'"),
    )
    op.create_table(
        "vendor_connections",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("connector", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("base_url", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("external_account", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("token_encrypted", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "connector in ('chatwoot', 'linear', 'attio')", name="ck_vendor_connections_connector"
        ),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "account_scope_id",
            "connector",
            "base_url",
            "external_account",
            name="uq_vendor_connections_account",
        ),
        sa.UniqueConstraint("id", "account_scope_id", name="uq_vendor_connections_scoped"),
    )
    op.create_table(
        "attio_companies",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("domains", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("city", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("country", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("categories", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_attio_companies_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_attio_companies_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_attio_companies_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_attio_companies_scoped"),
    )
    op.create_table(
        "attio_notes",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("parent_object", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("parent_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("parent_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("title", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_attio_notes_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_attio_notes_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_attio_notes_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_attio_notes_scoped"),
    )
    op.create_index(
        "ix_attio_notes_parent",
        "attio_notes",
        ["connection_id", "parent_object", "parent_vendor_id"],
        unique=False,
    )
    op.create_index(
        "ix_attio_notes_scope_created", "attio_notes", ["account_scope_id", "source_created_at"], unique=False
    )
    op.create_table(
        "connector_errors",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("unit", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("error_kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status in ('pending', 'retrying', 'resolved', 'dead_letter')", name="ck_connector_errors_status"
        ),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_connector_errors_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_connector_errors_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "stream", "unit", name="uq_connector_errors_unit"),
    )
    op.create_index("ix_connector_errors_due", "connector_errors", ["status", "next_retry_at"], unique=False)
    op.create_index(
        "ix_connector_errors_project",
        "connector_errors",
        ["project_id", "status", "error_kind"],
        unique=False,
    )
    op.create_table(
        "connector_sync_state",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("last_started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_success_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error_kind", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("last_error_message", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("last_duration_s", sa.Float(), nullable=True),
        sa.Column(
            "counts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.CheckConstraint(
            "status in ('never', 'running', 'ok', 'degraded', 'failed')", name="ck_sync_state_status"
        ),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_connector_sync_state_connection",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id"),
    )
    op.create_table(
        "cw_contacts",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("email", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("phone", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("identifier", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("company_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_cw_contacts_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_cw_contacts_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_cw_contacts_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_cw_contacts_scoped"),
    )
    op.create_index("ix_cw_contacts_project_name", "cw_contacts", ["project_id", "name"], unique=False)
    op.create_table(
        "cw_inboxes",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("channel_type", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_cw_inboxes_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_cw_inboxes_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_cw_inboxes_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_cw_inboxes_scoped"),
    )
    op.create_table(
        "entities",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_entities_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_entities_scoped"),
        sa.UniqueConstraint("project_id", "kind", "record_id", name="uq_entities_record"),
    )
    op.create_table(
        "lightrag_feedback",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("query_run_id", sa.Uuid(), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("rating", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("created_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("rating in ('up', 'down')", name="ck_lightrag_feedback_rating"),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["query_run_id"], ["lightrag_query_runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("query_run_id"),
    )
    op.create_index(
        "ix_lightrag_feedback_scope_created",
        "lightrag_feedback",
        ["account_scope_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "linear_cycles",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("team_key", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_linear_cycles_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_linear_cycles_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_linear_cycles_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_linear_cycles_scoped"),
    )
    op.create_table(
        "linear_projects",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("status_type", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("health", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("progress", sa.Float(), nullable=True),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("target_date", sa.Date(), nullable=True),
        sa.Column("lead_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_linear_projects_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_linear_projects_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_linear_projects_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_linear_projects_scoped"),
    )
    op.create_table(
        "linear_states",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("position", sa.Float(), nullable=True),
        sa.Column("team_key", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_linear_states_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_linear_states_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_linear_states_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_linear_states_scoped"),
    )
    op.create_table(
        "project_bindings",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("rule_kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("rule_value", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "rule_kind in ('inbox', 'label', 'company_domain', 'team', 'project', 'company', 'list', 'deal_filter')",
            name="ck_project_bindings_kind",
        ),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_project_bindings_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_project_bindings_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "rule_kind", "rule_value", name="uq_project_bindings_rule"),
    )
    op.create_table(
        "rag_chunks",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_group", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("thread_id", sa.Uuid(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("title", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("lang", sqlmodel.sql.sqltypes.AutoString(length=2), nullable=False),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "tsv",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('russian', body), 'A') || setweight(to_tsvector('russian', title), 'B') || setweight(to_tsvector('russian', header), 'C') || setweight(to_tsvector('russian', context), 'D')",
                persisted=True,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "kind in ('message', 'issue', 'comment', 'deal', 'note', 'company')", name="ck_rag_chunks_kind"
        ),
        sa.CheckConstraint("source_group in ('messages', 'issues', 'deals')", name="ck_rag_chunks_group"),
        sa.CheckConstraint(
            "status in ('pending', 'processing', 'ready', 'failed')", name="ck_rag_chunks_status"
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_rag_chunks_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "chunk_key", name="uq_rag_chunks_key"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_rag_chunks_scoped"),
    )
    op.create_index(
        "ix_rag_chunks_body_trgm",
        "rag_chunks",
        ["body"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"body": "gin_trgm_ops"},
    )
    op.create_index("ix_rag_chunks_pending", "rag_chunks", ["status", "source_time"], unique=False)
    op.create_index(
        "ix_rag_chunks_project_group",
        "rag_chunks",
        ["project_id", "source_group", "source_time"],
        unique=False,
    )
    op.create_index(
        "ix_rag_chunks_scope_created", "rag_chunks", ["account_scope_id", "created_at"], unique=False
    )
    op.create_index("ix_rag_chunks_thread", "rag_chunks", ["thread_id"], unique=False)
    op.create_index("ix_rag_chunks_tsv", "rag_chunks", ["tsv"], unique=False, postgresql_using="gin")
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("token_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("csrf_token", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("username", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("active_project_id", sa.Uuid(), nullable=True),
        sa.Column("ip", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("user_agent", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["active_project_id"], ["projects.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "sync_reconciliation_metrics",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=True),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("method", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("vendor_count", sa.Integer(), nullable=True),
        sa.Column("local_count", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=True),
        sa.Column("extra", sa.Integer(), nullable=True),
        sa.Column("stale", sa.Integer(), nullable=True),
        sa.Column("duplicates", sa.Integer(), nullable=True),
        sa.Column("completeness_pct", sa.Float(), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("method in ('ids', 'counts', 'unknown')", name="ck_reconciliation_method"),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_sync_reconciliation_metrics_connection",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_reconciliation_stream",
        "sync_reconciliation_metrics",
        ["connection_id", "stream", "measured_at"],
        unique=False,
    )
    op.create_table(
        "sync_watermarks",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column(
            "committed",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_sync_watermarks_connection",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", "stream"),
    )
    op.create_table(
        "attio_deals",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("stage", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("stage_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("value", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("currency", sqlmodel.sql.sqltypes.AutoString(length=3), nullable=True),
        sa.Column("owner_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=True),
        sa.Column("company_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("company_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "people_vendor_ids", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("next_step", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("close_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id", "project_id", "account_scope_id"],
            ["attio_companies.id", "attio_companies.project_id", "attio_companies.account_scope_id"],
            name="fk_attio_deals_company_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_attio_deals_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_attio_deals_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_attio_deals_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_attio_deals_scoped"),
    )
    op.create_index(
        "ix_attio_deals_name_trgm",
        "attio_deals",
        ["name"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.create_index("ix_attio_deals_project_stage", "attio_deals", ["project_id", "stage"], unique=False)
    op.create_index(
        "ix_attio_deals_scope_created", "attio_deals", ["account_scope_id", "source_created_at"], unique=False
    )
    op.create_table(
        "attio_people",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("emails", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("phones", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("job_title", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("company_id", sa.Uuid(), nullable=True),
        sa.Column("company_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["company_id", "project_id", "account_scope_id"],
            ["attio_companies.id", "attio_companies.project_id", "attio_companies.account_scope_id"],
            name="fk_attio_people_company_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_attio_people_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_attio_people_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_attio_people_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_attio_people_scoped"),
    )
    op.create_table(
        "chunk_sources",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source_type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("span_start", sa.Integer(), nullable=False),
        sa.Column("span_end", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "source_type in ('message', 'issue', 'comment', 'deal', 'note', 'company')",
            name="ck_chunk_sources_type",
        ),
        sa.ForeignKeyConstraint(
            ["chunk_id", "project_id", "account_scope_id"],
            ["rag_chunks.id", "rag_chunks.project_id", "rag_chunks.account_scope_id"],
            name="fk_chunk_sources_chunk_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("chunk_id", "position"),
    )
    op.create_index("ix_chunk_sources_record", "chunk_sources", ["record_id"], unique=False)
    op.create_table(
        "crm_accounts",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("domain", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("attio_company_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["attio_company_id", "project_id", "account_scope_id"],
            ["attio_companies.id", "attio_companies.project_id", "attio_companies.account_scope_id"],
            name="fk_crm_accounts_attio_company_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_crm_accounts_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_crm_accounts_scoped"),
        sa.UniqueConstraint("project_id", "attio_company_id", name="uq_crm_accounts_company"),
    )
    op.create_index(
        "ix_crm_accounts_scope_created", "crm_accounts", ["account_scope_id", "created_at"], unique=False
    )
    op.create_table(
        "cw_conversations",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("uuid", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("inbox_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("inbox_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("contact_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("contact_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("priority", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("assignee_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("subject", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_reply_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("max_message_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_cw_conversations_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["contact_id", "project_id", "account_scope_id"],
            ["cw_contacts.id", "cw_contacts.project_id", "cw_contacts.account_scope_id"],
            name="fk_cw_conversations_contact_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_cw_conversations_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_cw_conversations_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_cw_conversations_scoped"),
    )
    op.create_index(
        "ix_cw_conversations_project_activity",
        "cw_conversations",
        ["project_id", "last_activity_at"],
        unique=False,
    )
    op.create_index(
        "ix_cw_conversations_scope_created",
        "cw_conversations",
        ["account_scope_id", "source_created_at"],
        unique=False,
    )
    op.create_table(
        "entity_mentions",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chunk_id", "project_id", "account_scope_id"],
            ["rag_chunks.id", "rag_chunks.project_id", "rag_chunks.account_scope_id"],
            name="fk_entity_mentions_chunk_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["entity_id", "project_id", "account_scope_id"],
            ["entities.id", "entities.project_id", "entities.account_scope_id"],
            name="fk_entity_mentions_entity_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("entity_id", "chunk_id"),
    )
    op.create_index("ix_entity_mentions_chunk", "entity_mentions", ["chunk_id"], unique=False)
    op.create_table(
        "linear_issues",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("identifier", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("title", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("estimate", sa.Float(), nullable=True),
        sa.Column("due_date", sa.Date(), nullable=True),
        sa.Column("state_name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("state_type", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("team_key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("assignee_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("creator_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("linear_project_id", sa.Uuid(), nullable=True),
        sa.Column("linear_project_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("linear_project_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("cycle_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("blocked_by", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trashed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_linear_issues_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["linear_project_id", "project_id", "account_scope_id"],
            ["linear_projects.id", "linear_projects.project_id", "linear_projects.account_scope_id"],
            name="fk_linear_issues_linear_project_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_linear_issues_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_linear_issues_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_linear_issues_scoped"),
    )
    op.create_index("ix_linear_issues_project_due", "linear_issues", ["project_id", "due_date"], unique=False)
    op.create_index(
        "ix_linear_issues_project_state", "linear_issues", ["project_id", "state_type"], unique=False
    )
    op.create_index(
        "ix_linear_issues_scope_created",
        "linear_issues",
        ["account_scope_id", "source_created_at"],
        unique=False,
    )
    op.create_index(
        "ix_linear_issues_title_trgm",
        "linear_issues",
        ["title"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops"},
    )
    op.create_table(
        "rag_embeddings",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_id", sa.Uuid(), nullable=False),
        sa.Column("model_key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("embedding", pgvector.sqlalchemy.halfvec.HALFVEC(), nullable=False),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["chunk_id", "project_id", "account_scope_id"],
            ["rag_chunks.id", "rag_chunks.project_id", "rag_chunks.account_scope_id"],
            name="fk_rag_embeddings_chunk_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_key"],
            ["embedding_models.key"],
        ),
        sa.PrimaryKeyConstraint("chunk_id", "model_key"),
    )
    op.create_index("ix_rag_embeddings_hash", "rag_embeddings", ["model_key", "content_hash"], unique=False)
    op.create_index(
        "ix_rag_embeddings_hnsw_e5_small",
        "rag_embeddings",
        [sa.literal_column("(embedding::halfvec(384))").label("e5_small")],
        unique=False,
        postgresql_using="hnsw",
        postgresql_ops={"e5_small": "halfvec_cosine_ops"},
        postgresql_where=sa.text("model_key = 'e5-small-centred'"),
    )
    op.create_index("ix_rag_embeddings_project", "rag_embeddings", ["project_id", "model_key"], unique=False)
    op.create_table(
        "crm_account_contacts",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("attio_person_id", sa.Uuid(), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("email", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("phone", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("role", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id", "project_id", "account_scope_id"],
            ["crm_accounts.id", "crm_accounts.project_id", "crm_accounts.account_scope_id"],
            name="fk_crm_account_contacts_account_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["attio_person_id", "project_id", "account_scope_id"],
            ["attio_people.id", "attio_people.project_id", "attio_people.account_scope_id"],
            name="fk_crm_account_contacts_attio_person_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_crm_account_contacts_scoped"),
    )
    op.create_index(
        "ix_crm_account_contacts_account", "crm_account_contacts", ["project_id", "account_id"], unique=False
    )
    op.create_table(
        "crm_opportunities",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("attio_deal_id", sa.Uuid(), nullable=True),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("stage", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("currency", sqlmodel.sql.sqltypes.AutoString(length=3), nullable=True),
        sa.Column("close_date", sa.Date(), nullable=True),
        sa.Column("next_step", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "stage in ('lead', 'qualified', 'proposal', 'negotiation', 'won', 'lost', 'unmapped')",
            name="ck_crm_opportunities_stage",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "project_id", "account_scope_id"],
            ["crm_accounts.id", "crm_accounts.project_id", "crm_accounts.account_scope_id"],
            name="fk_crm_opportunities_account_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["attio_deal_id", "project_id", "account_scope_id"],
            ["attio_deals.id", "attio_deals.project_id", "attio_deals.account_scope_id"],
            name="fk_crm_opportunities_attio_deal_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_crm_opportunities_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_crm_opportunities_scoped"),
        sa.UniqueConstraint("project_id", "attio_deal_id", name="uq_crm_opportunities_deal"),
    )
    op.create_index(
        "ix_crm_opportunities_project_stage", "crm_opportunities", ["project_id", "stage"], unique=False
    )
    op.create_index(
        "ix_crm_opportunities_scope_created",
        "crm_opportunities",
        ["account_scope_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "cw_messages",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("message_type", sa.Integer(), nullable=False),
        sa.Column("private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("content_type", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("sender_type", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("sender_vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("sender_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_cw_messages_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id", "project_id", "account_scope_id"],
            ["cw_conversations.id", "cw_conversations.project_id", "cw_conversations.account_scope_id"],
            name="fk_cw_messages_conversation_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_cw_messages_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_cw_messages_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_cw_messages_scoped"),
    )
    op.create_index(
        "ix_cw_messages_body_trgm",
        "cw_messages",
        ["body"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"body": "gin_trgm_ops"},
    )
    op.create_index(
        "ix_cw_messages_conversation", "cw_messages", ["conversation_id", "sent_at"], unique=False
    )
    op.create_index("ix_cw_messages_project_sent", "cw_messages", ["project_id", "sent_at"], unique=False)
    op.create_index("ix_cw_messages_scope_sent", "cw_messages", ["account_scope_id", "sent_at"], unique=False)
    op.create_table(
        "linear_comments",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issue_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_linear_comments_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["issue_id", "project_id", "account_scope_id"],
            ["linear_issues.id", "linear_issues.project_id", "linear_issues.account_scope_id"],
            name="fk_linear_comments_issue_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_linear_comments_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_linear_comments_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_linear_comments_scoped"),
    )
    op.create_index(
        "ix_linear_comments_issue", "linear_comments", ["issue_id", "source_created_at"], unique=False
    )
    op.create_index(
        "ix_linear_comments_scope_created",
        "linear_comments",
        ["account_scope_id", "source_created_at"],
        unique=False,
    )
    op.create_table(
        "contact_channel_policies",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("channel", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("opted_out", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("max_per_week", sa.Integer(), nullable=False),
        sa.Column("stop_on_reply", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id", "project_id", "account_scope_id"],
            [
                "crm_account_contacts.id",
                "crm_account_contacts.project_id",
                "crm_account_contacts.account_scope_id",
            ],
            name="fk_contact_channel_policies_contact_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("contact_id", "channel"),
    )
    op.create_table(
        "crm_opportunity_stage_events",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(), nullable=False),
        sa.Column("stage", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["opportunity_id", "project_id", "account_scope_id"],
            ["crm_opportunities.id", "crm_opportunities.project_id", "crm_opportunities.account_scope_id"],
            name="fk_crm_opportunity_stage_events_opportunity_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("opportunity_id", "stage", "entered_at", name="uq_crm_opportunity_stage_events"),
    )
    op.create_index(
        "ix_crm_opportunity_stage_events_opportunity",
        "crm_opportunity_stage_events",
        ["opportunity_id", "entered_at"],
        unique=False,
    )
    op.create_table(
        "cw_attachments",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("url", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("source_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("file_type", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("file_name", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("file_size", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_cw_attachments_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id", "project_id", "account_scope_id"],
            ["cw_messages.id", "cw_messages.project_id", "cw_messages.account_scope_id"],
            name="fk_cw_attachments_message_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_cw_attachments_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_cw_attachments_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_cw_attachments_scoped"),
    )
    op.create_table(
        "offers",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("title", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("currency", sqlmodel.sql.sqltypes.AutoString(length=3), nullable=False),
        sa.Column("discount_pct", sa.Numeric(precision=5, scale=2), nullable=False),
        sa.Column("discount_approved_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("send_approved_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status in ('draft', 'pending_approval', 'approved', 'sent', 'signed', 'declined')",
            name="ck_offers_status",
        ),
        sa.ForeignKeyConstraint(
            ["opportunity_id", "project_id", "account_scope_id"],
            ["crm_opportunities.id", "crm_opportunities.project_id", "crm_opportunities.account_scope_id"],
            name="fk_offers_opportunity_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_offers_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_offers_scoped"),
    )
    op.create_index("ix_offers_scope_created", "offers", ["account_scope_id", "created_at"], unique=False)
    op.create_table(
        "outbound_messages",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("subject", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("approved_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('draft', 'approved', 'queued', 'sent', 'failed', 'cancelled')",
            name="ck_outbound_status",
        ),
        sa.ForeignKeyConstraint(
            ["contact_id", "project_id", "account_scope_id"],
            [
                "crm_account_contacts.id",
                "crm_account_contacts.project_id",
                "crm_account_contacts.account_scope_id",
            ],
            name="fk_outbound_messages_contact_id",
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_outbound_messages_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_outbound_messages_scoped"),
    )
    op.create_index(
        "ix_outbound_messages_scope_created",
        "outbound_messages",
        ["account_scope_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "offer_items",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.ForeignKeyConstraint(
            ["offer_id", "project_id", "account_scope_id"],
            ["offers.id", "offers.project_id", "offers.account_scope_id"],
            name="fk_offer_items_offer_id",
            onupdate="CASCADE",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("offer_id", "position"),
    )
    op.execute(_ENSURE_PARTITIONS)
    op.execute("SELECT ensure_audit_partitions(3)")


def downgrade() -> None:
    op.execute("DROP FUNCTION ensure_audit_partitions(integer)")
    op.drop_table("offer_items")
    op.drop_index("ix_outbound_messages_scope_created", table_name="outbound_messages")
    op.drop_table("outbound_messages")
    op.drop_index("ix_offers_scope_created", table_name="offers")
    op.drop_table("offers")
    op.drop_table("cw_attachments")
    op.drop_index("ix_crm_opportunity_stage_events_opportunity", table_name="crm_opportunity_stage_events")
    op.drop_table("crm_opportunity_stage_events")
    op.drop_table("contact_channel_policies")
    op.drop_index("ix_linear_comments_scope_created", table_name="linear_comments")
    op.drop_index("ix_linear_comments_issue", table_name="linear_comments")
    op.drop_table("linear_comments")
    op.drop_index("ix_cw_messages_scope_sent", table_name="cw_messages")
    op.drop_index("ix_cw_messages_project_sent", table_name="cw_messages")
    op.drop_index("ix_cw_messages_conversation", table_name="cw_messages")
    op.drop_index(
        "ix_cw_messages_body_trgm",
        table_name="cw_messages",
        postgresql_using="gin",
        postgresql_ops={"body": "gin_trgm_ops"},
    )
    op.drop_table("cw_messages")
    op.drop_index("ix_crm_opportunities_scope_created", table_name="crm_opportunities")
    op.drop_index("ix_crm_opportunities_project_stage", table_name="crm_opportunities")
    op.drop_table("crm_opportunities")
    op.drop_index("ix_crm_account_contacts_account", table_name="crm_account_contacts")
    op.drop_table("crm_account_contacts")
    op.drop_index("ix_rag_embeddings_project", table_name="rag_embeddings")
    op.drop_index(
        "ix_rag_embeddings_hnsw_e5_small",
        table_name="rag_embeddings",
        postgresql_using="hnsw",
        postgresql_ops={"e5_small": "halfvec_cosine_ops"},
        postgresql_where=sa.text("model_key = 'e5-small-centred'"),
    )
    op.drop_index("ix_rag_embeddings_hash", table_name="rag_embeddings")
    op.drop_table("rag_embeddings")
    op.drop_index(
        "ix_linear_issues_title_trgm",
        table_name="linear_issues",
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops"},
    )
    op.drop_index("ix_linear_issues_scope_created", table_name="linear_issues")
    op.drop_index("ix_linear_issues_project_state", table_name="linear_issues")
    op.drop_index("ix_linear_issues_project_due", table_name="linear_issues")
    op.drop_table("linear_issues")
    op.drop_index("ix_entity_mentions_chunk", table_name="entity_mentions")
    op.drop_table("entity_mentions")
    op.drop_index("ix_cw_conversations_scope_created", table_name="cw_conversations")
    op.drop_index("ix_cw_conversations_project_activity", table_name="cw_conversations")
    op.drop_table("cw_conversations")
    op.drop_index("ix_crm_accounts_scope_created", table_name="crm_accounts")
    op.drop_table("crm_accounts")
    op.drop_index("ix_chunk_sources_record", table_name="chunk_sources")
    op.drop_table("chunk_sources")
    op.drop_table("attio_people")
    op.drop_index("ix_attio_deals_scope_created", table_name="attio_deals")
    op.drop_index("ix_attio_deals_project_stage", table_name="attio_deals")
    op.drop_index(
        "ix_attio_deals_name_trgm",
        table_name="attio_deals",
        postgresql_using="gin",
        postgresql_ops={"name": "gin_trgm_ops"},
    )
    op.drop_table("attio_deals")
    op.drop_table("sync_watermarks")
    op.drop_index("ix_reconciliation_stream", table_name="sync_reconciliation_metrics")
    op.drop_table("sync_reconciliation_metrics")
    op.drop_table("sessions")
    op.drop_index("ix_rag_chunks_tsv", table_name="rag_chunks", postgresql_using="gin")
    op.drop_index("ix_rag_chunks_thread", table_name="rag_chunks")
    op.drop_index("ix_rag_chunks_scope_created", table_name="rag_chunks")
    op.drop_index("ix_rag_chunks_project_group", table_name="rag_chunks")
    op.drop_index("ix_rag_chunks_pending", table_name="rag_chunks")
    op.drop_index(
        "ix_rag_chunks_body_trgm",
        table_name="rag_chunks",
        postgresql_using="gin",
        postgresql_ops={"body": "gin_trgm_ops"},
    )
    op.drop_table("rag_chunks")
    op.drop_table("project_bindings")
    op.drop_table("linear_states")
    op.drop_table("linear_projects")
    op.drop_table("linear_cycles")
    op.drop_index("ix_lightrag_feedback_scope_created", table_name="lightrag_feedback")
    op.drop_table("lightrag_feedback")
    op.drop_table("entities")
    op.drop_table("cw_inboxes")
    op.drop_index("ix_cw_contacts_project_name", table_name="cw_contacts")
    op.drop_table("cw_contacts")
    op.drop_table("connector_sync_state")
    op.drop_index("ix_connector_errors_project", table_name="connector_errors")
    op.drop_index("ix_connector_errors_due", table_name="connector_errors")
    op.drop_table("connector_errors")
    op.drop_index("ix_attio_notes_scope_created", table_name="attio_notes")
    op.drop_index("ix_attio_notes_parent", table_name="attio_notes")
    op.drop_table("attio_notes")
    op.drop_table("attio_companies")
    op.drop_table("vendor_connections")
    op.drop_index(
        "uq_projects_unassigned", table_name="projects", postgresql_where=sa.text("kind = 'unassigned'")
    )
    op.drop_table("projects")
    op.drop_index("ix_lightrag_query_runs_scope_created", table_name="lightrag_query_runs")
    op.drop_table("lightrag_query_runs")
    op.drop_index("ix_job_runs_scope_queued", table_name="job_runs")
    op.drop_index("ix_job_runs_job_queued", table_name="job_runs")
    op.drop_table("job_runs")
    op.drop_table("index_watermarks")
    op.drop_index("ix_audit_events_scope_created", table_name="audit_events")
    op.drop_index("ix_audit_events_entity", table_name="audit_events")
    op.drop_table("audit_events")
    op.drop_table("scheduled_jobs")
    op.drop_index(op.f("ix_job_outbox_dispatched_at"), table_name="job_outbox")
    op.drop_table("job_outbox")
    op.drop_table("embedding_models")
    op.drop_table("account_scopes")
