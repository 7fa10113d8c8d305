"""The one source of "now". Tests freeze it; nothing else in the product calls `datetime.now`."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime

_frozen_at: datetime | None = None


def utcnow() -> datetime:
    """The current instant, timezone-aware, in UTC."""
    return _frozen_at if _frozen_at is not None else datetime.now(UTC)


@contextmanager
def frozen(at: datetime) -> Generator[datetime]:
    """Make `utcnow` answer `at` in every thread of this process until the block ends. `at` must carry a zone."""
    if at.tzinfo is None:
        raise ValueError("frozen() needs a timezone-aware instant")
    global _frozen_at
    before = _frozen_at
    _frozen_at = at.astimezone(UTC)
    try:
        yield _frozen_at
    finally:
        _frozen_at = before
