"""A reranker reorders the head of a ranking, over real HTTP; whatever fails leaves the order as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from models.infra.settings import get_settings, override_settings
from retrieval.ranking import RankedChunk
from retrieval.rerank import configured, rerank
from retrieval.store import StoredChunk
from tests.retrieval.endpoints import Answering, Asked, Endpoint, Reply, serving

QUESTION = "When is the barcode ready?"


def _hit(number: int) -> RankedChunk:
    key = UUID(int=number)
    chunk = StoredChunk(
        key, key, key, "message", key, str(number), "", "", "", f"text {number}", "en", None, None, False
    )
    return RankedChunk(chunk, 1.0 - number / 10, 0.5, 0.5)


RANKED = [_hit(number) for number in range(4)]


def _backwards(asked: Asked) -> Reply:
    texts = asked.body["documents"]
    return Reply.of({"results": [{"index": place, "relevance_score": place} for place in range(len(texts))]})


@contextmanager
def _reranking(answering: Answering, **settings: object) -> Iterator[Endpoint]:
    with (
        serving(answering) as endpoint,
        override_settings(
            rerank_provider="remote",
            rerank_base_url=endpoint.base_url,
            rerank_model="cross",
            rerank_api_key="key",
            **settings,
        ),
    ):
        yield endpoint


def _order(depth: int = 3) -> list[int]:
    return [int(hit.chunk.vendor_id) for hit in rerank(QUESTION, RANKED, configured(get_settings()), depth)]


def test_the_head_is_reordered_and_the_rest_stays() -> None:
    with _reranking(_backwards) as endpoint:
        assert _order() == [2, 1, 0, 3]
    (asked,) = endpoint.asked
    assert (asked.path, asked.authorization) == ("/v1/rerank", "Bearer key")
    assert asked.body == {
        "model": "cross",
        "query": QUESTION,
        "documents": ["text 0", "text 1", "text 2"],
        "top_n": 3,
    }


def test_scores_stay_in_falling_order() -> None:
    with _reranking(_backwards):
        scores = [hit.score for hit in rerank(QUESTION, RANKED, configured(get_settings()), 3)]
    assert scores == [hit.score for hit in RANKED]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b"{}"),
        Reply(200, b"no json"),
        Reply.of({"results": []}),
        Reply.of({"results": [{"index": 0, "relevance_score": 1}]}),
        Reply.of({"results": [{"index": place, "relevance_score": None} for place in range(3)]}),
    ],
)
def test_a_broken_endpoint_leaves_the_order_as_it_was(reply: Reply) -> None:
    with _reranking(lambda _: reply):
        assert _order() == [0, 1, 2, 3]


def test_an_endpoint_that_is_away_leaves_the_order_as_it_was() -> None:
    with override_settings(
        rerank_provider="remote",
        rerank_base_url="http://127.0.0.1:9",
        rerank_model="cross",
        rerank_timeout_s=0.5,
    ):
        assert _order() == [0, 1, 2, 3]


def test_a_local_model_without_its_package_leaves_the_order_as_it_was() -> None:
    with override_settings(rerank_provider="local", rerank_model="/nowhere"):
        assert _order() == [0, 1, 2, 3]


def test_nothing_is_reranked_unless_configured() -> None:
    assert configured(get_settings()) is None
    assert _order() == [0, 1, 2, 3]
