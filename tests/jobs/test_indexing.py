"""The index follows the raw rows: what changed is rebuilt, what did not is left alone, and a stopped run goes on."""

import datetime as dt
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from jobs import indexing
from models.infra.clock import frozen, utcnow
from models.infra.database import transaction
from models.infra.settings import get_settings, override_settings
from models.tables.chatwoot import Conversation, Message
from models.tables.linear import Comment, Issue
from retrieval import index_store
from retrieval.embedding import EmbeddingMismatch, model_spec
from tests.retrieval.corpus import MARCH, Corpus, change, delete, index, make_corpus, rows
from tests.retrieval.endpoints import Asked, Endpoint, Reply, serving
from tests.tools_app.world import Place, World, make_world

DIMENSION = 384


def _embed(asked: Asked) -> Reply:
    return Reply.of(
        {
            "data": [
                {"index": place, "embedding": [1.0 + len(text), *[1.0] * (DIMENSION - 1)]}
                for place, text in enumerate(asked.body["input"])
            ]
        }
    )


@pytest.fixture
def endpoint(database: str) -> Iterator[Endpoint]:
    """A counting embedding endpoint: what is embedded is what it was asked for."""
    with (
        serving(_embed) as running,
        override_settings(
            embedding_provider="openai",
            embedding_base_url=running.base_url,
            embedding_api_key="key",
            embedding_model="counted",
            embedding_dimension=DIMENSION,
        ),
    ):
        yield running


@pytest.fixture
def world(endpoint: Endpoint) -> World:
    """A scope with two projects and no records yet."""
    with transaction() as session:
        return make_world(session, "studio")


@pytest.fixture
def corpus(world: World) -> Corpus:
    """The records of one project, not indexed yet."""
    return _insert(world)


def _insert(world: World, slug: str = "alpha") -> Corpus:
    with transaction() as session:
        place = world.places[slug]
        place.session = session
        return make_corpus(place)


def _messages(place: Place, number: int) -> list[Message]:
    with transaction() as session:
        place.session = session
        talk = place.conversation()
        return [
            place.message(talk, MARCH + dt.timedelta(minutes=minute), 0, body=f"Question number {minute}.")
            for minute in range(number)
        ]


def _embedded_texts(endpoint: Endpoint) -> list[str]:
    return [text for asked in endpoint.asked for text in asked.body["input"]]


def _bodies(record: Any) -> list[str]:
    found = rows(
        "SELECT c.body FROM rag_chunks c JOIN chunk_sources s ON s.chunk_id = c.id"
        " WHERE s.record_id = :id ORDER BY c.part",
        id=record.id,
    )
    return [row.body for row in found]


def _statuses() -> set[str]:
    return {row.status for row in rows("SELECT status FROM rag_chunks")}


def _count(table: str) -> int:
    return rows(f"SELECT count(*) AS n FROM {table}")[0].n  # noqa: S608 - a table of ours


def test_every_record_gets_a_chunk_with_a_vector(world: World, corpus: Corpus) -> None:
    result = index(world.scope)
    for record in (corpus.message, corpus.other, corpus.issue, corpus.comment, corpus.deal, corpus.note):
        assert _bodies(record)
    assert _statuses() == {"ready"}
    assert (
        result.embedded + result.reused == result.written == _count("rag_chunks") == _count("rag_embeddings")
    )
    assert result.pending == 0


def test_a_second_run_writes_and_embeds_nothing(world: World, corpus: Corpus, endpoint: Endpoint) -> None:
    index(world.scope)
    before = len(endpoint.asked)
    again = index(world.scope)
    assert (again.written, again.deleted, again.embedded, again.reused) == (0, 0, 0, 0)
    assert len(endpoint.asked) == before


def test_a_row_synced_again_with_the_same_text_is_not_embedded_again(
    world: World, corpus: Corpus, endpoint: Endpoint
) -> None:
    index(world.scope)
    before = len(endpoint.asked)
    change(Message, corpus.message, sender_vendor_id="77")
    change(Issue, corpus.issue, creator_name="Somebody")
    again = index(world.scope)
    assert again.threads >= 2
    assert len(endpoint.asked) == before


def test_equal_texts_of_two_projects_share_a_vector(world: World, corpus: Corpus, endpoint: Endpoint) -> None:
    index(world.scope)
    texts = len(_embedded_texts(endpoint))
    twin = _insert(world, "beta")
    result = index(world.scope)
    assert _bodies(twin.message)
    assert result.reused > 0
    assert result.reused + result.embedded == result.written
    assert len(_embedded_texts(endpoint)) == texts + result.embedded


def test_an_edited_text_replaces_the_old_one_and_only_it_is_embedded(
    world: World, corpus: Corpus, endpoint: Endpoint
) -> None:
    index(world.scope)
    endpoint.asked.clear()
    change(Comment, corpus.comment, body="The sharper barcode moved to build 42.")
    index(world.scope)
    assert _bodies(corpus.comment) == ["The sharper barcode moved to build 42."]
    assert [text for text in _embedded_texts(endpoint) if "build 42" in text]
    assert not [text for text in _embedded_texts(endpoint) if "bicycles" in text]
    assert rows("SELECT 1 FROM rag_chunks WHERE body LIKE '%build 41%'") == []
    assert _statuses() == {"ready"}
    assert _count("rag_embeddings") == _count("rag_chunks")


def test_an_edited_text_loses_its_old_vector_before_it_gets_a_new_one(world: World, corpus: Corpus) -> None:
    index(world.scope)
    change(Comment, corpus.comment, body="The sharper barcode moved to build 42.")
    index(world.scope, lexical_only=True)
    assert (
        rows(
            "SELECT e.chunk_id FROM rag_embeddings e JOIN chunk_sources s ON s.chunk_id = e.chunk_id"
            " WHERE s.record_id = :id",
            id=corpus.comment.id,
        )
        == []
    )


def test_a_text_that_became_shorter_leaves_no_rest(world: World) -> None:
    long = " ".join(f"Sentence number {place} about the till and the barcode." for place in range(120))
    corpus = _insert(world)
    change(Message, corpus.message, body=long)
    index(world.scope)
    assert len(_bodies(corpus.message)) > 1
    change(Message, corpus.message, body="Never mind.")
    index(world.scope)
    assert _bodies(corpus.message) == ["Never mind."]
    assert _count("rag_embeddings") == _count("rag_chunks")


@pytest.mark.parametrize(
    ("model", "name"),
    [(Message, "message"), (Comment, "comment"), (Issue, "issue")],
    ids=["message", "comment", "issue"],
)
def test_a_deleted_record_leaves_chunks_and_vectors(
    world: World, corpus: Corpus, model: type[Any], name: str
) -> None:
    index(world.scope)
    delete(model, getattr(corpus, name))
    result = index(world.scope)
    assert result.deleted >= 1
    assert _bodies(getattr(corpus, name)) == []
    assert _bodies(corpus.other)
    assert _count("rag_embeddings") == _count("rag_chunks")


def test_a_deleted_conversation_takes_its_messages_along(world: World, corpus: Corpus) -> None:
    index(world.scope)
    delete(Conversation, corpus.talk)
    index(world.scope)
    assert _bodies(corpus.message) == []
    assert _bodies(corpus.other)


def test_a_record_that_came_back_is_found_again(world: World, corpus: Corpus) -> None:
    index(world.scope)
    before = _bodies(corpus.message)
    delete(Message, corpus.message)
    index(world.scope)
    change(Message, corpus.message, deleted_at=None)
    index(world.scope)
    assert _bodies(corpus.message) == before != []


def test_a_record_routed_to_another_project_takes_chunk_and_vector_along(
    world: World, corpus: Corpus
) -> None:
    index(world.scope)
    beta = world.places["beta"].project
    change(Conversation, corpus.talk, project_id=beta)
    index(world.scope)
    found = rows(
        "SELECT c.project_id, e.project_id AS vector_project, s.project_id AS source_project FROM rag_chunks c"
        " JOIN chunk_sources s ON s.chunk_id = c.id JOIN rag_embeddings e ON e.chunk_id = c.id"
        " WHERE s.record_id = :id",
        id=corpus.message.id,
    )
    assert [(row.project_id, row.vector_project, row.source_project) for row in found] == [(beta, beta, beta)]


def test_a_run_indexes_its_own_account_scope_alone(world: World, corpus: Corpus) -> None:
    with transaction() as session:
        other = make_world(session, "rival")
        theirs = make_corpus(other.places["alpha"])
    index(world.scope)
    assert _bodies(corpus.message)
    assert _bodies(theirs.message) == []


def test_words_are_searchable_before_there_are_vectors(
    world: World, corpus: Corpus, endpoint: Endpoint
) -> None:
    result = index(world.scope, lexical_only=True)
    assert rows("SELECT 1 FROM rag_chunks WHERE tsv @@ plainto_tsquery('russian', 'bicycles')")
    assert _count("rag_embeddings") == 0
    assert endpoint.asked == []
    assert result.pending == result.written > 0


def test_the_newest_text_is_embedded_first(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "CHUNKS_PER_BATCH", 2)
    _messages(world.places["alpha"], 6)
    index(world.scope)
    first, second, third = ("".join(asked.body["input"]) for asked in endpoint.asked)
    assert "number 5." in first
    assert "number 4." in first
    assert "number 3." in second
    assert "number 2." in second
    assert "number 1." in third
    assert "number 0." in third


def test_a_run_without_time_does_nothing_and_the_next_one_does_it_all(world: World, corpus: Corpus) -> None:
    assert index(world.scope, budget_s=-1.0).written == 0
    assert index(world.scope).written == _count("rag_chunks") > 0
    assert _statuses() == {"ready"}


def test_a_rebuild_that_was_killed_goes_on_where_it_stopped(
    world: World, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = index_store.replace_chunks, count(1)

    def killed(*given: Any) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(index_store, "replace_chunks", killed)
        with pytest.raises(KeyboardInterrupt):
            index(world.scope)
    half = _count("rag_chunks")
    assert half > 0
    index(world.scope)
    assert _count("rag_chunks") > half
    assert all(_bodies(record) for record in (corpus.message, corpus.issue, corpus.deal, corpus.note))
    assert _statuses() == {"ready"}


def test_embedding_that_was_killed_keeps_what_it_had_and_goes_on(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "CHUNKS_PER_BATCH", 2)
    _messages(world.places["alpha"], 6)

    def killed(_: indexing.IndexProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index(world.scope, progress=killed)
    assert _count("rag_embeddings") == 2
    result = index(world.scope)
    assert result.embedded == 4
    texts = _embedded_texts(endpoint)
    assert len(texts) == len(set(texts)) == 6


def test_chunks_a_stopped_worker_left_claimed_are_taken_again_when_the_claim_is_stale(world: World) -> None:
    _messages(world.places["alpha"], 3)
    index(world.scope, lexical_only=True)
    with transaction() as session:
        index_store.claim_pending(session, world.scope, 10)
    with frozen(utcnow() + index_store.STALE_AFTER + dt.timedelta(seconds=1)):
        result = index(world.scope)
    assert result.embedded == 3
    assert _statuses() == {"ready"}


def test_chunks_that_another_worker_holds_are_left_to_it(world: World, endpoint: Endpoint) -> None:
    _messages(world.places["alpha"], 3)
    index(world.scope, lexical_only=True)
    with transaction() as session:
        index_store.claim_pending(session, world.scope, 10)
    assert index(world.scope).embedded == 0
    assert endpoint.asked == []
    assert _statuses() == {"processing"}


def test_a_text_edited_while_it_was_embedded_is_embedded_once_more(world: World) -> None:
    (message,) = _messages(world.places["alpha"], 1)
    index(world.scope, lexical_only=True)
    spec = model_spec(get_settings())
    with transaction() as session:
        index_store.register_model(session, spec)
        claims = index_store.claim_pending(session, world.scope, 10)
    change(Message, message, body="Answered by itself.")
    index(world.scope, lexical_only=True)
    vectors = indexing.embedding_model(get_settings()).encode([claim.text for claim in claims], "passage")
    with transaction() as session:
        index_store.write_vectors(session, spec, claims, vectors)
        index_store.finish_claims(session, [claim.chunk_id for claim in claims])
    assert _count("rag_embeddings") == 0
    assert _statuses() == {"pending"}
    assert index(world.scope).embedded == 1


def test_an_endpoint_that_is_away_fails_the_chunks_after_a_few_tries_and_keeps_them_searchable(
    world: World,
) -> None:
    _messages(world.places["alpha"], 2)
    with (
        serving(lambda _: Reply(503, b"{}")) as broken,
        override_settings(embedding_base_url=broken.base_url),
    ):
        result = index(world.scope)
    assert result.embedded == 0
    assert result.failed > 0
    assert len(broken.asked) == index_store.MAX_ATTEMPTS
    assert _statuses() == {"failed"}
    assert rows("SELECT 1 FROM rag_chunks WHERE tsv @@ plainto_tsquery('russian', 'question')")
    (reason,) = {row.error for row in rows("SELECT error FROM rag_chunks")}
    assert "embedding_unavailable" in reason


def _fail_all(world: World, number: int) -> None:
    _messages(world.places["alpha"], number)
    with (
        serving(lambda _: Reply(503, b"{}")) as broken,
        override_settings(embedding_base_url=broken.base_url),
    ):
        index(world.scope)
    assert _statuses() == {"failed"}


def test_chunks_that_failed_while_the_endpoint_was_away_are_embedded_by_a_later_run(world: World) -> None:
    _fail_all(world, 3)
    with frozen(utcnow() + index_store.RETRY_AFTER + dt.timedelta(seconds=1)):
        result = index(world.scope)
    assert (result.embedded, result.failed) == (3, 0)
    assert _statuses() == {"ready"}
    assert [(row.error, row.attempts) for row in rows("SELECT error, attempts FROM rag_chunks")] == [
        (None, 0)
    ] * 3


def test_chunks_that_have_just_failed_wait(world: World, endpoint: Endpoint) -> None:
    _fail_all(world, 2)
    assert index(world.scope).embedded == 0
    assert endpoint.asked == []
    assert _statuses() == {"failed"}


def test_a_run_takes_up_a_bounded_number_of_failed_chunks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_store, "RETRIES_PER_RUN", 2)
    _fail_all(world, 3)
    with frozen(utcnow() + index_store.RETRY_AFTER + dt.timedelta(seconds=1)):
        assert index(world.scope).embedded == 2
        assert index(world.scope).embedded == 1


def test_a_chunk_that_fails_again_is_tried_once_and_waits_longer(world: World) -> None:
    _fail_all(world, 2)
    later = utcnow() + index_store.RETRY_AFTER + dt.timedelta(seconds=1)
    with (
        serving(lambda _: Reply(503, b"{}")) as broken,
        override_settings(embedding_base_url=broken.base_url),
        frozen(later),
    ):
        index(world.scope)
        assert len(broken.asked) == 1
    with frozen(later + index_store.RETRY_AFTER + dt.timedelta(seconds=1)):
        assert index(world.scope).embedded == 0
    with frozen(later + 2 * index_store.RETRY_AFTER + dt.timedelta(seconds=1)):
        assert index(world.scope).embedded == 2


def test_chunks_that_never_failed_are_embedded_before_those_that_did(
    world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "CHUNKS_PER_BATCH", 2)
    _fail_all(world, 2)
    with transaction() as session:
        place = world.places["beta"]
        place.session = session
        place.message(place.conversation(), MARCH - dt.timedelta(days=9), 0, body="An old letter.")
    with frozen(utcnow() + index_store.RETRY_AFTER + dt.timedelta(seconds=1)):
        index(world.scope)
    assert "An old letter." in "".join(endpoint.asked[0].body["input"])


def test_vectors_of_another_length_under_the_same_name_are_refused(world: World, corpus: Corpus) -> None:
    index(world.scope)
    with override_settings(embedding_dimension=DIMENSION + 1), pytest.raises(EmbeddingMismatch):
        index(world.scope)


def test_another_model_makes_vectors_of_its_own_beside_the_old_ones(world: World) -> None:
    _messages(world.places["alpha"], 2)
    index(world.scope)
    with override_settings(embedding_model="newer"):
        assert index(world.scope).embedded == 2
    held = rows("SELECT model_key, count(*) AS n FROM rag_embeddings GROUP BY 1 ORDER BY 1")
    assert [(row.model_key, row.n) for row in held] == [("openai:counted", 2), ("openai:newer", 2)]
