"""/portfolio: the projects of an account scope side by side, and what was written in them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from models.infra.database import in_db
from models.infra.local_cache import local_cache
from models.infra.scope import Scope
from models.queries.comms_lists import MessageFacts
from tools_app.api.deps import Caller, Cursor, Limit
from tools_app.api.rendered import UNCHANGED, answer, answer_model, cached, envelope, remember
from tools_app.api.schemas import Answer, ItemList
from tools_app.services import comms, portfolio, projects
from tools_app.services.portfolio import PortfolioView
from tools_app.services.views import SessionView

router = APIRouter(prefix="/portfolio", tags=["portfolio"])

ProjectIds = Annotated[
    str | None,
    Query(
        max_length=4000,
        description="Ids or slugs of projects, comma separated; left out: all projects of the account scope.",
    ),
]
Direction = Annotated[
    Literal["incoming", "outgoing"] | None, Query(description="Who wrote: client or studio.")
]


class PortfolioAnswer(Answer):
    """Projects, totals and trust. Every figure's `records_query` is the query string of `/records` that lists its records."""

    portfolio: PortfolioView


async def _chosen(session: SessionView, project_ids: str | None) -> Scope:
    if projects.are_held(session):
        return projects.resolve_projects(session, project_ids)
    return await in_db(projects.resolve_projects, session, project_ids)


@router.get(
    "/overview",
    summary="Every project on one line",
    response_model=PortfolioAnswer,
    responses=UNCHANGED,
)
async def overview(request: Request, session: Caller, project_ids: ProjectIds = None) -> Response:
    """Figures of each project and their totals; 404 for a project outside the account scope, 304 to a known ETag."""
    version = local_cache().version
    scope = await _chosen(session, project_ids)
    read = await portfolio.read_portfolio(scope)
    rendered = cached(envelope("portfolio", read.body))
    await remember(request, session, rendered, read.fresh_until, portfolio.portfolio_tags(scope), version)
    return answer(request, rendered.rest, rendered.etag)


@router.get(
    "/messages",
    summary="What clients and studio wrote, over projects",
    response_model=ItemList[MessageFacts],
    responses=UNCHANGED,
)
async def messages(
    request: Request,
    session: Caller,
    project_ids: ProjectIds = None,
    direction: Direction = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Newest first, without private notes."""
    scope = await _chosen(session, project_ids)
    page = await in_db(comms.messages, scope, direction=direction or "", cursor=cursor, limit=limit)
    return answer_model(request, ItemList[MessageFacts](items=page.items, next_cursor=page.next_cursor))
