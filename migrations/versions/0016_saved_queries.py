"""Questions that people keep, and a way to one's own newest questions.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "saved_queries",
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("scope_key", sa.String(), nullable=False),
        sa.Column("saved_by", sa.String(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("query_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint(
            "account_scope_id", "saved_by", "scope_key", "query_key", name="uq_saved_queries_question"
        ),
    )
    op.create_index(
        "ix_lightrag_query_runs_asker",
        "lightrag_query_runs",
        ["account_scope_id", "requested_by", "created_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_lightrag_query_runs_asker", "lightrag_query_runs")
    op.drop_table("saved_queries")
