"""the schema of a vendor account, kept on its connection

Revision ID: 0011
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLE = "vendor_connections"


def upgrade() -> None:
    op.add_column(
        _TABLE,
        sa.Column(
            "schema_cache",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(_TABLE, sa.Column("schema_read_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column(_TABLE, "schema_read_at")
    op.drop_column(_TABLE, "schema_cache")
