"""the commercial side: versions, approvals, outbound delivery, money settings, keys of requests made once

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString
_VERSIONED = ("crm_accounts", "crm_account_contacts", "crm_opportunities", "offers", "outbound_messages")
_OLD_STATUSES = "status in ('draft', 'approved', 'queued', 'sent', 'failed', 'cancelled')"
_STATUSES = "status in ('draft', 'queued', 'sending', 'sent', 'failed', 'unknown', 'blocked', 'cancelled')"


def upgrade() -> None:
    for table in _VERSIONED:
        op.add_column(table, sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("crm_accounts", sa.Column("notes", sa.Text(), nullable=True))
    op.add_column("crm_opportunities", sa.Column("notes", sa.Text(), nullable=True))
    op.add_column("crm_opportunities", sa.Column("probability_pct", sa.Numeric(5, 2), nullable=True))
    op.create_index("ix_crm_opportunities_account", "crm_opportunities", ["account_id"])
    op.add_column("crm_opportunity_stage_events", sa.Column("changed_by", _TEXT(), nullable=True))
    for name in ("discount_approved_at", "send_approved_at", "sent_at", "decided_at"):
        op.add_column("offers", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("offers", sa.Column("notes", sa.Text(), nullable=True))
    _outbound()
    op.create_table(
        "stage_probabilities",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("stage", _TEXT(), nullable=False),
        sa.Column("probability_pct", sa.Numeric(5, 2), nullable=False),
        _now("updated_at"),
        _scope_key("stage_probabilities"),
        sa.PrimaryKeyConstraint("account_scope_id", "stage"),
    )
    op.create_table(
        "exchange_rates",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("from_currency", _TEXT(length=3), nullable=False),
        sa.Column("to_currency", _TEXT(length=3), nullable=False),
        sa.Column("valid_on", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(20, 10), nullable=False),
        _now("updated_at"),
        sa.CheckConstraint("from_currency <> to_currency", name="ck_exchange_rates_pair"),
        sa.CheckConstraint("rate > 0", name="ck_exchange_rates_rate"),
        _scope_key("exchange_rates"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "account_scope_id", "from_currency", "to_currency", "valid_on", name="uq_exchange_rates_day"
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("username", _TEXT(), nullable=False),
        sa.Column("route", _TEXT(), nullable=False),
        sa.Column("key", _TEXT(), nullable=False),
        sa.Column("request_hash", _TEXT(), nullable=False),
        sa.Column(
            "answer",
            JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        _now("created_at"),
        _scope_key("idempotency_keys"),
        sa.PrimaryKeyConstraint("account_scope_id", "username", "route", "key"),
    )
    op.create_index("ix_idempotency_keys_created", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    for table in ("idempotency_keys", "exchange_rates", "stage_probabilities"):
        op.drop_table(table)
    op.drop_index("ix_outbound_messages_open", table_name="outbound_messages")
    op.drop_index("ix_outbound_messages_contact", table_name="outbound_messages")
    op.drop_constraint("ck_outbound_status", "outbound_messages", type_="check")
    # What the older table has no word for was not sent for certain.
    op.execute(
        "UPDATE outbound_messages SET status = 'failed' WHERE status IN ('sending', 'unknown', 'blocked')"
    )
    op.create_check_constraint("ck_outbound_status", "outbound_messages", _OLD_STATUSES)
    for name in (
        "approved_at", "address", "written_at", "claimed_at", "sent_via", "reason", "reason_detail", "updated_at",
    ):  # fmt: skip
        op.drop_column("outbound_messages", name)
    for name in ("notes", "decided_at", "sent_at", "send_approved_at", "discount_approved_at"):
        op.drop_column("offers", name)
    op.drop_column("crm_opportunity_stage_events", "changed_by")
    op.drop_index("ix_crm_opportunities_account", table_name="crm_opportunities")
    op.drop_column("crm_opportunities", "probability_pct")
    op.drop_column("crm_opportunities", "notes")
    op.drop_column("crm_accounts", "notes")
    for table in reversed(_VERSIONED):
        op.drop_column(table, "version")


def _outbound() -> None:
    for name in ("approved_at", "claimed_at"):
        op.add_column("outbound_messages", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    for name in ("written_at", "updated_at"):
        op.add_column("outbound_messages", _now(name))
    for name in ("address", "sent_via", "reason", "reason_detail"):
        op.add_column("outbound_messages", sa.Column(name, _TEXT(), nullable=True))
    op.drop_constraint("ck_outbound_status", "outbound_messages", type_="check")
    # An approval of before named no address: it is given again.
    op.execute("UPDATE outbound_messages SET status = 'draft' WHERE status IN ('approved', 'queued')")
    op.create_check_constraint("ck_outbound_status", "outbound_messages", _STATUSES)
    op.create_index("ix_outbound_messages_contact", "outbound_messages", ["contact_id", "sent_at"])
    op.create_index(
        "ix_outbound_messages_open",
        "outbound_messages",
        ["account_scope_id", "approved_at"],
        postgresql_where=sa.text("status in ('queued', 'sending')"),
    )


def _now(name: str) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _scope_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["account_scope_id"], ["account_scopes.id"], name=f"fk_{table}_scope", ondelete="CASCADE"
    )
