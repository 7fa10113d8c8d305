"""/lightrag: query, status, refresh, feedback; /search is query's other name."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AliasChoices, BeforeValidator, Field, StringConstraints

from models.infra.database import in_db
from models.infra.local_cache import local_cache
from retrieval import schemas as retrieval
from tools_app.api.deps import Asker, Changer, ProjectParameter, ReadScope
from tools_app.api.rendered import Rendered, remember, whole
from tools_app.api.request_context import current_request_id
from tools_app.api.schemas import Answer, Input, NoInput, example
from tools_app.services import answers, projects, search

router = APIRouter(tags=["lightrag"])


def _whole_day(value: object) -> object:
    """A text of the form YYYY-MM-DD is a day, not its midnight."""
    return (
        dt.date.fromisoformat(value) if isinstance(value, str) and len(value) == len("YYYY-MM-DD") else value
    )


DayOrInstant = Annotated[dt.datetime | dt.date | None, BeforeValidator(_whole_day)]
Group = Literal["messages", "issues", "deals"]


class QueryInput(Input):
    """A question. The camelCase forms of the names are accepted."""

    model_config = example(
        query="What did we promise for Friday?", source_filter=["messages"], project_id="all"
    )

    query: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    top_k: Annotated[int, Field(ge=1, le=50, validation_alias=AliasChoices("top_k", "topK"))] = 10
    source_limit: Annotated[
        int, Field(ge=1, le=25, validation_alias=AliasChoices("source_limit", "sourceLimit"))
    ] = 8
    source_filter: Annotated[
        tuple[Group, ...] | None,
        Field(min_length=1, max_length=3, validation_alias=AliasChoices("source_filter", "sourceFilter")),
    ] = None
    mode: Annotated[
        retrieval.Mode,
        Field(
            description="hybrid: words, meaning and links; naive (older name: vector): meaning alone; lexical: words alone;"
            " local: records about what the question names and what belongs to it; global: themes; mix: local and hybrid,"
            " and themes when the question asks for them."
        ),
    ] = "hybrid"
    date_from: Annotated[DayOrInstant, Field(validation_alias=AliasChoices("date_from", "dateFrom"))] = None
    date_to: Annotated[DayOrInstant, Field(validation_alias=AliasChoices("date_to", "dateTo"))] = None
    as_of: Annotated[
        DayOrInstant,
        Field(
            validation_alias=AliasChoices("as_of", "asOf"),
            description="What was known then: records written or changed later are not seen.",
        ),
    ] = None
    lang: Literal["en", "ru"] | None = None
    project_id: Annotated[
        str | None,
        Field(
            max_length=64,
            validation_alias=AliasChoices("project_id", "projectId"),
            description="Id or slug of a project, or `all`; left out: the session's active project.",
        ),
    ] = None


class QueryAnswer(Answer, retrieval.Answer):
    """The answer with everything it rests on."""


class NeighboursAnswer(Answer):
    """The records around an evidence record, itself included, oldest first; its own score is 1."""

    items: tuple[retrieval.Evidence, ...]


class FeedbackInput(Input):
    """A vote on an answer."""

    model_config = example(query_run_id="019a1b2c-0000-7000-8000-000000000001", rating="up")

    query_run_id: UUID
    rating: search.Rating
    comment: Annotated[str, StringConstraints(max_length=4000, strip_whitespace=True)] | None = None
    project_id: Annotated[str | None, Field(max_length=64)] = None


class FeedbackAnswer(Answer):
    """The vote is stored."""

    query_run_id: UUID
    rating: search.Rating


class StatusAnswer(Answer, retrieval.RetrievalStatus):
    """What the index of the scope holds."""


class RefreshAnswer(Answer):
    """The indexing runs that were asked for or are at work already."""

    run_ids: tuple[str, ...]


@router.post("/lightrag/query", summary="Ask a question", response_model=QueryAnswer)
@router.post("/search", summary="Ask a question (other name of /lightrag/query)", response_model=QueryAnswer)
async def query(
    request: Request, session: Asker, body: QueryInput, project_id: ProjectParameter = None
) -> Response:
    """An answer of cited sentences with its evidence, or a refusal when the evidence supports none.

    Equal questions are answered from the cache for five minutes unless something changes: `cached` says so.
    """
    version = local_cache().version
    scope = await in_db(projects.resolve_scope, session, body.project_id or project_id)
    question = search.Question(
        text=body.query,
        top_k=body.top_k,
        source_limit=body.source_limit,
        source_filter=body.source_filter,
        mode=body.mode,
        date_from=body.date_from,
        date_to=body.date_to,
        as_of=body.as_of,
        lang=body.lang,
    )
    found = await answers.answer(scope, question, session.user)
    rendered = Rendered(found.rest, first_id=found.first_id, mode=found.mode)
    await remember(request, session, rendered, found.fresh_until, found.tags, version)
    return Response(whole(found.body(), current_request_id()), media_type="application/json")


@router.get("/lightrag/status", summary="State of the index")
async def status(scope: ReadScope) -> StatusAnswer:
    """Chunks by status, sources by group, and how many chunks have a vector."""
    found = await in_db(search.retrieval_status, scope)
    return StatusAnswer.model_validate(found.model_dump())


@router.post("/lightrag/refresh", status_code=202, summary="Bring the index up to date")
async def refresh(session: Changer, _body: NoInput | None = None) -> RefreshAnswer:
    """Asks for indexing of the account scope; a running one is joined."""
    return RefreshAnswer(run_ids=await in_db(search.refresh, session))


@router.get("/lightrag/evidence/{evidence_id}/neighbours", summary="What stands around an evidence record")
async def neighbours(
    scope: ReadScope, evidence_id: str, around: Annotated[int, Query(ge=1, le=10)] = 3
) -> NeighboursAnswer:
    """The records just before and after in the same conversation or issue; 404 when the scope has no such record."""
    return NeighboursAnswer(items=tuple(await in_db(search.neighbours, scope, evidence_id, around)))


@router.post("/lightrag/feedback", summary="Rate an answer")
async def feedback(
    session: Changer, body: FeedbackInput, project_id: ProjectParameter = None
) -> FeedbackAnswer:
    """Thumbs up or down with a comment; a later vote replaces the earlier one."""
    scope = await in_db(projects.resolve_scope, session, body.project_id or project_id or projects.ALL)
    await in_db(search.feedback, session, scope, str(body.query_run_id), body.rating, body.comment)
    return FeedbackAnswer(query_run_id=body.query_run_id, rating=body.rating)
