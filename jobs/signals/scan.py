"""Detects the signals of an account scope: messages that changed since the last run, and everything that depends on the day.

A run proposes what is new, renews what is proposed and differs, and withdraws what no longer holds; what a person decided
stays. Each batch of messages is a transaction of its own that also notes how far it came, so that a run that is killed
goes on there. A second run over the same records writes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlmodel import Session

from jobs.message_batches import Reader, moment_of, next_batch, read_all, settled
from jobs.signals import states
from jobs.signals.actions import action_for
from jobs.signals.cues import RULES
from jobs.signals.messages import read_message
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import AccountScopeId
from models.queries import routing_lock, signals
from models.queries import signal_sources as sources
from models.queries.message_scans import MessageText
from models.queries.moment import Moment
from models.queries.signals import Detected, EvidenceRef
from models.tables.signals import STATE_KINDS

# What a client said is news for a month.
FRESH = dt.timedelta(days=30)


@dataclass(slots=True)
class Scanned:
    """Signals proposed, renewed and withdrawn, messages read, and whether others wait for the next run."""

    proposed: int = 0
    renewed: int = 0
    withdrawn: int = 0
    messages: int = 0
    more: bool = False

    def add(self, step: Scanned) -> None:
        """Count what a committed step did."""
        self.proposed += step.proposed
        self.renewed += step.renewed
        self.withdrawn += step.withdrawn
        self.messages += step.messages

    def counts(self) -> dict[str, int | bool]:
        """The figures as plain JSON, for the job's row and its events. `written` is what changed."""
        return {"written": self.proposed + self.renewed + self.withdrawn, **asdict(self)}


def detect_signals(
    account_scope_id: AccountScopeId, report: Callable[[int], None] = lambda _: None
) -> Scanned:
    """Bring the signals of an account scope up to date and return what changed; `report` hears of the messages read.

    The caller holds the lock that keeps runs of a scope apart. Raises NotFound for an account scope that is gone.
    """
    done, now = Scanned(), utcnow()

    def batch() -> int:
        step = settled(lambda: _read_batch(account_scope_id, now))
        done.add(step)
        return step.messages

    _, done.more = read_all(batch, report)
    done.add(settled(lambda: _read_states(account_scope_id, now)))
    return done


def message_signals(message: MessageText) -> list[Detected]:
    """What a message tells: nothing unless it is a client's own."""
    if message.side != "client":
        return []
    return [
        Detected(
            project_id=message.project_id,
            kind=each.kind,
            subject_type="message",
            subject_id=message.id,
            severity=each.severity,
            confidence=each.confidence,
            evidence=(EvidenceRef("message", message.id, each.quote),),
            occurred_at=message.sent_at,
        )
        for each in read_message(message.body)
    ]


def _read_batch(account_scope_id: AccountScopeId, now: dt.datetime) -> Scanned:
    """Read one batch of messages beyond the last one."""
    with transaction() as session:
        routing_lock.share(session, account_scope_id)
        moment = moment_of(session, account_scope_id, now)
        batch = next_batch(session, account_scope_id, Reader("signals", RULES, FRESH), now)
        found = [each for message in batch for each in message_signals(message)]
        held = signals.undecided_of_messages(session, account_scope_id, [each.id for each in batch])
        step = _write(session, account_scope_id, moment, found, held)
        step.messages = len(batch)
        return step


def _read_states(account_scope_id: AccountScopeId, now: dt.datetime) -> Scanned:
    """Detect what records tell by their state now, and withdraw what they no longer tell."""
    with transaction() as session:
        routing_lock.share(session, account_scope_id)
        moment = moment_of(session, account_scope_id, now)
        past = signals.withdraw_past(session, account_scope_id, now - FRESH)
        held = signals.undecided_of_kinds(session, account_scope_id, STATE_KINDS)
        found = list(_states(session, account_scope_id, moment))
        step = _write(session, account_scope_id, moment, found, held)
        step.withdrawn += past
        return step


def _states(session: Session, account_scope_id: AccountScopeId, moment: Moment) -> Iterable[Detected]:
    waiting = sources.list_waiting(session, account_scope_id, moment.now - states.WAITING_AFTER)
    silent = sources.list_silent(
        session,
        account_scope_id,
        moment.now - states.SILENT_AFTER,
        states.REGULAR_WITHIN,
        states.REGULAR_MESSAGES,
    )
    issues = sources.list_issues(session, account_scope_id, moment)
    deals = sources.list_deals(session, account_scope_id, moment)
    unanswered = [each for each in (states.waiting_reply(one, moment) for one in waiting) if each is not None]
    # Whoever waits for an answer is not the one who is silent.
    waits = {each.subject_id for each in unanswered}
    told = [
        *unanswered,
        *(states.client_silent(each, moment) for each in silent if each.conversation_id not in waits),
        *(states.overdue_work(each, moment) for each in issues),
        *(states.blocked_work(each, moment) for each in issues),
        *(states.deal_without_next_step(each, moment) for each in deals),
        *(states.deal_past_close(each, moment) for each in deals),
    ]
    return (each for each in told if each is not None)


def _write(
    session: Session,
    account_scope_id: AccountScopeId,
    moment: Moment,
    found: Sequence[Detected],
    held: dict[UUID, tuple[str, UUID, str]],
) -> Scanned:
    """Save what was found with its actions, and withdraw what of the `held` undecided ones was not found again."""
    by_key = {each.key: each for each in found}
    written = signals.save_signals(session, account_scope_id, found)
    made = {each.id: action_for(by_key[each.key], moment.today) for each in written if each.is_new}
    signals.suggest_actions(session, account_scope_id, made)
    past = [signal_id for signal_id, key in held.items() if key not in by_key]
    withdrawn = signals.withdraw(session, account_scope_id, past)
    return Scanned(len(made), len(written) - len(made), withdrawn)
