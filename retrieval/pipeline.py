"""The one way through retrieval: a question in, an answer with its evidence out, and the run in the log.

Caching is the caller's; sessions come from the caller's factory. A question costs one session of reads, then (only when a
language model writes) a call without a session, then one short write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal
from uuid import UUID

from sqlmodel import Session, col, select

from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.errors import InvalidInput, NotFound
from models.infra.ids import new_id
from models.infra.logging import get_logger, request_id
from models.infra.scope import Scope
from models.infra.settings import get_settings
from models.tables.retrieval import Feedback, QueryRun
from retrieval import answer as answers
from retrieval import completeness, contradictions, llm, overview, quality, rerank, store, support
from retrieval.chunking import heading
from retrieval.embedding import RoleEmbedding, embedding_model, model_spec
from retrieval.filters import Filters
from retrieval.language import detect
from retrieval.lexical import LexicalResult
from retrieval.names import NameMatch
from retrieval.overview import Theme
from retrieval.profile import Profile, load_profile
from retrieval.ranking import RankedChunk
from retrieval.retrievers import HybridRetriever, SearchResult, query_vector
from retrieval.schemas import (
    GROUP_OF,
    SOURCE_GROUPS,
    Answer,
    ChunkHit,
    Citation,
    Evidence,
    Lang,
    Mode,
    Query,
    RetrievalStatus,
    SourceType,
    Stats,
)

SessionFactory = Callable[[], AbstractContextManager[Session]]

_SNIPPET_CHARS = 320
_MAX_COMMENT_CHARS = 4000
# A refusal quotes so many records, unless it is sure enough: the support is under this part of the threshold.
_CLOSEST = 2
_CLOSEST_FROM = 0.4
# The support model is calibrated on rankings that both searches made.
_JUDGED: tuple[Mode, ...] = ("hybrid", "local", "mix")

log = get_logger(__name__)


def ask(
    session_factory: SessionFactory,
    query: Query,
    *,
    profile: Profile | None = None,
    on_text: Callable[[str], None] | None = None,
    asked_by: str | None = None,
) -> Answer:
    """Answer a question inside its scope and log the run as asked by a user.

    ``on_text`` receives a language model's raw text while it is written. Raises EmbeddingMismatch when the index holds
    vectors of another length, Unavailable when an embedding endpoint is away.
    """
    started = time.perf_counter()
    settings = profile or load_profile()
    lang: Lang = query.lang or detect(query.text)
    filters = Filters.of(query)
    with session_factory() as session:
        found = search(session, query, settings)
        ranked, chance = found.ranked, found.support
        answerable = bool(ranked) and (bool(found.themes) or chance >= settings.support.threshold)
        # Only a refusal says how much was searched, and counting takes as long as a search.
        groups = {} if answerable else store.count_by_group(session, filters)
        shown_completeness = completeness.read(session, query.scope)
    result, evidence = found.result, found.evidence
    # Only what is returned as evidence may be quoted, so that every citation resolves.
    if not answerable:
        draft = _refusal(query, found, settings, groups)
    elif found.themes:
        draft = _theme_draft(query, found, settings)
    else:
        draft = _draft(query, ranked[: query.top_k], result, settings, lang, on_text)
    cited_ids = {citation.evidence_id for citation in draft.citations}
    cited = [item for item in evidence if item.id in cited_ids]
    parts = quality.quality_parts(
        cited, evidence, chance, ranked=ranked, completeness=shown_completeness, now=query.as_of or utcnow()
    )
    run_id = new_id()
    shown = (
        evidence[: query.source_limit] if not cited else _with_cited(evidence, cited_ids, query.source_limit)
    )
    shown_ids = {item.id for item in shown}
    answer = Answer(
        query=query.text,
        answer=answers.render(draft.code, draft.params, lang),
        answerable=answerable,
        code=draft.code,
        params=draft.params,
        lang=lang,
        citations=draft.citations,
        evidence=tuple(shown),
        chunks=tuple(_chunk_hit(hit) for hit in ranked[: query.top_k] if hit.chunk.evidence_id in shown_ids),
        stats=_stats(ranked[: query.top_k]),
        quality_score=quality.quality_score(parts, settings.quality),
        quality_parts=parts,
        source_diversity=quality.source_diversity(shown),
        completeness=shown_completeness,
        query_run_id=run_id,
        mode=query.mode,
        took_ms=round((time.perf_counter() - started) * 1000, 1),
    )
    with session_factory() as session:
        _log_run(session, query, answer, ranked[: query.top_k], settings, chance, asked_by)
    metrics.lightrag_query_duration_seconds.labels(query.mode, "false").observe(time.perf_counter() - started)
    log.info(
        "question answered",
        mode=query.mode,
        answerable=answerable,
        took_ms=answer.took_ms,
        **result.timings_ms,
    )
    return answer


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to: the ranking of live records, its best ``top_k`` as evidence, the chance of support 0..1.

    ``themes`` are there when the question was answered by themes.
    """

    result: SearchResult
    ranked: Sequence[RankedChunk]
    evidence: Sequence[Evidence]
    support: float
    themes: Sequence[Theme] = ()


def search(session: Session, query: Query, profile: Profile) -> Found:
    """The first half of ``ask``: rank, keep what still exists, judge whether it supports an answer. Logs nothing."""
    model = embedding_model(get_settings())
    store.check_model(session, model.spec)
    filters = Filters.of(query)
    if query.mode == "global" or (query.mode == "mix" and overview.asks_for_themes(query.text)):
        found = _by_themes(session, query, filters, model)
        # A project too small for themes is searched like any other.
        if found.themes:
            return found
    result = HybridRetriever(session, filters, profile, model, query.mode).search(query.text)
    second_look = rerank.configured(get_settings())
    if second_look is not None:
        depth = profile.candidates.reranked
        result = replace(result, ranked=tuple(rerank.rerank(query.text, result.ranked, second_look, depth)))
    ranked, evidence = _live_evidence(session, query.scope, result, query.top_k)
    judged = query.mode in _JUDGED and model.spec.key == profile.support.model
    # While vectors are still growing, a ranking without any is by words alone.
    judged = judged and (not ranked or any(hit.similarity for hit in ranked))
    chance = 1.0
    if judged:
        chance = support.probability(query.text, ranked, result.lexical, profile.support)
    return Found(result, ranked, evidence, chance)


def _by_themes(session: Session, query: Query, filters: Filters, model: RoleEmbedding) -> Found:
    themes = overview.find_themes(session, filters, model, query.text)
    # The best of every theme before the second best of any: each theme is heard.
    depth = max((len(theme.hits) for theme in themes), default=0)
    hits = [theme.hits[place] for place in range(depth) for theme in themes if place < len(theme.hits)]
    best = {hit.chunk.evidence_id: hit for hit in reversed(hits)}
    ordered = tuple(dict.fromkeys(best[hit.chunk.evidence_id] for hit in hits))
    result = SearchResult(ordered, NameMatch({}, {}, {}), LexicalResult())
    ranked, evidence = _live_evidence(session, query.scope, result, query.top_k)
    # A theme is there or not; how near its evidence is to the question is all there is to say about relevance.
    nearness = fmean(hit.similarity for hit in ranked) if ranked else 0.0
    return Found(result, ranked, evidence, nearness, themes)


def record_feedback(
    session: Session,
    scope: Scope,
    query_run_id: UUID,
    rating: Literal["up", "down"],
    comment: str | None = None,
) -> None:
    """Store a vote on a run; a later vote replaces the earlier one. Repeated without a comment, it keeps its comment.

    Raises NotFound when the run was not asked wholly inside the scope, InvalidInput for an unknown rating.
    """
    if rating not in ("up", "down"):
        raise InvalidInput("rating is up or down", rating=rating)
    run = session.exec(
        select(QueryRun).where(
            QueryRun.id == query_run_id, QueryRun.account_scope_id == scope.account_scope_id
        )
    ).one_or_none()
    allowed = {str(project_id) for project_id in scope.project_ids}
    if run is None or not set(run.project_ids) <= allowed:
        raise NotFound("there is no such question in this scope")
    words = (comment or "").strip()[:_MAX_COMMENT_CHARS] or None
    vote = session.exec(select(Feedback).where(col(Feedback.query_run_id) == query_run_id)).one_or_none()
    if vote is None:
        vote = Feedback(query_run_id=query_run_id, account_scope_id=scope.account_scope_id, rating=rating)
    elif comment is None and vote.rating == rating:
        words = vote.comment
    vote.rating, vote.comment, vote.created_at = rating, words, utcnow()
    session.add(vote)
    session.flush()


def status(session: Session, scope: Scope) -> RetrievalStatus:
    """How far the index of the scope is."""
    return store.read_status(session, scope, model_spec(get_settings()))


def warm_up() -> None:
    """Load the model and the parameters, so that the first question does not wait for them."""
    load_profile()
    query_vector(embedding_model(get_settings()), "warm up")


def _refusal(query: Query, found: Found, profile: Profile, groups: dict[str, int]) -> answers.Draft:
    near = found.support >= _CLOSEST_FROM * profile.support.threshold
    quotes = (
        answers.extract(query.text, found.ranked[: query.top_k], found.result.lexical, profile.answer)
        if near
        else []
    )
    return answers.refuse(
        groups=groups,
        projects=len(query.scope.project_ids),
        date_from=query.date_from,
        date_to=query.date_to,
        as_of=query.as_of,
        closest=quotes[:_CLOSEST],
    )


def _draft(
    query: Query,
    ranked: Sequence[RankedChunk],
    result: SearchResult,
    profile: Profile,
    lang: Lang,
    on_text: Callable[[str], None] | None,
) -> answers.Draft:
    quotes = answers.extract(query.text, ranked, result.lexical, profile.answer)
    settings = get_settings()
    if llm.is_configured(settings):
        material = answers.extract(query.text, ranked, result.lexical, profile.answer.for_writer())
        try:
            written = llm.write_answer(settings, query.text, material, lang, on_text=on_text)
        except llm.WriterFailed as error:
            log.warning("answering extractively", reason=error.message)
        else:
            cited = [material[number - 1] for number in written.cited]
            citations = tuple(
                Citation(n=place, evidence_id=quote.evidence_id, quote=quote.text)
                for place, quote in enumerate(cited, 1)
            )
            return answers.Draft(answers.WRITTEN, {"text": llm.renumber(written).text}, citations)
    differing = contradictions.find(query.text, quotes, result.lexical)
    if differing is None:
        return answers.compose(quotes)
    ordered = contradictions.newest_first(quotes, differing)
    return answers.compose(ordered, answers.Differs(differing.kind, differing.values))


def _theme_draft(query: Query, found: Found, profile: Profile) -> answers.Draft:
    """Each theme with a quote of its best live record."""
    live = {hit.chunk.id for hit in found.ranked[: query.top_k]}
    shape = profile.answer.model_copy(update={"sentences": 1, "evidence": 1})
    lines: list[answers.ThemeLine] = []
    for theme in found.themes:
        hits = [hit for hit in theme.hits if hit.chunk.id in live]
        quotes = answers.extract(query.text, hits, found.result.lexical, shape)
        if quotes:
            lines.append(answers.ThemeLine(theme.labels, theme.size, tuple(quotes)))
    return answers.compose_themes(lines)


def _live_evidence(
    session: Session, scope: Scope, result: SearchResult, top_k: int
) -> tuple[list[RankedChunk], list[Evidence]]:
    # Twice as many as asked for: some may have been deleted since they were indexed.
    candidates = result.ranked[: max(2 * top_k, 40)]
    live = store.live_records(session, scope, {(hit.chunk.kind, hit.chunk.record_id) for hit in candidates})
    ranked = [hit for hit in candidates if (hit.chunk.kind, hit.chunk.record_id) in live]
    evidence = [_evidence(hit, live[hit.chunk.kind, hit.chunk.record_id].url) for hit in ranked[:top_k]]
    return ranked, evidence


def _evidence(hit: RankedChunk, url: str | None) -> Evidence:
    chunk = hit.chunk
    body = (
        chunk.body
        if len(chunk.body) <= _SNIPPET_CHARS
        else chunk.body[: _SNIPPET_CHARS - 1].rsplit(" ", 1)[0] + "…"
    )
    return Evidence(
        id=chunk.evidence_id,
        source_type=chunk.kind,
        source_id=chunk.vendor_id,
        project_id=chunk.project_id,
        title=heading(chunk.kind, chunk.title, chunk.header),
        snippet=body,
        author=chunk.author,
        created_at=chunk.source_time,
        url=url,
        score=round(hit.score, 4),
    )


def _with_cited(evidence: Sequence[Evidence], cited_ids: set[str], limit: int) -> list[Evidence]:
    # What is cited is always shown, whatever the limit; the rest fills up in order.
    room = max(limit - len(cited_ids), 0)
    shown: list[Evidence] = []
    for item in evidence:
        if item.id in cited_ids:
            shown.append(item)
        elif room:
            shown.append(item)
            room -= 1
    return shown


def _chunk_hit(hit: RankedChunk) -> ChunkHit:
    return ChunkHit(
        id=hit.chunk.id, evidence_id=hit.chunk.evidence_id, text=hit.chunk.body, score=round(hit.score, 4)
    )


def _stats(ranked: Sequence[RankedChunk]) -> Stats:
    kinds: list[SourceType] = [hit.chunk.kind for hit in ranked]
    counts = {group: sum(GROUP_OF[kind] == group for kind in kinds) for group in SOURCE_GROUPS}
    return Stats(
        chunks=len(ranked), messages=counts["messages"], issues=counts["issues"], deals=counts["deals"]
    )


def _log_run(
    session: Session,
    query: Query,
    answer: Answer,
    ranked: Sequence[RankedChunk],
    profile: Profile,
    chance: float | None,
    asked_by: str | None,
) -> None:
    hits = [
        {
            "evidence_id": hit.chunk.evidence_id,
            "chunk_id": str(hit.chunk.id),
            "score": round(hit.score, 4),
            "similarity": round(hit.similarity, 4),
            "coverage": round(hit.coverage, 4),
        }
        for hit in ranked
    ]
    session.add(
        QueryRun(
            id=answer.query_run_id,
            account_scope_id=query.scope.account_scope_id,
            project_ids=[str(project_id) for project_id in query.scope.project_ids],
            query=query.text,
            mode=query.mode,
            profile=profile.name,
            parameters=query.model_dump(mode="json", exclude={"text", "scope"})
            | {"support": chance, "code": answer.code},
            answerable=answer.answerable,
            answer=answer.answer,
            hits=hits,
            quality_score=answer.quality_score,
            cached=answer.cached,
            took_ms=answer.took_ms,
            request_id=request_id.get() or None,
            requested_by=asked_by,
        )
    )
    session.flush()
