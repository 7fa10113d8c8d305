"""Chart geometry: the marks stand where the values say."""

from hypothesis import given
from hypothesis import strategies as st

from tools_app.components import geometry


@given(st.floats(min_value=0.001, max_value=1e9))
def test_the_ceiling_is_never_below_and_never_far_above_the_highest_value(highest: float):
    ceiling = geometry.nice_ceiling(highest)
    assert highest * 0.99999 <= ceiling <= highest * 2.01


@given(st.integers(min_value=1, max_value=100_000))
def test_counts_have_a_whole_number_in_the_middle_of_the_axis(highest: int):
    assert geometry.nice_ceiling(highest, whole=True) / 2 == int(
        geometry.nice_ceiling(highest, whole=True) / 2
    )


def test_zero_stands_on_the_ground_and_the_ceiling_at_the_top():
    assert geometry.y_of(0, 10) == 100
    assert geometry.y_of(10, 10) == 0


def test_an_unknown_value_breaks_the_line_instead_of_drawing_a_zero():
    assert geometry.line_path([1, None, 1, 1], 2) == "M12.5 50.0M62.5 50.0L87.5 50.0"


def test_a_value_between_two_unknown_ones_is_still_seen_as_a_dot():
    assert geometry.dots_path([None, 1, None], 2) == "M50.0 50.0h0"


def test_stacked_bars_stand_on_each_other():
    assert geometry.bars_path([5], 10, [5]) == "M19.0 50.0V0.0H81.0V50.0Z"


def test_no_bar_is_drawn_for_zero_or_unknown():
    assert geometry.bars_path([0, None], 10) == ""


def test_a_trend_is_stepped_and_placed_by_time():
    assert geometry.trend_path([(0, 100.0), (50, 90.0), (200, 100.0)], 90) == "M0.0 2.0H25.0V22.0H100.0V2.0"
    assert geometry.trend_path([(0, 100.0), (1, 100.0)], 90) == "M0.0 2.0H100.0V2.0"
    assert geometry.trend_path([(0, 50.0), (1, 100.0)], 90) == "M0.0 22.0H100.0V2.0"


def test_a_trend_breaks_where_the_figure_is_unknown():
    points = [(0, 100.0), (1, None), (2, 100.0), (4, 100.0)]
    assert geometry.trend_path(points, 90) == "M0.0 2.0H25.0M50.0 2.0H100.0V2.0"


def test_one_figure_is_no_trend():
    assert geometry.trend_path([(3, 100.0)], 90) == ""
    assert geometry.trend_path([], 90) == ""


def test_a_flat_trend_draws_no_line():
    assert geometry.spark_path([3, 3, 3]) == ""
    assert geometry.spark_path([3]) == ""
    assert geometry.spark_path([0, 4]) == "M0.0 22.0L100.0 2.0"
