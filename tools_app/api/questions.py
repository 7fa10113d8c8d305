"""/lightrag: cases out of thumbs-down, votes and analytics by week, recent, saved and suggested questions."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from models.infra.database import in_db
from tools_app.api.deps import Caller, Changer, Cursor, Limit, ProjectParameter, ReadScope
from tools_app.api.schemas import Answer, Input, ItemList, NoInput, example
from tools_app.i18n.catalogue import text
from tools_app.services import feedback_cases, projects, questions
from tools_app.services.feedback_cases import CaseRow, CaseView
from tools_app.services.questions import AnalyticsView, RecentQuery, SavedQuestion, VoteWeek

router = APIRouter(prefix="/lightrag", tags=["lightrag"])

Weeks = Annotated[
    int, Query(ge=1, le=questions.MAX_WEEKS, description="How many weeks, the current one included.")
]
Few = Annotated[int, Query(ge=1, le=50, description="How many at most.")]


class CaseInput(Input):
    """The records that answer the question."""

    model_config = example(evidence=["message:019a1b2c-0000-7000-8000-000000000001"], project_id="all")

    evidence: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=80)], ...],
        Field(
            max_length=50, description="Evidence ids; an empty list says that nothing answers the question."
        ),
    ]
    project_id: Annotated[str | None, Field(max_length=64)] = None


class CaseAnswer(Answer):
    """One case."""

    case: CaseView


class SavedInput(Input):
    """A question to keep."""

    model_config = example(query="What did we promise for Friday?", project_id="all")

    query: Annotated[str, StringConstraints(min_length=1, max_length=4000)]
    project_id: Annotated[
        str | None, Field(max_length=64, description="The projects that the question is kept for.")
    ] = None


class SavedAnswer(Answer):
    """The kept question."""

    saved: SavedQuestion


class TrendAnswer(Answer):
    """Votes by week, oldest first; the last one is the current week."""

    items: tuple[VoteWeek, ...]


class AnalyticsAnswer(Answer):
    """How questions went."""

    analytics: AnalyticsView


class RecentAnswer(Answer):
    """The caller's newest questions, each text once."""

    items: tuple[RecentQuery, ...]


class SavedList(Answer):
    """The questions that the caller keeps, newest first."""

    items: tuple[SavedQuestion, ...]


class Suggestion(BaseModel):
    """A question in words, and what it was made of."""

    code: str
    params: dict[str, str]
    text: str


class SuggestionsAnswer(Answer):
    """Questions worth asking."""

    items: tuple[Suggestion, ...]


@router.get("/feedback/trend", summary="Votes by week")
async def trend(scope: ReadScope, weeks: Weeks = questions.WEEKS) -> TrendAnswer:
    """Thumbs up and down by the week in which they were given, in the account scope's time zone."""
    return TrendAnswer(items=await in_db(questions.vote_trend, scope, weeks))


@router.get("/analytics", summary="How questions went")
async def analytics(scope: ReadScope, weeks: Weeks = questions.WEEKS) -> AnalyticsAnswer:
    """Questions, the rate without an answer, latency and votes: the whole, by week, by mode, by both."""
    return AnalyticsAnswer(analytics=await in_db(questions.analytics, scope, weeks))


@router.get("/cases", summary="Cases out of thumbs-down")
async def list_cases(
    scope: ReadScope,
    status: Annotated[Literal["open", "completed"] | None, Query(description="Left out: both.")] = None,
    sort: Literal["voted_at", "-voted_at"] = "-voted_at",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ItemList[CaseRow]:
    """Questions whose answer was voted down; those that were asked over a project outside the scope are not there."""
    items, after = await in_db(
        feedback_cases.list_cases, scope, status, sort=sort, cursor=cursor, limit=limit
    )
    return ItemList[CaseRow](items=tuple(items), next_cursor=after)


@router.get("/cases/{query_run_id}", summary="One case")
async def get_case(scope: ReadScope, query_run_id: UUID) -> CaseAnswer:
    """What was asked, shown and said. Records that are gone are ids only, and the answer that rests on them is null."""
    return CaseAnswer(case=await in_db(feedback_cases.get_case, scope, query_run_id))


@router.put("/cases/{query_run_id}", summary="Name the right evidence of a case")
async def complete_case(session: Changer, query_run_id: UUID, body: CaseInput) -> CaseAnswer:
    """Completes the case for the evaluation; a later call replaces the earlier one."""
    scope = await in_db(projects.resolve_scope, session, body.project_id or projects.ALL)
    done = await in_db(feedback_cases.complete_case, session, scope, query_run_id, body.evidence)
    return CaseAnswer(case=done)


@router.get("/recent", summary="One's own newest questions")
async def recent(session: Caller, project_id: ProjectParameter = None, limit: Few = 8) -> RecentAnswer:
    """Questions of the caller whose every project is inside the scope."""
    scope = await in_db(projects.resolve_scope, session, project_id)
    return RecentAnswer(items=await in_db(questions.recent, scope, session.user, limit))


@router.get("/suggestions", summary="Questions worth asking")
async def suggestions(
    scope: ReadScope, lang: Literal["en", "ru"] = "en", limit: Few = 6
) -> SuggestionsAnswer:
    """Made of the scope's own clients, late issues and open deals."""
    found = await in_db(questions.suggestions, scope, limit)
    return SuggestionsAnswer(
        items=tuple(
            Suggestion(
                code=each.code, params=each.params, text=text(lang, f"suggest.{each.code}", **each.params)
            )
            for each in found
        )
    )


@router.get("/saved", summary="Questions one keeps")
async def list_saved(session: Caller, project_id: ProjectParameter = None) -> SavedList:
    """The caller's own, with every project inside the scope."""
    scope = await in_db(projects.resolve_scope, session, project_id)
    return SavedList(items=await in_db(questions.list_saved, scope, session.user))


@router.post("/saved", summary="Keep a question")
async def save(session: Changer, body: SavedInput) -> SavedAnswer:
    """Kept for the projects that are named; kept already, nothing changes. 409 when 50 are kept."""
    scope = await in_db(projects.resolve_scope, session, body.project_id)
    return SavedAnswer(saved=await in_db(questions.save, session, scope, body.query))


@router.delete("/saved/{saved_id}", summary="Keep a question no longer")
async def remove(
    session: Changer, saved_id: UUID, project_id: ProjectParameter = None, _body: NoInput | None = None
) -> Answer:
    """404 for a question that the caller does not keep inside the scope."""
    scope = await in_db(projects.resolve_scope, session, project_id or projects.ALL)
    await in_db(questions.remove, session, scope, saved_id)
    return Answer()
