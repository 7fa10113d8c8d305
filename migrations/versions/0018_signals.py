"""Signals and next best actions, agreements, and how far messages are read for them.

Revision ID: 0018
Revises: 0017
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_SUBJECTS = {
    "message": "cw_messages",
    "conversation": "cw_conversations",
    "issue": "linear_issues",
    "deal": "attio_deals",
}
_KINDS = (
    "complaint", "payment_trouble", "price_pressure", "deadline_pressure", "scope_growth", "upsell_intent", "churn_hint",
    "praise", "overdue_work", "blocked_work", "waiting_reply", "client_silent", "deal_without_next_step", "deal_past_close",
)  # fmt: skip
_ACTIONS = (
    "call_client", "clarify_payment", "discuss_price", "confirm_date", "estimate_change", "prepare_offer", "save_client",
    "ask_reference", "replan_issue", "unblock_issue", "reply_now", "check_in", "plan_next_step", "update_close_date",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "signals",
        *_scoped("signals"),
        sa.Column("kind", sa.String(), nullable=False),
        *(sa.Column(f"{subject}_id", sa.Uuid(), nullable=True) for subject in _SUBJECTS),
        sa.Column(
            "subject_id",
            sa.Uuid(),
            sa.Computed("coalesce(message_id, conversation_id, issue_id, deal_id)", persisted=True),
        ),
        sa.Column("occurrence", sa.String(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("params", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("evidence", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        *_decided(),
        _now("occurred_at"),
        _now("created_at"),
        _now("updated_at"),
        *(_child_key("signals", f"{subject}_id", table) for subject, table in _SUBJECTS.items()),
        sa.UniqueConstraint("kind", "subject_id", "occurrence", name="uq_signals_event"),
        sa.CheckConstraint(_one_of("kind", _KINDS), name="ck_signals_kind"),
        sa.CheckConstraint(
            _one_of("status", ("proposed", "accepted", "dismissed")), name="ck_signals_status"
        ),
        sa.CheckConstraint("severity between 1 and 5", name="ck_signals_severity"),
        sa.CheckConstraint("confidence between 0 and 1", name="ck_signals_confidence"),
        sa.CheckConstraint("jsonb_array_length(evidence) > 0", name="ck_signals_evidence"),
        sa.CheckConstraint(
            "num_nonnulls(message_id, conversation_id, issue_id, deal_id) = 1", name="ck_signals_subject"
        ),
    )
    op.create_index("ix_signals_project_occurred", "signals", ["project_id", "occurred_at", "id"])
    op.create_index("ix_signals_scope_created", "signals", ["account_scope_id", "created_at"])
    op.create_index("ix_signals_scope_status", "signals", ["account_scope_id", "status", "kind"])
    for subject in _SUBJECTS:
        op.create_index(f"ix_signals_{subject}", "signals", [f"{subject}_id"])
    op.create_table(
        "next_best_actions",
        *_scoped("next_best_actions"),
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("params", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        *_decided(),
        _now("created_at"),
        _now("updated_at"),
        _child_key("next_best_actions", "signal_id", "signals"),
        sa.UniqueConstraint("signal_id", "action", name="uq_next_best_actions_signal"),
        sa.CheckConstraint(_one_of("action", _ACTIONS), name="ck_next_best_actions_action"),
        sa.CheckConstraint(
            _one_of("status", ("open", "done", "dismissed")), name="ck_next_best_actions_status"
        ),
    )
    op.create_index("ix_next_best_actions_project_due", "next_best_actions", ["project_id", "due_on", "id"])
    op.create_index(
        "ix_next_best_actions_scope_created", "next_best_actions", ["account_scope_id", "created_at"]
    )
    _agreements()
    op.create_table(
        "message_scans",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("reader", sa.String(), nullable=False),
        sa.Column("rules", sa.String(), nullable=False),
        sa.Column("read_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_to_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_scope_id", "reader"),
    )


def downgrade() -> None:
    op.drop_table("message_scans")
    op.drop_table("agreements")
    op.drop_table("next_best_actions")
    op.drop_table("signals")


def _agreements() -> None:
    op.create_table(
        "agreements",
        *_scoped("agreements"),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("promise_key", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("evidence", JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        *_decided(),
        _now("promised_at"),
        _now("created_at"),
        _now("updated_at"),
        _child_key("agreements", "message_id", "cw_messages"),
        sa.UniqueConstraint("message_id", "promise_key", name="uq_agreements_promise"),
        sa.CheckConstraint(_one_of("side", ("studio", "client")), name="ck_agreements_side"),
        sa.CheckConstraint(_one_of("status", ("open", "kept", "broken")), name="ck_agreements_status"),
        sa.CheckConstraint("jsonb_array_length(evidence) > 0", name="ck_agreements_evidence"),
    )
    op.create_index("ix_agreements_project_due", "agreements", ["project_id", "due_on", "id"])
    op.create_index("ix_agreements_scope_due", "agreements", ["account_scope_id", "due_on"])
    op.create_index("ix_agreements_scope_created", "agreements", ["account_scope_id", "created_at"])


def _scoped(table: str) -> tuple[Any, ...]:
    return (
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name=f"uq_{table}_scoped"),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name=f"fk_{table}_scope",
            ondelete="CASCADE",
        ),
    )


def _decided() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
    )


def _child_key(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column, "project_id", "account_scope_id"],
        [f"{parent}.id", f"{parent}.project_id", f"{parent}.account_scope_id"],
        name=f"fk_{table}_{column}",
        ondelete="CASCADE",
        onupdate="CASCADE",
    )


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} in ({', '.join(repr(each) for each in values)})"


def _now(name: str) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
