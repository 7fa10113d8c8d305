"""which version of a conversation its messages are read up to, and its contact's index

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cw_conversations", sa.Column("messages_as_of", sa.DateTime(timezone=True), nullable=True))
    # What is here was read as it was written: nothing is to be read again.
    op.execute("UPDATE cw_conversations SET messages_as_of = synced_at WHERE max_message_id > 0")
    # A page of contacts looks for their conversations: without it the first sync is quadratic.
    op.create_index("ix_cw_conversations_contact", "cw_conversations", ["connection_id", "contact_vendor_id"])


def downgrade() -> None:
    op.drop_index("ix_cw_conversations_contact", table_name="cw_conversations")
    op.drop_column("cw_conversations", "messages_as_of")
