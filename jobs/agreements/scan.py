"""Extracts the agreements of an account scope from messages that changed, and settles those that are open or due lately.

A run adds what is new, withdraws what its message no longer says, and writes a status only where it changed; what a
person decided stays. A second run over the same records writes nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlmodel import Session

from jobs.agreements import dates, keeping, promises
from jobs.agreements.keeping import LaterMessage, NamedWork
from jobs.message_batches import Reader, moment_of, next_batch, read_all, settled
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import AccountScopeId
from models.queries import agreements, routing_lock
from models.queries.agreements import FoundAgreement, Unsettled
from models.queries.message_scans import MessageText
from models.queries.moment import Moment
from models.queries.record_sets import INCOMING
from models.queries.signals import EvidenceRef
from models.tables.agreements import AgreementStatus

# A promise may be made long before its day.
WINDOW = dt.timedelta(days=400)
# A copy hears of some messages late: what was due so many days ago is looked at again.
_LOOKED_AT_AGAIN = dt.timedelta(days=14)
BATCH = 200
RULES = hashlib.blake2b(
    f"{dates.RULES}\n{promises.RULES}\n{keeping.RULES}".encode(), digest_size=8
).hexdigest()


@dataclass(slots=True)
class Extracted:
    """Agreements found, withdrawn and settled, messages read, and whether others wait for the next run."""

    found: int = 0
    withdrawn: int = 0
    settled: int = 0
    messages: int = 0
    more: bool = False

    def counts(self) -> dict[str, int | bool]:
        """The figures as plain JSON, for the job's row and its events. `written` is what changed."""
        return {"written": self.found + self.withdrawn + self.settled, **asdict(self)}


def extract_agreements(
    account_scope_id: AccountScopeId, report: Callable[[int], None] = lambda _: None
) -> Extracted:
    """Bring the agreements of an account scope up to date; `report` hears of the messages read.

    The caller holds the lock that keeps runs of a scope apart. Raises NotFound for an account scope that is gone.
    """
    done, now = Extracted(), utcnow()

    def batch() -> int:
        read, found, withdrawn = settled(lambda: _read_batch(account_scope_id, now))
        done.found += found
        done.withdrawn += withdrawn
        return read

    done.messages, done.more = read_all(batch, report)
    with transaction() as session:
        done.withdrawn += agreements.withdraw_gone(session, account_scope_id)
    after: UUID | None = None
    while True:
        changed, after = _settle_batch(account_scope_id, now, after)
        done.settled += changed
        if after is None:
            return done


def found_in(message: MessageText, zone: ZoneInfo) -> list[FoundAgreement]:
    """What a message promises, by days as they are where the studio works; nothing when it is nobody's words."""
    if not message.side:
        return []
    said_on = message.sent_at.astimezone(zone).date()
    return [
        FoundAgreement(
            message.project_id, message.id, each.key, message.side, each.due_on, each.quote, message.sent_at
        )
        for each in promises.read_promises(message.body, said_on)
    ]


def _read_batch(account_scope_id: AccountScopeId, now: dt.datetime) -> tuple[int, int, int]:
    """Messages read, agreements found and withdrawn in one batch."""
    with transaction() as session:
        routing_lock.share(session, account_scope_id)
        zone = ZoneInfo(moment_of(session, account_scope_id, now).zone)
        batch = next_batch(session, account_scope_id, Reader("agreements", RULES, WINDOW), now)
        found = [each for message in batch for each in found_in(message, zone)]
        keys = {(each.message_id, each.promise_key) for each in found}
        held = agreements.undecided_of_messages(session, account_scope_id, [each.id for each in batch])
        past = [agreement_id for agreement_id, key in held.items() if key not in keys]
        withdrawn = agreements.withdraw(session, account_scope_id, past)
        return len(batch), agreements.save_agreements(session, account_scope_id, found), withdrawn


def _settle_batch(
    account_scope_id: AccountScopeId, now: dt.datetime, after: UUID | None
) -> tuple[int, UUID | None]:
    """Settle one batch of agreements; how many changed, and the last one looked at (None: no more)."""
    with transaction() as session:
        moment = moment_of(session, account_scope_id, now)
        since = moment.today - _LOOKED_AT_AGAIN
        batch = agreements.list_unsettled(session, account_scope_id, since, after, BATCH)
        if not batch:
            return 0, None
        changed = agreements.save_statuses(
            session, account_scope_id, _statuses(session, account_scope_id, moment, batch)
        )
        return changed, batch[-1].id if len(batch) == BATCH else None


def _statuses(
    session: Session, account_scope_id: AccountScopeId, moment: Moment, batch: list[Unsettled]
) -> dict[UUID, tuple[AgreementStatus, Any, EvidenceRef | None]]:
    ends = [moment.start_of(each.due_on + dt.timedelta(days=1)) for each in batch]
    said = agreements.later_messages(session, account_scope_id, batch, ends)
    named = {each.id: keeping.named_issues(each.promise["quote"]) for each in batch}
    issues = agreements.issues_named(
        session,
        account_scope_id,
        sorted({each.project_id for each in batch}),
        sorted({name for names in named.values() for name in names}),
    )
    settled_now: dict[UUID, tuple[AgreementStatus, Any, EvidenceRef | None]] = {}
    for each, ends_at in zip(batch, ends, strict=True):
        rows = [issues[each.project_id, name] for name in named[each.id] if (each.project_id, name) in issues]
        status, by = keeping.settle(
            each.promise["quote"],
            each.side,
            ends_at,
            moment.now,
            [_later(row) for row in said.get(each.id, ())],
            [NamedWork(row.id, row.identifier, row.title, row.completed_at) for row in rows],
        )
        settled_now[each.id] = status, each.promise, by
    return settled_now


def _later(row: Any) -> LaterMessage:
    return LaterMessage(row.id, "client" if row.message_type == INCOMING else "studio", row.body, row.sent_at)
