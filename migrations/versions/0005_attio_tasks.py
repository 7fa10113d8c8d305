"""tasks of Attio

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLE = "attio_tasks"
_TEXT = sqlmodel.sql.sqltypes.AutoString()
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("vendor_id", _TEXT, nullable=False),
        sa.Column("url", _TEXT, nullable=True),
        sa.Column(
            "payload", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("content_hash", _TEXT, nullable=False),
        sa.Column("source_created_at", _TIME, nullable=True),
        sa.Column("source_updated_at", _TIME, nullable=True),
        sa.Column("synced_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", _TIME, nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("deadline_at", _TIME, nullable=True),
        sa.Column("is_completed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("completed_at", _TIME, nullable=True),
        sa.Column(
            "assignee_names", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("linked_object", _TEXT, nullable=True),
        sa.Column("linked_vendor_id", _TEXT, nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id", "account_scope_id"],
            ["vendor_connections.id", "vendor_connections.account_scope_id"],
            name="fk_attio_tasks_connection",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_attio_tasks_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("connection_id", "vendor_id", name="uq_attio_tasks_vendor"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_attio_tasks_scoped"),
    )
    op.create_index("ix_attio_tasks_project_deadline", _TABLE, ["project_id", "deadline_at"])


def downgrade() -> None:
    op.drop_table(_TABLE)
