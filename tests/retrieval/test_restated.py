"""A second witness of an answer is found by the rare words that it shares with the first."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.restated import restated
from retrieval.store import StoredChunk

PROJECT = uuid4()
FILLER = [f"we talked about topic number{number} with the team again" for number in range(60)]


def chunk(body: str, *, thread: UUID | None = None, project: UUID = PROJECT) -> StoredChunk:
    return StoredChunk(
        uuid4(),
        project,
        thread or uuid4(),
        "message",
        uuid4(),
        "1",
        "",
        "",
        "",
        body,
        "en",
        None,
        None,
        False,
    )


def found(*chunks: StoredChunk) -> dict[UUID, float]:
    """Scored in the order given: the first is the best, the others far behind."""
    pool = [*chunks, *(chunk(text) for text in FILLER)]
    scores = {item.id: 1.0 if place == 0 else 0.2 - place / 1000 for place, item in enumerate(pool)}
    return restated({item.id: item for item in pool}, scores)


def test_a_record_that_shares_rare_words_with_the_best_is_a_second_witness() -> None:
    best, again = chunk("The kiosk firmware Zephyr slips to 18 March"), chunk("Zephyr kiosk: moved to March")
    scores = found(best, again, chunk("The team talked about topic number4"))
    others = [value for key, value in scores.items() if key not in (best.id, again.id)]
    assert scores[again.id] > 3 * max(others)


def test_the_thread_of_a_witness_is_not_a_second_one() -> None:
    best = chunk("Zephyr kiosk firmware slips")
    assert found(best, chunk("Zephyr kiosk firmware slips", thread=best.thread_id))[best.id] == 0


def test_another_project_is_never_a_witness() -> None:
    best, foreign = (
        chunk("Zephyr kiosk firmware slips"),
        chunk("Zephyr kiosk firmware slips", project=uuid4()),
    )
    alone = found(best, foreign)
    assert alone[best.id] == 0


def test_words_that_everybody_uses_tie_nothing() -> None:
    best, common = chunk("we talked about it with the team again"), chunk("again we talked with the team")
    assert found(best, common)[common.id] == pytest.approx(0, abs=0.3)


def test_nothing_found_restates_nothing() -> None:
    assert restated({}, {}) == {}


@given(bodies=st.lists(st.text("abc ", max_size=30), max_size=12), scores=st.data())
def test_every_candidate_gets_a_share_within_its_bounds(bodies: list[str], scores: st.DataObject) -> None:
    chunks = {item.id: item for item in map(chunk, bodies)}
    given_scores = {key: scores.draw(st.floats(-1, 2)) for key in chunks}
    values = restated(chunks, given_scores)
    assert values.keys() == chunks.keys()
    assert all(0 <= value <= 2 for value in values.values())
