"""Right evidence beside a thumbs-down, and statistics of how common each word is.

Revision ID: 0015
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "lightrag_feedback",
        sa.Column("evidence", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    )
    # Ten times the target is how many words Postgres keeps the frequency of: search reads it to start from the rarest.
    op.execute("ALTER TABLE rag_chunks ALTER COLUMN tsv SET STATISTICS 1000")


def downgrade() -> None:
    op.execute("ALTER TABLE rag_chunks ALTER COLUMN tsv SET STATISTICS DEFAULT")
    op.drop_column("lightrag_feedback", "evidence")
