"""Which pages of a list are left out, how often they are asked for, and when the vendor is away instead."""

import pytest

from jobs.connectors.errors import CircuitOpen, VendorDown
from jobs.connectors.holes import Holes


class List:
    """A list some of whose pages always fail; `tried` holds how often each page was to be tried."""

    def __init__(self, *broken: int) -> None:
        self.broken = set(broken)
        self.tried: dict[int, int] = {}

    def take(self, holes: Holes, *numbers: int) -> list[int | None]:
        return [holes.take(number, lambda tries, page=number: self._read(page, tries)) for number in numbers]

    def _read(self, number: int, tries: int) -> int:
        self.tried[number] = tries
        if number in self.broken:
            raise VendorDown(f"page {number}")
        return number


def test_a_page_is_a_hole_once_the_one_behind_it_was_read() -> None:
    pages, holes = List(2), Holes((), parks=True)
    assert pages.take(holes, 1, 2, 3) == [1, None, 3]
    assert pages.tried == {1: 3, 2: 3, 3: 1}
    assert holes.cursor == {"holes": [2]}
    assert [part.unit for part in holes.end()["parked"]] == ["page:2"]
    with pytest.raises(VendorDown, match="page 2"):
        holes.raise_first()


def test_a_vendor_that_fails_at_the_page_behind_too_is_away() -> None:
    pages, holes = List(2, 3), Holes((), parks=True)
    pages.take(holes, 1, 2)
    with pytest.raises(VendorDown, match="page 2"):
        pages.take(holes, 3)
    # Both are asked for once by the next reading, which so comes a page further.
    again = Holes(holes.cursor["holes"], parks=True)
    assert pages.take(again, 1, 2, 3, 4) == [1, None, None, 4]
    assert pages.tried == {1: 3, 2: 1, 3: 1, 4: 1}


def test_when_three_failed_anew_the_other_known_ones_are_not_asked_for() -> None:
    pages, holes = List(1, 2, 3, 4), Holes((1, 2, 3, 4, 5), parks=True)
    assert pages.take(holes, 1, 2, 3, 4, 5, 6) == [None, None, None, None, None, 6]
    assert pages.tried.keys() == {1, 2, 3, 6}
    ended = holes.end()
    assert [part.unit for part in ended["parked"]] == [f"page:{number}" for number in range(1, 6)]
    assert ended["settled"] == ()


def test_a_page_that_can_be_read_again_is_settled() -> None:
    pages, holes = List(2), Holes((2, 3), parks=True)
    pages.take(holes, 1, 2, 3)
    assert holes.end()["settled"] == ("page:3",)
    assert holes.cursor == {"holes": [2]}


def test_an_open_circuit_and_a_reading_that_may_not_park_leave_nothing_out() -> None:
    def refused(_tries: int) -> int:
        raise CircuitOpen("not asked")

    for holes, read in (
        (Holes((), parks=True), refused),
        (Holes((), parks=False), lambda tries: List(1)._read(1, tries)),
    ):
        with pytest.raises(VendorDown):
            holes.take(1, read)
        assert not holes.any
