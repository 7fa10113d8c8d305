"""The Control Tower dashboard of one project or of all projects: tiles, trust, charts, the per-project table.

Every figure is computed in SQL from a record set and carries the query that lists its records. What is not measured
is None. `trust` comes from the connectors; charts are put together in `dashboard_charts`.
"""

from uuid import UUID

from models.infra.database import reading
from models.infra.scope import Scope
from models.queries.dashboard_board import read_board
from models.queries.projects import ProjectFacts
from models.queries.record_figures import GroupFigure
from models.queries.record_sets import WEEKS
from tools_app.services.dashboard_charts import Desk, all_charts, chart_currency
from tools_app.services.moments import scope_projects_and_moment
from tools_app.services.records import project_name, records_query
from tools_app.services.trust import trust_of
from tools_app.services.views import Better, ControlTowerView, Figure, ProjectRow, TileView, TrustView, Unit


def control_tower(scope: Scope, locale: str = "en") -> ControlTowerView:
    """The dashboard of a scope. Views carry codes, so one view serves every `locale`."""
    del locale
    with reading() as session:
        facts, projects, moment = scope_projects_and_moment(session, scope)
        is_whole = all(each.id in scope.project_ids for each in projects)
        board = read_board(session, scope, moment, is_whole=is_whole)
        desk = Desk(board, scope, moment, facts, projects, project_name(scope, projects))
        trust = trust_of(session, scope, moment, board)
        return ControlTowerView(
            tiles=_tiles(desk, trust),
            trust=trust,
            charts=all_charts(desk),
            projects=project_rows(desk),
            base_currency=facts.base_currency,
            generated_at=moment.now,
            unconverted=unconverted(desk),
        )


def _counted(desk: Desk, code: str) -> float:
    if code == "active_projects":
        return sum(each.kind == "client" for each in desk.projects if each.id in desk.scope.project_ids)
    return desk.board.figure(code).value or 0


def _tile(
    desk: Desk,
    code: str,
    better: Better = "neutral",
    previous: float | None = None,
    trend: tuple[float, ...] = (),
) -> TileView:
    shown = Figure(_counted(desk, code), records_query=records_query(code, desk.project))
    return TileView(code, shown, previous, better, trend)


def _tiles(desk: Desk, trust: TrustView) -> tuple[TileView, ...]:
    """The highlights. Completeness stays unknown until a reconciliation has compared the copy with the vendor."""
    weekly = desk.board.figures("messages_weekly", ("bucket",))
    by_week = {each.bucket: each.value or 0 for each in weekly}
    trend = tuple(by_week.get(monday.isoformat(), 0.0) for monday in desk.moment.weeks(WEEKS))
    completeness = TileView(
        "completeness",
        Figure(trust.completeness_pct, "percent"),
        better="up",
        page="/jobs",
        anchor="completeness",
        is_unknown=trust.is_unknown,
        known_at=trust.known_at,
    )
    return (
        _tile(desk, "active_projects"),
        _tile(desk, "messages_7d", "neutral", _counted(desk, "messages_before_7d"), trend),
        _tile(desk, "waiting_conversations", "down"),
        _tile(desk, "overdue_or_blocked_issues", "down"),
        completeness,
    )


def _by_project(desk: Desk, code: str) -> dict[UUID | None, GroupFigure]:
    found = desk.board.figures(code, ("project_id",))
    return {each.project_id: each for each in found}


def project_rows(desk: Desk) -> tuple[ProjectRow, ...]:
    """One row a project of the scope."""
    base = desk.facts.base_currency
    counts = {
        code: _by_project(desk, code)
        for code in ("messages_7d", "waiting_conversations", "open_issues", "overdue_issues", "open_deals")
    }
    reply = _by_project(desk, "first_response")
    worth = desk.board.figures("pipeline", ("project_id",), {"currency": base})
    money = {each.project_id: each.value for each in worth}
    newest = desk.board.newest_activity()

    def cell(
        each: ProjectFacts, code: str, value: float | None, unit: Unit = "count", currency: str = ""
    ) -> Figure:
        where = {"currency": currency} if currency else {}
        return Figure(value, unit, currency, records_query(code, each.slug, **where))

    def count(each: ProjectFacts, code: str) -> Figure:
        found = counts[code].get(each.id)
        return cell(each, code, 0 if found is None else found.value)

    def row(each: ProjectFacts) -> ProjectRow:
        answered = reply.get(each.id)
        return ProjectRow(
            slug=each.slug,
            name=each.name,
            messages_7d=count(each, "messages_7d"),
            waiting=count(each, "waiting_conversations"),
            reply_hours=cell(each, "first_response", None if answered is None else answered.value, "hours"),
            open_issues=count(each, "open_issues"),
            overdue_issues=count(each, "overdue_issues"),
            open_deals=count(each, "open_deals"),
            pipeline=cell(each, "pipeline", money.get(each.id), "money", base),
            last_activity_at=newest.get(each.id),
            is_unassigned=each.kind == "unassigned",
        )

    return tuple(row(each) for each in desk.projects if each.id in desk.scope.project_ids)


def unconverted(desk: Desk) -> tuple[Figure, ...]:
    """Open pipeline in the currencies that the pipeline chart does not show, each by itself, largest count first."""
    found = desk.board.figures("pipeline", ("series",))
    drawn = chart_currency(desk, found)
    others = sorted(
        (each for each in found if each.series != drawn), key=lambda each: (-each.records, each.series or "")
    )
    return tuple(
        Figure(
            each.value,
            "money",
            each.series or "",
            records_query("pipeline", desk.project, currency=each.series or ""),
        )
        for each in others
    )
