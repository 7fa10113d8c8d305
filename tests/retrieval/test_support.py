"""Support judges a ranking: what is asked for must stand near the question's words, or be beyond doubt."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.lexical import Alternative, LexicalHit, LexicalResult, Term
from retrieval.profile import Support, load_profile
from retrieval.ranking import RankedChunk
from retrieval.store import StoredChunk
from retrieval.support import FEATURES, features, probability

MODEL = load_profile().support


def hit(body: str, *, score: float = 1.0, similarity: float = 0.4, coverage: float = 0.5) -> RankedChunk:
    chunk = StoredChunk(
        uuid4(), uuid4(), uuid4(), "message", uuid4(), "1", "", "", "", body, "en", None, None, True
    )
    return RankedChunk(chunk, score, similarity, coverage)


def asked(*terms: str, frequency: float = 3.0, identifier: bool = False) -> LexicalResult:
    return LexicalResult(
        (),
        tuple(Term((Alternative(term, 1.0),), identifier) for term in terms),
        tuple(4.0 for _ in terms),
        tuple(frequency for _ in terms),
    )


def judged(question: str, *ranked: RankedChunk, found: LexicalResult) -> float:
    return probability(question, ranked, found, MODEL)


@pytest.mark.parametrize(
    ("question", "told", "silent"),
    [
        ("How much does the kiosk lock cost?", "The kiosk lock is 90 euros.", "The kiosk lock is here."),
        ("When does the kiosk open?", "The kiosk opens on 4 May.", "The kiosk opens with cake."),
        ("How many kiosks are open?", "Seven kiosks are open.", "The kiosks are open."),
        ("Who repairs the kiosk?", "The kiosk goes to Marek.", "The kiosk is repaired."),
        ("Сколько стоит замок киоска?", "Замок киоска стоит 90 евро.", "Замок киоска заедает."),
    ],
)
def test_a_near_sentence_without_the_kind_of_answer_asked_for_counts_against(
    question: str, told: str, silent: str
) -> None:
    words = ("kiosk", "lock") if "kiosk" in question else ("замок", "киоска")
    kinds = [features(question, [hit(body)], asked(*words))["missing_kind"] for body in (told, silent)]
    assert kinds[0] == 0
    assert kinds[1] > 0
    chances = [judged(question, hit(body), found=asked(*words, "x")) for body in (told, silent)]
    assert chances[0] > chances[1]


def test_a_name_that_the_question_itself_has_does_not_answer_who() -> None:
    found = asked("kiosk", "marek")
    assert features("Who told Marek about the kiosk?", [hit("the kiosk, Marek")], found)["missing_kind"] > 0


def test_words_that_occur_nowhere_count_against() -> None:
    question = "Which bank holds the account of the kiosk now?"
    known, unknown = asked("bank", "account", "kiosk"), asked("bank", "account", "kiosk", frequency=0.0)
    body = hit("the account is with Sparbank")
    assert judged(question, body, found=unknown) < judged(question, body, found=known)


def test_a_search_by_one_word_that_is_found_is_beyond_doubt() -> None:
    assert judged("refund", hit("refund sent", coverage=1.0), found=asked("refund")) == 1
    assert judged("refund", hit("nothing of it", coverage=0.0), found=asked("refund")) < MODEL.threshold


def test_a_record_named_by_its_key_is_beyond_doubt_when_it_is_found() -> None:
    best, key = hit("checked"), asked("HPN-52", "status", "x", identifier=True)
    there = LexicalResult(
        (LexicalHit(best.chunk.id, 0.5, (0,), (1.0,)),), key.terms, key.rarity, key.frequency
    )
    question = "What is the status of HPN-52 at the moment?"
    assert judged(question, best, found=there) == 1
    assert judged(question, best, found=key) < 1


def test_promises_in_general_are_answered_by_those_there_are() -> None:
    question, found = "What did we promise Alpha about the deadline?", asked("promise", "deadline")
    assert judged(question, hit("We will deliver by 4 May."), found=found) == 1
    assert judged(question, hit("The soup was good."), found=found) < 1


def test_nothing_found_supports_nothing() -> None:
    assert judged("When does the kiosk open?", found=asked("kiosk", "open", "x")) < MODEL.threshold


def test_without_a_model_everything_is_answered() -> None:
    assert probability("When?", [], asked("when"), Support()) == 1


@given(
    question=st.text(max_size=80),
    bodies=st.lists(st.text(max_size=60), max_size=6),
    similarity=st.floats(-1, 1),
    coverage=st.floats(0, 1),
)
def test_every_ranking_has_finite_features_and_a_probability(
    question: str, bodies: list[str], similarity: float, coverage: float
) -> None:
    ranked = [hit(body, similarity=similarity, coverage=coverage) for body in bodies]
    values = features(question, ranked, asked("kiosk", "lock"))
    assert values.keys() == set(FEATURES)
    assert all(abs(value) < 100 for value in values.values())
    assert 0 <= probability(question, ranked, asked("kiosk", "lock"), MODEL) <= 1
