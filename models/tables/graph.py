"""The graph beside the chunks: how entities belong together, and the themes that chunks fall into.

``Entity`` and ``EntityMention`` are in ``retrieval``. Everything here is derived and made again by indexing.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint
from sqlmodel import Field

from models.tables.base import (
    Scoped,
    child_key,
    id_field,
    json_field,
    scope_key,
    scoped_unique,
    time_field,
)


class EntityLink(Scoped, table=True):
    """Two entities of one project that belong together: a person works at a company, a deal is a company's …"""

    __tablename__: ClassVar[Any] = "entity_links"
    __table_args__ = (
        PrimaryKeyConstraint("from_id", "to_id", "kind"),
        child_key("entity_links", "from_id", "entities"),
        child_key("entity_links", "to_id", "entities"),
        CheckConstraint(
            "kind in ('works_at', 'deal_of', 'involves', 'same_person', 'client', 'assigned', 'owns', 'blocks')",
            name="ck_entity_links_kind",
        ),
        Index("ix_entity_links_to", "to_id"),
    )

    from_id: UUID
    to_id: UUID
    kind: str


class Theme(Scoped, table=True):
    """A topic of a project: chunks whose vectors lie together, and the words that tell them from the rest."""

    __tablename__: ClassVar[Any] = "rag_themes"
    __table_args__ = (
        scope_key("rag_themes"),
        scoped_unique("rag_themes"),
        Index("ix_rag_themes_project", "project_id", "model_key"),
    )

    id: UUID = id_field()
    model_key: str = Field(foreign_key="embedding_models.key")
    labels: dict[str, Any] = json_field()
    size: int = Field(description="Chunks of the theme when it was made")
    centroid: Any = Field(sa_column=Column(HALFVEC(), nullable=False))
    created_at: dt.datetime = time_field(required=True)


class ThemeChunk(Scoped, table=True):
    """A chunk of a theme and how near it is to the theme's centre (cosine)."""

    __tablename__: ClassVar[Any] = "rag_theme_chunks"
    __table_args__ = (
        PrimaryKeyConstraint("theme_id", "chunk_id"),
        child_key("rag_theme_chunks", "theme_id", "rag_themes"),
        child_key("rag_theme_chunks", "chunk_id", "rag_chunks"),
        Index("ix_rag_theme_chunks_chunk", "chunk_id"),
    )

    theme_id: UUID
    chunk_id: UUID
    similarity: float
