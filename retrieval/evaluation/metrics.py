"""Measures of a ranking, pure functions of ranked ids and relevant ids, and how sure a mean of them is.

Definitions follow Manning, Raghavan, Schütze: Introduction to Information Retrieval (2008), chapter 8; checked in the tests
against an independent library. Binary relevance throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over questions with its 95 % bootstrap interval, and over how many."""

    mean: float
    low: float
    high: float
    count: int


def recall_at(ranked: Sequence[str], relevant: AbstractSet[str], k: int) -> float:
    """Share of the relevant ids among the first ``k``, 0..1; 0 for a ``k`` under 1.

    Raises ValueError when nothing is relevant.
    """
    if not relevant:
        raise ValueError("recall is not defined without relevant ids")
    return len(set(ranked[: max(k, 0)]) & relevant) / len(relevant)


def reciprocal_rank(ranked: Sequence[str], relevant: AbstractSet[str]) -> float:
    """One over the rank of the first relevant id, 0 when there is none."""
    return next((1 / rank for rank, key in enumerate(ranked, 1) if key in relevant), 0.0)


def ndcg_at(ranked: Sequence[str], relevant: AbstractSet[str], k: int) -> float:
    """Normalised discounted cumulative gain of the first ``k``, 0..1, gain 1 a relevant id; 0 for a ``k`` under 1.

    Raises ValueError when nothing is relevant.
    """
    if not relevant:
        raise ValueError("nDCG is not defined without relevant ids")
    if k < 1:
        return 0.0
    gained = sum(1 / math.log2(rank + 1) for rank, key in enumerate(ranked[:k], 1) if key in relevant)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return gained / ideal


def interval(values: Sequence[float], *, draws: int = 2000, seed: int = 7) -> Interval:
    """The mean with its percentile bootstrap interval (Efron 1979); an empty list gives zeros and count 0."""
    if not values:
        return Interval(0.0, 0.0, 0.0, 0)
    sample = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(sample), size=(draws, len(sample)))
    low, high = np.percentile(sample[picks].mean(axis=1), (2.5, 97.5))
    return Interval(float(sample.mean()), float(low), float(high), len(sample))
