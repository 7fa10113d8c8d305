"""/records: the records behind a number. /control-tower: the numbers."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from models.infra.database import in_db
from models.infra.local_cache import local_cache
from tools_app.api.deps import Caller, Cursor, Limit, ProjectParameter, ReadScope
from tools_app.api.rendered import UNCHANGED, answer, cached, envelope, remember
from tools_app.api.schemas import Answer, ItemList
from tools_app.services import portfolio, projects, records
from tools_app.services.views import ControlTowerView, Figure, RecordRow

router = APIRouter(tags=["control tower"])


class ControlTowerAnswer(Answer):
    """The dashboard. Every figure's `records_query` is the query string of `/records` that lists its records."""

    control_tower: ControlTowerView


class RecordList(ItemList[RecordRow]):
    """A page of the records of a set, the figure all of them make, and how many they are."""

    set_code: str
    params: dict[str, str]
    figure: Figure
    total: int


@router.get(
    "/control-tower",
    summary="The dashboard of a project or of all projects",
    response_model=ControlTowerAnswer,
    responses=UNCHANGED,
)
async def control_tower(request: Request, session: Caller, scope: ReadScope) -> Response:
    """Tiles, trust, charts and the per-project table. What has not been measured is null. Answers 304 to a known ETag."""
    version = local_cache().version
    read = await portfolio.read_control_tower(scope)
    rendered = cached(envelope("control_tower", read.body))
    await remember(request, session, rendered, read.fresh_until, portfolio.tower_tags(scope), version)
    return answer(request, rendered.rest, rendered.etag)


@router.get("/records", summary="The records behind a number")
async def list_records(
    session: Caller,
    set_code: Annotated[str, Query(alias="set", max_length=64, description="Name of the record set.")],
    project_id: ProjectParameter = None,
    project: Annotated[str | None, Query(max_length=64, description="Other name of `project_id`.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    week: Annotated[str | None, Query(max_length=10, description="Monday of a week, YYYY-MM-DD.")] = None,
    direction: Annotated[str | None, Query(max_length=16, description="incoming or outgoing.")] = None,
    age: Annotated[str | None, Query(max_length=16, description="under_1d, 1_3d, 3_7d or over_7d.")] = None,
    reason: Annotated[str | None, Query(max_length=16, description="overdue or blocked.")] = None,
    stage: Annotated[str | None, Query(max_length=200, description="Stage of a deal.")] = None,
    currency: Annotated[str | None, Query(max_length=3, description="ISO 4217 code.")] = None,
    connection: Annotated[str | None, Query(max_length=36, description="Id of a connection.")] = None,
) -> RecordList:
    """Newest first. A figure's `records_query` is the query string that lists the records it was computed from."""
    scope = await in_db(projects.resolve_scope, session, project_id or project)
    named = {
        "week": week,
        "direction": direction,
        "age": age,
        "reason": reason,
        "stage": stage,
        "currency": currency,
        "connection": connection,
    }
    where = {name: value for name, value in named.items() if value is not None}
    view = await in_db(records.list_records, scope, set_code, where, cursor=cursor, limit=limit)
    return RecordList(
        items=view.items,
        next_cursor=view.next_cursor,
        set_code=view.set_code,
        params=view.params,
        figure=view.figure,
        total=view.total,
    )
