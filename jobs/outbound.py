"""Sends approved messages, each at most once.

A message is claimed (`sending`, committed) before anything leaves, and marked afterwards. A crash in between leaves it
`sending`; the next run of the account scope, which the job's lock keeps apart from this one, makes it `unknown`. Nobody
sends an `unknown` message again but a person who decides so. Policies are asked again at the moment of sending.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from uuid import UUID

from jobs.outbound_delivery import Letter, SendFailed, SendUnknown, deliver
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId
from models.infra.logging import get_logger, request_id
from models.infra.settings import get_settings
from models.queries import outbound as queries
from models.queries.audit import add_audit_event
from models.tables.outbound import OutboundMessage

BUDGET_S = 240.0
MESSAGES_AT_MOST = 50
ACTOR = "outbound"

log = get_logger(__name__)


@dataclass(slots=True)
class Delivered:
    """What became of the messages of a run; `waiting` are still queued."""

    sent: int = 0
    failed: int = 0
    unknown: int = 0
    blocked: int = 0
    waiting: int = 0

    def counts(self) -> dict[str, int]:
        """The figures as plain JSON, for the job's row and its events."""
        return asdict(self)


def deliver_queued(account_scope_id: AccountScopeId, budget_s: float = BUDGET_S) -> Delivered:
    """Send what is queued in an account scope, MESSAGES_AT_MOST messages or `budget_s` seconds, whatever is first.

    The caller holds the lock that keeps runs of the account scope apart: what is `sending` now belongs to a dead run.
    """
    done = Delivered(unknown=_give_up_interrupted(account_scope_id))
    via = get_settings().outbound_via()
    until = time.monotonic() + budget_s
    for _ in range(MESSAGES_AT_MOST if via != "off" else 0):
        if time.monotonic() >= until:
            break
        letter = _claim(account_scope_id, done)
        if letter is None:
            break
        try:
            deliver(letter, via)
        except SendFailed as fault:
            done.failed += 1
            _mark(letter.id, "failed", reason=fault.code, detail=fault.detail)
        except SendUnknown as fault:
            done.unknown += 1
            _mark(letter.id, "unknown", reason=fault.code, detail=fault.detail)
        else:
            done.sent += 1
            _mark(letter.id, "sent", via=via)
    with reading() as session:
        done.waiting = queries.count_queued(session, account_scope_id)
    return done


def _claim(account_scope_id: AccountScopeId, done: Delivered) -> Letter | None:
    """Take the next message that may be sent; those that may not are blocked on the way. None: no more."""
    for _ in range(MESSAGES_AT_MOST):
        with transaction() as session:
            message = queries.lock_next_queued(session, account_scope_id)
            if message is None:
                return None
            now = utcnow()
            reason = queries.refusal(session, message, now, counting_queued=False)
            if reason is not None or message.address is None:
                done.blocked += 1
                message.reason = reason or "no_address"
                _move(session, message, "blocked")
                continue
            message.claimed_at = now
            _move(session, message, "sending")
            return Letter(message.id, message.address, message.subject or "", message.body)
    return None


def _give_up_interrupted(account_scope_id: AccountScopeId) -> int:
    with transaction() as session:
        interrupted = queries.lock_being_sent(session, account_scope_id, limit=1000)
        for message in interrupted:
            message.reason = "interrupted"
            _move(session, message, "unknown")
            log.warning("nobody knows whether a message was sent", message_id=str(message.id))
        return len(interrupted)


def _mark(
    message_id: UUID, status: str, *, via: str | None = None, reason: str | None = None, detail: str = ""
) -> None:
    with transaction() as session:
        message = queries.lock_one(session, message_id)
        # A run that lost its lock may have been given up on meanwhile; what it knows now is better than `unknown`.
        if message.status not in ("sending", "unknown"):
            log.warning(
                "a message was settled by somebody else", message_id=str(message_id), status=message.status
            )
            return
        message.reason, message.reason_detail = reason, detail[:500] or None
        if status == "sent":
            message.sent_at, message.sent_via = utcnow(), via
        _move(session, message, status)


def _move(session: queries.Session, message: OutboundMessage, status: str) -> None:
    before, message.status = message.status, status
    message.version += 1
    message.updated_at = utcnow()
    session.add(message)
    session.flush()
    add_audit_event(
        session,
        actor=ACTOR,
        action=f"outbound.{status}",
        entity_type="outbound",
        entity_id=str(message.id),
        account_scope_id=message.account_scope_id,
        project_id=message.project_id,
        before={"status": before},
        after={"status": status, "reason": message.reason},
        request_id=request_id.get() or None,
    )
