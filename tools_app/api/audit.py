"""/audit: who did what, when, to which entity."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from models.infra.database import in_db
from models.queries.audit_trail import Sought
from tools_app.api.deps import Caller, Cursor, Limit, ProjectParameter
from tools_app.api.etags import NOT_MODIFIED, tagged
from tools_app.api.schemas import ItemList
from tools_app.services import audit_trail, projects
from tools_app.services.audit_trail import AuditEventView

router = APIRouter(prefix="/audit", tags=["audit"])

Word = Annotated[str | None, Query(min_length=1, max_length=200)]
Instant = Annotated[AwareDatetime | None, Query(description="An instant with its zone (ISO 8601).")]


@router.get("", summary="The audit trail", response_model=ItemList[AuditEventView], responses=NOT_MODIFIED)
async def list_events(
    request: Request,
    session: Caller,
    project_id: ProjectParameter = None,
    actor: Word = None,
    action: Annotated[
        str | None,
        Query(max_length=200, description="`entity.verb`, or its beginning and `*`.", examples=["offer.*"]),
    ] = None,
    entity_type: Word = None,
    entity_id: Word = None,
    event_request_id: Annotated[
        str | None, Query(alias="request_id", max_length=128, description="`x-request-id` of the request.")
    ] = None,
    since: Instant = None,
    until: Instant = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Events of a project; over all projects also those that belong to none (logins, settings)."""
    scope = await in_db(projects.resolve_scope, session, project_id)
    sought = Sought(actor, action, entity_type, entity_id, event_request_id, since, until)
    whole = (project_id or session.active_project_id or projects.ALL) == projects.ALL
    items, after = await in_db(
        audit_trail.list_events,
        scope,
        sought,
        # A key that is limited to projects sees nothing that belongs to none of them.
        with_scope_events=whole and session.limited_to is None,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return tagged(request, ItemList[AuditEventView](items=tuple(items), next_cursor=after))
