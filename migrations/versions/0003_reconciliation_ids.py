"""ids of a reconciliation

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLE = "sync_reconciliation_metrics"
_JSON = postgresql.JSONB(astext_type=sa.Text())


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("ids_seen", sa.Integer(), nullable=True))
    op.add_column(_TABLE, sa.Column("error_kind", sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    for name, empty in (("missing_ids", "'{}'"), ("extra_ids", "'[]'"), ("stale_ids", "'[]'")):
        op.add_column(_TABLE, sa.Column(name, _JSON, server_default=sa.text(empty), nullable=False))


def downgrade() -> None:
    for name in ("stale_ids", "extra_ids", "missing_ids", "error_kind", "ids_seen"):
        op.drop_column(_TABLE, name)
