"""The quality score of an answer: 0..100 from named parts, each 0..1 and shown beside it.

Pure. How much is cited, from how many kinds of source, how likely it is the answer, whether words and meaning agree, how
fresh it is, how complete the copy of its sources. The weighted sum becomes a probability by Platt scaling (1999), whose two
parameters are fitted on development questions and stand in the profile: 80 means right four times of five.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import fmean
from typing import Literal

from retrieval.profile import Quality
from retrieval.ranking import RankedChunk, freshness
from retrieval.schemas import GROUP_OF, SOURCE_GROUPS, Evidence, SourceCompleteness, SourceType

QualityPart = Literal[
    "chunk_relevance", "agreement", "evidence_count", "source_diversity", "freshness", "completeness"
]
WEIGHTS: dict[QualityPart, float] = {
    "chunk_relevance": 0.6,
    "agreement": 0.1,
    "evidence_count": 0.1,
    "source_diversity": 0.1,
    "freshness": 0.05,
    "completeness": 0.05,
}
CONNECTOR_OF: dict[SourceType, str] = {
    "message": "chatwoot", "issue": "linear", "comment": "linear", "deal": "attio", "note": "attio", "company": "attio",
}  # fmt: skip
# Four records that fit are as good as forty.
_ENOUGH_EVIDENCE = 4
# Among so many of the best by either search the two are compared.
_COMPARED = 10
# How complete a copy is that nobody has measured yet: neither trusted nor condemned.
_UNKNOWN = 0.5


def source_diversity(evidence: Sequence[Evidence]) -> float:
    """Share of the three source groups that the evidence comes from, 0..1."""
    return len({GROUP_OF[item.source_type] for item in evidence}) / len(SOURCE_GROUPS) if evidence else 0.0


def agreement(ranked: Sequence[RankedChunk]) -> float:
    """Share of the best by meaning that are among the best by words as well, 0..1; 0 when one search found nothing."""
    near = sorted((hit for hit in ranked if hit.similarity > 0), key=lambda hit: -hit.similarity)[:_COMPARED]
    said = sorted((hit for hit in ranked if hit.coverage > 0), key=lambda hit: -hit.coverage)[:_COMPARED]
    if not near or not said:
        return 0.0
    both = {hit.chunk.id for hit in near} & {hit.chunk.id for hit in said}
    return len(both) / min(len(near), len(said))


def quality_parts(
    cited: Sequence[Evidence],
    evidence: Sequence[Evidence],
    support: float,
    *,
    ranked: Sequence[RankedChunk] = (),
    completeness: Mapping[str, SourceCompleteness] | None = None,
    now: datetime | None = None,
) -> dict[str, float]:
    """The parts, each 0..1, in the order of ``WEIGHTS``. ``now`` is what freshness is counted from; without it there is none."""
    shown = cited or evidence
    known = completeness or {}
    shares = [
        _share(known.get(connector)) for connector in {CONNECTOR_OF[item.source_type] for item in shown}
    ]
    parts: dict[QualityPart, float] = {
        "chunk_relevance": min(max(support, 0.0), 1.0) if evidence else 0.0,
        "agreement": agreement(ranked),
        "evidence_count": min(len(cited) / _ENOUGH_EVIDENCE, 1.0),
        "source_diversity": source_diversity(shown),
        "freshness": fmean(freshness(item.created_at, now) for item in shown) if shown and now else 0.0,
        "completeness": min(shares, default=0.0),
    }
    return {name: round(value, 3) for name, value in parts.items()}


def _share(known: SourceCompleteness | None) -> float:
    return _UNKNOWN if known is None or known.pct is None else min(max(known.pct / 100, 0.0), 1.0)


def blend(parts: Mapping[str, float]) -> float:
    """The weighted sum of the parts, 0..1; a missing one counts nothing."""
    return sum(weight * parts.get(name, 0.0) for name, weight in WEIGHTS.items())


def quality_score(parts: Mapping[str, float], calibration: Quality | None = None) -> int:
    """How likely the answer is right, as a whole number of per cent; uncalibrated, the weighted sum. 0 without any part."""
    value = blend(parts)
    if value and calibration is not None and calibration.slope:
        value = 1 / (1 + math.exp(-(calibration.slope * value + calibration.intercept)))
    return round(100 * value)
