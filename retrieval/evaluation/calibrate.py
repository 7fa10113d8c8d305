"""Fits the support model: from which features on does a ranking answer the question? Development questions only.

Logistic regression with ridge (Hastie, Tibshirani, Friedman: The Elements of Statistical Learning, 4.4). Questions without an
answer are few, so each answerable one also serves as a near miss: the same ranking with its evidence taken out. The
threshold is the highest one that wrongly refuses at most a given share of answerable questions, judged on probabilities
that are cross-validated by project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from retrieval import pipeline, support
from retrieval.evaluation.datasets import GoldQuestion
from retrieval.evaluation.world import WorldScope
from retrieval.lexical import LexicalResult
from retrieval.profile import Profile, Support
from retrieval.ranking import RankedChunk
from retrieval.schemas import Query

Matrix = NDArray[np.float64]
_DEPTH = 50
_RIDGE = 1.0
_STEPS = 60
_NEAR_MISS_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """Features of one ranking, whether it holds an answer, how much it counts, and which project it is about."""

    values: tuple[float, ...]
    supported: bool
    weight: float
    project: str
    asked: bool


def collect(
    session: Session, world: WorldScope, questions: Sequence[GoldQuestion], profile: Profile
) -> list[Judged]:
    """The judged rankings of the questions, near misses among them."""
    judged: list[Judged] = []
    for question in questions:
        found = pipeline.search(
            session, Query(text=question.question, scope=world.of(question), top_k=_DEPTH), profile
        )
        judged.append(_judged(question, found.ranked, found.result.lexical, asked=True))
        if question.answerable:
            others = [
                hit for hit in found.ranked if (hit.chunk.kind, hit.chunk.vendor_id) not in question.evidence
            ]
            judged.append(_judged(question, others, found.result.lexical, asked=False))
    return judged


def _judged(
    question: GoldQuestion, ranked: Sequence[RankedChunk], found: LexicalResult, *, asked: bool
) -> Judged:
    values = support.features(ranked, found)
    return Judged(
        tuple(values[name] for name in support.FEATURES),
        supported=asked and question.answerable,
        weight=1.0 if asked else _NEAR_MISS_WEIGHT,
        project=question.project,
        asked=asked,
    )


def fit(judged: Sequence[Judged], *, wrongly_refused: float = 0.2) -> Support:
    """The support model of the whole set, its threshold from cross-validated probabilities."""
    chances = cross_validated(judged)
    answerable = np.array([chances[i] for i, item in enumerate(judged) if item.asked and item.supported])
    threshold = float(np.quantile(answerable, wrongly_refused))
    weights, bias = _fit(judged)
    return Support(
        names=support.FEATURES,
        weights=tuple(round(float(weight), 4) for weight in weights),
        bias=round(bias, 4),
        threshold=round(threshold, 3),
    )


def cross_validated(judged: Sequence[Judged]) -> Matrix:
    """The probability of support of each ranking by a model fitted on the other projects' rankings."""
    chances = np.zeros(len(judged))
    for project in sorted({item.project for item in judged}):
        weights, bias = _fit([item for item in judged if item.project != project])
        for place, item in enumerate(judged):
            if item.project == project:
                chances[place] = 1 / (1 + np.exp(-(np.dot(weights, item.values) + bias)))
    return chances


def _fit(judged: Sequence[Judged]) -> tuple[Matrix, float]:
    raw = np.array([item.values for item in judged])
    mean, scale = raw.mean(axis=0), raw.std(axis=0) + 1e-9
    table = np.hstack([(raw - mean) / scale, np.ones((len(raw), 1))])
    target = np.array([float(item.supported) for item in judged])
    counts = np.array([item.weight for item in judged])
    ridge = np.diag([_RIDGE] * raw.shape[1] + [0.0])
    solution = np.zeros(table.shape[1])
    for _ in range(_STEPS):  # Newton's method; it converges in a handful of steps
        chance = 1 / (1 + np.exp(-(table @ solution)))
        gradient = table.T @ (counts * (chance - target)) + ridge @ solution
        curvature = (table * (counts * chance * (1 - chance))[:, None]).T @ table + ridge
        solution = solution - np.linalg.solve(curvature, gradient)
    weights = solution[:-1] / scale
    return weights, float(solution[-1] - np.dot(weights, mean))
