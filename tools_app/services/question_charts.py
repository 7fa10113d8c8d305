"""Charts of how questions went: votes, the rate without an answer, latency; by week."""

from __future__ import annotations

from collections.abc import Sequence

from tools_app.services.questions import AnalyticsView, VoteWeek
from tools_app.services.views import ChartView, PointView, SeriesView


def votes_chart(weeks: Sequence[VoteWeek]) -> ChartView:
    """Thumbs up and down by week; without series when nobody voted."""
    if not any(each.up or each.down for each in weeks):
        return ChartView("votes", "stacked", "week", ())
    up = tuple(PointView(each.week.isoformat(), float(each.up)) for each in weeks)
    down = tuple(PointView(each.week.isoformat(), float(each.down)) for each in weeks)
    return ChartView("votes", "stacked", "week", (SeriesView("up", up), SeriesView("down", down)))


def analytics_charts(view: AnalyticsView) -> tuple[ChartView, ChartView]:
    """The rate without an answer and the latency; without series when nothing was asked."""
    rate = tuple(PointView(f"{each.week}", each.no_answer_rate) for each in view.by_week)
    p50 = tuple(PointView(f"{each.week}", each.p50_ms) for each in view.by_week)
    p95 = tuple(PointView(f"{each.week}", each.p95_ms) for each in view.by_week)
    return (
        ChartView(
            "no_answer", "line", "week", (SeriesView("rate", rate),) if _known(rate) else (), unit="percent"
        ),
        ChartView(
            "latency",
            "line",
            "week",
            (SeriesView("p50", p50), SeriesView("p95", p95)) if _known(p50) else (),
        ),
    )


def _known(points: Sequence[PointView]) -> bool:
    return any(each.value is not None for each in points)
