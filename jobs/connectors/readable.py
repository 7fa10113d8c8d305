"""Reads lists whose items are no records of their own: names, memberships, a schema. Records have `base.normalise_all`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from jobs.connectors.errors import UNREADABLE
from models.infra.logging import get_logger

T = TypeVar("T")

log = get_logger(__name__)


def read_each(what: str, items: Iterable[Any], read: Callable[[Any], T]) -> list[T]:
    """Return what ``read`` makes of each item. One that cannot be read is left out, and told in the log."""
    found: list[T] = []
    for item in items:
        try:
            found.append(read(item))
        except UNREADABLE as error:
            log.warning("item left out", what=what, error=f"{type(error).__name__}: {error}")
    return found
