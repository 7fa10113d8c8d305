"""From chart views to what the card draws: every number keeps its way to its records, in every language."""

import pytest

from tools_app.components import plots
from tools_app.services.views import ChartView, PointView, SeriesView

WEEKS = ("2026-11-09", "2026-11-16")


def _series(key: str, *values: float | None) -> SeriesView:
    return SeriesView(
        key,
        tuple(
            PointView(week, value, f"set=messages_weekly&week={week}&direction={key}")
            for week, value in zip(WEEKS, values, strict=True)
        ),
    )


STACKED = ChartView("messages", "stacked", "week", (_series("incoming", 3, 0), _series("outgoing", 1, 2)))


def test_every_number_of_a_band_leads_to_its_own_records():
    first, second = plots.present(STACKED, "en").bands
    assert [tip.href for tip in first.tips] == [
        "/records?set=messages_weekly&week=2026-11-09&direction=incoming",
        "/records?set=messages_weekly&week=2026-11-09&direction=outgoing",
    ]
    assert first.href == first.tips[0].href
    assert second.href == second.tips[1].href, "a band leads to the first series that has records there"


def test_a_band_says_in_words_what_it_draws():
    first = plots.present(STACKED, "en").bands[0]
    assert first.label == "Week of 9 Nov 2026: From clients 3, From the studio 1"
    russian = plots.present(STACKED, "ru").bands[0]
    assert russian.label == "Неделя с 9 нояб. 2026\u202fг.: От клиентов 3, От студии 1"


def test_stacked_series_share_an_axis_that_holds_their_sum():
    assert [tick.label for tick in plots.present(STACKED, "en").y_ticks] == ["0", "2", "4"]


def test_only_the_first_band_is_a_tab_stop():
    assert [band.tab_index for band in plots.present(STACKED, "en").bands] == [0, -1]


def test_a_chart_without_data_says_what_to_do():
    plot = plots.present(ChartView("velocity", "line", "week", ()), "en")
    assert plot.is_empty
    assert "Sync Linear" in plot.empty


def test_one_series_needs_no_legend_and_several_do():
    single = ChartView("messages", "bar", "week", (_series("incoming", 3, 4),))
    assert plots.present(single, "en").legend == ()
    assert [entry.name for entry in plots.present(STACKED, "en").legend] == [
        "From clients",
        "From the studio",
    ]


def test_an_unknown_value_is_a_dash_in_the_tooltip():
    chart = ChartView("response_time", "line", "week", (_series("median", None, 2.5),), unit="hours")
    assert plots.present(chart, "en").bands[0].tips[0].value == "—"


@pytest.mark.parametrize("colour", [trace.fill for trace in plots.present(STACKED, "en").traces])
def test_marks_take_their_colours_from_the_series_of_the_theme(colour: str):
    assert colour.startswith("var(--s")


def test_rows_are_as_long_as_their_share_of_the_longest():
    points = (PointView("A", 4, "set=a"), PointView("B", 1, "set=b"), PointView("C", 0, "set=c"))
    plot = plots.present(ChartView("overdue", "hbar", "category", (SeriesView("overdue", points),)), "en")
    assert [band.width for band in plot.bands] == ["100.00%", "25.00%", "0.00%"]
    assert plot.bands[1].href == "/records?set=b"
