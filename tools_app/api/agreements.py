"""/agreements: who promised what by when, what became of it, and looking for them now."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from models.infra.database import in_db
from models.tables.agreements import AgreementStatus, Side
from tools_app.api.crm_inputs import ProjectInput
from tools_app.api.deps import Changer, Cursor, Limit, ReadScope
from tools_app.api.etags import NOT_MODIFIED, tagged
from tools_app.api.languages import Locale
from tools_app.api.schemas import Answer, ItemList, NoInput, example
from tools_app.services import agreements, projects
from tools_app.services.agreements import AgreementSort, AgreementView
from tools_app.services.job_requests import RequestedRun

router = APIRouter(prefix="/agreements", tags=["agreements"])


class AgreementInput(ProjectInput):
    """What became of an agreement."""

    model_config = example(project_id="studio-site", status="kept")

    status: AgreementStatus


class AgreementAnswer(Answer):
    """One agreement."""

    agreement: AgreementView


@router.get("", summary="Agreements", response_model=ItemList[AgreementView], responses=NOT_MODIFIED)
async def list_agreements(
    request: Request,
    scope: ReadScope,
    locale: Locale,
    status: Annotated[AgreementStatus | None, Query(description="Only this status.")] = None,
    side: Annotated[Side | None, Query(description="Only what this side promised.")] = None,
    due_from: Annotated[dt.date | None, Query(description="Due on this day or later.")] = None,
    due_to: Annotated[dt.date | None, Query(description="Due on this day or earlier.")] = None,
    sort: AgreementSort = "due_on",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """By due day, each with the message that makes it and what kept it."""
    items, after = await in_db(
        agreements.list_agreements,
        scope,
        locale,
        status=status,
        side=side,
        due_from=due_from,
        due_to=due_to,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return tagged(request, ItemList[AgreementView](items=tuple(items), next_cursor=after))


@router.post("/extract", status_code=202, summary="Look for agreements now")
async def extract(session: Changer, _body: NoInput | None = None) -> ItemList[RequestedRun]:
    """Asks for the job over the account scope; one that waits or runs already is joined."""
    return ItemList[RequestedRun](items=await in_db(agreements.extract, session))


@router.post("/{agreement_id}", summary="Set an agreement's status")
async def set_status(
    session: Changer, locale: Locale, agreement_id: UUID, body: AgreementInput
) -> AgreementAnswer:
    """By hand: the job leaves it at that. The same again changes nothing."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return AgreementAnswer(
        agreement=await in_db(agreements.set_status, session, scope, agreement_id, body.status, locale)
    )
