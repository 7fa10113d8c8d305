"""Chooses the ranking's weights on development questions: `make tune`. The support model is ``calibrate``'s.

Held-out questions are not read (`datasets.development_questions`). Weights are fitted listwise: for each question the
softmax over its candidates should put its mass on the evidence (Cao et al., ICML 2007), with ridge regularisation, since
there are few questions. The estimate printed is cross-validated by project: each project's questions are ranked by
weights fitted on the other projects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from models.infra.scope import Scope
from models.infra.settings import get_settings
from retrieval import fusion, ranking
from retrieval.embedding import embedding_model
from retrieval.evaluation import metrics
from retrieval.evaluation.datasets import GoldQuestion
from retrieval.filters import Filters
from retrieval.profile import Feature, Profile
from retrieval.restated import restated
from retrieval.retrievers import CandidateSet, HybridRetriever

Matrix = NDArray[np.float64]
_RIDGE = 0.02
_STEPS = 400
_RATE = 0.05


@dataclass(frozen=True, slots=True)
class Example:
    """One development question with its candidates: their features, and which of them are evidence."""

    question: GoldQuestion
    candidates: CandidateSet
    keys: tuple[UUID, ...]
    features: Matrix
    relevant: NDArray[np.bool_]


class Scoped(Protocol):
    """Knows where a question is asked."""

    def of(self, question: GoldQuestion) -> Scope:
        """The question's scope."""
        ...


def collect(
    session: Session, world: Scoped, questions: Sequence[GoldQuestion], profile: Profile
) -> list[Example]:
    """The candidates of every question as the profile's searches find them."""
    model = embedding_model(get_settings())
    examples: list[Example] = []
    for question in questions:
        found = HybridRetriever(session, Filters(world.of(question)), profile, model).candidates(
            question.question
        )
        made = ranking.features(found.chunks, found.signals, found.asked)
        keys = tuple(made)
        relevant = [
            (found.chunks[key].kind, found.chunks[key].vendor_id) in question.evidence for key in keys
        ]
        examples.append(
            Example(
                question,
                found,
                keys,
                np.array([made[key] for key in keys], dtype=np.float64),
                np.array(relevant),
            )
        )
    return examples


def fit_ranking(
    examples: Sequence[Example], names: Sequence[Feature] = ranking.FEATURES
) -> dict[Feature, float]:
    """One weight per feature, scaled so that a cosine counts 1.

    Twice: what restates the best candidates is known only after a first fit has named them.
    """
    columns = [ranking.FEATURES.index(name) for name in names]
    usable = [item for item in examples if item.relevant.any()]
    tables = [item.features[:, columns] for item in usable]
    targets = [item.relevant for item in usable]
    first = _scaled(names, _fit(tables, targets))
    again = [_restated(item, first) for item in usable]
    return _scaled(
        (*names, ranking.RESTATED),
        _fit([np.column_stack(pair) for pair in zip(tables, again, strict=True)], targets),
    )


def _restated(item: Example, weights: Mapping[Feature, float]) -> Matrix:
    vector = np.array([weights.get(name, 0.0) for name in ranking.FEATURES])
    scores = dict(zip(item.keys, (item.features @ vector).tolist(), strict=True))
    found = restated(item.candidates.chunks, scores)
    return np.array([found[key] for key in item.keys])


def _scaled(names: Sequence[Feature], weights: Matrix) -> dict[Feature, float]:
    unit = weights[list(names).index("similarity")] if "similarity" in names else 1.0
    return {name: round(float(weight / unit), 4) for name, weight in zip(names, weights, strict=True)}


def _fit(tables: Sequence[Matrix], targets: Sequence[NDArray[np.bool_]]) -> Matrix:
    scale = np.concatenate(tables).std(axis=0) + 1e-9
    lists = [(table / scale, target / target.sum()) for table, target in zip(tables, targets, strict=True)]
    weights = np.zeros(len(scale))
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, _STEPS + 1):
        gradient = _RIDGE * weights
        for features, target in lists:
            logits = features @ weights
            shares = np.exp(logits - logits.max())
            gradient = gradient + features.T @ (shares / shares.sum() - target) / len(lists)
        # Adam (Kingma, Ba 2015): the features differ in how often they are not zero.
        first = 0.9 * first + 0.1 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        weights = weights - _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
    return weights / scale


def recall(examples: Sequence[Example], weights: Mapping[Feature, float], k: int = 10) -> list[float]:
    """Recall at ``k`` of every answerable example under these weights."""
    values: list[float] = []
    for item in examples:
        if not item.question.answerable:
            continue
        made = {key: tuple(row) for key, row in zip(item.keys, item.features.tolist(), strict=True)}
        scores = ranking.linear(made, item.candidates.chunks, weights)
        chunks = [item.candidates.chunks[key] for key, _ in fusion.ranked(scores)]
        ranked = list(dict.fromkeys(f"{chunk.kind}:{chunk.vendor_id}" for chunk in chunks))
        values.append(metrics.recall_at(ranked, {f"{kind}:{key}" for kind, key in item.question.evidence}, k))
    return values


def cross_validated(examples: Sequence[Example], names: Sequence[Feature] = ranking.FEATURES) -> list[float]:
    """Recall at 10 of every answerable example under weights fitted on the other projects' examples."""
    values: list[float] = []
    for project in sorted({item.question.project for item in examples}):
        others = [item for item in examples if item.question.project != project]
        values += recall(
            [item for item in examples if item.question.project == project], fit_ranking(others, names)
        )
    return values
