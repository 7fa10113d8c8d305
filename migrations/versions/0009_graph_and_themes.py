"""links between entities, and themes

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import pgvector.sqlalchemy
import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TEXT = sqlmodel.sql.sqltypes.AutoString


def _scope() -> tuple[sa.Column, sa.Column]:
    return (
        sa.Column("account_scope_id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
    )


def _child_key(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column, "project_id", "account_scope_id"],
        [f"{parent}.id", f"{parent}.project_id", f"{parent}.account_scope_id"],
        name=f"fk_{table}_{column}",
        ondelete="CASCADE",
        onupdate="CASCADE",
    )


def upgrade() -> None:
    op.add_column(
        "entities",
        sa.Column("aliases", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_table(
        "entity_links",
        *_scope(),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _TEXT(), nullable=False),
        _child_key("entity_links", "from_id", "entities"),
        _child_key("entity_links", "to_id", "entities"),
        sa.CheckConstraint(
            "kind in ('works_at', 'deal_of', 'involves', 'same_person', 'client', 'assigned', 'owns', 'blocks')",
            name="ck_entity_links_kind",
        ),
        sa.PrimaryKeyConstraint("from_id", "to_id", "kind"),
    )
    op.create_index("ix_entity_links_to", "entity_links", ["to_id"], unique=False)
    op.create_table(
        "rag_themes",
        *_scope(),
        sa.Column("id", sa.Uuid(), server_default=sa.text("uuidv7()"), nullable=False),
        sa.Column("model_key", _TEXT(), nullable=False),
        sa.Column(
            "labels", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("centroid", pgvector.sqlalchemy.HALFVEC(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["model_key"], ["embedding_models.key"]),
        sa.ForeignKeyConstraint(
            ["project_id", "account_scope_id"],
            ["projects.id", "projects.account_scope_id"],
            name="fk_rag_themes_scope",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("id", "project_id", "account_scope_id", name="uq_rag_themes_scoped"),
    )
    op.create_index("ix_rag_themes_project", "rag_themes", ["project_id", "model_key"], unique=False)
    op.create_table(
        "rag_theme_chunks",
        *_scope(),
        sa.Column("theme_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_id", sa.Uuid(), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        _child_key("rag_theme_chunks", "theme_id", "rag_themes"),
        _child_key("rag_theme_chunks", "chunk_id", "rag_chunks"),
        sa.PrimaryKeyConstraint("theme_id", "chunk_id"),
    )
    op.create_index("ix_rag_theme_chunks_chunk", "rag_theme_chunks", ["chunk_id"], unique=False)


def downgrade() -> None:
    op.drop_table("rag_theme_chunks")
    op.drop_table("rag_themes")
    op.drop_table("entity_links")
    op.drop_column("entities", "aliases")
