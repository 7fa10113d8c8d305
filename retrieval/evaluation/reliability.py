"""Does the quality score keep its word? Calibrates it on development questions and measures it on held-out ones.

An answer is right when it is given, the question has an answer, and a record it cites is among those that answer. The score
of many answers of about one score should be the share of them that is right: the reliability diagram shows both, the
expected calibration error is their mean distance (Naeini, Cooper, Hauskrecht: AAAI 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from sqlmodel import Session

from models.infra.database import engine
from retrieval import pipeline, quality
from retrieval.evaluation.datasets import GoldQuestion
from retrieval.evaluation.world import WorldScope
from retrieval.profile import Profile, Quality
from retrieval.schemas import Answer, Query

BINS = 10
PROMISED = 80
_STEPS = 50
# Little data: a weak pull of both parameters to nothing keeps them finite.
_RIDGE = 1e-2


@dataclass(frozen=True, slots=True)
class Answered:
    """One question's answer as far as it is judged: its parts, its score 0..100, and whether it is right."""

    question: GoldQuestion
    answered: bool
    parts: dict[str, float]
    score: int
    right: bool
    citations: int
    unresolved: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one score: bounds and mean of the score, and the share that is right, all 0..1."""

    low: float
    high: float
    score: float
    right: float
    count: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """The diagram, its error, and of the answers above 80 how many there are and which share is right (None: none)."""

    bins: tuple[Bin, ...]
    error: float
    above: int
    above_right: float | None


def answer_all(world: WorldScope, questions: Sequence[GoldQuestion], profile: Profile) -> list[Answered]:
    """Every question asked as a user would ask it. Nothing is kept in the log of runs."""
    return [_judged(world, question, profile) for question in questions]


def _judged(world: WorldScope, question: GoldQuestion, profile: Profile) -> Answered:
    query = Query(text=question.question, scope=world.of(question))
    # The run is logged like any other, and forgotten: a session that only reads could not log it.
    with Session(engine(), expire_on_commit=False) as session:

        @contextmanager
        def unlogged() -> Iterator[Session]:
            yield session

        answer = pipeline.ask(unlogged, query, profile=profile)
        session.rollback()
    cited = _cited(answer)
    shown = {item.id for item in answer.evidence}
    return Answered(
        question,
        answer.answerable,
        answer.quality_parts,
        answer.quality_score,
        answer.answerable and not cited.isdisjoint(question.evidence),
        len(answer.citations),
        sum(citation.evidence_id not in shown for citation in answer.citations),
    )


def _cited(answer: Answer) -> set[tuple[str, str]]:
    records = {item.id: (item.source_type, item.source_id) for item in answer.evidence}
    return {records[citation.evidence_id] for citation in answer.citations if citation.evidence_id in records}


def calibrate(answered: Sequence[Answered]) -> Quality:
    """Slope and intercept that turn the blend of the parts into a probability (Platt 1999), from the answers given."""
    given = [item for item in answered if item.answered]
    right = np.array([float(item.right) for item in given])
    if not len(right):
        return Quality()
    # Platt's targets: never quite 0 or 1, so that few examples do not promise certainty.
    positive, negative = right.sum(), (1 - right).sum()
    target = np.where(right == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    table = np.column_stack([[quality.blend(item.parts) for item in given], np.ones(len(given))])
    solution = np.zeros(2)
    for _ in range(_STEPS):  # Newton's method
        chance = 1 / (1 + np.exp(-table @ solution))
        gradient = table.T @ (chance - target) + _RIDGE * solution
        curvature = (table * (chance * (1 - chance))[:, None]).T @ table + _RIDGE * np.eye(2)
        solution = solution - np.linalg.solve(curvature, gradient)
    # More support never scores less, whatever a small sample says.
    slope = max(float(solution[0]), 0.0)
    return Quality(slope=round(slope, 4), intercept=round(float(solution[1]), 4))


def measure(scores: Sequence[float], right: Sequence[bool], bins: int = BINS) -> Reliability:
    """The reliability of scores 0..100. Raises ValueError when the lists differ in length."""
    if len(scores) != len(right):
        raise ValueError("one verdict per score")
    values, verdicts = np.asarray(scores, dtype=np.float64) / 100, np.asarray(right, dtype=np.float64)
    place = np.minimum((values * bins).astype(int), bins - 1)
    found = [
        Bin(
            index / bins,
            (index + 1) / bins,
            float(values[held].mean()),
            float(verdicts[held].mean()),
            int(held.sum()),
        )
        for index in range(bins)
        if (held := place == index).any()
    ]
    error = sum(each.count * abs(each.score - each.right) for each in found) / max(len(values), 1)
    above = values > PROMISED / 100
    share = float(verdicts[above].mean()) if above.any() else None
    return Reliability(tuple(found), float(error), int(above.sum()), share)


def as_markdown(half: str, answered: Sequence[Answered]) -> str:
    """How right the answers of a half are and how well their scores say so, as a section of a report."""
    given = [item for item in answered if item.answered]
    found = measure([item.score for item in given], [item.right for item in given])
    share = "—" if found.above_right is None else f"{found.above_right:.2f}"
    lines = [
        f"## Answers and their quality score, {half}",
        "",
        f"{len(answered)} questions, {len(given)} answered; of these {_mean(item.right for item in given)} cite a record that answers.",
        f"Citations that do not resolve: {sum(item.unresolved for item in answered)} of {sum(item.citations for item in answered)}.",
        f"Expected calibration error {found.error:.3f}; above {PROMISED}: {found.above} answers, {share} of them right.",
        "",
        "| score | answers | mean score | right |",
        "|---|---:|---:|---:|",
        *(
            f"| {each.low:.1f}–{each.high:.1f} | {each.count} | {each.score:.2f} | {each.right:.2f} |"
            for each in found.bins
        ),
    ]
    return "\n".join(lines) + "\n"


def _mean(values: Iterator[bool]) -> str:
    held = list(values)
    return f"{sum(held) / len(held):.2f}" if held else "—"
