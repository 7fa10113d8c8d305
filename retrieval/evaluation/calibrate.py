"""Fits the support model: from which features on does a ranking answer the question? Development questions only.

Logistic regression with ridge (Hastie, Tibshirani, Friedman: The Elements of Statistical Learning, 4.4). Questions without an
answer are few, so each question also serves twice without one: asked about another client, and with its evidence
hidden. The threshold is the one under which refusing is right most often, questions with and without an answer having equal
say (balanced accuracy), judged on probabilities that are cross-validated by project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from retrieval import pipeline, support
from retrieval.embedding import LOCAL_MODEL_KEY
from retrieval.evaluation.datasets import GoldQuestion
from retrieval.evaluation.world import WorldScope
from retrieval.lexical import LexicalResult
from retrieval.profile import Profile, Support
from retrieval.ranking import RankedChunk
from retrieval.schemas import Query

Matrix = NDArray[np.float64]
# How the ranking came about: the question as it is; about another client; with its evidence taken out.
Case = Literal["answerable", "not_answerable", "elsewhere", "hidden"]

_DEPTH = 50
_RIDGE = 5.0
_STEPS = 30
# The real ones without an answer are few and count most; a hidden answer is often told elsewhere too and counts least.
_WEIGHTS: dict[Case, float] = {"answerable": 1.0, "not_answerable": 6.0, "elsewhere": 0.15, "hidden": 0.05}


@dataclass(frozen=True, slots=True)
class Judged:
    """Features of one ranking, how it came about, and which project its question is about."""

    values: tuple[float, ...]
    case: Case
    project: str


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of a case that a model refuses, 0..1, cross-validated by project."""

    not_answerable: float
    elsewhere: float
    answerable: float


def collect(
    session: Session, world: WorldScope, questions: Sequence[GoldQuestion], profile: Profile
) -> list[Judged]:
    """The judged rankings of the questions."""
    judged: list[Judged] = []
    for place, question in enumerate(questions):
        query = Query(text=question.question, scope=world.of(question), top_k=_DEPTH)
        found = pipeline.search(session, query, profile)
        case: Case = "answerable" if question.answerable else "not_answerable"
        judged.append(_judged(question, found.ranked, found.result.lexical, case))
        if question.answerable:
            others = [
                hit for hit in found.ranked if (hit.chunk.kind, hit.chunk.vendor_id) not in question.evidence
            ]
            judged.append(_judged(question, others, found.result.lexical, "hidden"))
        query = query.model_copy(update={"scope": world.elsewhere(question, place)})
        found = pipeline.search(session, query, profile)
        judged.append(_judged(question, found.ranked, found.result.lexical, "elsewhere"))
    return judged


def fit(judged: Sequence[Judged]) -> tuple[Support, Rates]:
    """The support model of the whole set, its threshold the most balanced one, and what it refuses.

    Raises ValueError unless there are questions with and without an answer.
    """
    chances = cross_validated(judged)
    of_case = {
        case: np.array([chance for chance, item in zip(chances, judged, strict=True) if item.case == case])
        for case in _WEIGHTS
    }
    threshold = balanced(of_case["answerable"], of_case["not_answerable"])
    weights, bias = _fit(judged)
    model = Support(
        weights={
            name: round(float(weight), 4) for name, weight in zip(support.FEATURES, weights, strict=True)
        },
        bias=round(bias, 4),
        threshold=threshold,
        model=LOCAL_MODEL_KEY,
    )
    rates = {case: float((values < threshold).mean()) for case, values in of_case.items()}
    return model, Rates(rates["not_answerable"], rates["elsewhere"], rates["answerable"])


def balanced(answerable: Matrix, not_answerable: Matrix) -> float:
    """The threshold, to three decimals, that keeps the answerable and refuses the others best; in a plateau its middle.

    Raises ValueError when either is missing.
    """
    if not len(answerable) or not len(not_answerable):
        raise ValueError("a threshold needs questions with and without an answer")
    grid = np.arange(1, 1000) / 1000
    kept = (answerable[None, :] >= grid[:, None]).mean(axis=1)
    right = kept + (not_answerable[None, :] < grid[:, None]).mean(axis=1)
    best = np.flatnonzero(right > right.max() - 1e-9)
    # Of several plateaus the first: in doubt a question is answered.
    run = best[: int(np.argmax(np.append(np.diff(best) != 1, True))) + 1]
    return float(grid[run[len(run) // 2]])


def cross_validated(judged: Sequence[Judged]) -> Matrix:
    """The probability of support of each ranking by a model fitted on the other projects' rankings."""
    chances = np.zeros(len(judged))
    for project in sorted({item.project for item in judged}):
        weights, bias = _fit([item for item in judged if item.project != project])
        for place, item in enumerate(judged):
            if item.project == project:
                chances[place] = _logistic(np.dot(weights, item.values) + bias)
    return chances


def _judged(
    question: GoldQuestion, ranked: Sequence[RankedChunk], found: LexicalResult, case: Case
) -> Judged:
    values = support.features(question.question, ranked, found)
    return Judged(tuple(values[name] for name in support.FEATURES), case, question.project)


def _fit(judged: Sequence[Judged]) -> tuple[Matrix, float]:
    raw = np.array([item.values for item in judged])
    mean, scale = raw.mean(axis=0), raw.std(axis=0) + 1e-9
    table = np.hstack([(raw - mean) / scale, np.ones((len(raw), 1))])
    target = np.array([float(item.case == "answerable") for item in judged])
    counts = np.array([_WEIGHTS[item.case] for item in judged])
    ridge = np.diag([_RIDGE] * raw.shape[1] + [1e-3])
    solution = np.zeros(table.shape[1])
    for _ in range(_STEPS):  # Newton's method; it converges in a handful of steps
        chance = _logistic(table @ solution)
        gradient = table.T @ (counts * (chance - target)) + ridge @ solution
        curvature = (table * (counts * chance * (1 - chance))[:, None]).T @ table + ridge
        solution = solution - np.linalg.solve(curvature, gradient)
    weights = solution[:-1] / scale
    return weights, float(solution[-1] - np.dot(weights, mean))


def _logistic(total: Matrix) -> Matrix:
    return 1 / (1 + np.exp(-total))
