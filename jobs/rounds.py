"""The round over an account's conversations whose messages are read again: how much a pass reads, and where it goes on.

An account that fits into one pass is read whole by every daily comparison. A bigger one is read in parts, in the order
of the conversations' ids: the daily comparison begins a round, and the comparisons after the syncs carry it on. A part
grows with the account, so that the passes of half a day see all of it. The position is kept between runs, and moves
only when nothing of a part is left to mend, or when mending gets no further.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session

from models.infra.ids import ConnectionId
from models.queries import sync_state
from models.queries.sync_state import ConnectionRow

THREADS_AT_MOST = 5_000
# A comparison follows the sync of every quarter of an hour; the other half of them may read a part a second time.
PASSES_A_ROUND = 48
_POSITION = "messages:round"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a round is: it has seen all conversations up to the id ``after``; None when no round is under way.

    ``wrong`` is how many differences the last pass found in the part that begins there; None before there was one.
    """

    after: str | None = None
    wrong: int | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether conversations wait for the next pass."""
        return self.after is not None


@dataclass(frozen=True, slots=True)
class Part:
    """The conversations that one pass reads. ``last`` is None when the round ends with them; ``left`` come after it."""

    threads: tuple[str, ...]
    start: str
    last: str | None
    left: int


def read_position(session: Session, connection_id: ConnectionId) -> Position:
    """Return how far the round of a connection is."""
    kept = sync_state.read_cursor(session, connection_id, _POSITION)
    return Position(kept.get("after"), kept.get("wrong"))


def choose(conversations: Collection[str], position: Position) -> Part | None:
    """Return the part of an account that comes next, None where one pass may read all of it. Pure."""
    share = max(THREADS_AT_MOST, math.ceil(len(conversations) / PASSES_A_ROUND))
    if len(conversations) <= share:
        return None
    start = position.after or ""
    waiting = sorted((each for each in conversations if order(each) > order(start)), key=order)
    if not waiting:  # what was to come is gone: a new round
        start, waiting = "", sorted(conversations, key=order)
    chosen = waiting[:share]
    left = len(waiting) - len(chosen)
    return Part(tuple(chosen), start, chosen[-1] if left else None, left)


def order(vendor_id: str) -> tuple[int, str]:
    """Where a conversation comes in a round."""
    # Ids are numbers without leading zeros: the longer one is the greater one.
    return len(vendor_id), vendor_id


def keep_position(
    session: Session, connection: ConnectionRow, before: Position, part: Part | None, wrong: int
) -> None:
    """Keep where the next pass goes on after one that found ``wrong`` differences in ``part`` (None: in everything)."""
    if part is None:
        if before.is_under_way:
            sync_state.commit_cursor(session, connection, _POSITION, {})
        return
    known = before.wrong if (before.after or "") == part.start else None
    if wrong and (known is None or wrong < known):
        cursor = {"after": part.start, "wrong": wrong}
    else:
        cursor = {} if part.last is None else {"after": part.last}
    sync_state.commit_cursor(session, connection, _POSITION, cursor)
