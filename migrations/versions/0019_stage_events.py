"""A stage event is known by its deal and its instant, and what was read of a deal's past stages is remembered.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TABLE = "crm_opportunity_stage_events"
_KEY = "uq_crm_opportunity_stage_events"


def upgrade() -> None:
    # A renamed stage had left two events of one instant: the one with the newer title stays.
    op.execute(
        f"DELETE FROM {_TABLE} e USING {_TABLE} newer WHERE newer.opportunity_id = e.opportunity_id"
        " AND newer.entered_at = e.entered_at AND newer.id > e.id"
    )
    op.drop_constraint(_KEY, _TABLE)
    op.create_unique_constraint(_KEY, _TABLE, ["opportunity_id", "entered_at"])
    op.add_column("crm_opportunities", sa.Column("history_digest", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("crm_opportunities", "history_digest")
    op.drop_constraint(_KEY, _TABLE)
    op.create_unique_constraint(_KEY, _TABLE, ["opportunity_id", "stage", "entered_at"])
