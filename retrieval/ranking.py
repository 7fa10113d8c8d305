"""Candidates become a ranking: fusion of both scores, then what the neighbourhood and the named entities add.

Pure. Everything is in units of the fused score, whose vector part is a centred cosine and whose lexical part is the share
of the question's weight that the chunk covers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from retrieval import fusion
from retrieval.names import NameMatch
from retrieval.profile import Profile
from retrieval.store import StoredChunk

# Evidence loses half of its freshness in this many days.
_HALF_LIFE_DAYS = 45.0


@dataclass(frozen=True, slots=True)
class Signals:
    """What the two searches say about the chunks they found: cosine (-1..1) and coverage (0..1) by chunk id."""

    similarity: Mapping[UUID, float]
    coverage: Mapping[UUID, float]


@dataclass(frozen=True, slots=True)
class RankedChunk:
    """A chunk with its final score and the parts it is made of."""

    chunk: StoredChunk
    score: float
    similarity: float
    coverage: float


def fuse(signals: Signals, profile: Profile) -> dict[UUID, float]:
    """The fused score of every candidate by the profile's method."""
    settings = profile.fusion
    coverage = {key: value for key, value in signals.coverage.items() if value >= settings.min_coverage}
    weights = (settings.vector_weight, settings.lexical_weight)
    if settings.method == "rrf":
        lists = [[key for key, _ in fusion.ranked(scores)] for scores in (signals.similarity, coverage)]
        return fusion.reciprocal_rank(lists, weights, settings.rrf_k)
    positive = {key: max(value, 0.0) for key, value in signals.similarity.items()}
    return fusion.weighted_sum((positive, coverage), weights)


def rank(
    chunks: Mapping[UUID, StoredChunk],
    signals: Signals,
    names: NameMatch,
    profile: Profile,
    now: datetime,
    *,
    portfolio: bool,
) -> list[RankedChunk]:
    """The best chunk of every record, best first.

    ``portfolio`` says that several projects are searched, so that a named client is worth following.
    """
    fused = {key: score for key, score in fuse(signals, profile).items() if key in chunks}
    pool = dict(fusion.ranked(fused)[: profile.candidates.pool])
    boosts = profile.boosts
    support = fusion.thread_support(pool, {key: chunks[key].thread_id for key in pool})
    scored: dict[UUID, float] = {}
    for key, score in pool.items():
        chunk = chunks[key]
        total = score + boosts.thread * support[key]
        if portfolio:
            total += boosts.project * names.projects.get(chunk.project_id, 0.0)
        if boosts.person:
            total += boosts.person * _person_share(chunk, names.people)
        if boosts.freshness:
            total += boosts.freshness * freshness(chunk.source_time, now)
        scored[key] = total
    best: dict[str, RankedChunk] = {}
    for key, score in fusion.ranked(scored):
        chunk = chunks[key]
        if chunk.evidence_id not in best:
            best[chunk.evidence_id] = RankedChunk(
                chunk, score, signals.similarity.get(key, 0.0), signals.coverage.get(key, 0.0)
            )
    return list(best.values())


def freshness(moment: datetime | None, now: datetime) -> float:
    """1 for now and the future, halved every 45 days, 0 when the time is unknown."""
    if moment is None:
        return 0.0
    days = max((now - moment).total_seconds() / 86_400, 0.0)
    return math.exp2(-days / _HALF_LIFE_DAYS)


def top_ids(lists: Sequence[Iterable[UUID]], limits: Sequence[int]) -> list[UUID]:
    """The first ids of every list, each once, in order of appearance."""
    kept: dict[UUID, None] = {}
    for ids, limit in zip(lists, limits, strict=True):
        for count, key in enumerate(ids):
            if count == limit:
                break
            kept[key] = None
    return list(kept)


def _person_share(chunk: StoredChunk, people: Mapping[str, float]) -> float:
    return max(
        (share for name, share in people.items() if name == chunk.author or name in chunk.header), default=0.0
    )
