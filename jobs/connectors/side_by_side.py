"""Reads several things of one vendor side by side and hands their pages to the one thread that writes them.

The pages of one thing stay in their order; those of different things mix. What waits to be written is bounded, so
that a slow database holds back the reading and memory stays flat, and is handed over together, so that a fast vendor
costs few transactions.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

from jobs.connectors.base import Page, merge
from jobs.connectors.errors import CircuitOpen, CredentialsInvalid, RateLimited, VendorError
from models.infra.logging import get_logger

log = get_logger(__name__)

T = TypeVar("T")

_RECORDS_TOGETHER = 1_000
_PAGES_WAITING = 16
_FAILURES_AT_MOST = 20  # things that could not be read before the rest is given up
_LOOK_S = 0.2  # how often a reader that waits looks whether anybody still listens
# What one of them meets, all would.
_CONCERNS_ALL = (CredentialsInvalid, CircuitOpen, RateLimited)


def side_by_side(
    things: Iterable[T],
    read: Callable[[T], Iterator[Page]],
    *,
    width: int,
    park: Callable[[T, VendorError], Page] | None = None,
) -> Generator[Page]:
    """Yield the pages of all things, at most ``width`` things being read at a time.

    Pages that are ready together come as one, of about a thousand records at most. Where one thing fails, the others are read
    to their end; then the first error is raised. An error that concerns all ends the reading at once. ``park`` makes the
    page that tells of one that failed. Close the iterator when it is not read to its end: that stops the readers.
    """
    readers = _Readers(things, read, width, park)
    try:
        yield from readers.pages()
    finally:
        readers.stop()


def read_ahead(pages: Iterator[Page]) -> Generator[Page]:
    """Yield the pages of one reading that goes on while they are written. Close it to stop the reading."""
    return side_by_side([pages], lambda each: each, width=1)


class _Readers(Generic[T]):
    """The threads, and the bounded queue between them and whoever writes."""

    def __init__(
        self,
        things: Iterable[T],
        read: Callable[[T], Iterator[Page]],
        width: int,
        park: Callable[[T, VendorError], Page] | None,
    ) -> None:
        self._things = iter(things)
        self._read = read
        self._park = park
        self._taking = threading.Lock()
        self._waiting: queue.Queue[Page | None] = queue.Queue(_PAGES_WAITING)
        self._over = threading.Event()
        self._errors: list[BaseException] = []
        self._running = width
        self._threads = [
            threading.Thread(
                # Log lines of a reader carry the request id of the run.
                target=contextvars.copy_context().run,
                args=(self._work,),
                name=f"reader-{number}",
                daemon=True,
            )
            for number in range(width)
        ]

    def pages(self) -> Iterator[Page]:
        """Start the readers and yield what they bring. Raises the first error after the last page."""
        for thread in self._threads:
            thread.start()
        while self._running:
            group: list[Page] = []
            records = 0
            page = self._waiting.get()
            while True:
                if page is None:
                    self._running -= 1
                else:
                    group.append(page)
                    records += len(page.records)
                if records >= _RECORDS_TOGETHER or not self._running:
                    break
                try:
                    page = self._waiting.get_nowait()
                except queue.Empty:
                    break
            if group:
                yield merge(group)
        if self._errors:
            raise self._errors[0]

    def stop(self) -> None:
        """Let the readers end: after the request that each is waiting for, if any."""
        self._over.set()

    def _work(self) -> None:
        try:
            while (thing := self._next()) is not None:
                self._read_one(thing[0])
        except BaseException as error:  # noqa: BLE001 - raised again by whoever reads the pages
            self._fail(error, last=True)
        finally:
            self._put(None)

    def _next(self) -> tuple[T] | None:
        with self._taking:
            if self._over.is_set():
                return None
            for thing in self._things:
                return (thing,)
        return None

    def _read_one(self, thing: T) -> None:
        try:
            for page in self._read(thing):
                self._put(page)
                if self._over.is_set():
                    return
        except VendorError as error:
            # What opened the circuit may be any of those under way: all of them, then, have their next turn last.
            if self._park is not None and not isinstance(error, (CredentialsInvalid, RateLimited)):
                self._put(self._park(thing, error))
            self._fail(error, last=isinstance(error, _CONCERNS_ALL))

    def _fail(self, error: BaseException, *, last: bool) -> None:
        if self._over.is_set():
            return  # nobody listens, and the connection may be closed already
        if len(self._threads) > 1:  # of a single reading its caller hears at once
            log.warning("one of several not read", error=str(error))
        with self._taking:
            self._errors.append(error)
            if last or len(self._errors) >= _FAILURES_AT_MOST:
                self._things = iter(())

    def _put(self, page: Page | None) -> None:
        while not self._over.is_set():
            try:
                self._waiting.put(page, timeout=_LOOK_S)
            except queue.Full:
                continue
            return
