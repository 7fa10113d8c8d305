"""Outbound messages: draft, approve, cancel, and the policies of their recipients.

Nothing is sent without an approval, and an approval is for the text and the address that the approver saw: whoever
changes either makes a draft of it again. Sending itself is the job `outbound`, which asks the policies once more.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from sqlmodel import Session

from jobs import enqueue
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, NotFound
from models.infra.scope import Scope
from models.infra.settings import get_settings
from models.queries import accounts
from models.queries import outbound as queries
from models.queries.outbound import PolicyFacts
from models.tables.crm import AccountContact
from models.tables.outbound import OutboundMessage
from tools_app.services.changes import audit, differing, require_status, require_version, write
from tools_app.services.crm_views import View
from tools_app.services.idempotency import Made, OnceKey, make_once
from tools_app.services.views import SessionView

OutboundStatus = Literal["draft", "queued", "sending", "sent", "failed", "unknown", "blocked", "cancelled"]
Channel = Literal["email"]

# From which statuses each step may be taken.
STEPS: Mapping[str, frozenset[OutboundStatus]] = {
    "change": frozenset({"draft", "queued", "failed", "blocked"}),
    "approve": frozenset({"draft"}),
    "cancel": frozenset({"draft", "queued", "failed", "blocked"}),
    "resolve": frozenset({"unknown"}),
}
_NOT_APPROVED = {"approved_by": None, "approved_at": None, "address": None, "claimed_at": None}
_NO_REASON = {"reason": None, "reason_detail": None}


class OutboundView(View):
    """A message. `reason` is a code that says why it was blocked, failed or is unknown."""

    id: UUID
    project_id: UUID
    contact_id: UUID | None
    contact_name: str | None
    channel: str
    subject: str | None
    body: str
    status: OutboundStatus
    address: str | None
    approved_by: str | None
    approved_at: dt.datetime | None
    written_at: dt.datetime
    sent_at: dt.datetime | None
    sent_via: str | None
    reason: str | None
    reason_detail: str | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class PolicyView(View):
    """Whether and how often a contact may be written to on a channel, and whether a reply stops what is queued."""

    contact_id: UUID
    channel: str
    opted_out: bool
    max_per_week: int
    stop_on_reply: bool


def list_messages(
    scope: Scope,
    *,
    status: OutboundStatus | None,
    contact_id: UUID | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[list[OutboundView], str | None]:
    """A page of messages and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        rows, after = queries.page_of_messages(
            db, scope, status=status, contact_id=contact_id, sort=sort, cursor=cursor, limit=limit
        )
        return [_view(row) for row in rows], after


def get_message(scope: Scope, message_id: UUID) -> OutboundView:
    """One message. Raises NotFound."""
    with reading() as db:
        return _read(db, scope, message_id)


def draft(
    session: SessionView, scope: Scope, values: Mapping[str, Any], once: OnceKey | None
) -> Made[OutboundView]:
    """Write a draft. Raises NotFound for a contact that is not of this project."""

    def work(db: Session) -> OutboundView:
        _contact(db, scope, values["contact_id"])
        now = utcnow()
        row = OutboundMessage(
            account_scope_id=scope.account_scope_id,
            project_id=scope.project_ids[0],
            created_at=now,
            updated_at=now,
            written_at=now,
            **values,
        )
        db.add(row)
        db.flush()
        audit(db, session, row, "outbound.draft", after=values)
        return _read(db, scope, row.id)

    return make_once(session, once, OutboundView, work)


def change(
    session: SessionView, scope: Scope, message_id: UUID, version: int, wanted: Mapping[str, Any]
) -> OutboundView:
    """Change the text of what was not sent; it is a draft again and needs another approval."""
    with transaction() as db:
        row = _at(db, scope, message_id, version, "change")
        draft_again = {"status": "draft", **_NOT_APPROVED, **_NO_REASON, "written_at": utcnow()}
        write(db, session, row, "outbound.change", {**differing(row, wanted), **draft_again})
        return _read(db, scope, message_id)


def approve(session: SessionView, scope: Scope, message_id: UUID, version: int) -> OutboundView:
    """Approve a draft as it is and queue it. Raises Conflict with the code of the policy that forbids it."""
    if get_settings().outbound_via() == "off":
        raise Conflict("Sending is switched off (OUTBOUND_DELIVERY).", code="delivery_off")
    with transaction() as db:
        row = _at(db, scope, message_id, version, "approve")
        now = utcnow()
        reason = queries.refusal(db, row, now, counting_queued=True)
        if reason is not None:
            raise Conflict("A policy forbids to send this.", code=reason)
        changes = {
            "status": "queued",
            "approved_by": session.user,
            "approved_at": now,
            "address": queries.address_of(queries.live_contact(db, row)),
        }
        write(db, session, row, "outbound.approve", changes)
        view = _read(db, scope, message_id)
    enqueue.request_outbound(scope.account_scope_id, session.user)
    return view


def cancel(session: SessionView, scope: Scope, message_id: UUID, version: int) -> OutboundView:
    """Never send this. What is being sent or was sent cannot be cancelled."""
    return _step(session, scope, message_id, version, "cancel", {"status": "cancelled"})


def resolve(
    session: SessionView, scope: Scope, message_id: UUID, version: int, *, was_sent: bool
) -> OutboundView:
    """Say what became of an `unknown` message. One that was not sent is failed and may be changed and approved again."""
    changes: dict[str, Any] = {"status": "failed", "reason": "not_sent"}
    if was_sent:
        changes = {"status": "sent", "sent_at": utcnow(), "sent_via": "confirmed", **_NO_REASON}
    return _step(session, scope, message_id, version, "resolve", changes)


def get_policy(scope: Scope, contact_id: UUID, channel: Channel) -> PolicyView:
    """The policies of a contact; what nobody has set has its default. Raises NotFound."""
    with reading() as db:
        contact = _contact(db, scope, contact_id)
        return _policy(contact_id, channel, queries.policy_of(db, contact, channel))


def set_policy(
    session: SessionView, scope: Scope, contact_id: UUID, channel: Channel, wanted: Mapping[str, Any]
) -> PolicyView:
    """Set some of the policies of a contact; the others stay. Raises NotFound."""
    with transaction() as db:
        contact = accounts.lock_contact(db, scope, contact_id)
        if contact is None:
            raise NotFound("There is no such contact.")
        held = queries.policy_of(db, contact, channel)
        chosen = {
            "opted_out": held.opted_out,
            "max_per_week": held.max_per_week,
            "stop_on_reply": held.stop_on_reply,
        }
        before = dict(chosen)
        chosen |= wanted
        policy = PolicyFacts(
            bool(chosen["opted_out"]), int(chosen["max_per_week"]), bool(chosen["stop_on_reply"])
        )
        queries.set_policy(db, contact, channel, policy, utcnow())
        verb = "opt_out" if set(wanted) == {"opted_out"} else "set_policy"
        audit(
            db,
            session,
            contact,
            f"contact.{verb}",
            before={**before, "channel": channel},
            after={**chosen, "channel": channel},
        )
        return _policy(contact_id, channel, policy)


def _step(
    session: SessionView, scope: Scope, message_id: UUID, version: int, step: str, changes: Mapping[str, Any]
) -> OutboundView:
    with transaction() as db:
        row = _at(db, scope, message_id, version, step)
        write(db, session, row, f"outbound.{step}", changes)
        return _read(db, scope, message_id)


def _at(db: Session, scope: Scope, message_id: UUID, version: int, step: str) -> OutboundMessage:
    row = queries.lock_message(db, scope, message_id)
    if row is None:
        raise NotFound("There is no such message.")
    require_version(row, version)
    require_status(row, STEPS[step], "message")
    return row


def _contact(db: Session, scope: Scope, contact_id: UUID) -> AccountContact:
    found = accounts.find_contact(db, scope, contact_id)
    if found is None:
        raise NotFound("There is no such contact in this project.")
    return found[0]


def _policy(contact_id: UUID, channel: Channel, policy: PolicyFacts) -> PolicyView:
    return PolicyView(
        contact_id=contact_id,
        channel=channel,
        opted_out=policy.opted_out,
        max_per_week=policy.max_per_week,
        stop_on_reply=policy.stop_on_reply,
    )


def _read(db: Session, scope: Scope, message_id: UUID) -> OutboundView:
    row = queries.find_message(db, scope, message_id)
    if row is None:
        raise NotFound("There is no such message.")
    return _view(row)


def _view(row: Any) -> OutboundView:
    held: OutboundMessage = row[0]
    values = held.model_dump(include=set(OutboundView.model_fields))
    return OutboundView(**values, contact_name=row.contact_name)
