"""/connectors/reconciliation: completeness as the vendors say, the ids that differ, comparing; and mending."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from models.infra.database import in_db
from tools_app.api.connectors import Connector, ConnectorName
from tools_app.api.deps import Changer, Limit, ReadScope
from tools_app.api.schemas import Input, ItemList, JsonAnswer, NoInput, example
from tools_app.services import completeness, differences
from tools_app.services.completeness import CompletenessRow
from tools_app.services.differences import Difference, Kind
from tools_app.services.job_requests import RequestedRun

router = APIRouter(prefix="/connectors", tags=["connectors"])

_CSV = "text/csv"


class ReconciliationInput(Input):
    """What to compare: the connections of one connector, or all when it is left out."""

    model_config = example(connector="linear")

    connector: ConnectorName | None = None


@router.get("/reconciliation", summary="Completeness of every stream")
async def list_completeness(scope: ReadScope) -> ItemList[CompletenessRow]:
    """The newest comparison with the vendor of each stream, counted inside the scope; unknown while it is away."""
    return ItemList[CompletenessRow](items=await in_db(completeness.list_completeness, scope))


@router.get(
    "/reconciliation/diff",
    summary="Ids that differ from the vendor's",
    response_model=ItemList[Difference],
    responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
)
async def differing(
    request: Request,
    scope: ReadScope,
    connector: Annotated[ConnectorName | None, Query(description="One connector; all when left out.")] = None,
    stream: Annotated[str | None, Query(max_length=64, description="One stream; all when left out.")] = None,
    difference: Annotated[Kind | None, Query(description="One kind; all when left out.")] = None,
    cursor: Annotated[
        str | None, Query(max_length=1024, description="`next_cursor` of the page before.")
    ] = None,
    limit: Limit = 50,
    form: Annotated[
        Literal["json", "csv"] | None,
        Query(
            alias="format", description="`csv` for all of them as a file, whatever `cursor` and `limit` say."
        ),
    ] = None,
) -> Response:
    """Vendor ids of the scope's projects that are missing, extra or stale, as the newest comparison found them.

    CSV also for who sends `Accept: text/csv`.
    """
    accept = request.headers.get("accept", "")
    headers = {"vary": "Accept"}
    if form == "csv" or (form is None and accept.split(";")[0].strip().lower() == _CSV):
        text = await in_db(
            differences.differences_csv, scope, connector=connector, stream=stream, kind=difference
        )
        headers["content-disposition"] = f'attachment; filename="{connector or "all"}-differences.csv"'
        return Response(text, media_type=f"{_CSV}; charset=utf-8", headers=headers)
    page = await in_db(
        differences.list_differences,
        scope,
        connector=connector,
        stream=stream,
        kind=difference,
        cursor=cursor,
        limit=limit,
    )
    answer = ItemList[Difference](items=page.items, next_cursor=page.next_cursor)
    return JsonAnswer(answer.model_dump(mode="json"), headers=headers)


@router.post("/reconciliation/run", status_code=202, summary="Compare with the vendors now")
async def reconcile(session: Changer, body: ReconciliationInput | None = None) -> ItemList[RequestedRun]:
    """Asks for a comparison of ids and contents; a running one is joined. 404 without such a connection."""
    connector = None if body is None else body.connector
    return ItemList[RequestedRun](items=await in_db(completeness.reconcile_now, session, connector))


@router.post("/{name}/repair", status_code=202, summary="Fetch what differs again")
async def repair(session: Changer, name: Connector, _body: NoInput | None = None) -> ItemList[RequestedRun]:
    """Asks for the mending of what the newest comparison found; 404 when the account scope has no such connection."""
    return ItemList[RequestedRun](items=await in_db(completeness.repair_now, session, name))
