"""Fusing two rankings keeps what both of them say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.fusion import ranked, reciprocal_rank, thread_support, weighted_sum

KEYS = "abcdefgh"
RANKINGS = st.lists(st.sampled_from(KEYS), unique=True, max_size=len(KEYS))
SCORES = st.dictionaries(st.sampled_from(KEYS), st.floats(0, 1), max_size=len(KEYS))
WEIGHTS = st.floats(0.01, 5)
CONSTANTS = st.floats(0, 200)


def ahead_of(key: str, scores: dict[str, float]) -> int:
    return sum(score > scores[key] for score in scores.values())


@given(keys=st.permutations(KEYS), weight=WEIGHTS, k=CONSTANTS)
def test_one_list_fused_by_rank_keeps_its_order(keys: list[str], weight: float, k: float) -> None:
    assert [key for key, _ in ranked(reciprocal_rank([keys], [weight], k))] == keys


@given(first=RANKINGS, second=RANKINGS, weights=st.tuples(WEIGHTS, WEIGHTS), k=CONSTANTS)
def test_the_order_in_which_rankings_are_given_does_not_matter(
    first: list[str], second: list[str], weights: tuple[float, float], k: float
) -> None:
    assert reciprocal_rank([first, second], weights, k) == reciprocal_rank([second, first], weights[::-1], k)


@given(lists=st.lists(RANKINGS, max_size=4), k=CONSTANTS, data=st.data())
def test_a_rank_score_is_positive_and_at_most_a_first_place_everywhere(
    lists: list[list[str]], k: float, data: st.DataObject
) -> None:
    weights = data.draw(st.lists(WEIGHTS, min_size=len(lists), max_size=len(lists)))
    bound = sum(weights) / (k + 1)
    assert all(0 < score <= bound + 1e-9 for score in reciprocal_rank(lists, weights, k).values())


@given(first=RANKINGS, second=RANKINGS, weights=st.tuples(WEIGHTS, WEIGHTS), k=CONSTANTS, data=st.data())
def test_a_hit_that_the_other_ranking_finds_too_never_falls(
    first: list[str], second: list[str], weights: tuple[float, float], k: float, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(KEYS))
    first = [key, *(other for other in first if other != key)]
    first.insert(data.draw(st.integers(0, len(first) - 1)), first.pop(0))
    alone = [other for other in second if other != key]
    both = [*alone]
    both.insert(data.draw(st.integers(0, len(alone))), key)
    before = reciprocal_rank([first, alone], weights, k)
    after = reciprocal_rank([first, both], weights, k)
    assert after[key] > before[key]
    assert ahead_of(key, after) <= ahead_of(key, before)


@given(keys=RANKINGS.filter(lambda keys: len(keys) > 1), other=RANKINGS, data=st.data())
def test_a_hit_moved_up_in_one_ranking_never_loses_score(
    keys: list[str], other: list[str], data: st.DataObject
) -> None:
    place = data.draw(st.integers(1, len(keys) - 1))
    raised = [*keys]
    raised[place - 1], raised[place] = raised[place], raised[place - 1]
    key = keys[place]
    assert reciprocal_rank([raised, other], [1, 1])[key] > reciprocal_rank([keys, other], [1, 1])[key]


def test_a_repeated_hit_counts_at_its_first_place_only() -> None:
    assert reciprocal_rank([["a", "a", "b"]], [1.0], 0) == {"a": 1.0, "b": 0.5}


def test_ranks_are_fused_by_the_published_formula() -> None:
    fused = reciprocal_rank([["a", "b"], ["b"]], [1.0, 0.5], 60)
    assert fused == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 0.5 / 61})


def test_a_negative_rank_constant_is_refused() -> None:
    with pytest.raises(ValueError, match="k must not be negative"):
        reciprocal_rank([["a"]], [1.0], -1)


def test_ranks_need_one_weight_per_list() -> None:
    with pytest.raises(ValueError, match="one weight per list"):
        reciprocal_rank([["a"], ["b"]], [1.0])


def test_scores_need_one_weight_per_list() -> None:
    with pytest.raises(ValueError, match="one weight per list"):
        weighted_sum([{"a": 1.0}], [1.0, 2.0])


@given(first=SCORES, second=SCORES, weights=st.tuples(WEIGHTS, WEIGHTS))
def test_the_order_in_which_scores_are_given_does_not_matter(
    first: dict[str, float], second: dict[str, float], weights: tuple[float, float]
) -> None:
    assert weighted_sum([first, second], weights) == weighted_sum([second, first], weights[::-1])


@given(scores=st.lists(SCORES, min_size=1, max_size=4), data=st.data())
def test_a_weighted_sum_of_shares_stays_between_zero_and_the_sum_of_weights(
    scores: list[dict[str, float]], data: st.DataObject
) -> None:
    weights = data.draw(st.lists(WEIGHTS, min_size=len(scores), max_size=len(scores)))
    assert all(0 <= score <= sum(weights) + 1e-9 for score in weighted_sum(scores, weights).values())


@given(first=SCORES, second=SCORES, score=st.floats(0, 1), key=st.sampled_from(KEYS))
def test_a_score_from_a_second_list_never_lowers_a_hit(
    first: dict[str, float], second: dict[str, float], score: float, key: str
) -> None:
    first = {key: 0.5, **first}
    second.pop(key, None)
    before = weighted_sum([first, second], [1.0, 0.6])
    after = weighted_sum([first, {**second, key: score}], [1.0, 0.6])
    assert after[key] >= before[key]
    assert ahead_of(key, after) <= ahead_of(key, before)


@given(scores=SCORES, other=SCORES, gain=st.floats(0, 1), data=st.data())
def test_a_higher_score_never_gives_a_lower_sum(
    scores: dict[str, float], other: dict[str, float], gain: float, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(KEYS))
    held = {key: 0.0, **scores}
    raised = {**held, key: held[key] + gain}
    assert weighted_sum([raised, other], [1.0, 0.6])[key] >= weighted_sum([held, other], [1.0, 0.6])[key]


def test_a_hit_missing_from_one_list_counts_nothing_there() -> None:
    assert weighted_sum([{"a": 0.5}, {"b": 1.0}], [1.0, 0.6]) == {"a": 0.5, "b": 0.6}


def test_equal_scores_keep_the_order_they_came_in() -> None:
    assert ranked({"b": 1.0, "a": 1.0, "c": 2.0}) == [("c", 2.0), ("b", 1.0), ("a", 1.0)]


def test_a_hit_alone_in_its_thread_has_no_support() -> None:
    assert thread_support({"a": 0.9, "b": 0.8}, {"a": 1, "b": 2}) == {"a": 0.0, "b": 0.0}


def test_a_reply_is_supported_by_the_best_hit_of_its_thread() -> None:
    support = thread_support({"a": 0.9, "b": 0.1, "c": 0.4}, {"a": 1, "b": 1, "c": 1}, decay=0.5)
    assert support == pytest.approx(
        {"a": (0.4 + 0.05) / 1.5, "b": (0.9 + 0.2) / 1.5, "c": (0.9 + 0.05) / 1.5}
    )


@given(
    scores=st.dictionaries(st.sampled_from(KEYS), st.floats(-1, 1), min_size=1),
    decay=st.floats(0.1, 1),
    data=st.data(),
)
def test_support_is_never_more_than_the_best_score(
    scores: dict[str, float], decay: float, data: st.DataObject
) -> None:
    threads = {key: data.draw(st.integers(0, 2)) for key in scores}
    support = thread_support(scores, threads, decay)
    best = max(0.0, *scores.values())
    assert all(0 <= value <= best or math.isclose(value, best) for value in support.values())
    assert support.keys() == scores.keys()
