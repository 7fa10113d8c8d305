"""The quality score of an answer: 0..100 from named parts, each 0..1 and shown beside it.

Pure. Evidence count, diversity of sources and chunk relevance, as the product promises; relevance is the calibrated
probability of support, so that the score of a refused question stays low.
"""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.schemas import GROUP_OF, SOURCE_GROUPS, Evidence

WEIGHTS: dict[str, float] = {"chunk_relevance": 0.6, "evidence_count": 0.25, "source_diversity": 0.15}
# Four records that fit are as good as forty.
_ENOUGH_EVIDENCE = 4


def source_diversity(evidence: Sequence[Evidence]) -> float:
    """Share of the three source groups that the evidence comes from, 0..1."""
    return len({GROUP_OF[item.source_type] for item in evidence}) / len(SOURCE_GROUPS) if evidence else 0.0


def quality_parts(
    cited: Sequence[Evidence], evidence: Sequence[Evidence], support: float
) -> dict[str, float]:
    """The parts, each 0..1: how much is cited, from how many kinds of source, how likely it is the answer."""
    return {
        "chunk_relevance": round(min(max(support, 0.0), 1.0), 3) if evidence else 0.0,
        "evidence_count": round(min(len(cited) / _ENOUGH_EVIDENCE, 1.0), 3),
        "source_diversity": round(source_diversity(cited or evidence), 3),
    }


def quality_score(parts: dict[str, float]) -> int:
    """The weighted sum of the parts as a whole number, 0..100."""
    return round(100 * sum(weight * parts.get(name, 0.0) for name, weight in WEIGHTS.items()))
