"""View models of an answer: its sentences, evidence, sources and quality. What holds for `views` holds here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """One sentence of an answer and the numbers of the citations that support it."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScorePart:
    """One named part of a score, 0..100 (`score.<code>`)."""

    code: str
    value: float


@dataclass(frozen=True, slots=True)
class EvidenceCard:
    """One evidence record. `n` is its citation number, 0 when the answer does not cite it."""

    id: str
    n: int
    source_type: str
    project_name: str
    title: str
    snippet: str
    author: str
    created_at: datetime | None
    url: str
    score: float
    quote: str = ""
    parts: tuple[ScorePart, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceCount:
    """How many evidence records came from one filter group (messages, issues, deals)."""

    source: str
    count: int


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """One connector's copy: how complete (`pct`, None while unknown or never measured) and since when up to date.

    `known_at`: when there was a figure last, while completeness `is_unknown`.
    """

    connector: str
    pct: float | None
    is_unknown: bool = False
    known_at: datetime | None = None
    synced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer, or an honest refusal: then `answerable` is False, `code` names why (`refusal.<code>`) and `sentences` are
    what comes closest. `sources` are the copies that the evidence is from; all that were searched where there is none.
    """

    query_run_id: str
    query: str
    answerable: bool
    sentences: tuple[AnswerSentence, ...]
    evidence: tuple[EvidenceCard, ...]
    stats: tuple[SourceCount, ...]
    quality_score: float
    quality_parts: tuple[ScorePart, ...]
    mode: str
    took_ms: int
    cached: bool = False
    code: str = ""
    params: dict[str, str] = field(default_factory=dict)
    sources: tuple[AnswerSource, ...] = ()
