"""Paired differences: their mean is the mean, their interval agrees with scipy's, and no difference stays unproven."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from retrieval.evaluation.metrics import paired_bootstrap, percentile, refusals

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40)


def sample(shift: float, count: int = 120) -> tuple[list[float], list[float]]:
    rng = np.random.default_rng(11)
    theirs = rng.uniform(0.2, 0.7, count)
    return (theirs + shift + rng.normal(0, 0.1, count)).tolist(), theirs.tolist()


@settings(deadline=None, max_examples=30)
@given(pairs=SCORES)
def test_the_mean_is_the_mean_of_the_differences_and_lies_in_its_interval(
    pairs: list[tuple[float, float]],
) -> None:
    found = paired_bootstrap([a for a, _ in pairs], [b for _, b in pairs], draws=300)
    assert found.mean == pytest.approx(sum(a - b for a, b in pairs) / len(pairs))
    assert found.low - 1e-9 <= found.mean <= found.high + 1e-9
    assert 0 < found.p_value <= 1


@settings(deadline=None, max_examples=30)
@given(pairs=SCORES)
def test_swapping_the_systems_turns_the_sign(pairs: list[tuple[float, float]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    found, turned = paired_bootstrap(one, other, draws=300), paired_bootstrap(other, one, draws=300)
    assert (turned.mean, turned.low, turned.high) == pytest.approx((-found.mean, -found.high, -found.low))
    assert turned.p_value == pytest.approx(found.p_value)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_system_is_not_ahead_of_itself(values: list[float]) -> None:
    found = paired_bootstrap(values, values, draws=50)
    assert (found.mean, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_the_interval_agrees_with_scipy() -> None:
    ours, theirs = sample(0.02)
    found = paired_bootstrap(ours, theirs, draws=8000)
    reference = stats.bootstrap(
        (np.array(ours) - np.array(theirs),), np.mean, n_resamples=8000, method="percentile", rng=3
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.002)


def test_the_p_value_agrees_with_a_paired_t_test_where_that_applies() -> None:
    ours, theirs = sample(0.015)
    reference = stats.ttest_rel(ours, theirs).pvalue
    assert paired_bootstrap(ours, theirs, draws=8000).p_value == pytest.approx(reference, abs=0.02)


def test_a_clear_difference_is_significant_and_none_is_not() -> None:
    assert paired_bootstrap(*sample(0.1)).p_value < 0.01
    assert paired_bootstrap(*sample(0.0)).p_value > 0.05


def test_the_same_seed_gives_the_same_interval() -> None:
    assert paired_bootstrap(*sample(0.1)) == paired_bootstrap(*sample(0.1))


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one value of each"):
        paired_bootstrap([1.0], [])


def test_no_questions_prove_nothing() -> None:
    assert (paired_bootstrap([], []).p_value, paired_bootstrap([], []).count) == (1.0, 0)


def test_refusals_are_judged_among_the_refused_and_among_the_hopeless() -> None:
    found = refusals([True, False, False, True], [True, True, False, False])
    assert (found.precision, found.recall) == (0.5, 0.5)


def test_where_nothing_is_refused_there_is_no_precision() -> None:
    found = refusals([True, True], [True, False])
    assert (found.precision, found.recall) == (None, 0.0)


def test_a_percentile_is_one_of_the_values() -> None:
    assert (percentile([3.0, 1.0, 2.0], 0.5), percentile([3.0, 1.0, 2.0], 0.95), percentile([], 0.5)) == (
        2.0,
        3.0,
        0.0,
    )
