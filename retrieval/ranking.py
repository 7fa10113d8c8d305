"""Candidates become a ranking: features of each candidate, weighed by the profile's linear model.

Pure. The two searches speak first (cosine, coverage); a named client, the rest of the thread, and what kind of answer is
wanted decide between what they leave close. The weights are fitted on development questions by
`python -m retrieval.evaluation.tune`; RRF and a plain weighted sum remain for comparison (``fusion``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

import numpy as np

from retrieval import fusion
from retrieval.intent import Intent, commits, read_offers
from retrieval.names import NameMatch
from retrieval.profile import Feature, Fusion, Profile
from retrieval.restated import restated
from retrieval.schemas import Lang, SourceType
from retrieval.store import StoredChunk

# Evidence loses half of its freshness in this many days.
_HALF_LIFE_DAYS = 45.0
# So few candidates tell nothing about what they are taken from.
_FEW = 20
_KINDS: tuple[SourceType, ...] = get_args(SourceType)
# Weighed like the others, but computed from the scores that they make.
RESTATED: Feature = "restated"
FEATURES: tuple[Feature, ...] = tuple(name for name in get_args(Feature) if name != RESTATED)


@dataclass(frozen=True, slots=True)
class Signals:
    """What the searches say about the chunks they found: cosine (-1..1) and coverage (0..1) by chunk id.

    ``linked``: chunks about what the question names (1) or what belongs to that (less, 0..1).
    """

    similarity: Mapping[UUID, float]
    coverage: Mapping[UUID, float]
    linked: Mapping[UUID, float] = field(default_factory=dict[UUID, float])


@dataclass(frozen=True, slots=True)
class Asked:
    """What the question itself tells: the names in it, the answer it wants, whether before all a promise, whether several projects are searched."""

    names: NameMatch
    intent: Intent
    promise: bool
    lang: Lang
    portfolio: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class RankedChunk:
    """A chunk with its final score and the two scores it comes from."""

    chunk: StoredChunk
    score: float
    similarity: float
    coverage: float


def features(
    chunks: Mapping[UUID, StoredChunk], signals: Signals, asked: Asked
) -> dict[UUID, tuple[float, ...]]:
    """The features of every candidate, in the order of ``FEATURES``.

    ``…_rank``: one over five plus the place by that score. ``both``: product of the two. ``thread``: mean of the three
    best sums of both among the thread's other candidates; ``thread_…``: the best of the thread. ``project``: how much of a
    client's name the question holds. ``date`` … ``state``: the question wants it and the text has it; ``commitment``: the
    question asks for a promise, and the studio commits itself to a date; ``linked``: it is about what the question names.
    """
    similarity = {key: max(signals.similarity.get(key, 0.0), 0.0) for key in chunks}
    coverage = {key: signals.coverage.get(key, 0.0) for key in chunks}
    own = {key: similarity[key] + coverage[key] for key in chunks}
    thread_of = {key: chunk.thread_id for key, chunk in chunks.items()}
    support = fusion.thread_support(own, thread_of, decay=1.0)
    by_similarity, by_coverage = _places(similarity), _places(coverage)
    best_similarity, best_coverage = (
        _best_of_thread(similarity, thread_of),
        _best_of_thread(coverage, thread_of),
    )
    made: dict[UUID, tuple[float, ...]] = {}
    for key, chunk in chunks.items():
        near, covered = similarity[key], coverage[key]
        made[key] = (
            near,
            near * near,
            1 / (5 + by_similarity[key]),
            covered,
            math.sqrt(covered),
            1 / (5 + by_coverage[key]) if covered else 0.0,
            near * covered,
            asked.names.projects.get(chunk.project_id, 0.0) if asked.portfolio else 0.0,
            support[key],
            best_similarity[chunk.thread_id],
            best_coverage[chunk.thread_id],
            *_wanted(chunk, asked),
            math.log(max(len(chunk.body), 5)) / 6,
            float(chunk.lang == asked.lang),
            *(float(chunk.kind == kind) for kind in _KINDS if kind != "message"),
            signals.linked.get(key, 0.0),
        )
    return made


def _wanted(chunk: StoredChunk, asked: Asked) -> tuple[float, ...]:
    """From ``date`` to ``freshness``: what the question wants and the text has."""
    wants = asked.intent
    # A text is read only for what the question wants: hundreds of candidates are looked at.
    offers = read_offers(chunk.body, wants)
    return (
        offers.date,
        offers.number,
        offers.person,
        offers.promise,
        wants.promise * float(chunk.from_studio),
        float(asked.promise and chunk.from_studio and commits(chunk.body)),
        wants.state * float(chunk.kind in ("issue", "comment")),
        freshness(chunk.source_time, asked.now) if wants.state else 0.0,
    )


def _places(scores: Mapping[UUID, float]) -> dict[UUID, int]:
    return {key: place for place, (key, _) in enumerate(fusion.ranked(scores))}


def _best_of_thread(scores: Mapping[UUID, float], thread_of: Mapping[UUID, UUID]) -> dict[UUID, float]:
    best: dict[UUID, float] = {}
    for key, score in scores.items():
        thread_id = thread_of[key]
        best[thread_id] = max(best.get(thread_id, 0.0), score)
    return best


def rank(
    chunks: Mapping[UUID, StoredChunk],
    signals: Signals,
    asked: Asked,
    profile: Profile,
    *,
    alone: bool = False,
) -> list[RankedChunk]:
    """The best chunk of every record, best first; what one search found ``alone`` is ordered by its own score."""
    method = profile.fusion.uniform if is_uniform(chunks) else profile.fusion.method
    if method == "linear" and not alone:
        made = features(chunks, signals, asked)
        scores = linear(made, chunks, profile.ranking.weights)
    else:
        plain = "rrf" if method == "rrf" else "weighted"
        scores = {key: score for key, score in fuse(signals, profile.fusion, plain).items() if key in chunks}
    best: dict[str, RankedChunk] = {}
    for key, score in fusion.ranked(scores):
        chunk = chunks[key]
        if chunk.evidence_id not in best:
            best[chunk.evidence_id] = RankedChunk(
                chunk, score, signals.similarity.get(key, 0.0), signals.coverage.get(key, 0.0)
            )
    return list(best.values())


def linear(
    made: Mapping[UUID, tuple[float, ...]],
    chunks: Mapping[UUID, StoredChunk],
    weights: Mapping[Feature, float],
) -> dict[UUID, float]:
    """The score of every candidate: its features weighed, then what it restates of the best of them."""
    if not made:
        return {}
    vector = np.array([weights.get(name, 0.0) for name in FEATURES])
    # Summed row by row and not as a matrix product: equal candidates get equal scores, wherever they stand.
    summed = (np.array(list(made.values())) * vector).sum(axis=1)
    first = dict(zip(made, summed.tolist(), strict=True))
    again = weights.get(RESTATED, 0.0)
    if not again:
        return first
    return {key: first[key] + again * value for key, value in restated(chunks, first).items()}


def is_uniform(chunks: Mapping[UUID, StoredChunk]) -> bool:
    """Whether candidates lack what the linear model weighs: all are of one kind, and each is alone in its thread.

    Pages of a manual are; a client's conversations, issues and deals are not.
    """
    kinds = {chunk.kind for chunk in chunks.values()}
    threads = {(chunk.thread_id, chunk.evidence_id) for chunk in chunks.values()}
    return len(kinds) == 1 and len({thread for thread, _ in threads}) == len(threads) > _FEW


def fuse(signals: Signals, settings: Fusion, method: Literal["weighted", "rrf"]) -> dict[UUID, float]:
    """The fused score of every candidate by RRF or a weighted sum."""
    coverage = {key: value for key, value in signals.coverage.items() if value >= settings.min_coverage}
    weights = (settings.vector_weight, settings.lexical_weight)
    if method == "rrf":
        lists = [[key for key, _ in fusion.ranked(scores)] for scores in (signals.similarity, coverage)]
        return fusion.reciprocal_rank(lists, weights, settings.rrf_k)
    positive = {key: max(value, 0.0) for key, value in signals.similarity.items()}
    return fusion.weighted_sum((positive, coverage), weights)


def freshness(moment: datetime | None, now: datetime) -> float:
    """1 for now and the future, halved every 45 days, 0 when the time is unknown."""
    if moment is None:
        return 0.0
    days = max((now - moment).total_seconds() / 86_400, 0.0)
    return math.exp2(-days / _HALF_LIFE_DAYS)
