"""Numbered pages of a list whose rows move while it is read: what was there all the time is never missed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.connectors.chatwoot import listing
from jobs.connectors.errors import SchemaChanged


class Moving:
    """A list of ids in numbered pages; before each reading of one, the next of the happenings takes place."""

    def __init__(self, count: int, size: int, happenings: Iterator[tuple[str, int]]) -> None:
        self.rows = list(range(count))
        self.size = size
        self.asked = 0
        self._next = count
        self._happenings = happenings

    def read(self, number: int) -> tuple[list[dict[str, Any]], int]:
        for what, which in [next(self._happenings, ("", 0))] if self.asked else []:
            self.happen(what, which)
        self.asked += 1
        shown = self.rows[(number - 1) * self.size : number * self.size]
        return [{"id": each} for each in shown], len(self.rows)

    def happen(self, what: str, which: int) -> None:
        if what == "delete" and self.rows:
            del self.rows[which % len(self.rows)]
        elif what in ("append", "insert"):
            at = len(self.rows) if what == "append" else which % (len(self.rows) + 1)
            self.rows.insert(at, self._next)
            self._next += 1


def ids(pages: Iterator[listing.Listed]) -> set[int]:
    return {item["id"] for page in pages for item in page.items}


def happenings(*kinds: str) -> st.SearchStrategy[list[tuple[str, int]]]:
    return st.lists(st.tuples(st.sampled_from(["", *kinds]), st.integers(0, 60)), max_size=40)


@given(count=st.integers(0, 30), size=st.integers(2, 7), changes=happenings("delete", "append"))
def test_deletes_and_new_rows_at_the_end_hide_nothing(
    count: int, size: int, changes: list[tuple[str, int]]
) -> None:
    moving = Moving(count, size, iter(changes))
    there = set(moving.rows)
    try:
        shown = ids(listing.read_from_the_end(moving.read, "list"))
    except SchemaChanged:
        # As many rows as a page holds went between two readings of neighbours: told apart from a page that stands
        # still by the next run.
        assert sum(what == "delete" for what, _ in changes) >= size
        return
    assert there & set(moving.rows) <= shown


@given(
    count=st.integers(8, 30),
    size=st.integers(2, 4),
    read_before=st.integers(1, 4),
    deleted=st.lists(st.integers(0, 60), max_size=20),
)
def test_a_reading_that_was_broken_off_goes_on_without_a_gap(
    count: int, size: int, read_before: int, deleted: list[int]
) -> None:
    moving = Moving(count, size, iter(()))
    shown: set[int] = set()
    below: int | None = None
    for number, page in enumerate(listing.read_from_the_end(moving.read, "list"), start=1):
        shown |= {item["id"] for item in page.items}
        below = page.below
        if number == read_before:
            break
    for which in deleted:  # while nobody reads
        moving.happen("delete", which)
    if below != 1:
        shown |= ids(listing.read_from_the_end(moving.read, "list", below))
    assert set(moving.rows) <= shown


@pytest.mark.parametrize("change", ["insert", "delete"])
@given(at=st.integers(1, 12), which=st.integers(0, 60))
def test_a_list_that_shifts_either_way_is_read_whole_by_reading_it_both_ways(
    change: str, at: int, which: int
) -> None:
    for read in (
        listing.read_both_ways,
        lambda page, what: listing.read_there_and_back(page, what, lambda _: False),
    ):
        moving = Moving(11, 3, iter([*[("", 0)] * at, (change, which)]))
        there = set(moving.rows)
        shown = ids(read(moving.read, "list"))
        assert there & set(moving.rows) <= shown


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (3, 1), (4, 3), (9, 5), (10, 5)])
def test_what_reading_from_the_end_costs(count: int, requests: int) -> None:
    moving = Moving(count, 3, iter(()))
    assert ids(listing.read_from_the_end(moving.read, "list")) == set(range(count))
    assert moving.asked == requests


def test_reading_both_ways_shows_nothing_twice_that_did_not_move() -> None:
    moving = Moving(10, 3, iter(()))
    shown = [item["id"] for page in listing.read_both_ways(moving.read, "list") for item in page.items]
    assert sorted(shown) == list(range(10))
    assert moving.asked == 5 + 3


def test_a_count_that_is_too_low_hides_no_page() -> None:
    moving = Moving(20, 3, iter(()))
    shown = ids(listing.read_from_the_end(lambda number: (moving.read(number)[0], 4), "list"))
    assert shown == set(range(20))


def test_rows_that_are_counted_and_not_shown_are_no_empty_list() -> None:
    with pytest.raises(SchemaChanged, match="none is shown"):
        list(listing.read_from_the_end(lambda _: ([], 7), "list"))


@pytest.mark.parametrize("below", [None, 5, 3])
def test_a_page_number_that_the_vendor_ignores_is_an_error(below: int | None) -> None:
    with pytest.raises(SchemaChanged, match="does not advance"):
        list(listing.read_from_the_end(lambda _: ([{"id": 1}, {"id": 2}], 9), "list", below))


def test_a_list_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.connectors.base.PAGES_AT_MOST", 50)
    with pytest.raises(SchemaChanged, match="more than 50 pages"):
        list(listing.read_from_the_end(lambda number: ([{"id": number}], 9), "list"))
    with pytest.raises(SchemaChanged, match="more than 50 pages"):
        list(listing.read_there_and_back(lambda number: ([{"id": number}], 9), "list", lambda _: False))


def test_a_count_that_no_list_can_have_is_an_error() -> None:
    with pytest.raises(SchemaChanged, match="more than"):
        list(listing.read_from_the_end(lambda _: ([{"id": 1}], 10**12), "list"))


@pytest.mark.parametrize("count", [7, 9, 10])
@pytest.mark.parametrize("left_out", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "reading",
    [
        listing.read_from_the_end,
        listing.read_both_ways,
        lambda read, what: listing.read_there_and_back(read, what, lambda _: False),
    ],
    ids=["from the end", "both ways", "there and back"],
)
def test_a_page_that_is_left_out_hides_itself_alone(
    reading: Callable[[listing.Read, str], Iterator[listing.Listed]], left_out: int, count: int
) -> None:
    moving = Moving(count, 3, iter(()))
    hidden = set(range(count)[(left_out - 1) * 3 : left_out * 3])
    shown = ids(reading(lambda number: None if number == left_out else moving.read(number), "list"))
    assert shown == set(range(count)) - hidden


def test_a_list_of_one_page_that_is_left_out_is_read_to_its_end() -> None:
    moving = Moving(2, 3, iter(()))
    read = list(
        listing.read_from_the_end(lambda number: None if number == 1 else moving.read(number), "list")
    )
    assert [(each.items, each.below) for each in read] == [([], 1)]
