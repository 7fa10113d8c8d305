"""/connectors: completeness as the vendors say, the ids that differ, comparing and mending."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from models.infra.database import in_db
from tools_app.api.connectors import Connector
from tools_app.api.deps import Changer, ReadScope
from tools_app.api.schemas import ItemList, NoInput
from tools_app.services import completeness
from tools_app.services.completeness import CompletenessRow
from tools_app.services.connectors import RequestedRun

router = APIRouter(prefix="/connectors", tags=["connectors"])


@router.get("/completeness", summary="Completeness of every stream")
async def list_completeness(scope: ReadScope) -> ItemList[CompletenessRow]:
    """The newest comparison with the vendor of each stream, counted inside the scope; unknown while it is away."""
    return ItemList[CompletenessRow](items=await in_db(completeness.list_completeness, scope))


@router.get(
    "/{name}/diff.csv",
    summary="Ids that differ from the vendor's",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "CSV, UTF-8"}},
)
async def differences(
    scope: ReadScope,
    name: Connector,
    stream: Annotated[str | None, Query(max_length=64, description="One stream; all when left out.")] = None,
) -> Response:
    """Vendor ids of the scope's projects that are missing, extra or stale, as the newest comparison found them."""
    text = await in_db(completeness.differences_csv, scope, name, stream)
    headers = {"content-disposition": f'attachment; filename="{name}-differences.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/{name}/reconcile", status_code=202, summary="Compare with the vendor now")
async def reconcile(
    session: Changer, name: Connector, _body: NoInput | None = None
) -> ItemList[RequestedRun]:
    """Asks for a comparison of ids and contents; 404 when the account scope has no such connection."""
    return ItemList[RequestedRun](items=await in_db(completeness.reconcile_now, session, name))


@router.post("/{name}/repair", status_code=202, summary="Fetch what differs again")
async def repair(session: Changer, name: Connector, _body: NoInput | None = None) -> ItemList[RequestedRun]:
    """Asks for the mending of what the newest comparison found; 404 when the account scope has no such connection."""
    return ItemList[RequestedRun](items=await in_db(completeness.repair_now, session, name))
