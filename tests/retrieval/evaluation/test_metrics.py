"""The measures agree with hand-computed values and with an independent library."""

import math
import warnings
from collections.abc import Callable

import numba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.evaluation.metrics import interval, ndcg_at, recall_at, reciprocal_rank

with warnings.catch_warnings():
    # ranx holds invalid escapes, which are warnings when it is first compiled, and warnings are errors here.
    warnings.simplefilter("ignore")
    # Compiling its loops takes minutes and our runs are a dozen long: they are interpreted instead.
    numba.config.DISABLE_JIT = True
    from ranx import Qrels, Run, evaluate

KEYS = [f"d{number}" for number in range(12)]
RUNS = st.lists(st.sampled_from(KEYS), unique=True, min_size=1)
RELEVANT = st.frozensets(st.sampled_from(KEYS), min_size=1)
VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def by_library(metric: str, run: list[str], relevant: frozenset[str]) -> float:
    scores = {key: float(len(run) - place) for place, key in enumerate(run)}
    judged = Qrels({"q": dict.fromkeys(sorted(relevant), 1)})
    return float(evaluate(judged, Run({"q": scores}), metric))


def test_recall_is_the_share_of_relevant_records_found_in_time() -> None:
    assert recall_at(["a", "b", "c", "d"], {"b", "d", "x"}, 3) == pytest.approx(1 / 3)


def test_reciprocal_rank_is_one_over_the_first_relevant_rank() -> None:
    assert reciprocal_rank(["a", "b", "c"], {"b", "c"}) == 0.5


def test_reciprocal_rank_of_a_miss_is_zero() -> None:
    assert reciprocal_rank(["a", "b"], {"c"}) == 0.0


def test_ndcg_discounts_late_records_against_the_best_order() -> None:
    gained, ideal = 1 + 1 / math.log2(4), 1 + 1 / math.log2(3)
    assert ndcg_at(["a", "x", "b"], {"a", "b"}, 3) == pytest.approx(gained / ideal)


def test_ndcg_of_the_best_order_is_one_even_if_more_is_relevant_than_fits() -> None:
    assert ndcg_at(["a", "b"], {"a", "b", "c"}, 2) == 1.0


@pytest.mark.parametrize("measure", [recall_at, ndcg_at])
def test_a_question_without_relevant_records_is_refused(measure: type) -> None:
    with pytest.raises(ValueError, match="not defined without relevant ids"):
        measure(["a"], set(), 5)


@pytest.mark.parametrize("k", [0, -1])
@pytest.mark.parametrize("measure", [recall_at, ndcg_at])
def test_nothing_is_found_among_no_records(measure: Callable[..., float], k: int) -> None:
    assert measure(["a", "b"], {"a"}, k) == 0.0


@settings(deadline=None, max_examples=40)
@given(run=RUNS, relevant=RELEVANT, k=st.sampled_from([1, 3, 5, 10]))
def test_recall_agrees_with_ranx(run: list[str], relevant: frozenset[str], k: int) -> None:
    assert recall_at(run, relevant, k) == pytest.approx(by_library(f"recall@{k}", run, relevant))


@settings(deadline=None, max_examples=40)
@given(run=RUNS, relevant=RELEVANT)
def test_reciprocal_rank_agrees_with_ranx(run: list[str], relevant: frozenset[str]) -> None:
    assert reciprocal_rank(run, relevant) == pytest.approx(by_library("mrr", run, relevant))


@settings(deadline=None, max_examples=40)
@given(run=RUNS, relevant=RELEVANT, k=st.sampled_from([1, 3, 5, 10]))
def test_ndcg_agrees_with_ranx(run: list[str], relevant: frozenset[str], k: int) -> None:
    assert ndcg_at(run, relevant, k) == pytest.approx(by_library(f"ndcg@{k}", run, relevant))


@settings(deadline=None)
@given(VALUES)
def test_the_interval_contains_the_mean_and_stays_among_the_values(values: list[float]) -> None:
    made, rounding = interval(values, draws=500), 1e-9
    assert made.mean == pytest.approx(sum(values) / len(values))
    assert made.low - rounding <= made.mean <= made.high + rounding
    assert min(values) - rounding <= made.low
    assert made.high <= max(values) + rounding
    assert made.count == len(values)


@settings(deadline=None)
@given(VALUES)
def test_the_interval_of_the_same_values_is_the_same(values: list[float]) -> None:
    assert interval(values, draws=200) == interval(list(values), draws=200)


def test_the_interval_narrows_with_more_questions() -> None:
    few, many = interval([0.0, 1.0] * 10), interval([0.0, 1.0] * 200)
    assert many.high - many.low < few.high - few.low


def test_the_interval_of_no_values_is_empty() -> None:
    made = interval([])
    assert (made.mean, made.low, made.high, made.count) == (0.0, 0.0, 0.0, 0)
