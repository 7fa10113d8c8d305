"""Two ranked lists become one. Pure functions of scores; every parameter comes from a profile.

Two ways: reciprocal rank fusion (Cormack, Clarke, Büttcher: SIGIR 2009), which looks at ranks only, and a weighted sum
of scores, which keeps how sure each retriever was. The second is the default: rank fusion gives a weak lexical hit in
the wrong language the same say as a strong vector hit.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def ranked(scores: Mapping[Key, float]) -> list[tuple[Key, float]]:
    """The entries by falling score; equal scores keep the order of the mapping."""
    return sorted(scores.items(), key=lambda item: -item[1])


def reciprocal_rank(
    lists: Sequence[Sequence[Key]], weights: Sequence[float], k: float = 60.0
) -> dict[Key, float]:
    """Reciprocal rank fusion: for every key the sum of ``weight / (k + rank)`` over the lists that hold it, rank from 1.

    Raises ValueError when lists and weights differ in number or ``k`` is negative.
    """
    if len(lists) != len(weights):
        raise ValueError("one weight per list")
    if k < 0:
        raise ValueError("k must not be negative")
    fused: dict[Key, float] = {}
    for keys, weight in zip(lists, weights, strict=True):
        for rank, key in enumerate(dict.fromkeys(keys), start=1):
            fused[key] = fused.get(key, 0.0) + weight / (k + rank)
    return fused


def weighted_sum(scores: Sequence[Mapping[Key, float]], weights: Sequence[float]) -> dict[Key, float]:
    """For every key the weighted sum of its scores; a key missing from one mapping counts 0 there.

    Raises ValueError when mappings and weights differ in number.
    """
    if len(scores) != len(weights):
        raise ValueError("one weight per list of scores")
    fused: dict[Key, float] = {}
    for mapping, weight in zip(scores, weights, strict=True):
        for key, score in mapping.items():
            fused[key] = fused.get(key, 0.0) + weight * score
    return fused


def thread_support(
    scores: Mapping[Key, float], thread_of: Mapping[Key, Hashable], decay: float = 0.5
) -> dict[Key, float]:
    """How well the rest of a candidate's thread matches: the best other score there, plus the next ones decayed, 0..max.

    A short reply ("yes, Friday works") is found through the messages around it. A thread with one candidate gives 0.
    """
    by_thread: dict[Hashable, list[tuple[Key, float]]] = {}
    for key, score in ranked(scores):
        by_thread.setdefault(thread_of[key], []).append((key, score))
    support: dict[Key, float] = {}
    for members in by_thread.values():
        # One more than is needed: a member does not support itself.
        best = members[:4]
        for key, _ in members:
            others = [max(score, 0.0) for other, score in best if other != key][:3]
            total = sum(decay**place for place in range(len(others)))
            support[key] = (
                sum(score * decay**place for place, score in enumerate(others)) / total if others else 0.0
            )
    return support
