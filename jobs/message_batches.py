"""Reads the messages of an account scope that were written since the last run, batch by batch, for those who detect in them.

A reader takes a batch and notes how far it came in one transaction, so that a run that is killed goes on there. Other
rules than the last time have everything in the window read again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from models.infra.errors import NotFound
from models.infra.ids import AccountScopeId
from models.infra.logging import get_logger
from models.queries import message_scans as queries
from models.queries.message_scans import MessageText
from models.queries.moment import Moment
from models.queries.projects import scope_facts
from models.tables.agreements import MessageReader

BATCH = 500
MESSAGES_AT_MOST = 20_000
# A row is stamped before its transaction commits; no job's transaction lives longer (its queue's limit is the same).
LAG = dt.timedelta(minutes=15)
_ATTEMPTS = 3

log = get_logger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, by which rules, and how far back messages are looked at."""

    name: MessageReader
    rules: str
    window: dt.timedelta


def next_batch(
    session: Session, account_scope_id: AccountScopeId, reader: Reader, now: dt.datetime
) -> list[MessageText]:
    """The next messages of a reader, at most BATCH; that they are read is noted in the caller's transaction."""
    state = queries.scan_state(session, account_scope_id, reader.name)
    after = None
    if state is not None and state.rules == reader.rules and state.read_to is not None:
        after = (state.read_to, state.read_to_id or UUID(int=0))
    batch = queries.read_messages(session, account_scope_id, now - reader.window, after, BATCH)
    reached = (batch[-1].synced_at, batch[-1].id) if batch else after
    if reached is not None:
        if len(batch) < BATCH:
            # Not beyond what may still be committed: those few are read once more.
            reached = min(reached, (now - LAG, UUID(int=0)))
        queries.save_scan(session, account_scope_id, reader.name, reader.rules, reached)
    return batch


def read_all(step: Callable[[], int], report: Callable[[int], None]) -> tuple[int, bool]:
    """Repeat `step` (one batch, in its own transaction) until one is not full; messages read, and whether others wait."""
    messages = 0
    while messages < MESSAGES_AT_MOST:
        read = step()
        messages += read
        report(messages)
        if read < BATCH:
            return messages, False
    return messages, True


def settled(work: Callable[[], T]) -> T:
    """A step, taken again when a record went to another project at the same moment and the database refused it."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return work()
        except IntegrityError as fault:
            log.warning("detected again", error=type(fault.orig).__name__)
    return work()


def moment_of(session: Session, account_scope_id: AccountScopeId, now: dt.datetime) -> Moment:
    """The instant in the scope's zone. Raises NotFound for an account scope that is gone."""
    facts = scope_facts(session, account_scope_id)
    if facts is None:
        raise NotFound("There is no such account scope.")
    return Moment(now, facts.timezone)
