"""Does the evidence support an answer? Features of a ranking and a logistic model over them.

Pure. A raw cosine says nothing here: its level depends on the question. The model's weights are in the profile, fitted by
`python -m retrieval.evaluation.calibrate` on development questions, and on the same questions with their evidence hidden,
which makes near misses out of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from retrieval.lexical import LexicalResult
from retrieval.profile import Support
from retrieval.ranking import RankedChunk

_LOOKED_AT = 5
_BACKGROUND = slice(10, 30)


def features(ranked: Sequence[RankedChunk], found: LexicalResult) -> dict[str, float]:
    """What the calibration looks at; all finite, most of them 0..1.

    ``score``, ``similarity``, ``coverage``: of the best record. ``standout``: how far the best similarity is above the
    similarity of ranks 11 to 30. ``joint``: share of the question's weight that the best five records cover together.
    ``own``: the greatest share that one of them covers. ``unknown``: share of the weight of words that occur nowhere.
    ``rarest``: whether one of the best five has the rarest word that occurs at all. ``agree``: whether the best record
    by similarity is among the best five by coverage.
    """
    if not ranked:
        return dict.fromkeys(FEATURES, 0.0)
    top = ranked[:_LOOKED_AT]
    similar = sorted((hit.similarity for hit in ranked), reverse=True)
    background = similar[_BACKGROUND] or similar[-1:]
    terms_of = {hit.chunk_id: set(hit.terms) for hit in found.hits}
    total = sum(found.rarity) or 1.0
    covered: set[int] = set().union(*(terms_of.get(hit.chunk.id, set()) for hit in top))
    known = [place for place, count in enumerate(found.frequency) if count]
    rarest = max(known, key=lambda place: found.rarity[place], default=None)
    by_coverage = sorted(ranked, key=lambda hit: -hit.coverage)[:_LOOKED_AT]
    most_similar = max(ranked, key=lambda hit: hit.similarity)
    return {
        "score": top[0].score,
        "similarity": similar[0],
        "coverage": max(hit.coverage for hit in top),
        "standout": similar[0] - sum(background) / len(background),
        "margin": top[0].score - ranked[min(len(ranked) - 1, _LOOKED_AT)].score,
        "joint": sum(found.rarity[place] for place in covered) / total,
        "unknown": sum(
            weight for weight, count in zip(found.rarity, found.frequency, strict=True) if not count
        )
        / total,
        "rarest": 1.0 if rarest is not None and rarest in covered else 0.0,
        "agree": 1.0 if most_similar in by_coverage and most_similar.coverage > 0 else 0.0,
    }


FEATURES: tuple[str, ...] = (
    "score", "similarity", "coverage", "standout", "margin", "joint", "unknown", "rarest", "agree",
)  # fmt: skip


def probability(values: Mapping[str, float], model: Support) -> float:
    """The probability, 0..1, that the ranking answers the question; 1 while the profile has no model."""
    if not model.names:
        return 1.0
    total = model.bias + sum(
        weight * values[name] for name, weight in zip(model.names, model.weights, strict=True)
    )
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, total))))
