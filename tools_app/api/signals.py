"""/signals and /nba: what was detected, what to do about it, and what a person decides. Nothing stands without evidence."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from models.infra.database import in_db
from models.tables.signals import ActionStatus, SignalKind, SignalStatus
from tools_app.api.crm_inputs import ProjectInput
from tools_app.api.deps import Changer, Cursor, Limit, ReadScope
from tools_app.api.etags import NOT_MODIFIED, tagged
from tools_app.api.languages import Locale
from tools_app.api.schemas import Answer, ItemList, NoInput, example
from tools_app.services import projects, signals
from tools_app.services.job_requests import RequestedRun
from tools_app.services.signal_views import ActionView, SignalView
from tools_app.services.signals import ActionDecision, ActionSort, SignalDecision, SignalSort

router = APIRouter(tags=["signals"])

_PROJECT = "studio-site"


class SignalDecisionInput(ProjectInput):
    """What becomes of a proposed signal."""

    model_config = example(project_id=_PROJECT, decision="accept")

    decision: SignalDecision


class ActionDecisionInput(ProjectInput):
    """What became of a next best action."""

    model_config = example(project_id=_PROJECT, decision="done")

    decision: ActionDecision


class SignalAnswer(Answer):
    """One signal."""

    signal: SignalView


class ActionAnswer(Answer):
    """One next best action."""

    action: ActionView


@router.get("/signals", summary="Signals", response_model=ItemList[SignalView], responses=NOT_MODIFIED)
async def list_signals(
    request: Request,
    scope: ReadScope,
    locale: Locale,
    status: Annotated[SignalStatus | None, Query(description="Only this status.")] = None,
    kind: Annotated[SignalKind | None, Query(description="Only this kind.")] = None,
    severity: Annotated[int | None, Query(ge=1, le=5, description="At least this severity.")] = None,
    sort: SignalSort = "-occurred_at",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Each with its evidence; `text` is in the language of `lang` or `Accept-Language`."""
    items, after = await in_db(
        signals.list_signals,
        scope,
        locale,
        status=status,
        kind=kind,
        severity=severity,
        sort=sort,
        cursor=cursor,
        limit=limit,
    )
    return tagged(request, ItemList[SignalView](items=tuple(items), next_cursor=after))


@router.post("/signals/scan", status_code=202, summary="Look for signals now")
async def scan(session: Changer, _body: NoInput | None = None) -> ItemList[RequestedRun]:
    """Asks for the job over the account scope; one that waits or runs already is joined."""
    return ItemList[RequestedRun](items=await in_db(signals.scan, session))


@router.post("/signals/{signal_id}", summary="Accept or dismiss a signal")
async def decide_signal(
    session: Changer, locale: Locale, signal_id: UUID, body: SignalDecisionInput
) -> SignalAnswer:
    """Dismissing also dismisses what it suggested. The same again changes nothing; 409 when it is decided otherwise."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return SignalAnswer(
        signal=await in_db(signals.decide_signal, session, scope, signal_id, body.decision, locale)
    )


@router.get("/nba", summary="Next best actions", response_model=ItemList[ActionView], responses=NOT_MODIFIED)
async def list_actions(
    request: Request,
    scope: ReadScope,
    locale: Locale,
    status: Annotated[ActionStatus | None, Query(description="Only this status.")] = None,
    sort: ActionSort = "due_on",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """By due day, each with the evidence of its signal."""
    items, after = await in_db(
        signals.list_actions, scope, locale, status=status, sort=sort, cursor=cursor, limit=limit
    )
    return tagged(request, ItemList[ActionView](items=tuple(items), next_cursor=after))


@router.post("/nba/{action_id}", summary="Settle a next best action")
async def decide_action(
    session: Changer, locale: Locale, action_id: UUID, body: ActionDecisionInput
) -> ActionAnswer:
    """`done` or `dismiss`. The same again changes nothing; 409 when it is decided otherwise."""
    scope = await in_db(projects.one_project, session, body.project_id)
    return ActionAnswer(
        action=await in_db(signals.decide_action, session, scope, action_id, body.decision, locale)
    )
