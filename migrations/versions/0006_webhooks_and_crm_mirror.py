"""webhooks and the CRM mirror

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_MIRRORED = ("crm_accounts", "crm_account_contacts", "crm_opportunities")
_STAGED = ("crm_opportunities", "crm_opportunity_stage_events")


def upgrade() -> None:
    op.add_column("vendor_connections", sa.Column("webhook_secret_encrypted", _TEXT(), nullable=True))
    op.create_table(
        "webhook_deliveries",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("key", _TEXT(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        _connection_key("webhook_deliveries"),
        sa.PrimaryKeyConstraint("connection_id", "key"),
    )
    op.create_index("ix_webhook_deliveries_received", "webhook_deliveries", ["connection_id", "received_at"])
    op.create_index("ix_webhook_deliveries_age", "webhook_deliveries", ["received_at"])
    op.create_table(
        "record_hints",
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("stream", _TEXT(), nullable=False),
        sa.Column("vendor_id", _TEXT(), nullable=False),
        sa.Column("parent", _TEXT(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        _connection_key("record_hints"),
        sa.PrimaryKeyConstraint("connection_id", "stream", "vendor_id"),
    )
    op.create_index("ix_record_hints_asked", "record_hints", ["connection_id", "asked_at"])
    for table in _MIRRORED:
        op.add_column(table, sa.Column("connection_id", sa.Uuid(), nullable=True))
        op.add_column(table, sa.Column("vendor_id", _TEXT(), nullable=True))
        op.add_column(table, sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
        op.create_unique_constraint(f"uq_{table}_vendor", table, ["connection_id", "vendor_id"])
        op.create_foreign_key(
            f"fk_{table}_connection",
            table,
            "vendor_connections",
            ["connection_id", "account_scope_id"],
            ["id", "account_scope_id"],
            ondelete="CASCADE",
        )
    for table in _STAGED:
        op.add_column(table, sa.Column("vendor_stage", _TEXT(), nullable=True))
    op.add_column("crm_opportunities", sa.Column("history_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("crm_opportunities", "history_until")
    for table in reversed(_STAGED):
        op.drop_column(table, "vendor_stage")
    for table in reversed(_MIRRORED):
        op.drop_constraint(f"fk_{table}_connection", table, type_="foreignkey")
        op.drop_constraint(f"uq_{table}_vendor", table, type_="unique")
        for name in ("deleted_at", "vendor_id", "connection_id"):
            op.drop_column(table, name)
    op.drop_table("record_hints")
    op.drop_table("webhook_deliveries")
    op.drop_column("vendor_connections", "webhook_secret_encrypted")


def _connection_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["connection_id", "account_scope_id"],
        ["vendor_connections.id", "vendor_connections.account_scope_id"],
        name=f"fk_{table}_connection",
        ondelete="CASCADE",
    )
