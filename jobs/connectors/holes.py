"""Pages of a list that cannot be read while those after them can: they are left out, and the rest is read.

One page proves nothing: only when the page after it was read is it a hole, else the vendor is away and the reading ends, with
one failure less than open the circuit. What failed once is asked for once from then on, and when three of them failed anew
the others wait for another reading: so a reading comes past such pages without opening the circuit, neighbours one a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from jobs.connectors.base import Parked, page_unit
from jobs.connectors.breaker import FAILURES
from jobs.connectors.errors import CircuitOpen, VendorDown, VendorError
from jobs.connectors.http import ATTEMPTS

T = TypeVar("T")

_TRIES = FAILURES - 2
_ANEW_AT_MOST = 3


class Holes:
    """The holes of one reading of a list, by page number. ``known`` are those of the readings before."""

    def __init__(self, known: Iterable[int], *, parks: bool) -> None:
        self.known = list(known)
        self._parks = parks
        self._found: dict[int, VendorError] = {}
        self._doubted: dict[int, VendorError] = {}
        self._unasked: dict[int, VendorError] = {}
        self._suspicion: VendorError | None = None

    @property
    def tries(self) -> int:
        """How often the vendor is asked for something before it is left out."""
        return _TRIES if self._parks else ATTEMPTS

    def suspect(self, error: VendorError) -> None:
        """Take the vendor for being away since it answered something else with ``error``, until a page is read."""
        self._suspicion = error if self._parks else None

    def take(self, number: int, read: Callable[[int], T]) -> T | None:
        """Return what ``read`` returns (it is told how often to try), None for a page that is left out.

        Raises VendorError; where pages cannot be left out, or the one after them cannot be read, that of the first.
        """
        if number in self._failed() or number in self._unasked:
            return None
        if number in self.known and len(self._failed().keys() & {*self.known}) >= _ANEW_AT_MOST:
            self._unasked[number] = VendorDown(f"page {number} could not be read, and others fail anew")
            return None
        known = number in self.known
        first = next(iter(self._doubted.values()), self._suspicion)
        try:
            page = read(1 if known or first else self.tries)
        except VendorDown as error:
            if not self._parks or (isinstance(error, CircuitOpen) and first is None):
                raise
            self._doubted[number] = error
            if first is not None and (not known or isinstance(error, CircuitOpen)):
                raise first from error
            return None
        self._found |= self._doubted
        self._doubted, self._suspicion = {}, None
        return page

    @property
    def any(self) -> bool:
        """Whether a page was left out."""
        return bool(self._failed() or self._unasked)

    @property
    def cursor(self) -> dict[str, list[int]]:
        """What the next reading is to know, as a part of the stream's cursor."""
        # Those that failed now come last: each has its turn to be looked at again.
        numbers = [*(each for each in self.known if each not in self._failed()), *self._failed()]
        return {"holes": numbers} if numbers else {}

    def parked(self) -> tuple[Parked, ...]:
        """The pages that were left out, for the error queue."""
        left_out = self._failed() | self._unasked
        return tuple(Parked(page_unit(each), error, {"page": each}) for each, error in left_out.items())

    def end(self) -> dict[str, Any]:
        """Take the list as read to its end; returns `Page`'s ``parked``, and ``settled`` for the known ones that were read."""
        self._found, self._doubted = self._failed(), {}
        settled = [each for each in self.known if each not in self._found and each not in self._unasked]
        self.known = [each for each in self.known if each not in settled]
        return {"parked": self.parked(), "settled": tuple(map(page_unit, settled))}

    def raise_first(self) -> None:
        """Raise the error of the first page that could not be read, if there is one: the stream did not end well."""
        for error in self._failed().values():
            raise error

    def _failed(self) -> dict[int, VendorError]:
        return self._found | self._doubted
