"""LlamaIndex retrievers over our own tables: vector, lexical and hybrid.

Each is a ``BaseRetriever``, so notebooks and LlamaIndex pipelines can use them as they are; ``HybridRetriever.search`` is
the same with everything the answer needs. One retriever serves one question in one session.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from sqlmodel import Session

from models.infra.clock import utcnow
from retrieval import graph, lexical, ranking, store
from retrieval.chunking import embedding_text
from retrieval.embedding import RoleEmbedding, Vectors
from retrieval.filters import Filters
from retrieval.intent import read_intent, read_wanted
from retrieval.language import detect
from retrieval.lexical import LexicalResult
from retrieval.lexicon import read_lexicon
from retrieval.names import Gazetteer, NameMatch
from retrieval.profile import Profile
from retrieval.ranking import Asked, RankedChunk, Signals
from retrieval.schemas import Mode
from retrieval.store import StoredChunk

_GAZETTEER_TTL_S = 120.0
_GAZETTEERS_KEPT = 64
_QUERY_VECTORS_KEPT = 512
_HINTED = 0.45
_OUTRIGHT = 0.99
# Chunks without a vector that a question may embed by itself: about a second of one core.
_EMBEDDED_AT_ONCE = 8
_VECTOR_ONLY: tuple[Mode, ...] = ("naive", "vector")
# Both searches and the graph; ``local`` keeps only what the graph leads to.
_FUSED: tuple[Mode, ...] = ("hybrid", "local", "mix", "global")
# A question that names nobody is about what so many of its best candidates are about.
_SEED_CHUNKS = 8


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A ranking with what it was made of."""

    ranked: tuple[RankedChunk, ...]
    names: NameMatch
    lexical: LexicalResult
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """Chunks that either search found, with both scores and what the question itself tells."""

    chunks: Mapping[UUID, StoredChunk]
    signals: Signals
    asked: Asked
    lexical: LexicalResult
    timings_ms: Mapping[str, float]


class _ScopedRetriever(BaseRetriever):
    def __init__(self, session: Session, filters: Filters, profile: Profile, model: RoleEmbedding) -> None:
        super().__init__()
        self._session = session
        self._filters = filters
        self._profile = profile
        self._model = model

    def _nodes(self, scores: Mapping[UUID, float]) -> list[NodeWithScore]:
        chunks = store.load_chunks(self._session, self._filters, list(scores))
        ordered = sorted(scores.items(), key=lambda item: -item[1])
        return [to_node(chunks[key], score) for key, score in ordered if key in chunks]


class VectorRetriever(_ScopedRetriever):
    """Nearest chunks by centred cosine."""

    def scores(self, question: str) -> dict[UUID, float]:
        """Cosine by chunk id, best first."""
        vector = query_vector(self._model, question)
        limit = self._profile.candidates.vector
        return dict(store.search_vectors(self._session, self._filters, self._model.spec, vector, limit))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(self.scores(query_bundle.query_str))


class LexicalRetriever(_ScopedRetriever):
    """Chunks that cover most of the question's weight in words."""

    def search(self, question: str, names: NameMatch) -> LexicalResult:
        """Hits with coverage 0..1 and the terms they were found by."""
        settings = self._profile.lexical
        near = read_lexicon(self._session, self._filters.scope.account_scope_id).neighbours(
            lexical.asked_words(question), least=settings.least_similarity, most=settings.neighbours
        )
        terms = lexical.build_terms(question, names.spellings, near, settings.least_similarity)
        return lexical.search(self._session, terms, self._filters, settings, self._profile.candidates.lexical)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        names = gazetteer(self._session, self._filters).match(query_bundle.query_str)
        hits = self.search(query_bundle.query_str, names).hits
        return self._nodes({hit.chunk_id: hit.coverage for hit in hits})


class HybridRetriever(_ScopedRetriever):
    """Both searches and the graph, fused and ranked; ``mode`` says which of them take part."""

    def __init__(
        self,
        session: Session,
        filters: Filters,
        profile: Profile,
        model: RoleEmbedding,
        mode: Mode = "hybrid",
    ) -> None:
        super().__init__(session, filters, profile, model)
        self._mode = mode
        self._vector = VectorRetriever(session, filters, profile, model)

    def search(self, question: str) -> SearchResult:
        """The ranking of a question: the best chunk of every record, best first."""
        candidates = self.candidates(question)
        # One search alone is ranked by its own score: the linear model weighs several against each other.
        alone = self._mode not in _FUSED
        ranked = ranking.rank(
            candidates.chunks, candidates.signals, candidates.asked, self._profile, alone=alone
        )
        return SearchResult(tuple(ranked), candidates.asked.names, candidates.lexical, candidates.timings_ms)

    def candidates(self, question: str) -> CandidateSet:
        """What the searches of the mode find, before it is ordered. Names in the question widen and narrow it."""
        clock = _Stopwatch()
        known = gazetteer(self._session, self._filters)
        names = known.match(question)
        portfolio = len(self._filters.scope.project_ids) > 1
        # Inside one project its name says nothing; over several the ranking follows the name by itself.
        asked_for = known.without_projects(question) if names.projects or not portfolio else question
        clock.lap("names")
        similarity: dict[UUID, float] = {}
        found = LexicalResult()
        if self._mode != "lexical":
            query_vector(self._model, asked_for)
            clock.lap("embedding")
            similarity = self._near(asked_for, names, portfolio)
            clock.lap("vector")
        if self._mode not in _VECTOR_ONLY:
            found = self._worded(asked_for, names, portfolio)
            clock.lap("lexical")
        coverage = {hit.chunk_id: hit.coverage for hit in found.hits}
        linked: dict[UUID, float] = {}
        if self._mode in _FUSED:
            linked = self._linked(question, asked_for, similarity, coverage)
            clock.lap("graph")
            # A chunk that only words found gets its cosine too: the features compare like with like.
            missing = [key for key in {**coverage, **linked} if key not in similarity]
            vector = query_vector(self._model, asked_for)
            similarity |= store.similarities(self._session, self._filters, self._model.spec, vector, missing)
        keys = linked if self._mode == "local" else {**similarity, **coverage, **linked}
        chunks = store.load_chunks(self._session, self._filters, list(keys))
        clock.lap("chunks")
        if self._mode in _FUSED:
            waiting = [chunks[key] for key in coverage if key in chunks and key not in similarity]
            similarity |= self._ahead_of_the_index(asked_for, waiting)
            clock.lap("ahead")
        asked = Asked(
            names,
            read_intent(question),
            read_wanted(question) == "promise",
            detect(question),
            portfolio,
            self._filters.as_of or utcnow(),
        )
        return CandidateSet(chunks, Signals(similarity, coverage, linked), asked, found, clock.laps)

    def _near(self, asked_for: str, names: NameMatch, portfolio: bool) -> dict[UUID, float]:
        similarity = self._vector.scores(asked_for)
        if portfolio and (home := _named_project(names, _HINTED)):
            narrowed = VectorRetriever(self._session, self._filters.within(home), self._profile, self._model)
            similarity |= narrowed.scores(asked_for)
        return similarity

    def _worded(self, asked_for: str, names: NameMatch, portfolio: bool) -> LexicalResult:
        # A client named in full is what the question is about: words are weighed and found among its records.
        narrow = _named_project(names, _OUTRIGHT) if portfolio else None
        searched = self._filters.within(narrow) if narrow else self._filters
        return LexicalRetriever(self._session, searched, self._profile, self._model).search(asked_for, names)

    def _linked(
        self,
        question: str,
        asked_for: str,
        similarity: dict[UUID, float],
        coverage: Mapping[UUID, float],
    ) -> dict[UUID, float]:
        """Chunks about what the question names and its neighbours, by worth; their cosines are added to ``similarity``.

        ``local`` and ``mix`` start from what the best candidates are about when the question names nothing.
        """
        scope = self._filters.scope
        seeds = graph.named_entities(self._session, scope, question)
        started: dict[UUID, float] = {}
        if not seeds and self._mode != "hybrid":
            both = {
                key: similarity.get(key, 0.0) + coverage.get(key, 0.0) for key in {**similarity, **coverage}
            }
            best = sorted(both, key=lambda key: (-both[key], str(key)))[:_SEED_CHUNKS]
            seeds = graph.entities_of(self._session, scope, best)
            # What the neighbourhood starts from belongs to it, whether or not anybody is known there.
            started = dict.fromkeys(best, 1.0)
        if not seeds:
            return started
        worth = graph.neighbourhood(self._session, scope, seeds)
        settings = self._profile.candidates
        limit = settings.linked if self._mode == "hybrid" else settings.neighbourhood
        vector = query_vector(self._model, asked_for)
        about = graph.chunks_about(self._session, self._filters, self._model.spec, vector, worth, limit)
        similarity |= {key: near for key, (_, near) in about.items() if near is not None}
        linked = graph.worth_of(self._session, worth, {**similarity, **coverage})
        return linked | {key: value for key, (value, _) in about.items()} | started

    def _ahead_of_the_index(self, asked_for: str, waiting: Sequence[StoredChunk]) -> dict[UUID, float]:
        """The cosine of chunks that have no vector yet, best covered first: of a few their own, of the rest the mean.

        While vectors grow, what was embedded already would otherwise be ahead of everything that only words can find.
        """
        first = waiting[:_EMBEDDED_AT_ONCE]
        if not first:
            return {}
        texts = [embedding_text(chunk.title, chunk.context, chunk.author, chunk.body) for chunk in first]
        near = self._model.encode(texts, "passage") @ query_vector(self._model, asked_for)
        typical = float(near.mean())
        own = {chunk.id: float(cosine) for chunk, cosine in zip(first, near, strict=True)}
        return {chunk.id: own.get(chunk.id, typical) for chunk in waiting}

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [to_node(hit.chunk, hit.score) for hit in self.search(query_bundle.query_str).ranked]


def to_node(chunk: store.StoredChunk, score: float) -> NodeWithScore:
    """A chunk as LlamaIndex passes it around."""
    metadata = {
        "evidence_id": chunk.evidence_id,
        "project_id": str(chunk.project_id),
        "title": chunk.title,
        "header": chunk.header,
        "author": chunk.author,
        "time": chunk.source_time.isoformat() if chunk.source_time else None,
    }
    return NodeWithScore(node=TextNode(id_=str(chunk.id), text=chunk.body, metadata=metadata), score=score)


def _named_project(names: NameMatch, least: float) -> UUID | None:
    """The project that the question's names point to with at least that share, when it is one."""
    certain = [project_id for project_id, share in names.projects.items() if share >= least]
    return certain[0] if len(certain) == 1 else None


class _Stopwatch:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round((now - self._last) * 1000, 2)
        self._last = now


class _Kept:
    """Small caches of this process: vectors of recent questions, gazetteers of recent scopes."""

    lock = threading.Lock()
    vectors: ClassVar[OrderedDict[tuple[str, str], Vectors]] = OrderedDict()
    gazetteers: ClassVar[OrderedDict[str, tuple[float, Gazetteer]]] = OrderedDict()


def query_vector(model: RoleEmbedding, question: str) -> Vectors:
    """The unit vector of a question, kept for the most recent ones."""
    key = (model.spec.key, question)
    with _Kept.lock:
        known = _Kept.vectors.get(key)
    if known is None:
        known = np.asarray(model.encode([question], "query")[0], dtype=np.float32)
        with _Kept.lock:
            _Kept.vectors[key] = known
            while len(_Kept.vectors) > _QUERY_VECTORS_KEPT:
                _Kept.vectors.popitem(last=False)
    return known


def gazetteer(session: Session, filters: Filters) -> Gazetteer:
    """The names of a scope, read at most every two minutes per process."""
    key = filters.scope.key()
    now = time.monotonic()
    with _Kept.lock:
        held = _Kept.gazetteers.get(key)
    if held is not None and now - held[0] < _GAZETTEER_TTL_S:
        return held[1]
    made = Gazetteer.of(store.read_names(session, filters.scope))
    with _Kept.lock:
        _Kept.gazetteers[key] = (now, made)
        while len(_Kept.gazetteers) > _GAZETTEERS_KEPT:
            _Kept.gazetteers.popitem(last=False)
    return made
