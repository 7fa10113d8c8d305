"""Several things of a vendor are read at once: bounded, in order for each, and one that fails takes no other along."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from jobs.connectors.base import Page, Position, Record
from jobs.connectors.errors import CredentialsInvalid, VendorDown, VendorError
from jobs.connectors.side_by_side import read_ahead, side_by_side


def page(thing: int, number: int) -> Page:
    record = Record("messages", f"{thing}.{number}", {}, {})
    return Page("messages", (record,), positions=(Position(str(thing), number),))


def three_pages(thing: int) -> Iterator[Page]:
    return (page(thing, number) for number in (1, 2, 3))


def ids(pages: Iterator[Page]) -> list[str]:
    return [record.vendor_id for each in pages for record in each.records]


def test_every_page_arrives_and_those_of_one_thing_in_order() -> None:
    found = ids(side_by_side(range(50), three_pages, width=4))
    assert sorted(found) == sorted(f"{thing}.{number}" for thing in range(50) for number in (1, 2, 3))
    for thing in range(50):
        assert [each for each in found if each.startswith(f"{thing}.")] == [f"{thing}.{n}" for n in (1, 2, 3)]


def test_as_many_as_allowed_are_read_at_a_time_and_no_more() -> None:
    together = threading.Barrier(3, timeout=20)
    lock, reading, most = threading.Lock(), 0, 0

    def read(thing: int) -> Iterator[Page]:
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        together.wait()  # breaks unless three are here at once
        with lock:
            reading -= 1
        yield page(thing, 1)

    assert len(ids(side_by_side(range(9), read, width=3))) == 9
    assert most == 3


def test_pages_that_wait_come_together_with_the_last_position_of_each() -> None:
    with_positions = list(side_by_side([1], three_pages, width=1))
    last = {p.conversation: p.message_id for each in with_positions for p in each.positions}
    assert last == {"1": 3}
    assert all(
        len({p.conversation for p in each.positions}) == len(each.positions) for each in with_positions
    )


def test_one_reading_goes_on_while_its_pages_are_written() -> None:
    ahead = threading.Event()

    def read() -> Iterator[Page]:
        yield page(1, 1)
        ahead.set()
        yield page(1, 2)

    pages = read_ahead(read())
    first = next(pages)
    assert ahead.wait(20)
    assert ids(iter([first, *pages])) == ["1.1", "1.2"]


def test_one_that_fails_loses_only_its_own_rest() -> None:
    def read(thing: int) -> Iterator[Page]:
        yield page(thing, 1)
        if thing == 3:
            raise VendorDown("500")
        yield page(thing, 2)

    pages: list[Page] = []
    with pytest.raises(VendorDown):
        pages.extend(side_by_side(range(20), read, width=4))
    found = ids(iter(pages))
    assert len(found) == 39
    assert "3.1" in found


@pytest.mark.parametrize("error", [CredentialsInvalid("401"), ValueError("ours")])
def test_what_concerns_all_ends_the_reading(error: Exception) -> None:
    asked: list[int] = []

    def read(thing: int) -> Iterator[Page]:
        asked.append(thing)
        if thing == 2:
            raise error
        yield page(thing, 1)

    with pytest.raises(type(error)):
        list(side_by_side(itertools.count(), read, width=2))
    assert max(asked) < 1000


def test_many_failures_give_up_the_rest() -> None:
    asked: list[int] = []

    def read(thing: int) -> Iterator[Page]:
        asked.append(thing)
        raise VendorError("always")
        yield

    with pytest.raises(VendorError):
        list(side_by_side(itertools.count(), read, width=2))
    assert len(asked) <= 22


def test_a_slow_writer_holds_the_readers_back_and_closing_ends_them() -> None:
    begun = len(_readers())
    asked: list[int] = []

    def read(thing: int) -> Iterator[Page]:
        asked.append(thing)
        yield page(thing, 1)

    pages = side_by_side(itertools.count(), read, width=2)
    first = next(pages)
    readers = _readers()
    assert len(readers) == begun + 2
    pages.close()
    for reader in readers:
        reader.join(10)
    assert len(_readers()) == begun
    # What waits is bounded: the first group, the queue, and one page in each reader's hands.
    assert len(asked) <= len(first.records) + 16 + 2 * 2


def _readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("reader-")]
