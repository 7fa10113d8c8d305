"""Ask, rate, and the state of the index: the use cases around retrieval's one pipeline.

retrieval loads a model and LlamaIndex, which takes seconds: it is imported by the first question, or by `warm_up` when
the server starts, and never by the pages that do not ask.
"""

import dataclasses
import datetime as dt
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from models.infra.cache import cache
from models.infra.cache_codec import Entry
from models.infra.cache_tags import tag
from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput, NotFound
from models.infra.ids import AccountScopeId, QueryRunId
from models.infra.scope import Scope
from models.queries.projects import list_projects
from models.queries.query_log import run_projects
from tools_app.services import audit_trail
from tools_app.services.answer_views import (
    AnswerSentence,
    AnswerSource,
    AnswerView,
    EvidenceCard,
    ScorePart,
    SourceCount,
)
from tools_app.services.job_requests import ask_for
from tools_app.services.moments import scope_and_moment
from tools_app.services.run_log import run_log
from tools_app.services.views import IndexCoverage, SessionView

if TYPE_CHECKING:
    from retrieval.schemas import Answer, Evidence, Query, RetrievalStatus

Rating = Literal["up", "down"]
_COVERAGE_S = 10.0
# Between the parts of a header (`retrieval.chunking`).
_CITED = re.compile(r"\s*((?:\[\d+\]\s*)+)")


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it comes in. A date without a time means that whole day in the account scope's zone."""

    text: str
    top_k: int = 10
    source_limit: int = 8
    source_filter: tuple[str, ...] | None = None
    mode: str = "hybrid"
    date_from: dt.datetime | dt.date | None = None
    date_to: dt.datetime | dt.date | None = None
    as_of: dt.datetime | dt.date | None = None
    lang: str | None = None


def warm_up() -> None:
    """Load what the first question needs."""
    from retrieval import pipeline  # noqa: PLC0415  (seconds and 100 MB: see the module's text)

    pipeline.warm_up()


def answer(scope: Scope, question: Question, user: str | None = None) -> "Answer":
    """Retrieval's own answer, computed. Raises InvalidInput for a question out of bounds. `answers` caches it."""
    from retrieval import pipeline  # noqa: PLC0415

    return pipeline.ask(transaction, read_query(scope, question), asked_by=user)


def read_query(scope: Scope, question: Question) -> "Query":
    """The question as retrieval takes it. Raises InvalidInput for one out of bounds."""
    from retrieval.schemas import Query  # noqa: PLC0415

    with reading() as session:
        facts, _ = scope_and_moment(session, scope)
    zone = ZoneInfo(facts.timezone)
    try:
        return Query.model_validate(
            {
                "text": question.text,
                "scope": scope,
                "top_k": question.top_k,
                "source_limit": question.source_limit,
                "source_filter": question.source_filter,
                "mode": question.mode,
                "date_from": _instant(question.date_from, zone, end=False),
                "date_to": _instant(question.date_to, zone, end=True),
                "as_of": _instant(question.as_of, zone, end=True),
                "lang": question.lang,
            }
        )
    except ValidationError as fault:
        problems = [
            {"field": ".".join(str(part) for part in problem["loc"]), "problem": problem["msg"]}
            for problem in fault.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise InvalidInput("The question is not valid.", problems=problems) from fault


def _instant(bound: dt.datetime | dt.date | None, zone: ZoneInfo, *, end: bool) -> dt.datetime | None:
    if bound is None:
        return None
    if isinstance(bound, dt.datetime):
        return bound if bound.tzinfo is not None else bound.replace(tzinfo=zone)
    return dt.datetime.combine(bound, dt.time.max if end else dt.time.min, zone)


def view_of(scope: Scope, found: "Answer") -> AnswerView:
    """An answer as a page shows it: sentences with citation numbers, evidence cards, score parts."""
    with reading() as session:
        names = {each.id: each.name for each in list_projects(session, scope.account_scope_id)}
    cited = {each.evidence_id: each for each in found.citations}
    cards = tuple(
        EvidenceCard(
            id=each.id,
            n=cited[each.id].n if each.id in cited else 0,
            source_type=each.source_type,
            project_name=names.get(each.project_id, ""),  # type: ignore[call-overload]
            title=each.title,
            snippet=each.snippet,
            author=each.author or "",
            created_at=each.created_at,
            url=each.url or "",
            score=each.score,
            quote=cited[each.id].quote if each.id in cited else "",
        )
        for each in found.evidence
    )
    return AnswerView(
        query_run_id=str(found.query_run_id),
        query=found.query,
        answerable=found.answerable,
        # The first line of a refusal is the refusal; what follows are the closest records.
        sentences=sentences_of(found.answer if found.answerable else found.answer.partition("\n")[2]),
        evidence=cards,
        stats=(
            SourceCount("messages", found.stats.messages),
            SourceCount("issues", found.stats.issues),
            SourceCount("deals", found.stats.deals),
        ),
        quality_score=found.quality_score,
        quality_parts=tuple(ScorePart(code, 100 * value) for code, value in found.quality_parts.items()),
        mode=found.mode,
        took_ms=round(found.took_ms),
        cached=found.cached,
        code=found.code,
        params={} if found.answerable else _flat(found.params),
        sources=_sources(found),
    )


def _sources(found: "Answer") -> tuple[AnswerSource, ...]:
    from retrieval.quality import CONNECTOR_OF  # noqa: PLC0415

    used = {CONNECTOR_OF[each.source_type] for each in found.evidence} or set(found.completeness)
    return tuple(
        AnswerSource(connector, each.pct, each.is_unknown, each.known_at, each.synced_at)
        for connector, each in sorted(found.completeness.items())
        if connector in used
    )


def _flat(params: Mapping[str, object]) -> dict[str, str]:
    """Parameters of a refusal as texts by dotted name (`searched.messages`); what is not known is left out."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": str(inner) for key, inner in value.items()}
        elif value is not None:
            flat[name] = str(value)
    return flat


def sentences_of(text: str) -> tuple[AnswerSentence, ...]:
    """An answer's text cut at its citations: each piece with the numbers that follow it."""
    found: list[AnswerSentence] = []
    start = 0
    for match in _CITED.finditer(text):
        piece = text[start : match.start()].strip()
        numbers = tuple(int(number) for number in re.findall(r"\d+", match.group(1)))
        start = match.end()
        if piece.strip(" .;,"):
            found.append(AnswerSentence(piece.lstrip(".;, "), numbers))
        elif found:
            found[-1] = AnswerSentence(found[-1].text, (*found[-1].citations, *numbers))
    rest = text[start:].strip()
    if rest.strip(" .;,!?…"):
        found.append(AnswerSentence(rest, ()))
    return tuple(found)


def feedback(
    session: SessionView, scope: Scope, query_run_id: str, rating: Rating, comment: str | None = None
) -> None:
    """Store a vote on an answer; a later vote replaces the earlier one.

    Raises NotFound for a question that was not asked wholly inside the scope, InvalidInput for a malformed id.
    """
    from retrieval import pipeline  # noqa: PLC0415

    try:
        run_id = QueryRunId(UUID(query_run_id))
    except ValueError as fault:
        raise InvalidInput("query_run_id is no UUID.", query_run_id=query_run_id) from fault
    # The run may wait for its batch.
    run_log.write()
    with transaction() as db:
        asked_over = run_projects(db, scope, run_id)
        if asked_over is None:
            raise NotFound("There is no such question.", query_run_id=query_run_id)
        pipeline.record_feedback(db, scope, run_id, rating, comment)
        audit_trail.record_event(
            db,
            actor=session.user,
            action="lightrag.feedback",
            entity=audit_trail.Entity("query_run", query_run_id),
            account_scope_id=AccountScopeId(UUID(session.account_scope_id)),
            project_id=asked_over[0] if len(asked_over) == 1 else None,
            after={"rating": rating, "comment": comment},
        )


def neighbours(scope: Scope, evidence_id: str, around: int = 3) -> "list[Evidence]":
    """The records around an evidence record in its conversation or issue, itself included, oldest first. Raises NotFound."""
    from retrieval.neighbours import read_neighbours  # noqa: PLC0415

    with reading() as session:
        return read_neighbours(session, scope, evidence_id, around)


def retrieval_status(scope: Scope) -> "RetrievalStatus":
    """Chunk counts by status and source group, vectors, coverage."""
    from retrieval import pipeline  # noqa: PLC0415

    with reading() as session:
        return pipeline.status(session, scope)


def index_coverage(scope: Scope) -> IndexCoverage:
    """How much can be found by words and by meaning; ten seconds old at most, and never older than the last indexing.

    Counting chunks takes the longer the more there are, and the pages that show it are looked at often.
    """
    name = tag("index", scope.account_scope_id)
    key = f"coverage:{scope.key()}"
    looked = cache().fetch(key, [name])
    if looked.entry is not None and looked.entry.fresh_until >= time.time():
        return IndexCoverage(**json.loads(looked.entry.body))
    found = retrieval_status(scope)
    coverage = IndexCoverage(
        chunks=sum(found.chunks.values()),
        embedded=found.embedded,
        pending=found.chunks.get("pending", 0) + found.chunks.get("processing", 0),
        failed=found.chunks.get("failed", 0),
        model_key=found.model_key,
    )
    body = json.dumps(dataclasses.asdict(coverage)).encode()
    cache().store(key, Entry(body, time.time() + _COVERAGE_S, looked.generations), _COVERAGE_S)
    return coverage


def refresh(session: SessionView) -> tuple[str, ...]:
    """Ask for indexing of the caller's account scope; answers the ids of the runs."""
    return tuple(run.run_id for run in ask_for(session, "index"))
