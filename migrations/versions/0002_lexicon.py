"""lexicon of word vectors

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import pgvector.sqlalchemy
import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rag_lexicon",
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("stem", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("word", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("model_key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("embedding", pgvector.sqlalchemy.HALFVEC(dim=512), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_scope_id"], ["account_scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_scope_id", "stem"),
    )


def downgrade() -> None:
    op.drop_table("rag_lexicon")
