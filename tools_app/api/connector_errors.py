"""/connectors/errors: what could not be read, what was given up, what the vendor sent, trying again."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from models.infra.database import in_db
from models.queries.connector_overview import DEAD_LETTER, ErrorFacts
from tools_app.api.connectors import ConnectorName
from tools_app.api.deps import Changer, Limit, ReadScope
from tools_app.api.schemas import Answer, Input, ItemList, example
from tools_app.services import connector_errors, projects
from tools_app.services.connector_errors import RETRIED_AT_MOST
from tools_app.services.error_payload import ErrorPayload, error_payload
from tools_app.services.job_requests import RequestedRun

router = APIRouter(prefix="/connectors/errors", tags=["connectors"])

# The cursor of these lists is checked by the service, which says what is wrong with it.
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


class PayloadAnswer(Answer):
    """The payload of one failed unit; its text is empty where the vendor sent nothing, as when a stream failed."""

    payload: ErrorPayload


class RetryInput(Input):
    """Which errors to try again: all of the project, or those that are named, of a connector, or given up."""

    model_config = example(project_id="all", connector="linear", only_dead_letters=True)

    project_id: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="Id or slug of a project, or `all`; left out: the session's active project.",
    )
    connector: ConnectorName | None = None
    error_ids: list[UUID] | None = Field(None, min_length=1, max_length=RETRIED_AT_MOST)
    only_dead_letters: bool = False


class RetryAnswer(Answer):
    """How many errors are due now, and the runs that try them; `has_more`: ask again for the rest."""

    error_count: int
    has_more: bool
    items: tuple[RequestedRun, ...]


@router.get("", summary="Unresolved errors")
async def errors(
    scope: ReadScope,
    cursor: Cursor = None,
    limit: Limit = 50,
    status: Annotated[
        Literal["pending", "retrying", "dead_letter"] | None, Query(description="Only errors in this state.")
    ] = None,
) -> ItemList[ErrorFacts]:
    """Failed units of work that wait for a retry or were given up, newest first."""
    page = await in_db(connector_errors.list_errors, scope, cursor=cursor, limit=limit, status=status)
    return ItemList[ErrorFacts](items=page.items, next_cursor=page.next_cursor)


@router.get("/dead-letter", summary="Errors that were given up")
async def dead_letters(scope: ReadScope, cursor: Cursor = None, limit: Limit = 50) -> ItemList[ErrorFacts]:
    """Failed units of work that nobody tries any more by themselves, newest first; `/errors/retry` starts them anew."""
    return await errors(scope, cursor, limit, DEAD_LETTER)


@router.post("/retry", status_code=202, summary="Try failed units again now")
async def retry(session: Changer, body: RetryInput) -> RetryAnswer:
    """Starts their attempts anew, also of dead letters: at most 1,000 errors a request, those due latest first.

    404 when none of the named errors is there; named errors that are resolved meanwhile are left out.
    """
    scope = await in_db(projects.resolve_scope, session, body.project_id)
    asked = await in_db(
        connector_errors.retry_errors,
        session,
        scope,
        error_ids=body.error_ids,
        connector=body.connector,
        only_dead=body.only_dead_letters,
    )
    return RetryAnswer(error_count=asked.error_count, has_more=asked.has_more, items=asked.items)


@router.get("/{error_id}/payload", summary="What the vendor sent of a failed unit")
async def payload(scope: ReadScope, error_id: UUID) -> PayloadAnswer:
    """Indented JSON of at most 8,000 characters, secrets masked; 404 when the scope has no such unresolved error."""
    return PayloadAnswer(payload=await in_db(error_payload, scope, str(error_id)))
