"""What goes into retrieval and what comes out: frozen values shared with services, API and evaluation.

Owns the shapes of product language (query, evidence, citation, chunk, answer). Knows no SQL, no vendor and no web.
Generated sentences travel as ``code`` and ``params``; ``answer.render`` turns them into a reader's language.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from models.infra.scope import Scope

Lang = Literal["en", "ru"]
SourceType = Literal["message", "issue", "comment", "deal", "note", "company"]
SourceGroup = Literal["messages", "issues", "deals"]
# ``vector`` is the older name of ``naive``.
Mode = Literal["hybrid", "naive", "local", "global", "mix", "vector", "lexical"]

SOURCE_GROUPS: tuple[SourceGroup, ...] = ("messages", "issues", "deals")
GROUP_OF: dict[SourceType, SourceGroup] = {
    "message": "messages",
    "issue": "issues",
    "comment": "issues",
    "deal": "deals",
    "note": "deals",
    "company": "deals",
}

MAX_QUERY_CHARS = 4000


class Frozen(BaseModel):
    """Base of all values here: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Query(Frozen):
    """One question inside a scope.

    ``date_from`` and ``date_to`` bound the evidence's own time, both inclusive, and must carry a zone.
    ``as_of`` asks what was known at that moment: a record written or changed since is not seen, as its earlier text is not
    kept. ``lang`` is the language of the answer; left out, it is the question's.
    """

    text: str = Field(min_length=1, max_length=MAX_QUERY_CHARS)
    scope: Scope
    top_k: int = Field(default=10, ge=1, le=50)
    source_limit: int = Field(default=8, ge=1, le=25)
    source_filter: tuple[SourceGroup, ...] | None = None
    mode: Mode = "hybrid"
    date_from: datetime | None = None
    date_to: datetime | None = None
    as_of: datetime | None = None
    lang: Lang | None = None

    @field_validator("text")
    @classmethod
    def _text_has_content(cls, value: str) -> str:
        cleaned = clean_text(value).strip()
        if not cleaned:
            raise ValueError("the question is empty")
        return cleaned

    @model_validator(mode="after")
    def _dates_are_ordered_and_zoned(self) -> Query:
        for bound in (self.date_from, self.date_to, self.as_of):
            if bound is not None and bound.tzinfo is None:
                raise ValueError("dates need a time zone")
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise ValueError("date_from is after date_to")
        return self


class Evidence(Frozen):
    """One live vendor record that supports (or was considered for) an answer; ``id`` is ``type:record uuid``."""

    id: str
    source_type: SourceType
    source_id: str
    project_id: UUID
    title: str
    snippet: str
    author: str | None
    created_at: datetime | None
    url: str | None
    score: float


class Citation(Frozen):
    """``[n]`` in the answer: the evidence it points to and the words taken from it."""

    n: int
    evidence_id: str
    quote: str


class ChunkHit(Frozen):
    """A piece of text that matched, and the evidence record it belongs to."""

    id: UUID
    evidence_id: str
    text: str
    score: float


class Stats(Frozen):
    """How many chunks were ranked and how many evidence records of each group came out."""

    chunks: int = 0
    messages: int = 0
    issues: int = 0
    deals: int = 0


class SourceCompleteness(Frozen):
    """How complete the copy of one connector is (per cent), when it was brought up to date, and how old it was (seconds)
    when the answer was computed.

    ``pct`` is None while completeness ``is_unknown`` (``known_at``: when there was a figure last) or was never measured.
    """

    pct: float | None = None
    age_s: int | None = None
    synced_at: datetime | None = None
    is_unknown: bool = False
    known_at: datetime | None = None


class Answer(Frozen):
    """The answer to a query with everything it rests on.

    ``answerable`` is False when the evidence does not support an answer; ``code`` and ``params`` then say what was
    searched. ``retrieval.answer.render(answer, lang)`` gives the text in either language; ``answer`` holds it in ``lang``.
    """

    query: str
    answer: str
    answerable: bool
    code: str
    params: dict[str, JsonValue] = Field(default_factory=dict)
    lang: Lang
    citations: tuple[Citation, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    chunks: tuple[ChunkHit, ...] = ()
    stats: Stats = Stats()
    quality_score: int = Field(default=0, ge=0, le=100)
    quality_parts: dict[str, float] = Field(default_factory=dict)
    source_diversity: float = 0.0
    completeness: dict[str, SourceCompleteness] = Field(default_factory=dict)
    query_run_id: UUID
    cached: bool = False
    mode: Mode
    took_ms: float


class RetrievalStatus(Frozen):
    """State of the index of a scope: chunks by status and by group, vectors of the active model, coverage 0..1."""

    chunks: dict[str, int]
    sources: dict[str, int]
    embedded: int
    embeddable: int
    coverage: float
    model_key: str


def clean_text(text: str) -> str:
    """The text without NUL and lone surrogates, which neither Postgres nor the embedding model accepts."""
    return text.replace("\x00", " ").encode("utf-8", "ignore").decode("utf-8")
