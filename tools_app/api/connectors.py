"""/connectors: state and sync."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path

from models.infra.database import in_db
from tools_app.api.deps import Changer, ReadScope
from tools_app.api.schemas import Input, ItemList, NoInput, example
from tools_app.services import connectors
from tools_app.services.job_requests import RequestedRun
from tools_app.services.views import ConnectorCard

router = APIRouter(prefix="/connectors", tags=["connectors"])

ConnectorName = Literal["chatwoot", "linear", "attio"]
Connector = Annotated[ConnectorName, Path(description="Name of the connector.")]


class SyncInput(Input):
    """What to sync: the connections of one connector, or all when it is left out."""

    model_config = example(connector="linear")

    connector: ConnectorName | None = None


@router.get("/state", summary="State of every connection")
async def state(scope: ReadScope) -> ItemList[ConnectorCard]:
    """Last success, rows and errors a stream, and what is running. Rows are counted inside the scope."""
    return ItemList[ConnectorCard](items=await in_db(connectors.connectors_state, scope))


@router.post("/sync", status_code=202, summary="Sync connections now")
async def sync_all(session: Changer, body: SyncInput | None = None) -> ItemList[RequestedRun]:
    """Asks for a sync of every connection of the account scope, or of one connector's; a running one is joined."""
    connector = None if body is None else body.connector
    return ItemList[RequestedRun](items=await in_db(connectors.sync_now, session, connector))


@router.post("/{name}/sync", status_code=202, summary="Sync the connections of one connector now")
async def sync_one(session: Changer, name: Connector, _body: NoInput | None = None) -> ItemList[RequestedRun]:
    """Asks for a sync; 404 when the account scope has no such connection."""
    return ItemList[RequestedRun](items=await in_db(connectors.sync_now, session, name))
