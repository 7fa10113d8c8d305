"""A question through the whole of retrieval on a real database: evidence, filters, scopes, the log, feedback."""

import datetime as dt
from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

import pytest
from sqlalchemy import text as sql

from models.infra.database import transaction
from models.infra.errors import InvalidInput, NotFound
from models.infra.scope import Scope
from models.tables.attio import Deal, Note
from models.tables.chatwoot import Conversation, Message
from models.tables.linear import Comment, Issue
from retrieval import answer as answers
from retrieval.pipeline import ask, record_feedback, status
from retrieval.profile import changed, load_profile
from retrieval.schemas import GROUP_OF, SOURCE_GROUPS, Answer, Mode, Query
from tests.retrieval.corpus import APRIL, MARCH, MAY, QUESTION, Corpus, delete, index, make_corpus, rows
from tests.tools_app.world import World, make_world

MODES: tuple[Mode, ...] = get_args(Mode)
DAY = dt.timedelta(days=1)


@dataclass
class Studio:
    """The indexed world of a test: a studio with two look-alike projects, and a rival with the same again."""

    world: World
    rival: World
    alpha: Corpus
    beta: Corpus

    @property
    def scope(self) -> Scope:
        """The first project alone."""
        return self.world.of("alpha")


@pytest.fixture
def studio(database: str) -> Studio:
    """Four projects with equal subjects; a word of its own in each tells them apart."""
    with transaction() as session:
        world, rival = make_world(session, "studio"), make_world(session, "rival")
        alpha = make_corpus(world.places["alpha"], "ownalpha")
        beta = make_corpus(world.places["beta"], "foreignbeta")
        for slug in ("alpha", "beta"):
            make_corpus(rival.places[slug], f"foreignrival{slug}")
    index(world.scope)
    index(rival.scope)
    return Studio(world, rival, alpha, beta)


def _ask(scope: Scope, text: str = QUESTION, **options: Any) -> Answer:
    # Answers whenever anything was found: the threshold is measured elsewhere and is not what is tested here.
    profile = changed(load_profile(), {"support.weights": {}, "support.threshold": 0.0})
    return ask(transaction, Query(text=text, scope=scope, **options), profile=profile)


def _feedback(scope: Scope, answer: Answer, rating: Any, comment: str | None = None) -> None:
    with transaction() as session:
        record_feedback(session, scope, answer.query_run_id, rating, comment)


def _votes() -> list[tuple[Any, str, str | None]]:
    return [tuple(row) for row in rows("SELECT query_run_id, rating, comment FROM lightrag_feedback")]


def test_every_citation_of_an_answer_resolves_to_an_evidence_item(studio: Studio) -> None:
    for mode in MODES:
        answer = _ask(studio.scope, mode=mode)
        assert answer.answerable
        assert answer.citations
        assert [citation.n for citation in answer.citations] == list(range(1, len(answer.citations) + 1))
        assert {citation.evidence_id for citation in answer.citations} <= {
            item.id for item in answer.evidence
        }
        assert all(f"[{citation.n}]" in answer.answer for citation in answer.citations)


def test_a_quote_is_taken_word_by_word_from_the_record_it_cites(studio: Studio) -> None:
    answer = _ask(studio.scope)
    snippets = {item.id: item.snippet for item in answer.evidence}
    assert all(citation.quote in snippets[citation.evidence_id] for citation in answer.citations)


def test_the_record_that_answers_is_found(studio: Studio) -> None:
    for mode in MODES:
        answer = _ask(studio.scope, "Where may visitors park bicycles?", mode=mode)
        assert answer.evidence[0].id == f"message:{studio.alpha.other.id}"


def test_a_question_in_russian_finds_the_english_record(studio: Studio) -> None:
    answer = _ask(studio.scope, "Где посетителям можно оставить велосипед?", mode="vector")
    assert answer.lang == "ru"
    assert answer.evidence[0].id == f"message:{studio.alpha.other.id}"


def test_evidence_carries_the_record_and_its_page(studio: Studio) -> None:
    answer = _ask(studio.scope, "Where may visitors park bicycles?")
    found, record = answer.evidence[0], studio.alpha.other
    assert (found.source_type, found.source_id, found.project_id) == (
        "message",
        record.vendor_id,
        record.project_id,
    )
    assert (found.author, found.created_at, found.url) == ("Boris Ilic", MARCH, record.url)


def test_the_number_of_evidence_items_is_bounded(studio: Studio) -> None:
    answer = _ask(studio.scope, top_k=2, source_limit=1)
    assert len(answer.chunks) <= 2
    assert {citation.evidence_id for citation in answer.citations} <= {item.id for item in answer.evidence}
    # What is cited is always shown, nothing else is.
    assert len(answer.evidence) == max(1, len(answer.citations))


def test_a_source_filter_lets_only_its_group_through(studio: Studio) -> None:
    for group, mode in product(SOURCE_GROUPS, MODES):
        answer = _ask(studio.scope, source_filter=(group,), mode=mode)
        assert {GROUP_OF[item.source_type] for item in answer.evidence} == {group}


def test_a_date_filter_holds_and_includes_both_ends(studio: Studio) -> None:
    periods: list[tuple[dt.datetime | None, dt.datetime | None]] = [
        (MARCH, MARCH),
        (MARCH + DAY, APRIL),
        (APRIL, None),
        (None, APRIL),
        (MARCH - DAY, MAY - DAY),
    ]
    for (first, last), mode in product(periods, MODES):
        answer = _ask(studio.scope, date_from=first, date_to=last, mode=mode)
        times = [item.created_at for item in answer.evidence]
        assert times
        assert all(at is not None and (first or MARCH) <= at <= (last or at) for at in times)


def test_filters_narrow_the_search_and_not_its_result(studio: Studio) -> None:
    # With one place to give, a filter applied afterwards would find it taken by a better match outside.
    for kind in SOURCE_GROUPS:
        assert _ask(studio.scope, source_filter=(kind,), top_k=1).evidence
    assert _ask(studio.scope, "Where may visitors park bicycles?", date_from=MAY, top_k=1).evidence


def test_a_period_without_records_gives_no_evidence_and_says_so(studio: Studio) -> None:
    answer = _ask(studio.scope, date_from=MAY + 900 * DAY, date_to=MAY + 901 * DAY)
    assert not answer.answerable
    assert answer.evidence == answer.citations == answer.chunks == ()


def test_a_scope_never_sees_the_look_alikes_of_others(studio: Studio) -> None:
    for text, mode in product([QUESTION, "foreignbeta", "foreignrivalalpha barcode", "ownalpha"], MODES):
        answer = _ask(studio.scope, text, mode=mode, top_k=50, source_limit=25)
        place = studio.world.places["alpha"]
        assert {item.project_id for item in answer.evidence} <= {place.project}
        shown = answer.model_copy(update={"query": ""}).model_dump_json()
        assert "foreign" not in shown
        (run,) = rows("SELECT hits FROM lightrag_query_runs WHERE id = :id", id=answer.query_run_id)
        own = {row.id for row in rows("SELECT id FROM rag_chunks WHERE project_id = :id", id=place.project)}
        assert {hit["chunk_id"] for hit in run.hits} <= {str(chunk_id) for chunk_id in own}


def test_a_project_of_another_account_scope_gives_nothing_under_ours(studio: Studio) -> None:
    forged = Scope.of(studio.world.scope, [studio.rival.places["alpha"].project])
    for mode in MODES:
        answer = _ask(forged, mode=mode)
        assert not answer.answerable
        assert answer.evidence == answer.chunks == ()


def test_a_scope_of_all_projects_sees_each_of_them(studio: Studio) -> None:
    for mode in MODES:
        answer = _ask(studio.world.of(), mode=mode, top_k=50, source_limit=25)
        places = studio.world.places
        assert {item.project_id for item in answer.evidence} == {
            places["alpha"].project,
            places["beta"].project,
        }
        assert "foreignrival" not in answer.model_dump_json()


def test_a_scope_without_projects_sees_nothing(studio: Studio) -> None:
    for mode in MODES:
        answer = _ask(Scope(studio.world.scope, ()), mode=mode)
        assert not answer.answerable
        assert answer.evidence == ()


def test_an_empty_index_is_no_answer_and_is_said_to_be_empty(database: str) -> None:
    with transaction() as session:
        world = make_world(session, "studio")
    for mode in MODES:
        answer = _ask(world.of(), mode=mode)
        assert (answer.answerable, answer.code) == (False, answers.NOTHING_INDEXED)
        assert answer.evidence == answer.citations == ()
        assert answer.quality_score == 0


def test_the_run_is_logged_with_its_hits(studio: Studio) -> None:
    answer = _ask(studio.scope, source_filter=("issues",), top_k=3)
    (run,) = rows("SELECT * FROM lightrag_query_runs")
    assert (run.id, run.account_scope_id) == (answer.query_run_id, studio.world.scope)
    assert run.project_ids == [str(project) for project in studio.scope.project_ids]
    assert (run.query, run.mode, run.answer) == (QUESTION, "hybrid", answer.answer)
    assert (run.answerable, run.cached, run.parameters["source_filter"]) == (True, False, ["issues"])
    assert [hit["evidence_id"] for hit in run.hits][: len(answer.chunks)] == [
        chunk.evidence_id for chunk in answer.chunks
    ]
    assert 1 <= len(run.hits) <= 3


def test_a_question_without_an_answer_is_logged_too(database: str) -> None:
    with transaction() as session:
        world = make_world(session, "studio")
    answer = _ask(world.of())
    (run,) = rows("SELECT id, answerable, hits FROM lightrag_query_runs")
    assert (run.id, run.answerable, run.hits) == (answer.query_run_id, False, [])


def test_a_vote_is_stored(studio: Studio) -> None:
    answer = _ask(studio.scope)
    _feedback(studio.scope, answer, "up", "  helped  ")
    assert _votes() == [(answer.query_run_id, "up", "helped")]


def test_a_later_vote_replaces_the_earlier_one(studio: Studio) -> None:
    answer = _ask(studio.scope)
    _feedback(studio.scope, answer, "up", "helped")
    _feedback(studio.scope, answer, "down")
    assert _votes() == [(answer.query_run_id, "down", None)]


def test_a_vote_from_a_wider_scope_of_the_same_account_is_taken(studio: Studio) -> None:
    answer = _ask(studio.scope)
    _feedback(studio.world.of(), answer, "up")
    assert len(_votes()) == 1


@pytest.mark.parametrize("who", ["another project", "another account scope", "a part of the projects"])
def test_a_vote_from_outside_the_scope_is_refused(studio: Studio, who: str) -> None:
    wide = studio.world.of("alpha", "beta")
    answer = _ask(wide if who == "a part of the projects" else studio.scope)
    outside = {
        "another project": studio.world.of("beta"),
        "another account scope": studio.rival.of(),
        "a part of the projects": studio.scope,
    }[who]
    with pytest.raises(NotFound):
        _feedback(outside, answer, "down")
    assert _votes() == []


def test_a_vote_is_up_or_down(studio: Studio) -> None:
    answer = _ask(studio.scope)
    with pytest.raises(InvalidInput):
        _feedback(studio.scope, answer, "sideways")
    assert _votes() == []


def _gone(studio: Studio, answer: Answer, name: str) -> bool:
    record = getattr(studio.alpha, name)
    return not any(item.id.endswith(str(record.id)) for item in answer.evidence) and not any(
        citation.evidence_id.endswith(str(record.id)) for citation in answer.citations
    )


_KINDS: list[tuple[type[Any], str]] = [
    (Message, "message"),
    (Issue, "issue"),
    (Comment, "comment"),
    (Deal, "deal"),
    (Note, "note"),
]


@pytest.mark.parametrize(("model", "name"), _KINDS, ids=[name for _, name in _KINDS])
def test_a_deleted_record_leaves_answers_before_the_index_follows(
    studio: Studio, model: type[Any], name: str
) -> None:
    assert not _gone(studio, _ask(studio.scope, top_k=50, source_limit=25), name)
    delete(model, getattr(studio.alpha, name))
    assert _gone(studio, _ask(studio.scope, top_k=50, source_limit=25), name)


def test_a_deleted_record_that_was_indexed_again_leaves_answers(studio: Studio) -> None:
    delete(Message, studio.alpha.message)
    index(studio.world.scope)
    for mode in MODES:
        answer = _ask(studio.scope, mode=mode, top_k=50, source_limit=25)
        assert answer.evidence
        assert _gone(studio, answer, "message")


def test_messages_of_a_deleted_conversation_leave_answers_with_the_index(studio: Studio) -> None:
    delete(Conversation, studio.alpha.talk)
    index(studio.world.scope)
    assert _gone(studio, _ask(studio.scope, top_k=50, source_limit=25), "message")


def test_words_are_found_before_there_are_vectors(database: str) -> None:
    with transaction() as session:
        world = make_world(session, "studio", ("alpha",))
        corpus = make_corpus(world.places["alpha"])
    index(world.scope, lexical_only=True)
    answer = _ask(world.of(), "Where may visitors park bicycles?")
    assert answer.evidence[0].id == f"message:{corpus.other.id}"


def test_the_status_counts_the_chunks_of_the_scope_alone(studio: Studio) -> None:
    with transaction() as session:
        one, two = status(session, studio.scope), status(session, studio.world.of())
    assert one.embeddable == one.embedded == one.chunks["ready"] > 0
    assert two.embeddable == 2 * one.embeddable
    assert (one.coverage, sum(one.sources.values())) == (1.0, one.embeddable)


def test_a_question_that_the_records_do_not_answer_is_refused_and_says_what_was_searched(
    studio: Studio,
) -> None:
    query = Query(text="Which football club does the Pope support this season?", scope=studio.scope)
    refused = ask(transaction, query)
    assert not refused.answerable
    assert refused.code == "answer.not_enough_evidence"
    assert refused.params["projects"] == 1
    assert refused.evidence
    assert "Searched:" in refused.answer


def test_a_refusal_in_doubt_quotes_what_comes_closest_with_citations_that_resolve(studio: Studio) -> None:
    doubtful = changed(
        load_profile(), {"support.bias": -1.0, "support.weights": {"promised": 0.0}, "support.threshold": 0.5}
    )
    refused = ask(transaction, Query(text=QUESTION, scope=studio.scope), profile=doubtful)
    assert not refused.answerable
    assert 1 <= len(refused.citations) <= 2
    assert {citation.evidence_id for citation in refused.citations} <= {item.id for item in refused.evidence}
    lines = refused.answer.split("\n")
    assert len(lines) == 1 + len(refused.citations)
    assert all(f"[{citation.n}]" in line for citation, line in zip(refused.citations, lines[1:], strict=True))


def test_a_record_without_a_vector_yet_is_ranked_as_if_it_had_one(studio: Studio) -> None:
    question = "Where may visitors park bicycles?"
    complete = _ask(studio.scope, question).chunks[0]
    with transaction() as session:
        session.execute(sql("DELETE FROM rag_embeddings WHERE chunk_id = :chunk"), {"chunk": complete.id})
    growing = _ask(studio.scope, question).chunks[0]
    assert growing.id == complete.id
    assert growing.score == pytest.approx(complete.score, abs=0.02)
