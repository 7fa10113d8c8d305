"""An answer cites what it says; a refusal says what was searched."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.infra.ids import new_id
from retrieval.answer import (
    EXTRACTIVE,
    NOT_ENOUGH,
    NOTHING_INDEXED,
    WRITTEN,
    Quote,
    compose,
    extract,
    refuse,
    render,
)
from retrieval.lexical import Alternative, LexicalResult, Term
from retrieval.profile import AnswerShape
from retrieval.ranking import RankedChunk
from retrieval.schemas import GROUP_OF, Lang, SourceType
from retrieval.store import StoredChunk

MAY = datetime(2026, 5, 24, 9, tzinfo=UTC)
SHAPE = AnswerShape(sentences=4, evidence=4)
QUOTES = st.lists(
    st.builds(
        Quote,
        evidence_id=st.uuids().map(lambda key: f"message:{key}"),
        kind=st.sampled_from(sorted(GROUP_OF)),
        title=st.sampled_from(["", "HPN-12 Booking", "Пилот"]),
        speaker=st.sampled_from([None, "Anna", "Анна"]),
        at=st.sampled_from([None, MAY]),
        text=st.text(alphabet="abc абв.\n", min_size=1, max_size=40),
    ),
    max_size=8,
)


def hit(
    body: str, score: float = 1.0, author: str | None = "Anna", *, from_studio: bool = True
) -> RankedChunk:
    chunk = StoredChunk(
        new_id(),
        new_id(),
        new_id(),
        "message",
        new_id(),
        "1",
        "Title",
        "",
        "",
        body,
        "en",
        author,
        MAY,
        from_studio,
    )
    return RankedChunk(chunk, score, score, score)


QUESTION = "When does the pilot start?"


def asked(*terms: str) -> LexicalResult:
    made = tuple(Term((Alternative(term, 1.0),)) for term in terms)
    return LexicalResult((), made, (1.0,) * len(terms), (1.0,) * len(terms))


@pytest.mark.parametrize("lang", ["en", "ru"])
@given(quotes=QUOTES)
def test_every_number_in_the_text_has_its_citation_and_evidence(lang: Lang, quotes: list[Quote]) -> None:
    draft = compose(quotes)
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]", render(draft.code, draft.params, lang))]
    assert numbers == [citation.n for citation in draft.citations] == list(range(1, len(quotes) + 1))
    assert [citation.evidence_id for citation in draft.citations] == [quote.evidence_id for quote in quotes]


@given(quotes=QUOTES)
def test_a_citation_holds_the_words_that_are_shown(quotes: list[Quote]) -> None:
    draft = compose(quotes)
    shown = render(draft.code, draft.params, "en")
    assert all(citation.quote.replace("\n", " ") in shown for citation in draft.citations)


def test_a_quote_names_who_said_it_and_when() -> None:
    draft = compose([Quote("message:1", "message", "Booking", "Anna", MAY, "It ships.", uuid4())])
    assert render(draft.code, draft.params, "en") == "Anna, 24 May 2026: “It ships.” [1]"


def test_a_quote_is_introduced_in_the_language_of_the_answer() -> None:
    draft = compose([Quote("note:1", "note", "HPN-12", None, MAY, "It ships.", uuid4())])
    assert render(draft.code, draft.params, "ru") == "HPN-12, 24 мая 2026: «It ships.» [1]"


@pytest.mark.parametrize("kind", ["issue", "deal", "company"])
def test_the_fields_of_a_record_are_nobodys_words(kind: SourceType) -> None:
    draft = compose([Quote("x:1", kind, "HPN-12", None, MAY, "Status: Done, due 24 May 2026.", uuid4())])
    assert render(draft.code, draft.params, "en") == "HPN-12, 24 May 2026: Status: Done, due 24 May 2026. [1]"


def test_a_written_answer_is_shown_as_it_was_written() -> None:
    assert render(WRITTEN, {"text": "It ships. [1]"}, "ru") == "It ships. [1]"


def test_an_unknown_code_is_an_error() -> None:
    with pytest.raises(KeyError):
        render("answer.unknown", {}, "en")


def test_a_refusal_says_in_english_what_was_searched() -> None:
    draft = refuse(groups={"messages": 12, "issues": 3, "deals": 0}, projects=2, date_from=MAY, date_to=MAY)
    assert draft.code == NOT_ENOUGH
    assert render(draft.code, draft.params, "en") == (
        "There is not enough evidence for a sure answer. Searched: messages (12) and issues and comments (3) "
        "in 2 projects from 24 May 2026 up to 24 May 2026."
    )


def test_a_refusal_says_in_russian_what_was_searched() -> None:
    draft = refuse(groups={"messages": 12, "issues": 3, "deals": 4}, projects=1, date_from=None, date_to=MAY)
    assert render(draft.code, draft.params, "ru") == (
        "Данных для уверенного ответа недостаточно. Поиск шёл по источникам: сообщения (12), задачи и комментарии (3) "
        "и сделки, заметки и компании (4) в 1 проекте по 24 мая 2026."
    )


def _searched(projects: int, lang: Lang) -> str:
    draft = refuse(groups={"messages": 1}, projects=projects, date_from=None, date_to=None)
    return render(draft.code, draft.params, lang)


@pytest.mark.parametrize(
    ("projects", "place"),
    [
        (1, "в 1 проекте"), (2, "в 2 проектах"), (5, "в 5 проектах"), (11, "в 11 проектах"), (21, "в 21 проекте"),
        (22, "в 22 проектах"), (101, "в 101 проекте"), (111, "в 111 проектах"),
    ],
)  # fmt: skip
def test_projects_are_counted_as_russian_counts_them(projects: int, place: str) -> None:
    assert _searched(projects, "ru").endswith(f" {place}.")


@given(st.integers(0, 10_000))
def test_every_number_of_projects_has_its_form(projects: int) -> None:
    alike = projects % 10 == 1 and projects % 100 != 11
    assert _searched(projects, "ru").endswith(f" в {projects} {'проекте' if alike else 'проектах'}.")
    assert _searched(projects, "en").endswith(f" in {projects} {'project' if projects == 1 else 'projects'}.")


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "Nothing is indexed"), ("ru", "ничего не проиндексировано")]
)
def test_a_refusal_over_an_empty_index_says_so(lang: Lang, words: str) -> None:
    draft = refuse(groups={"messages": 0}, projects=1, date_from=None, date_to=None)
    assert draft.code == NOTHING_INDEXED
    assert words in render(draft.code, draft.params, lang)


def test_a_refusal_cites_nothing() -> None:
    assert refuse(groups={"messages": 3}, projects=1, date_from=None, date_to=None).citations == ()


def test_an_answer_of_quotes_says_that_it_is_one() -> None:
    assert compose([]).code == EXTRACTIVE


def test_nothing_found_gives_no_quotes() -> None:
    assert extract(QUESTION, [], asked("pilot"), SHAPE) == []


def test_a_short_record_is_quoted_whole() -> None:
    body = "The pilot starts on Tuesday. Bring the keys."
    assert [quote.text for quote in extract(QUESTION, [hit(body)], asked("pilot"), SHAPE)] == [body]


def test_a_long_record_is_quoted_around_the_sentence_asked_for() -> None:
    filler = "Nothing of note happened in this meeting at all. " * 12
    quotes = extract(QUESTION, [hit(f"{filler}The pilot starts on Tuesday. {filler}")], asked("pilot"), SHAPE)
    assert "The pilot starts on Tuesday." in quotes[0].text
    assert len(quotes[0].text) <= 320


@given(
    st.lists(
        st.sampled_from(
            [
                "Nothing happened in this meeting.",
                "The pilot starts on Tuesday.",
                '"Bring the keys."',
                "(No.)",
            ]
        ),
        min_size=12,
        max_size=20,
    ),
    st.sampled_from([" ", "\n", "  "]),
)
def test_a_quote_is_literal_text_of_its_record(sentences: list[str], blank: str) -> None:
    body = blank.join(sentences)
    (quote,) = extract(QUESTION, [hit(body)], asked("pilot"), SHAPE)
    assert quote.text in body
    assert quote.text.endswith((".", '"', ")"))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What did we promise about the rollout?", "The rollout will be done by 4 September."),
        ("When is the rollout?", "The rollout will be done by 4 September."),
        ("How much is the rollout?", "The rollout makes 9,200 euros."),
        ("Что с запуском, rollout?", "The rollout is what we speak of."),
    ],
)
def test_of_a_long_record_the_sentence_that_holds_the_kind_of_answer_is_quoted(
    question: str, said: str
) -> None:
    filler = "Nothing of note happened in this meeting at all and nobody minded that very much. " * 5
    body = f"The rollout is what we speak of. {filler}The rollout will be done by 4 September. {filler}The rollout makes 9,200 euros."
    (quote,) = extract(question, [hit(body)], asked("rollout"), SHAPE)
    assert said in quote.text


def test_to_promises_in_general_those_that_we_made_are_quoted() -> None:
    ours, theirs, none = (
        hit("The pilot will be live by 4 September.", 0.8),
        hit("The keys will be ready by 4 May.", 0.9, from_studio=False),
        hit("We promise no music.", 1.0),
    )
    question, found = "What did we promise about the deadline?", asked("promise", "deadline")
    assert [quote.text for quote in extract(question, [none, theirs, ours], found, SHAPE)] == [
        ours.chunk.body
    ]
    assert [quote.text for quote in extract(question, [none], found, SHAPE)] == [none.chunk.body]


def test_a_quote_belongs_to_the_record_it_is_taken_from() -> None:
    best, second = hit("The pilot starts.", 1.0), hit("It was agreed.", 0.9, "Marta")
    quotes = extract(QUESTION, [best, second], asked("pilot"), SHAPE)
    assert [(quote.evidence_id, quote.speaker) for quote in quotes] == [
        (best.chunk.evidence_id, "Anna"),
        (second.chunk.evidence_id, "Marta"),
    ]


def test_evidence_far_below_the_best_is_not_quoted() -> None:
    quotes = extract(
        QUESTION, [hit("First.", 1.0), hit("Second.", 0.9), hit("Third.", 0.3)], asked("x"), SHAPE
    )
    assert [quote.text for quote in quotes] == ["First.", "Second."]


@given(scores=st.lists(st.floats(0.1, 1), min_size=1, max_size=10), limit=st.integers(1, 5))
def test_no_more_is_quoted_than_the_profile_allows_and_never_nothing(scores: list[float], limit: int) -> None:
    ranked = [hit("Text.", score) for score in sorted(scores, reverse=True)]
    assert 1 <= len(extract(QUESTION, ranked, asked("x"), AnswerShape(sentences=limit, evidence=12))) <= limit
