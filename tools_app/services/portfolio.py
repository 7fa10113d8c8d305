"""The portfolio and the Control Tower as cached answers: computed once, made old by the end of a job.

Keys: `portfolio:{account_scope}:{hash(projects)}` 90 s, `ct:{project}` 120 s (`ct:{hash}` for several). A figure that
is merely past its time is served while it is computed anew; one that a job has changed never is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from models.infra.cache_tags import tag
from models.infra.database import in_db, reading
from models.infra.read_through import Policy, Read, read_through
from models.infra.scope import Scope
from models.queries.dashboard_board import Board, read_board
from models.queries.projects import ProjectFacts
from tools_app.services.dashboard import control_tower, project_rows, unconverted
from tools_app.services.dashboard_charts import Desk
from tools_app.services.moments import scope_projects_and_moment
from tools_app.services.records import project_name, records_query
from tools_app.services.trust import trust_of
from tools_app.services.views import ControlTowerView, Figure, ProjectRow, TrustView, Unit

PORTFOLIO = Policy(ttl_s=90.0, stale_s=30.0)
TOWER = Policy(ttl_s=120.0, stale_s=30.0)


@dataclass(frozen=True, slots=True)
class PortfolioTotals:
    """The sums over the listed projects. `reply_hours` is the median over all their conversations, no mean of medians;
    it is kept for one project and for all, and None for a choice of several.
    """

    projects: int
    messages_7d: Figure
    messages_before_7d: float
    waiting: Figure
    reply_hours: Figure
    open_issues: Figure
    overdue_issues: Figure
    open_deals: Figure
    pipeline: Figure


@dataclass(frozen=True, slots=True)
class PortfolioView:
    """Every project of the choice on one line, their totals, and how far the copy behind them can be trusted."""

    projects: tuple[ProjectRow, ...]
    totals: PortfolioTotals
    trust: TrustView
    base_currency: str
    generated_at: datetime
    unconverted: tuple[Figure, ...] = ()


async def read_control_tower(scope: Scope) -> Read:
    """The dashboard's JSON, from the cache when it has it."""
    project = str(scope.project_ids[0]) if len(scope.project_ids) == 1 else scope.key()
    return await _read(TOWER, f"ct:{project}", tower_tags(scope), scope, control_tower, ControlTowerView)


async def read_portfolio(scope: Scope) -> Read:
    """The portfolio's JSON, from the cache when it has it."""
    key = f"portfolio:{scope.account_scope_id}:{scope.key()}"
    return await _read(PORTFOLIO, key, portfolio_tags(scope), scope, overview, PortfolioView)


async def tower_view(scope: Scope) -> ControlTowerView:
    """The dashboard as the page shows it."""
    return _adapter(ControlTowerView).validate_json((await read_control_tower(scope)).body)


def tower_tags(scope: Scope) -> tuple[str, ...]:
    """What makes a dashboard old."""
    return tag("ct", scope.account_scope_id), tag("projects", scope.account_scope_id)


def portfolio_tags(scope: Scope) -> tuple[str, ...]:
    """What makes a portfolio old."""
    return tag("portfolio", scope.account_scope_id), tag("projects", scope.account_scope_id)


async def _read(
    policy: Policy, key: str, tags: tuple[str, ...], scope: Scope, compute: Callable[[Scope], Any], view: type
) -> Read:
    async def made() -> bytes:
        return await in_db(lambda: _adapter(view).dump_json(compute(scope)))

    return await read_through(policy, key, tags, made)


@lru_cache(maxsize=8)
def _adapter(view: type) -> TypeAdapter[Any]:
    return TypeAdapter(view)


def overview(scope: Scope) -> PortfolioView:
    """The portfolio, computed: five reads at most, whatever the number of projects."""
    with reading() as session:
        facts, projects, moment = scope_projects_and_moment(session, scope)
        board = read_board(
            session, scope, moment, is_whole=all(each.id in scope.project_ids for each in projects)
        )
        desk = Desk(board, scope, moment, facts, projects, project_name(scope, projects))
        return PortfolioView(
            projects=project_rows(desk),
            totals=_totals(board, desk, projects),
            trust=trust_of(session, scope, moment, board),
            base_currency=facts.base_currency,
            generated_at=moment.now,
            unconverted=unconverted(desk),
        )


def _totals(board: Board, desk: Desk, projects: list[ProjectFacts]) -> PortfolioTotals:
    base = desk.facts.base_currency
    one_or_all = board.is_whole or len(desk.scope.project_ids) == 1

    def total(code: str, unit: Unit = "count", currency: str = "") -> Figure:
        where = {"currency": currency} if currency else {}
        return Figure(
            board.figures(code, (), where)[0].value,
            unit,
            currency,
            records_query(code, desk.project, **where),
        )

    return PortfolioTotals(
        projects=sum(each.kind == "client" for each in projects if each.id in desk.scope.project_ids),
        messages_7d=total("messages_7d"),
        messages_before_7d=board.figure("messages_before_7d").value or 0,
        waiting=total("waiting_conversations"),
        reply_hours=total("first_response", "hours") if one_or_all else Figure(None, "hours"),
        open_issues=total("open_issues"),
        overdue_issues=total("overdue_issues"),
        open_deals=total("open_deals"),
        pipeline=total("pipeline", "money", base),
    )
