"""Retrieval tables: chunks and their sources, embeddings per model, entities, query runs, feedback."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Index,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlmodel import Field, SQLModel

from models.tables.base import Scoped, child_key, id_field, json_field, scope_key, scoped_unique, time_field


class Chunk(Scoped, table=True):
    """A piece of source text that retrieval works on. ``header`` is template-made context."""

    __tablename__: ClassVar[Any] = "rag_chunks"
    __table_args__ = (
        scope_key("rag_chunks"),
        scoped_unique("rag_chunks"),
        UniqueConstraint("connection_id", "chunk_key", name="uq_rag_chunks_key"),
        CheckConstraint(
            "status in ('pending', 'processing', 'ready', 'failed')", name="ck_rag_chunks_status"
        ),
        CheckConstraint("source_group in ('messages', 'issues', 'deals')", name="ck_rag_chunks_group"),
        CheckConstraint(
            "kind in ('message', 'issue', 'comment', 'deal', 'note', 'company')", name="ck_rag_chunks_kind"
        ),
        Index("ix_rag_chunks_project_group", "project_id", "source_group", "source_time"),
        Index("ix_rag_chunks_scope_created", "account_scope_id", "created_at"),
        Index("ix_rag_chunks_pending", "status", "source_time"),
        Index("ix_rag_chunks_thread", "thread_id"),
        Index("ix_rag_chunks_tsv", "tsv", postgresql_using="gin"),
        Index(
            "ix_rag_chunks_body_trgm", "body", postgresql_using="gin", postgresql_ops={"body": "gin_trgm_ops"}
        ),
    )

    id: UUID = id_field()
    connection_id: UUID
    chunk_key: str = Field(description="Stable name of the chunk inside its connection, e.g. message:123")
    source_group: str
    kind: str = Field(description="Type of the record the chunk is made of")
    thread_id: UUID = Field(
        description="Conversation, issue, deal or company whose chunks are rebuilt together"
    )
    part: int = Field(default=0, description="Counts the chunks of one long record from 0")
    title: str = ""
    header: str = Field(default="", sa_type=Text)
    context: str = Field(
        default="", sa_type=Text, description="What came just before; searched, never quoted"
    )
    body: str = Field(sa_type=Text)
    author: str | None = None
    lang: str = Field(default="en", max_length=2)
    content_hash: str
    source_time: dt.datetime | None = time_field()
    status: str = Field(default="pending")
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    error: str | None = None
    claimed_at: dt.datetime | None = time_field()
    created_at: dt.datetime = time_field(required=True)
    updated_at: dt.datetime = time_field(required=True)
    tsv: str | None = Field(
        default=None,
        sa_column=Column(
            TSVECTOR,
            # The 'russian' configuration stems English words too, so one vector serves both languages.
            Computed(
                # Weights tell own words (A), the title (B), the header (C) and what came before (D) apart.
                "setweight(to_tsvector('russian', body), 'A') || setweight(to_tsvector('russian', title), 'B')"
                " || setweight(to_tsvector('russian', header), 'C') || setweight(to_tsvector('russian', context), 'D')",
                persisted=True,
            ),
        ),
    )


class ChunkSource(Scoped, table=True):
    """Which vendor record a part of a chunk comes from; relevance is judged per record."""

    __tablename__: ClassVar[Any] = "chunk_sources"
    __table_args__ = (
        PrimaryKeyConstraint("chunk_id", "position"),
        child_key("chunk_sources", "chunk_id", "rag_chunks"),
        Index("ix_chunk_sources_record", "record_id"),
        CheckConstraint(
            "source_type in ('message', 'issue', 'comment', 'deal', 'note', 'company')",
            name="ck_chunk_sources_type",
        ),
    )

    chunk_id: UUID
    position: int
    source_type: str
    record_id: UUID
    vendor_id: str
    span_start: int
    span_end: int


class LexiconEntry(SQLModel, table=True):
    """A word of a scope's texts with its vector: how search finds words of the same meaning, in both languages."""

    __tablename__: ClassVar[Any] = "rag_lexicon"
    __table_args__ = (PrimaryKeyConstraint("account_scope_id", "stem"),)

    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    stem: str
    word: str = Field(description="The form that was seen first; its stem is the key")
    model_key: str
    embedding: Any = Field(sa_column=Column(HALFVEC(512), nullable=False))
    created_at: dt.datetime = time_field(required=True)


class EmbeddingModel(SQLModel, table=True):
    """An embedding model that vectors were made with."""

    __tablename__: ClassVar[Any] = "embedding_models"

    key: str = Field(primary_key=True)
    provider: str
    dimension: int
    created_at: dt.datetime = time_field(required=True)


class Embedding(Scoped, table=True):
    """The vector of a chunk by one model. One partial HNSW index per model key."""

    __tablename__: ClassVar[Any] = "rag_embeddings"
    __table_args__ = (
        PrimaryKeyConstraint("chunk_id", "model_key"),
        child_key("rag_embeddings", "chunk_id", "rag_chunks"),
        Index("ix_rag_embeddings_project", "project_id", "model_key"),
        Index("ix_rag_embeddings_hash", "model_key", "content_hash"),
        Index(
            "ix_rag_embeddings_hnsw_e5_small",
            literal_column("(embedding::halfvec(384))").label("e5_small"),
            postgresql_using="hnsw",
            postgresql_ops={"e5_small": "halfvec_cosine_ops"},
            postgresql_where=text("model_key = 'e5-small-centred'"),
        ),
    )

    chunk_id: UUID
    model_key: str = Field(foreign_key="embedding_models.key")
    embedding: Any = Field(sa_column=Column(HALFVEC(), nullable=False))
    content_hash: str
    created_at: dt.datetime = time_field(required=True)


class IndexWatermark(SQLModel, table=True):
    """Up to which ``synced_at`` the rows of one raw table are in the index of a scope."""

    __tablename__: ClassVar[Any] = "index_watermarks"
    __table_args__ = (PrimaryKeyConstraint("account_scope_id", "source"),)

    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    source: str = Field(description="Name of the raw table")
    synced_at: dt.datetime = time_field(required=True)


class Entity(Scoped, table=True):
    """A person, company, project, issue or deal that texts mention."""

    __tablename__: ClassVar[Any] = "entities"
    __table_args__ = (
        scope_key("entities"),
        scoped_unique("entities"),
        UniqueConstraint("project_id", "kind", "record_id", name="uq_entities_record"),
    )

    id: UUID = id_field()
    kind: str
    name: str
    aliases: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(Text),
        sa_column_kwargs={"server_default": text("'{}'")},
        nullable=False,  # pyright: ignore[reportArgumentType]
    )
    record_id: UUID = Field(description="Id of its record; of somebody of the studio, a hash of the name")


class EntityMention(Scoped, table=True):
    """An entity that a chunk names, is by, or belongs to."""

    __tablename__: ClassVar[Any] = "entity_mentions"
    __table_args__ = (
        PrimaryKeyConstraint("entity_id", "chunk_id"),
        child_key("entity_mentions", "entity_id", "entities"),
        child_key("entity_mentions", "chunk_id", "rag_chunks"),
        Index("ix_entity_mentions_chunk", "chunk_id"),
    )

    entity_id: UUID
    chunk_id: UUID
    count: int = 1


class QueryRun(SQLModel, table=True):
    """The log row of one question: what was asked over which projects, what was shown, how long it took."""

    __tablename__: ClassVar[Any] = "lightrag_query_runs"
    __table_args__ = (
        Index("ix_lightrag_query_runs_scope_created", "account_scope_id", "created_at"),
        Index("ix_lightrag_query_runs_asker", "account_scope_id", "requested_by", "created_at"),
    )

    id: UUID = id_field()
    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    project_ids: list[str] = Field(default_factory=list, sa_type=JSONB, nullable=False)
    query: str = Field(sa_type=Text)
    mode: str
    profile: str
    parameters: dict[str, Any] = json_field()
    answerable: bool
    answer: str = Field(default="", sa_type=Text)
    hits: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB, nullable=False)
    quality_score: float
    cached: bool = False
    took_ms: float
    request_id: str | None = None
    requested_by: str | None = None
    created_at: dt.datetime = time_field(required=True)


class Feedback(SQLModel, table=True):
    """A vote on one query run; a later vote replaces the earlier one."""

    __tablename__: ClassVar[Any] = "lightrag_feedback"
    __table_args__ = (
        CheckConstraint("rating in ('up', 'down')", name="ck_lightrag_feedback_rating"),
        Index("ix_lightrag_feedback_scope_created", "account_scope_id", "created_at"),
    )

    id: UUID = id_field()
    query_run_id: UUID = Field(foreign_key="lightrag_query_runs.id", ondelete="CASCADE", unique=True)
    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    rating: str
    comment: str | None = Field(default=None, sa_type=Text)
    evidence: list[str] | None = Field(
        default=None,
        sa_column=Column(JSONB(none_as_null=True)),
        description="Evidence ids that would have been right, named by an analyst; empty: nothing answers it",
    )
    created_by: str | None = None
    created_at: dt.datetime = time_field(required=True)


class SavedQuery(SQLModel, table=True):
    """A question that somebody keeps, over the projects it was kept for."""

    __tablename__: ClassVar[Any] = "saved_queries"
    __table_args__ = (
        UniqueConstraint(
            "account_scope_id", "saved_by", "scope_key", "query_key", name="uq_saved_queries_question"
        ),
    )

    id: UUID = id_field()
    account_scope_id: UUID = Field(foreign_key="account_scopes.id", ondelete="CASCADE")
    project_ids: list[str] = Field(default_factory=list, sa_type=JSONB, nullable=False)
    scope_key: str = Field(description="Names the set of projects: `Scope.key`")
    saved_by: str
    query: str = Field(sa_type=Text)
    query_key: str = Field(description="SHA-256 of the question without case: the same question is kept once")
    created_at: dt.datetime = time_field(required=True)
