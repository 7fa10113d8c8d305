"""The quality score is measured against what is right, and calibrated to it."""

from typing import Any

import numpy as np
import pytest

from retrieval.evaluation.datasets import GoldQuestion
from retrieval.evaluation.reliability import Answered, as_markdown, calibrate, measure
from retrieval.quality import WEIGHTS, quality_score

QUESTION = GoldQuestion("q", "en", "fact", "project", "p", "?", False, frozenset())


def _answered(blend: float, right: bool, **changes: Any) -> Answered:
    parts = dict.fromkeys(WEIGHTS, blend)
    values = {"answered": True, "score": round(100 * blend), "citations": 1, "unresolved": 0}
    return Answered(QUESTION, parts=parts, right=right, **(values | changes))


def test_scores_that_keep_their_word_have_no_error() -> None:
    found = measure([75, 75, 75, 75], [True, True, True, False])
    assert found.error == pytest.approx(0.0)
    assert [(each.count, each.right) for each in found.bins] == [(4, 0.75)]


def test_the_error_is_the_mean_distance_weighed_by_answers() -> None:
    assert measure([95, 95, 5, 5], [False, False, False, False]).error == pytest.approx((0.95 + 0.05) / 2)


def test_answers_above_eighty_are_counted_with_their_share_of_right_ones() -> None:
    found = measure([90, 85, 80, 10], [True, False, True, False])
    assert (found.above, found.above_right) == (2, 0.5)
    assert measure([10], [False]).above_right is None


def test_a_score_of_a_hundred_has_a_bin() -> None:
    assert measure([100], [True]).bins[0].high == 1.0


def test_scores_and_verdicts_belong_together() -> None:
    with pytest.raises(ValueError, match="one verdict per score"):
        measure([1, 2], [True])


def test_calibration_brings_the_score_to_the_share_that_is_right() -> None:
    draws = np.random.default_rng(3)
    blends = draws.uniform(0.3, 1.0, 400)
    right = draws.uniform(size=400) < 1 / (1 + np.exp(-(8 * blends - 6)))
    answered = [_answered(float(blend), bool(verdict)) for blend, verdict in zip(blends, right, strict=True)]
    fitted = calibrate(answered)
    scores = [quality_score(item.parts, fitted) for item in answered]
    raw = measure([item.score for item in answered], [item.right for item in answered])
    assert measure(scores, [item.right for item in answered]).error < min(raw.error, 0.08)


def test_refusals_do_not_calibrate_answers() -> None:
    assert calibrate([_answered(0.5, False, answered=False)]).slope == 0.0


def test_the_report_names_what_does_not_resolve() -> None:
    text = as_markdown("held out", [_answered(0.9, True), _answered(0.9, False, unresolved=1)])
    assert "Citations that do not resolve: 1 of 2." in text
    assert "2 answered; of these 0.50 cite" in text
