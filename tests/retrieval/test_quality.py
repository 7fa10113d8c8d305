"""The quality score is a bounded sum of named parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.infra.ids import new_id
from retrieval.profile import Quality
from retrieval.quality import WEIGHTS, quality_parts, quality_score, source_diversity
from retrieval.schemas import GROUP_OF, Evidence, SourceCompleteness, SourceType

KINDS = st.lists(st.sampled_from(sorted(GROUP_OF)), max_size=8)


def evidence(*kinds: SourceType) -> list[Evidence]:
    return [
        Evidence(
            id=f"{kind}:{number}", source_type=kind, source_id=str(number), project_id=new_id(), title="",
            snippet="", author=None, created_at=None, url=None, score=0.5,
        )
        for number, kind in enumerate(kinds)
    ]  # fmt: skip


def test_the_weights_of_the_parts_make_a_whole() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@given(cited=KINDS, found=KINDS, support=st.floats(-1, 2))
def test_every_part_is_a_share_and_the_score_a_percentage(
    cited: list[SourceType], found: list[SourceType], support: float
) -> None:
    parts = quality_parts(evidence(*cited), evidence(*found), support)
    assert parts.keys() == WEIGHTS.keys()
    assert all(0 <= part <= 1 for part in parts.values())
    assert 0 <= quality_score(parts) <= 100


@given(kinds=KINDS, low=st.floats(0, 1), high=st.floats(0, 1))
def test_more_support_never_scores_less(kinds: list[SourceType], low: float, high: float) -> None:
    found = evidence(*kinds)
    low, high = sorted((low, high))
    assert quality_score(quality_parts(found, found, low)) <= quality_score(quality_parts(found, found, high))


@given(kinds=KINDS, more=st.sampled_from(sorted(GROUP_OF)), support=st.floats(0, 1))
def test_another_cited_record_never_scores_less(
    kinds: list[SourceType], more: SourceType, support: float
) -> None:
    found = evidence(*kinds, more)
    fewer, all_cited = quality_parts(found[:-1], found, support), quality_parts(found, found, support)
    assert fewer["evidence_count"] <= all_cited["evidence_count"]


def test_four_certain_fresh_complete_records_that_both_searches_agree_on_score_a_hundred() -> None:
    assert quality_score(dict.fromkeys(WEIGHTS, 1.0)) == 100


@given(low=st.floats(0, 1), high=st.floats(0, 1), slope=st.floats(0, 20), intercept=st.floats(-10, 10))
def test_calibration_keeps_the_order_of_scores(
    low: float, high: float, slope: float, intercept: float
) -> None:
    low, high = sorted((low, high))
    calibration = Quality(slope=slope, intercept=intercept)
    scores = [quality_score({"chunk_relevance": value}, calibration) for value in (low, high)]
    assert scores[0] <= scores[1] or low == 0


def test_a_source_that_is_half_copied_halves_the_completeness() -> None:
    found = evidence("message", "issue")
    known = {"chatwoot": SourceCompleteness(pct=50, age_s=1), "linear": SourceCompleteness(pct=100, age_s=1)}
    assert quality_parts(found, found, 1.0, completeness=known)["completeness"] == 0.5


def test_a_completeness_that_nobody_measured_is_neither_full_nor_none() -> None:
    found = evidence("message")
    assert quality_parts(found, found, 1.0)["completeness"] == 0.5


def test_nothing_found_scores_zero() -> None:
    assert quality_score(quality_parts([], [], 1.0)) == 0


def test_issues_and_comments_are_one_kind_of_source() -> None:
    assert source_diversity(evidence("issue", "comment")) == pytest.approx(1 / 3)


def test_nothing_found_is_not_diverse() -> None:
    assert source_diversity([]) == 0.0


def test_a_part_that_is_missing_counts_nothing() -> None:
    assert quality_score({"chunk_relevance": 1.0}) == 60
