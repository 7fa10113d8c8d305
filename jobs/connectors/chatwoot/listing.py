"""Reads Chatwoot's numbered pages so that rows which move meanwhile are not missed.

Pages have a fixed size and there is no cursor: a row that is deleted moves all behind it towards lower numbers, one
that enters moves them towards higher ones. What moves against the reading, onto pages that were read, is missed.
So a list in which rows enter at the end is read from its last page to its first: no delete hides anything, however long
ago the page before was read. Where rows enter in the middle or at the front too, it is read in both directions: one move
hides a row from one direction at most. What two moves at once hide from both comes with the next scan or comparison.

A page that cannot be read and is left out (`connectors.holes`) is passed over; no page is taken for the last one then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jobs.connectors.base import page_numbers
from jobs.connectors.errors import SchemaChanged

Items = list[dict[str, Any]]
Read = Callable[[int], tuple[Items, int] | None]
"""From a page's number, 1 for the first, to its items and the vendor's count of the whole list; None: it is left out."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page, and how far the reading is: all pages from ``below`` on are read, 1 ends the way to the first page.

    ``above`` is how far the way back is.
    """

    items: Items
    total: int
    below: int | None = None
    above: int | None = None


def read_from_the_end(read: Read, what: str, below: int | None = None) -> Iterator[Listed]:
    """Yield the pages from the last one to the first, or from the one before ``below``, where a former reading ended.

    Rows that enter at the end meanwhile may be missing. Raises SchemaChanged for a page number that the vendor ignores,
    and for rows that are counted and not shown.
    """
    first, opening, total = _open(read, what)
    if first == 1 and below is None and len(opening) == total:
        yield Listed(opening, total, below=1)
        return
    if first > 1 and not opening:  # there are only pages that were left out
        yield Listed([], total, below=1)
        return
    if total and not opening:
        raise SchemaChanged(what, f"{total} are counted and none is shown")
    watch = _Watch(what, opening if first == 1 else [])
    if below is None:
        # The first page that is not full ends the list, whatever the count says.
        for number in page_numbers(what, first=max(2, total // max(1, len(opening)) + 1)):
            if (page := read(number)) is None:
                continue
            items, total = page
            watch.check(items)
            if len(items) < len(opening):
                below = number
                yield Listed(items, total, below)
                break
    for number in range((below or 1) - 1, 0, -1):
        if (page := read(number)) is None:
            if number == 1:
                yield Listed([], total, below=1)
            continue
        items, total = page
        watch.check(items, is_first=number == 1)
        yield Listed(items, total, below=number)


def read_both_ways(
    read: Read, what: str, below: int | None = None, above: int | None = None
) -> Iterator[Listed]:
    """Yield the pages from the last one to the first, then those after it without what was shown already.

    What moves once is missed in one direction at most. A list of one page is read once. ``below`` and ``above`` are where a
    former reading ended.
    """
    size = total = 0
    shown: set[Any] = set()
    if below == 1:
        _, opening, total = _open(read, what)
        size = len(opening)
    else:
        for listed in read_from_the_end(read, what, below):
            size, total = max(size, len(listed.items)), listed.total
            shown.update(_ids(listed.items))
            yield listed
    for number in page_numbers(what, first=(above or 1) + 1):
        if (number - 1) * size >= total or not size:
            return
        if (page := read(number)) is None:
            continue
        items, total = page
        missed = [] if shown.issuperset(_ids(items)) else items
        yield Listed(missed, total, below=1, above=number)


def read_there_and_back(read: Read, what: str, is_last: Callable[[Items], bool]) -> Iterator[Listed]:
    """Yield the pages from the first one until ``is_last`` says so or one is empty, and those before it once more.

    What moves once is missed in one direction at most. Where the first page is the last one too, it is read once.
    """
    watch, reached = _Watch(what, []), 1
    for number in page_numbers(what, first=1):
        if (page := read(number)) is None:
            continue
        items, total = page
        watch.check(items)
        yield Listed(items, total)
        reached = number
        if not items or is_last(items):
            break
    for number in range(reached - 1, 0, -1):
        if (page := read(number)) is not None:
            yield Listed(*page)


def _open(read: Read, what: str) -> tuple[int, Items, int]:
    """Return the number, the items and the count of the first page that can be read: it shows how many a page holds."""
    for number in page_numbers(what, first=1):
        if (page := read(number)) is not None:
            return number, *page
    raise AssertionError("page_numbers ends in an error")


class _Watch:
    """Notices pages that stand still: a number that the vendor ignores would pass one page for all of them."""

    def __init__(self, what: str, opening: Items) -> None:
        self._what = what
        self._first, self._last = _ids(opening), list[str]()

    def check(self, items: Items, *, is_first: bool = False) -> None:
        """Raise SchemaChanged for the items of the page before this one, or of the first page under another number."""
        ids = _ids(items)
        if ids and (ids == self._last or (ids == self._first and not is_first)):
            raise SchemaChanged(self._what, "the page does not advance")
        self._first, self._last = self._first or ids, ids


def _ids(items: Items) -> list[str]:
    # As text: what stands where an id should be may be no value that can be held in a set.
    return [str(item.get("id")) for item in items if isinstance(item, dict)]  # pyright: ignore[reportUnnecessaryIsInstance]
