"""The dashboard's charts. Each answers one question; each point carries the query of its records.

A week without records is 0 for counts (nothing happened is known) and None for medians (nothing was measured).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from models.infra.scope import Scope
from models.queries.dashboard_board import Board
from models.queries.moment import Moment
from models.queries.projects import ProjectFacts, ScopeFacts
from models.queries.record_figures import GroupFigure
from models.queries.record_sets import AGE_BANDS, WEEKS
from tools_app.services.records import records_query
from tools_app.services.views import ChartKind, ChartView, PointView, SeriesView, Unit

# The order deals usually move in; stages of other names follow alphabetically.
_STAGE_ORDER = ("lead", "qualified", "proposal", "negotiation", "in progress")
# A deal whose stage the vendor left empty.
_NO_STAGE = "–"
_AGE_LABELS = {"under_1d": "< 1", "1_3d": "1–3", "3_7d": "3–7", "over_7d": "> 7"}


@dataclass(frozen=True, slots=True)
class Desk:
    """What every chart is drawn from: the board of figures, the scope and how records queries name it."""

    board: Board
    scope: Scope
    moment: Moment
    facts: ScopeFacts
    projects: Sequence[ProjectFacts]
    project: str


def all_charts(desk: Desk) -> tuple[ChartView, ...]:
    """The charts of the dashboard, in the order of the page."""
    return (
        _messages(desk),
        _response_time(desk),
        _velocity(desk),
        _overdue(desk),
        _waiting(desk),
        _pipeline(desk),
    )


def _weekly(
    desk: Desk,
    code: str,
    found: Iterable[GroupFigure],
    *,
    empty: float | None,
    where: Mapping[str, str] | None = None,
) -> tuple[PointView, ...]:
    """One point a week of the last quarter."""
    by_week = {each.bucket: each.value for each in found}
    weeks = [monday.isoformat() for monday in desk.moment.weeks(WEEKS)]
    return tuple(
        PointView(
            week, by_week.get(week, empty), records_query(code, desk.project, week=week, **dict(where or {}))
        )
        for week in weeks
    )


def _chart(
    key: str, kind: ChartKind, series: Sequence[SeriesView], has_data: bool, unit: Unit = "count"
) -> ChartView:
    """A chart over weeks; without any record its series are left out."""
    return ChartView(key, kind, "week", tuple(series) if has_data else (), unit)


def _messages(desk: Desk) -> ChartView:
    """How much do clients and studio write to each other?"""
    found = desk.board.figures("messages_weekly", ("bucket", "series"))
    series = [
        SeriesView(
            direction,
            _weekly(
                desk,
                "messages_weekly",
                (each for each in found if each.series == direction),
                empty=0,
                where={"direction": direction},
            ),
        )
        for direction in ("incoming", "outgoing")
    ]
    return _chart("messages", "stacked", series, bool(found))


def _response_time(desk: Desk) -> ChartView:
    """How long do clients wait for the first answer? Median hours a week."""
    found = desk.board.figures("first_response", ("bucket",))
    points = _weekly(desk, "first_response", found, empty=None)
    return _chart("response_time", "line", [SeriesView("median", points)], bool(found), "hours")


def _velocity(desk: Desk) -> ChartView:
    """Is as much finished as comes in?"""
    created = desk.board.figures("issues_created", ("bucket",))
    completed = desk.board.figures("issues_completed", ("bucket",))
    series = [
        SeriesView("created", _weekly(desk, "issues_created", created, empty=0)),
        SeriesView("completed", _weekly(desk, "issues_completed", completed, empty=0)),
    ]
    return _chart("velocity", "line", series, bool(created or completed))


def _overdue(desk: Desk) -> ChartView:
    """Where is work late? Every project of the scope, also those with nothing late."""
    found = desk.board.figures("overdue_issues", ("project_id",))
    late = {each.project_id: each.value for each in found}
    rows = [each for each in desk.projects if each.id in desk.scope.project_ids]
    rows = [each for each in rows if each.kind == "client" or late.get(each.id)]
    rows.sort(key=lambda each: (-(late.get(each.id) or 0), each.name))
    points = tuple(
        PointView(each.name, late.get(each.id, 0), records_query("overdue_issues", each.slug))
        for each in rows
    )
    return ChartView("overdue", "hbar", "category", (SeriesView("overdue", points),) if found else ())


def _waiting(desk: Desk) -> ChartView:
    """How long have clients been waiting for a reply? By age in days."""
    found = desk.board.figures("waiting_conversations", ("bucket",))
    by_age = {each.bucket: each.value for each in found}
    points = tuple(
        PointView(
            _AGE_LABELS[band],
            by_age.get(band, 0),
            records_query("waiting_conversations", desk.project, age=band),
        )
        for band, _ in AGE_BANDS
    )
    return ChartView("waiting", "bar", "category", (SeriesView("waiting", points),) if found else ())


def _stage_rank(stage: str) -> tuple[int, str]:
    name = stage.lower()
    return (_STAGE_ORDER.index(name) if name in _STAGE_ORDER else len(_STAGE_ORDER), name)


def chart_currency(desk: Desk, found: Sequence[GroupFigure]) -> str:
    """The currency the pipeline is drawn in: the base currency, else the one with most deals."""
    deals: dict[str, int] = {}
    for each in found:
        deals[each.series or ""] = deals.get(each.series or "", 0) + each.records
    base = desk.facts.base_currency
    return base if base in deals or not deals else max(sorted(deals), key=lambda code: deals[code])


def _pipeline(desk: Desk) -> ChartView:
    """What is the open pipeline worth, stage by stage? One currency; the others stand beside it, never added up."""
    found = desk.board.figures("pipeline", ("bucket", "series"))
    currency = chart_currency(desk, found)
    stages = sorted({each.bucket or "" for each in found if each.series == currency}, key=_stage_rank)
    value = {each.bucket: each.value for each in found if each.series == currency}
    points = tuple(
        PointView(
            stage or _NO_STAGE,
            value[stage],
            records_query("pipeline", desk.project, stage=stage, currency=currency),
        )
        for stage in stages
    )
    series = (SeriesView("pipeline", points),) if points else ()
    return ChartView("pipeline", "bar", "category", series, "money", currency)
