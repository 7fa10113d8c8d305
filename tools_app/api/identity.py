"""/identity: which records of different systems are the same person or company; accepting, dismissing, undoing."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from models.infra.database import in_db
from models.queries.identity import LinkFacts, PairKind, PairStatus, SuggestionFacts, Wanted
from tools_app.api.deps import Changer, Cursor, IdempotencyKey, Limit, ReadScope, once_key, tell_replay
from tools_app.api.rendered import UNCHANGED, answer_model
from tools_app.api.schemas import Answer, Input, ItemList, NoInput, example
from tools_app.services import identity, projects
from tools_app.services.job_requests import RequestedRun

router = APIRouter(prefix="/identity", tags=["identity"])

_PROJECT = "studio-site"
_PAIR = "019a1b2c-0000-7000-8000-000000000001"
Kind = Annotated[PairKind | None, Query(description="Only pairs of these two kinds of records.")]
Record = Annotated[UUID | None, Query(description="Only pairs with this record on either side.")]
Pairs = Annotated[list[UUID], Field(min_length=1, max_length=100)]
Project = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="Id or slug of a project, or `all`, which pairs across projects need.",
        examples=[_PROJECT],
    ),
]


class SuggestionsInput(Input):
    """Suggestions to accept: all of them, or none."""

    model_config = example(project_id=_PROJECT, suggestion_ids=[_PAIR])

    project_id: Project
    suggestion_ids: Pairs


class DismissInput(SuggestionsInput):
    """Suggestions to dismiss or, with `dismissed` false, to propose again: all of them, or none."""

    model_config = example(project_id=_PROJECT, suggestion_ids=[_PAIR], dismissed=True)

    dismissed: bool = True


class UnlinkInput(Input):
    """Links to undo, all of them or none, and what becomes of their suggestions."""

    model_config = example(project_id=_PROJECT, link_ids=[_PAIR], back_to="proposed")

    project_id: Project
    link_ids: Pairs
    back_to: Literal["proposed", "dismissed"] = "proposed"


class LinksAnswer(Answer):
    """The links that were made."""

    links: tuple[LinkFacts, ...]


class SuggestionsAnswer(Answer):
    """The suggestions as they are now; those whose record is gone are left out."""

    suggestions: tuple[SuggestionFacts, ...]


@router.get(
    "/suggestions",
    summary="Pairs that may be the same person or company",
    response_model=ItemList[SuggestionFacts],
    responses=UNCHANGED,
)
async def list_suggestions(
    request: Request,
    scope: ReadScope,
    status: Annotated[PairStatus | None, Query(description="Only this status.")] = None,
    kind: Kind = None,
    record_id: Record = None,
    min_confidence: Annotated[
        float | None, Query(ge=0, le=1, description="Only from this confidence on.")
    ] = None,
    sort: Literal["confidence", "-confidence", "created_at", "-created_at"] = "-confidence",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """With the features that fired and their weights. A pair across projects shows where both are read."""
    wanted = Wanted(status, kind, min_confidence, record_id)
    items, after = await in_db(
        identity.list_suggestions, scope, wanted, sort=sort, cursor=cursor, limit=limit
    )
    return answer_model(request, ItemList[SuggestionFacts](items=tuple(items), next_cursor=after))


@router.post("/suggestions/preview", status_code=202, summary="Look for pairs now")
async def preview(session: Changer, _body: NoInput | None = None) -> ItemList[RequestedRun]:
    """Asks for the job that compares the account scope's records; one that waits or runs already is joined."""
    return ItemList[RequestedRun](items=await in_db(identity.request_preview, session))


@router.post("/apply", status_code=201, summary="Accept suggestions")
async def apply(
    request: Request,
    response: Response,
    session: Changer,
    body: SuggestionsInput,
    idempotency_key: IdempotencyKey = None,
) -> LinksAnswer:
    """Makes a link of each. 409 when one was decided already or a record of it is gone; nothing is merged anywhere."""
    scope = await in_db(projects.resolve_scope, session, body.project_id)
    once = once_key(request, idempotency_key, body)
    made = await in_db(identity.apply, session, scope, body.suggestion_ids, once)
    tell_replay(response, replayed=made.replayed)
    return LinksAnswer(links=made.view.links)


@router.post("/dismiss", summary="Dismiss suggestions, or propose them again")
async def dismiss(session: Changer, body: DismissInput) -> SuggestionsAnswer:
    """A dismissed pair is not proposed again by itself. 409 when one was decided otherwise."""
    scope = await in_db(projects.resolve_scope, session, body.project_id)
    found = await in_db(identity.dismiss, session, scope, body.suggestion_ids, dismissed=body.dismissed)
    return SuggestionsAnswer(suggestions=tuple(found))


@router.get("/links", summary="Accepted pairs", response_model=ItemList[LinkFacts], responses=UNCHANGED)
async def list_links(
    request: Request,
    scope: ReadScope,
    kind: Kind = None,
    record_id: Record = None,
    sort: Literal["created_at", "-created_at"] = "-created_at",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Without those of records that the vendor deleted. `record_id` answers who a record is."""
    wanted = Wanted(kind=kind, record_id=record_id)
    items, after = await in_db(identity.list_links, scope, wanted, sort=sort, cursor=cursor, limit=limit)
    return answer_model(request, ItemList[LinkFacts](items=tuple(items), next_cursor=after))


@router.post("/unlink", summary="Undo accepted pairs")
async def unlink(session: Changer, body: UnlinkInput) -> SuggestionsAnswer:
    """Removes the links; their suggestions are proposed again as they were, or dismissed."""
    scope = await in_db(projects.resolve_scope, session, body.project_id)
    found = await in_db(identity.unlink, session, scope, body.link_ids, back_to=body.back_to)
    return SuggestionsAnswer(suggestions=tuple(found))
