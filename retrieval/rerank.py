"""An optional second look at the best candidates: a cross-encoder that reads question and text together.

Off unless configured. ``remote`` is any endpoint that speaks Cohere's and Jina's ``POST /rerank``; ``local`` a
sentence-transformers cross-encoder at a path, if that package is installed. Whatever fails leaves the order as it was: a
reranker improves an answer, it never costs one.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

import httpx

from models.infra.errors import Unavailable
from models.infra.logging import get_logger
from models.infra.settings import Settings
from retrieval.ranking import RankedChunk

log = get_logger(__name__)

# What is sent of a text: more than a chunk holds, so that only outliers are cut.
_MAX_CHARS = 2000


class RerankFailed(Unavailable):
    """The reranker gave no usable scores."""

    code, status = "rerank_failed", 503


class Reranker(Protocol):
    """Scores texts for a question."""

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """One finite number a text, higher for a better one. Raises RerankFailed."""
        ...


class RemoteReranker:
    """``POST {base_url}/rerank`` with ``{model, query, documents, top_n}``; answers ``results: [{index, relevance_score}]``."""

    def __init__(self, base_url: str, model: str, api_key: str, timeout_s: float) -> None:
        self._url = base_url.rstrip("/") + "/rerank"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """See ``Reranker``."""
        body = {"model": self._model, "query": question, "documents": list(texts), "top_n": len(texts)}
        try:
            response = httpx.post(self._url, json=body, headers=self._headers, timeout=self._timeout_s)
            response.raise_for_status()
            found = {
                int(item["index"]): float(item["relevance_score"]) for item in response.json()["results"]
            }
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            raise RerankFailed(f"the reranker failed: {type(error).__name__}: {error}") from error
        if set(found) != set(range(len(texts))):
            raise RerankFailed(f"the reranker scored {len(found)} of {len(texts)} texts")
        return [found[place] for place in range(len(texts))]


class LocalReranker:
    """A cross-encoder of sentence-transformers, loaded at first use."""

    def __init__(self, path: str) -> None:
        self._path = path

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """See ``Reranker``."""
        try:
            model = _cross_encoder(self._path)
            return [float(value) for value in model.predict([(question, text) for text in texts])]
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            raise RerankFailed(f"the local cross-encoder failed: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=1)
def _cross_encoder(path: str) -> Any:
    # Not among the product's packages: whoever configures a path installs it.
    return importlib.import_module("sentence_transformers").CrossEncoder(path)


def configured(settings: Settings) -> Reranker | None:
    """The reranker of the settings; None when there is none."""
    if settings.rerank_provider == "remote" and settings.rerank_base_url:
        key = settings.rerank_api_key.get_secret_value()
        return RemoteReranker(settings.rerank_base_url, settings.rerank_model, key, settings.rerank_timeout_s)
    if settings.rerank_provider == "local" and settings.rerank_model:
        return LocalReranker(settings.rerank_model)
    return None


def rerank(
    question: str, ranked: Sequence[RankedChunk], reranker: Reranker | None, depth: int
) -> list[RankedChunk]:
    """The first ``depth`` in the reranker's order, the rest as it was; all as it was without one or when it fails.

    The scores stay those of the ranking, in falling order: support and answer are calibrated on them.
    """
    head = list(ranked[:depth])
    if reranker is None or len(head) < 2:
        return list(ranked)
    texts = [f"{hit.chunk.title}\n{hit.chunk.body}".strip()[:_MAX_CHARS] for hit in head]
    try:
        scores = reranker.score(question, texts)
    except RerankFailed as error:
        log.warning("ranking without the reranker", reason=error.message)
        return list(ranked)
    order = sorted(range(len(head)), key=lambda place: (-scores[place], place))
    reordered = [replace(head[place], score=own.score) for place, own in zip(order, head, strict=True)]
    return [*reordered, *ranked[depth:]]
