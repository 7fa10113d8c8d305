"""Texts become vectors: the local model in process, and an OpenAI-compatible endpoint over real HTTP."""

import socket
from collections.abc import Sequence

import numpy as np
import pytest

from models.infra.errors import AppError, Unavailable
from models.infra.settings import override_settings
from retrieval.embedding import (
    LOCAL_DIMENSION,
    EmbeddingMismatch,
    RoleEmbedding,
    embedding_model,
    model_spec,
)
from tests.retrieval.endpoints import Answering, Asked, Endpoint, Reply, serving

DIMENSION = 4


def _vector(text: str) -> list[float]:
    # Tells texts apart by length and is no unit vector.
    return [float(len(text)), 1.0, 0.0, 2.0]


def _embed(asked: Asked) -> Reply:
    # Out of order on purpose: an endpoint promises the index, not the order.
    items = [{"index": place, "embedding": _vector(text)} for place, text in enumerate(asked.body["input"])]
    return Reply.of({"data": items[::-1]})


def _remote(base_url: str, dimension: int = DIMENSION) -> RoleEmbedding:
    with override_settings(
        embedding_provider="openai",
        embedding_base_url=base_url,
        embedding_api_key="secret-key",
        embedding_model="small-model",
        embedding_dimension=dimension,
    ) as settings:
        return embedding_model(settings)


def _encode_with(answering: Answering, texts: Sequence[str]) -> tuple[np.ndarray, Endpoint]:
    with serving(answering) as endpoint:
        return _remote(endpoint.base_url).encode(texts, "passage"), endpoint


def _local() -> RoleEmbedding:
    with override_settings(embedding_provider="local") as settings:
        return embedding_model(settings)


def test_an_endpoint_is_asked_for_the_configured_model_with_the_key() -> None:
    _, endpoint = _encode_with(_embed, ["one", "three"])
    (asked,) = endpoint.asked
    assert asked.path == "/v1/embeddings"
    assert asked.authorization == "Bearer secret-key"
    assert asked.body == {"model": "small-model", "input": ["one", "three"]}


def test_the_vectors_of_an_endpoint_follow_the_order_of_the_texts() -> None:
    vectors, _ = _encode_with(_embed, ["one", "three"])
    expected = np.array([_vector("one"), _vector("three")])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)


def test_many_texts_are_sent_in_bounded_batches_that_keep_their_order() -> None:
    texts = ["x" * (1 + place) for place in range(130)]
    vectors, endpoint = _encode_with(_embed, texts)
    assert [len(asked.body["input"]) for asked in endpoint.asked] == [64, 64, 2]
    assert [text for asked in endpoint.asked for text in asked.body["input"]] == texts
    assert np.round(vectors[:, 0] / vectors[:, 1]).tolist() == [len(text) for text in texts]


def test_no_texts_ask_the_endpoint_nothing() -> None:
    vectors, endpoint = _encode_with(_embed, [])
    assert vectors.shape == (0, DIMENSION)
    assert endpoint.asked == []


def test_nul_and_lone_surrogates_never_reach_the_endpoint() -> None:
    _, endpoint = _encode_with(_embed, ["a\x00b \ud800c", "\udfff"])
    assert endpoint.asked[0].body["input"] == ["a b c", " "]


def test_vectors_of_another_length_are_refused_and_both_lengths_are_named() -> None:
    with (
        serving(_embed) as endpoint,
        pytest.raises(EmbeddingMismatch, match=r"\(1, 4\).*EMBEDDING_DIMENSION is 7"),
    ):
        _remote(endpoint.base_url, dimension=7).encode(["text"], "query")


def test_an_empty_vector_is_refused() -> None:
    with pytest.raises(EmbeddingMismatch):
        _encode_with(lambda _: Reply.of({"data": [{"index": 0, "embedding": None}]}), ["text"])


def test_fewer_vectors_than_texts_are_refused() -> None:
    with pytest.raises(EmbeddingMismatch):
        _encode_with(lambda _: Reply.of({"data": [{"index": 0, "embedding": _vector("a")}]}), ["a", "b"])


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(500, b"{}"), id="a server error"),
        pytest.param(Reply(401, b"{}"), id="a refused key"),
        pytest.param(Reply(200, b"<html>"), id="a page instead of JSON"),
        pytest.param(Reply.of({"error": "overloaded"}), id="JSON without vectors"),
        pytest.param(Reply.of(["data"]), id="a list"),
    ],
)
def test_an_endpoint_that_answers_no_vectors_is_unavailable(reply: Reply) -> None:
    with pytest.raises(Unavailable) as raised:
        _encode_with(lambda _: reply, ["text"])
    assert raised.value.code == "embedding_unavailable"


def test_an_endpoint_that_is_away_is_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        # Bound and never listening: connections are refused.
        with pytest.raises(Unavailable) as raised:
            _remote(f"http://127.0.0.1:{held.getsockname()[1]}/v1").encode(["text"], "query")
    assert raised.value.code == "embedding_unavailable"


def test_an_endpoint_without_an_address_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(AppError) as raised:
        _remote("")
    assert raised.value.code == "embedding_unset"


def test_every_endpoint_model_has_a_key_of_its_own() -> None:
    with override_settings(
        embedding_provider="openai", embedding_model="a", embedding_dimension=8
    ) as settings:
        first = model_spec(settings)
    with override_settings(
        embedding_provider="openai", embedding_model="b", embedding_dimension=8
    ) as settings:
        second = model_spec(settings)
    assert first.key != second.key
    assert first.dimension == second.dimension == 8


def test_the_local_model_makes_unit_vectors_of_its_dimension() -> None:
    vectors = _local().encode(["When is the release?", "Когда релиз?"], "query")
    assert vectors.shape == (2, LOCAL_DIMENSION) == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-4)


def test_the_local_model_embeds_a_question_and_a_passage_differently() -> None:
    model = _local()
    text = ["The release is on Friday."]
    assert not np.allclose(model.encode(text, "query"), model.encode(text, "passage"), atol=1e-3)


def test_the_local_model_finds_the_passage_that_answers_in_either_language() -> None:
    model = _local()
    passages = model.encode(
        ["Our accountant pays the invoice on Monday.", "The swimming pool is closed for repairs."], "passage"
    )
    questions = model.encode(["When will the invoice be paid?", "Когда оплатят счёт?"], "query")
    assert (questions @ passages.T).argmax(axis=1).tolist() == [0, 0]


@pytest.mark.parametrize("text", ["", "\x00", "\ud83d", "half a pair \ud83d and a NUL \x00.", "x" * 20_000])
def test_the_local_model_survives_any_text(text: str) -> None:
    vectors = _local().encode([text], "passage")
    assert vectors.shape == (1, LOCAL_DIMENSION)
    assert np.isfinite(vectors).all()


def test_nul_and_lone_surrogates_do_not_change_what_the_local_model_reads() -> None:
    model = _local()
    plain, dirty = model.encode(["the release date", "the\x00release\ud83d date"], "passage")
    np.testing.assert_allclose(plain, dirty, atol=1e-5)


def test_a_model_with_more_threads_makes_the_same_vectors() -> None:
    texts = ["one invoice", "two releases", "three calls", "четыре встречи"]
    with override_settings(embedding_provider="local") as settings:
        single, threaded = embedding_model(settings), embedding_model(settings, threads=2)
    np.testing.assert_allclose(single.encode(texts, "passage"), threaded.encode(texts, "passage"), atol=1e-5)


def test_one_configuration_shares_one_model() -> None:
    assert _local() is _local()
