"""From which support on a question is answered: refusing is right as often as answering."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.evaluation.calibrate import Case, Judged, balanced, fit
from retrieval.support import FEATURES

CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def _accuracy(threshold: float, answerable: list[float], not_answerable: list[float]) -> float:
    kept = np.mean([chance >= threshold for chance in answerable])
    refused = np.mean([chance < threshold for chance in not_answerable])
    return float(kept + refused) / 2


def test_what_can_be_told_apart_is_told_apart_in_the_middle_of_the_gap() -> None:
    assert balanced(np.array([0.8, 0.9, 0.95]), np.array([0.1, 0.4])) == pytest.approx(0.6, abs=0.002)


def test_a_few_questions_without_an_answer_weigh_as_much_as_many_with_one() -> None:
    answerable, not_answerable = np.array([0.5] * 20 + [0.9] * 80), np.array([0.6, 0.6])
    assert 0.6 < balanced(answerable, not_answerable) <= 0.9


def test_of_two_thresholds_that_are_right_as_often_the_lower_one_answers_more() -> None:
    assert 0.1 < balanced(np.array([0.3, 0.9]), np.array([0.1, 0.6])) <= 0.3


@pytest.mark.parametrize(("answerable", "not_answerable"), [([], [0.5]), ([0.5], [])])
def test_a_threshold_needs_both_sorts_of_questions(
    answerable: list[float], not_answerable: list[float]
) -> None:
    with pytest.raises(ValueError, match="with and without an answer"):
        balanced(np.array(answerable), np.array(not_answerable))


@given(answerable=CHANCES, not_answerable=CHANCES, other=st.integers(1, 999))
def test_no_other_threshold_is_right_more_often(
    answerable: list[float], not_answerable: list[float], other: int
) -> None:
    chosen = balanced(np.array(answerable), np.array(not_answerable))
    found = _accuracy(chosen, answerable, not_answerable)
    assert found >= _accuracy(other / 1000, answerable, not_answerable) - 1e-9


def test_a_fitted_model_answers_what_is_supported_and_refuses_the_rest() -> None:
    draws = np.random.default_rng(5)

    def judged(case: Case, level: float, number: int) -> Judged:
        values = draws.normal(0, 0.3, len(FEATURES))
        values[FEATURES.index("similarity")] += level
        return Judged(tuple(values.tolist()), case, f"project-{number % 3}")

    cases = [judged("answerable", 1.0, number) for number in range(60)]
    cases += [judged("not_answerable", -1.0, number) for number in range(15)]
    cases += [judged("elsewhere", -1.0, number) for number in range(60)]
    cases += [judged("hidden", 0.0, number) for number in range(60)]
    model, rates = fit(cases)
    assert model.weights["similarity"] > 0
    assert rates.not_answerable > 0.9
    assert rates.elsewhere > 0.9
    assert rates.answerable < 0.1
