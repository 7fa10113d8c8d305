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


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of paired differences with its 95 % interval, and the two-sided p-value of "there is none"."""

    mean: float
    low: float
    high: float
    p_value: float
    count: int


def paired_bootstrap(
    ours: Sequence[float], theirs: Sequence[float], *, draws: int = 5000, seed: int = 7
) -> Difference:
    """How much ``ours`` is above ``theirs``, question by question (Efron 1979; for retrieval: Sakai, SIGIR 2006).

    The interval is the percentile interval of the resampled mean difference. The p-value is the share of resamples, shifted
    to no difference, that are at least as far from 0 as what was seen. Raises ValueError when the lists differ in length; empty
    lists give zeros, p 1 and count 0.
    """
    if len(ours) != len(theirs):
        raise ValueError("paired differences need one value of each for every question")
    if not ours:
        return Difference(0.0, 0.0, 0.0, 1.0, 0)
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    observed = float(differences.mean())
    picks = np.random.default_rng(seed).integers(0, len(differences), size=(draws, len(differences)))
    means = differences[picks].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    # A resample counts as itself too, so that p is never 0 (Davison, Hinkley: Bootstrap Methods, 4.2).
    beyond = int((np.abs(means - observed) >= abs(observed) - 1e-12).sum())
    return Difference(observed, float(low), float(high), (beyond + 1) / (draws + 1), len(differences))


@dataclass(frozen=True, slots=True)
class Refusals:
    """How well refusing works: of the refused questions the share without an answer, of those without one the share refused.

    None where nothing was refused, or nothing should have been.
    """

    precision: float | None
    recall: float | None


def refusals(answered: Sequence[bool], answerable: Sequence[bool]) -> Refusals:
    """Precision and recall of refusing. Raises ValueError when the lists differ in length."""
    pairs = list(zip(answered, answerable, strict=True))
    refused = [has_answer for given, has_answer in pairs if not given]
    hopeless = [given for given, has_answer in pairs if not has_answer]
    return Refusals(
        precision=sum(not has_answer for has_answer in refused) / len(refused) if refused else None,
        recall=sum(not given for given in hopeless) / len(hopeless) if hopeless else None,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
