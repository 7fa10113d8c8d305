"""Records that name different days or amounts for what was asked are set against each other, newest first."""

import datetime as dt
from uuid import UUID, uuid4

from retrieval import answer as answers
from retrieval.answer import Quote
from retrieval.contradictions import find, newest_first
from retrieval.lexical import Alternative, LexicalResult, Term

QUESTION = "When will the barcode be ready?"
FOUND = LexicalResult(
    terms=(Term((Alternative("barcode", 1.0),)), Term((Alternative("ready", 1.0),))),
    rarity=(2.0, 1.0),
    frequency=(2.0, 3.0),
)


ONE, OTHER = uuid4(), uuid4()


def _quote(number: int, text: str, month: int, project: UUID = ONE) -> Quote:
    at = dt.datetime(2026, month, 1, tzinfo=dt.UTC)
    return Quote(f"message:{number}", "message", "", "Ivan", at, text, project)


OLD = _quote(1, "The barcode is ready on 13 March.", 1)
NEW = _quote(2, "The barcode will be ready on 20 March.", 2)


def test_two_days_for_one_thing_differ_and_the_newest_is_first() -> None:
    differing = find(QUESTION, [OLD, NEW], FOUND)
    assert differing is not None
    assert (differing.kind, differing.places, differing.values) == ("date", (1, 0), ("20 March", "13 March"))
    assert newest_first([OLD, NEW], differing) == [NEW, OLD]


def test_two_amounts_for_one_thing_differ() -> None:
    quotes = [_quote(1, "The barcode costs $1,200.", 1), _quote(2, "The barcode costs $1.5k.", 2)]
    differing = find("What is the price of the barcode?", quotes, FOUND)
    assert differing is not None
    assert (differing.kind, differing.values) == ("amount", ("$1.5k", "$1,200"))


def test_one_figure_written_in_two_ways_is_no_contradiction() -> None:
    assert find(QUESTION, [OLD, _quote(2, "Штрихкод, barcode: ready 13 марта", 2)], FOUND) is None
    quotes = [_quote(1, "The barcode costs $1,500.", 1), _quote(2, "The barcode costs $1.5k.", 2)]
    assert find("What is the price of the barcode?", quotes, FOUND) is None


def test_a_day_of_something_else_is_no_contradiction() -> None:
    assert find(QUESTION, [OLD, _quote(2, "The hotel opens on 20 March.", 2)], FOUND) is None


def test_days_of_two_projects_are_no_contradiction() -> None:
    other = _quote(3, "The barcode is ready on 27 March.", 3, OTHER)
    assert find(QUESTION, [OLD, other], FOUND) is None
    differing = find(QUESTION, [other, OLD, NEW], FOUND)
    assert differing is not None
    assert differing.places == (2, 1)


def test_a_question_for_no_figure_finds_none() -> None:
    assert find("Why is the barcode not ready?", [OLD, NEW], FOUND) is None


def test_the_answer_says_so_in_the_readers_language_with_both_citations() -> None:
    draft = answers.compose([NEW, OLD], answers.Differs("date", ("20 March", "13 March")))
    english = answers.render(draft.code, draft.params, "en").split("\n")
    assert english[0] == "The records name different days, newest first: 20 March [1]; 13 March [2]"
    assert answers.render(draft.code, draft.params, "ru").startswith("В записях названы разные даты")
    assert [citation.n for citation in draft.citations] == [1, 2]
