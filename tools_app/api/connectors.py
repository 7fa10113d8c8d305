"""/connectors: state, sync, errors."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query

from models.infra.database import in_db
from models.queries.connector_overview import ErrorFacts
from tools_app.api.deps import Changer, Limit, ReadScope
from tools_app.api.schemas import Answer, Input, ItemList, NoInput, example
from tools_app.services import connectors
from tools_app.services.connectors import RequestedRun
from tools_app.services.error_payload import ErrorPayload, error_payload
from tools_app.services.views import ConnectorCard

router = APIRouter(prefix="/connectors", tags=["connectors"])

ConnectorName = Literal["chatwoot", "linear", "attio"]
Connector = Annotated[ConnectorName, Path(description="Name of the connector.")]


class SyncInput(Input):
    """What to sync: the connections of one connector, or all when it is left out."""

    model_config = example(connector="linear")

    connector: ConnectorName | None = None


class PayloadAnswer(Answer):
    """The payload of one failed unit; its text is empty where the vendor sent nothing, as when a stream failed."""

    payload: ErrorPayload


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


@router.get("/errors", summary="Unresolved errors")
async def errors(
    scope: ReadScope,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Limit = 50,
    status: Annotated[
        Literal["pending", "retrying", "dead_letter"] | None, Query(description="Only errors in this state.")
    ] = None,
) -> ItemList[ErrorFacts]:
    """Failed units of work that wait for a retry or were given up, newest first."""
    page = await in_db(connectors.list_errors, scope, cursor=cursor, limit=limit, status=status)
    return ItemList[ErrorFacts](items=page.items, next_cursor=page.next_cursor)


@router.get("/errors/{error_id}/payload", summary="What the vendor sent of a failed unit")
async def payload(scope: ReadScope, error_id: UUID) -> PayloadAnswer:
    """Indented JSON of at most 8,000 characters, secrets masked; 404 when the scope has no such unresolved error."""
    return PayloadAnswer(payload=await in_db(error_payload, scope, str(error_id)))


@router.post("/errors/{error_id}/retry", status_code=202, summary="Try a failed unit again now")
async def retry_error(session: Changer, error_id: UUID, _body: NoInput | None = None) -> RequestedRun:
    """Starts its attempts anew, also for a dead letter; 404 when the account scope has no such unresolved error."""
    return await in_db(connectors.retry_error, session, str(error_id))
