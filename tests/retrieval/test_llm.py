"""Answers written by a language model over real HTTP: what holds is used, what does not is removed or replaced."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.infra.database import transaction
from models.infra.scope import Scope
from models.infra.settings import get_settings, override_settings
from retrieval import answer as answers
from retrieval import llm
from retrieval.answer import Quote
from retrieval.pipeline import ask
from retrieval.profile import Profile, changed, load_profile
from retrieval.schemas import Answer, Query
from tests.retrieval.corpus import MARCH, QUESTION, index, make_corpus
from tests.retrieval.endpoints import Answering, Asked, Endpoint, Reply, serving
from tests.tools_app.world import make_world

PROJECT = uuid4()
QUOTES = (
    Quote(
        "message:1",
        "message",
        "Loyalty card",
        "Ivan",
        MARCH,
        "We deliver the barcode on Friday 13 March.",
        PROJECT,
    ),
    Quote(
        "comment:2",
        "comment",
        "Barcode is blurred",
        "Mila",
        MARCH,
        "The sharper barcode comes with build 41.",
        PROJECT,
    ),
)


def _says(text: str) -> Answering:
    return lambda _: Reply.of({"choices": [{"message": {"content": text}}]})


def _streams(*pieces: str) -> Answering:
    lines = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    content = "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"])
    return lambda _: Reply(200, content.encode(), "text/event-stream")


@contextmanager
def _writer(answering: Answering, timeout_s: float = 20) -> Iterator[Endpoint]:
    with (
        serving(answering) as endpoint,
        override_settings(
            llm_base_url=endpoint.base_url, llm_model="writer", llm_api_key="key", llm_timeout_s=timeout_s
        ),
    ):
        yield endpoint


def _write(text: str) -> llm.Written:
    with _writer(_says(text)):
        return llm.write_answer(get_settings(), QUESTION, QUOTES, "en")


@pytest.fixture
def studio(database: str) -> Scope:
    """An indexed project; lexical search alone finds its records."""
    with transaction() as session:
        world = make_world(session, "studio", ("alpha",))
        make_corpus(world.places["alpha"])
    index(world.scope, lexical_only=True)
    return world.of("alpha")


def _profile() -> Profile:
    """The shipped parameters, answering whenever anything was found: the threshold is not what is tested here."""
    return changed(load_profile(), {"support.weights": {}, "support.threshold": 0.0})


def _ask(scope: Scope) -> Answer:
    return ask(transaction, Query(text=QUESTION, scope=scope, mode="lexical"), profile=_profile())


def test_the_model_is_given_the_question_and_the_numbered_evidence() -> None:
    with _writer(_says("Ivan promised the barcode for Friday [1].")) as endpoint:
        llm.write_answer(get_settings(), QUESTION, QUOTES, "en")
    (asked,) = endpoint.asked
    prompt = asked.body["messages"][-1]["content"]
    assert asked.path == "/v1/chat/completions"
    assert asked.authorization == "Bearer key"
    assert asked.body["model"] == "writer"
    assert QUESTION in prompt
    assert all(f"[{n}]" in prompt and quote.text in prompt for n, quote in enumerate(QUOTES, 1))


def test_sentences_with_valid_citations_are_kept_as_written() -> None:
    said = "Ivan promised the barcode for 13 March. [1] Mila says it comes with build 41. [2]"
    assert _write(said) == llm.Written(said, (1, 2))


@pytest.mark.parametrize(
    "marked",
    [
        "barcode for 13 March [1].", "barcode for 13 March [1] .", "barcode for 13 March[1].",
        "barcode for 13 March [1][1].", "barcode for 13 March [1], [1].", "barcode for 13 March [1, 1].", "barcode for 13 March. [1]",
    ],
)  # fmt: skip
def test_a_citation_inside_a_sentence_moves_behind_it_and_leaves_no_gap(marked: str) -> None:
    assert _write(f"Ivan promised the {marked}").text == "Ivan promised the barcode for 13 March. [1]"


def test_citations_before_the_full_stops_of_several_sentences_leave_no_gap() -> None:
    said = "Ivan promised the barcode [1]. Mila says it comes with build 41 [2] ."
    assert (
        llm.renumber(_write(said)).text
        == "Ivan promised the barcode. [1] Mila says it comes with build 41. [2]"
    )


@given(
    st.lists(
        st.sampled_from(["barcode", "build", "41", "[1]", " [2]", "[1, 2]", " ", ",", ".", " .", "!"]),
        max_size=20,
    )
)
def test_moving_citations_leaves_no_blank_before_a_full_stop(pieces: list[str]) -> None:
    text = "".join(pieces)
    assume(not re.search(r"\s[.,!]", re.sub(r"\s*\[[\d, ]+\]\s*", "", text)))
    assert not re.search(r"\s[.,!]", llm.check(text, QUOTES).text)


@pytest.mark.parametrize("number", ["0", "3", "99999999999999999999"])
def test_a_citation_of_no_evidence_is_removed(number: str) -> None:
    written = _write(f"Ivan promised the barcode for 13 March. [1][{number}]")
    assert written == llm.Written("Ivan promised the barcode for 13 March. [1]", (1,))


@pytest.mark.parametrize(
    "unsupported",
    [
        pytest.param("Everyone is happy.", id="no citation"),
        pytest.param("Elephants swim gladly. [1]", id="shares no word with its evidence"),
        pytest.param("The barcode costs 500 euros. [1]", id="a number the evidence does not have"),
        pytest.param("The barcode is late. [7]", id="only a citation of no evidence"),
        pytest.param("[2]", id="a citation of nothing said"),
    ],
)
def test_an_unsupported_sentence_is_removed_and_the_others_stay(unsupported: str) -> None:
    written = _write(f"{unsupported}\nMila says it comes with build 41. [2]")
    assert written == llm.Written("Mila says it comes with build 41. [2]", (2,))


def test_a_russian_sentence_may_rest_on_english_evidence() -> None:
    assert _write("Иван обещал штрихкод к 13 марта. [1]").cited == (1,)


def test_a_number_is_checked_across_languages() -> None:
    with pytest.raises(llm.WriterFailed):
        _write("Иван обещал штрихкод к 20 марта. [1]")


@pytest.mark.parametrize("text", ["NO ANSWER", "", "The barcode will come soon."])
def test_a_text_in_which_nothing_holds_is_a_failure(text: str) -> None:
    with pytest.raises(llm.WriterFailed):
        _write(text)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(500, b"{}"), id="a server error"),
        pytest.param(Reply(429, b"{}"), id="too many requests"),
        pytest.param(Reply(200, b"<html>"), id="a page instead of JSON"),
        pytest.param(Reply.of({"choices": []}), id="no choice"),
        pytest.param(Reply.of(["choices"]), id="a list"),
    ],
)
def test_a_broken_endpoint_is_a_failure(reply: Reply) -> None:
    with _writer(lambda _: reply), pytest.raises(llm.WriterFailed):
        llm.write_answer(get_settings(), QUESTION, QUOTES, "en")


def test_a_stream_is_passed_on_as_it_comes_and_checked_as_a_whole() -> None:
    pieces = ["Ivan promised the bar", "code for 13 March. [1]", " All is well."]
    heard: list[str] = []
    with _writer(_streams(*pieces)):
        written = llm.write_answer(get_settings(), QUESTION, QUOTES, "en", on_text=heard.append)
    assert heard == pieces
    assert written == llm.Written("Ivan promised the barcode for 13 March. [1]", (1,))


def test_citations_are_numbered_in_order_of_use() -> None:
    renumbered = llm.renumber(llm.Written("B. [4] A. [1][4]", (4, 1)))
    assert renumbered == llm.Written("B. [1] A. [2][1]", (4, 1))


def test_an_answer_the_evidence_supports_is_used(studio: Scope) -> None:
    with _writer(_quoting_first):
        answer = _ask(studio)
    assert answer.code == answers.WRITTEN
    assert answer.answer == "The loyalty card barcode is on its way. [1]"
    (citation,) = answer.citations
    assert citation.n == 1
    assert citation.evidence_id in {item.id for item in answer.evidence}


def test_a_written_answer_cites_the_evidence_that_the_model_was_shown(studio: Scope) -> None:
    with _writer(_quoting_second) as endpoint:
        answer = _ask(studio)
    (citation,) = answer.citations
    shown = endpoint.asked[0].body["messages"][-1]["content"]
    (line,) = [line for line in shown.splitlines() if line.startswith("[2]")]
    assert citation.quote in line
    assert "[1]" in answer.answer


def test_an_error_of_the_model_falls_back_to_the_extractive_answer(studio: Scope) -> None:
    without = _ask(studio)
    with _writer(lambda _: Reply(500, b"{}")) as endpoint:
        answer = _ask(studio)
    assert len(endpoint.asked) == 1
    assert answer.code == answers.EXTRACTIVE
    assert (answer.answer, answer.citations) == (without.answer, without.citations)


def test_a_model_that_does_not_answer_in_time_falls_back_to_the_extractive_answer(studio: Scope) -> None:
    over = threading.Event()

    def never(_: Asked) -> Reply:
        over.wait(30)
        return _says("The loyalty card barcode is on its way. [1]")(_)

    with _writer(never, timeout_s=0.3) as endpoint:
        answer = _ask(studio)
        over.set()
    assert len(endpoint.asked) == 1
    assert answer.code == answers.EXTRACTIVE
    assert answer.citations


def test_an_answer_without_support_falls_back_to_the_extractive_answer(studio: Scope) -> None:
    with _writer(_says("Elephants swim gladly. [1] Buy 900 of them. [2]")):
        answer = _ask(studio)
    assert answer.code == answers.EXTRACTIVE
    assert "lephants" not in answer.answer


def test_the_model_is_not_asked_without_evidence(studio: Scope) -> None:
    nobody = Scope(studio.account_scope_id, ())
    with _writer(_says("The loyalty card barcode is on its way. [1]")) as endpoint:
        answer = _ask(nobody)
    assert endpoint.asked == []
    assert not answer.answerable


def _quoting_first(asked: Asked) -> Reply:
    return _says("The loyalty card barcode is on its way. [1]")(asked)


def _quoting_second(asked: Asked) -> Reply:
    return _says("The loyalty card barcode is on its way. [2]")(asked)
