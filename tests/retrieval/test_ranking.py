"""Which way of fusion orders the candidates: the linear model where they have threads and kinds, a plain sum where not."""

from dataclasses import replace
from uuid import UUID

import pytest

from models.infra.clock import utcnow
from retrieval.intent import read_intent
from retrieval.names import NameMatch
from retrieval.profile import changed, load_profile
from retrieval.ranking import Asked, Signals, fuse, is_uniform, rank
from retrieval.schemas import SourceType
from retrieval.store import StoredChunk

ASKED = Asked(NameMatch({}, {}, {}), read_intent("Save a file"), False, "en", False, utcnow())
COUNT = 30


def chunk(number: int, kind: SourceType = "note", thread: int | None = None) -> StoredChunk:
    return StoredChunk(
        UUID(int=number),
        UUID(int=1),
        UUID(int=1000 + number if thread is None else thread),
        kind,
        UUID(int=2000 + number),
        f"v{number}",
        "",
        "",
        "",
        f"page number {number}",
        "en",
        None,
        None,
        False,
    )


def pages(count: int = COUNT) -> dict[UUID, StoredChunk]:
    return {UUID(int=number): chunk(number) for number in range(count)}


SIGNALS = Signals(
    {UUID(int=number): 0.5 - number / 100 for number in range(COUNT)}, {UUID(int=7): 1.0, UUID(int=9): 0.2}
)


def test_pages_that_share_no_thread_are_uniform() -> None:
    assert is_uniform(pages())


def test_several_chunks_of_one_record_are_no_thread() -> None:
    longer = {**pages(), UUID(int=99): replace(chunk(3), id=UUID(int=99))}
    assert is_uniform(longer)


def test_messages_of_one_conversation_are_not_uniform() -> None:
    talk = {UUID(int=number): chunk(number, "message", 5 if number < 3 else None) for number in range(COUNT)}
    assert not is_uniform(talk)


def test_records_of_several_kinds_are_not_uniform() -> None:
    assert not is_uniform({**pages(), UUID(int=50): chunk(50, "deal")})


@pytest.mark.parametrize("count", [0, 1, 20])
def test_a_few_candidates_prove_nothing(count: int) -> None:
    assert not is_uniform(pages(count))


def test_uniform_pages_are_ordered_by_the_profiles_plain_fusion() -> None:
    profile = changed(load_profile(), {"fusion.uniform": "weighted"})
    scores = fuse(SIGNALS, profile.fusion, "weighted")
    expected = sorted(scores, key=lambda key: -scores[key])
    assert [hit.chunk.id for hit in rank(pages(), SIGNALS, ASKED, profile)] == expected


def test_what_one_search_found_alone_keeps_its_order() -> None:
    alone = Signals(SIGNALS.similarity, {})
    talk = {UUID(int=number): chunk(number, "message", number % 4) for number in range(COUNT)}
    found = rank(talk, alone, ASKED, load_profile(), alone=True)
    assert [hit.chunk.id for hit in found] == [UUID(int=number) for number in range(COUNT)]
