"""Approved messages are sent at most once, and never against a policy of the moment."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import select

from jobs import outbound, outbound_delivery
from models.infra.clock import frozen, utcnow
from models.infra.database import transaction
from models.infra.settings import get_settings, override_settings
from models.tables.chatwoot import Contact
from models.tables.crm import Account, AccountContact
from models.tables.outbound import ContactChannelPolicy, OutboundMessage
from models.tables.platform import AuditEvent
from tests.tools_app.world import HOUR, Place, make_world

NOW = utcnow()


@pytest.fixture
def place(database: str) -> Place:
    with transaction() as session:
        return make_world(session, "one").places["alpha"]


def contact(place: Place, email: str | None = "anna@lumen.example") -> UUID:
    scoped: dict[str, Any] = {"account_scope_id": place.scope, "project_id": place.project}
    with transaction() as session:
        account = Account(**scoped, name="Lumen")
        session.add(account)
        session.flush()
        row = AccountContact(**scoped, account_id=account.id, name="Anna", email=email)
        session.add(row)
        session.flush()
        return row.id


def queued(place: Place, to: UUID, at: dt.datetime = NOW, **values: Any) -> UUID:
    with transaction() as session:
        row = OutboundMessage(
            account_scope_id=place.scope,
            project_id=place.project,
            contact_id=to,
            channel="email",
            subject="Hello",
            body="Text",
            written_at=at,
            **{
                "status": "queued",
                "approved_by": "owner",
                "approved_at": at,
                "address": "anna@lumen.example",
                **values,
            },
        )
        session.add(row)
        session.flush()
        return row.id


def state(message: UUID) -> tuple[str, str | None]:
    with transaction() as session:
        row = session.get_one(OutboundMessage, message)
        return row.status, row.reason


def outbox() -> list[str]:
    folder = get_settings().data_dir / "outbox"
    return sorted(each.stem for each in folder.glob("*.eml")) if folder.exists() else []


def test_what_is_queued_is_sent_once_and_audited(place: Place) -> None:
    message = queued(place, contact(place))
    draft = queued(place, contact(place), status="draft", approved_at=None)
    assert outbound.deliver_queued(place.scope).counts() == {
        "sent": 1, "failed": 0, "unknown": 0, "blocked": 0, "waiting": 0,
    }  # fmt: skip
    assert outbound.deliver_queued(place.scope).sent == 0
    assert outbox() == [str(message)]
    assert (state(message), state(draft)) == (("sent", None), ("draft", None))
    with transaction() as session:
        row = session.get_one(OutboundMessage, message)
        assert (row.sent_via, row.sent_at is not None) == ("file", True)
        events = session.exec(select(AuditEvent).order_by(AuditEvent.created_at)).all()
    assert [(each.actor, each.action) for each in events] == [
        ("outbound", "outbound.sending"),
        ("outbound", "outbound.sent"),
    ]


def test_a_crash_in_the_middle_leaves_unknown_and_nothing_is_sent_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = queued(place, contact(place))

    class Crash(BaseException):
        """The process ends here."""

    def send_and_die(letter: outbound_delivery.Letter, via: str) -> None:
        outbound_delivery.deliver(letter, via)
        raise Crash

    monkeypatch.setattr(outbound, "deliver", send_and_die)
    with pytest.raises(Crash):
        outbound.deliver_queued(place.scope)
    assert state(message) == ("sending", None)
    monkeypatch.undo()
    assert outbound.deliver_queued(place.scope).unknown == 1
    assert state(message) == ("unknown", "interrupted")
    assert outbound.deliver_queued(place.scope).counts()["sent"] == 0
    assert outbox() == [str(message)]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (outbound_delivery.SendFailed("recipient_refused", "550 nobody"), "failed"),
        (outbound_delivery.SendUnknown("connection_lost", "gone"), "unknown"),
    ],
)
def test_a_fault_is_kept_with_its_reason_and_the_next_message_goes_out(
    place: Place, monkeypatch: pytest.MonkeyPatch, fault: outbound_delivery.NotDelivered, status: str
) -> None:
    first = queued(place, contact(place), NOW - HOUR)
    other = contact(place, "boris@lumen.example")
    second = queued(place, other, address="boris@lumen.example")

    def fail_first(letter: outbound_delivery.Letter, via: str) -> None:
        if letter.id == first:
            raise fault
        outbound_delivery.deliver(letter, via)

    monkeypatch.setattr(outbound, "deliver", fail_first)
    outbound.deliver_queued(place.scope)
    assert (state(first), state(second)) == ((status, fault.code), ("sent", None))


def test_switched_off_delivery_leaves_the_queue_as_it_is(place: Place) -> None:
    message = queued(place, contact(place))
    with override_settings(outbound_delivery="off"):
        assert outbound.deliver_queued(place.scope).waiting == 1
    assert state(message) == ("queued", None)


def opt_out(place: Place, to: UUID, **values: Any) -> None:
    with transaction() as session:
        session.add(
            ContactChannelPolicy(
                account_scope_id=place.scope,
                project_id=place.project,
                contact_id=to,
                channel="email",
                **{"opted_out": True, **values},
            )
        )


def leave(_place: Place, to: UUID) -> None:
    with transaction() as session:
        row = session.get_one(AccountContact, to)
        row.deleted_at = utcnow()
        session.add(row)


def readdress(email: str | None) -> Callable[[Place, UUID], None]:
    def change(_place: Place, to: UUID) -> None:
        with transaction() as session:
            row = session.get_one(AccountContact, to)
            row.email = email
            session.add(row)

    return change


def opt_out_a_twin(place: Place, _to: UUID) -> None:
    opt_out(place, contact(place, "Anna@Lumen.example"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (opt_out, "opted_out"),
        (opt_out_a_twin, "opted_out"),
        (leave, "no_contact"),
        (readdress("new@lumen.example"), "address_changed"),
        (readdress(None), "no_address"),
        (readdress("Anna <anna@lumen.example>, all@lumen.example"), "no_address"),
        (lambda place, to: opt_out(place, to, opted_out=False, max_per_week=0), "frequency_cap"),
    ],
)
def test_what_changed_after_the_approval_blocks_the_message(
    place: Place, change: Callable[[Place, UUID], None], reason: str
) -> None:
    to = contact(place)
    message = queued(place, to)
    change(place, to)
    assert outbound.deliver_queued(place.scope).blocked == 1
    assert state(message) == ("blocked", reason)
    assert outbox() == []


def test_more_messages_a_week_than_allowed_are_blocked_until_the_week_is_over(place: Place) -> None:
    to = contact(place)
    with frozen(NOW):
        messages = [queued(place, to, NOW + dt.timedelta(seconds=each)) for each in range(3)]
        assert outbound.deliver_queued(place.scope).sent == 2
    assert [state(each) for each in messages] == [
        ("sent", None),
        ("sent", None),
        ("blocked", "frequency_cap"),
    ]
    with frozen(NOW + dt.timedelta(days=7, seconds=1)):
        later = queued(place, to)
        outbound.deliver_queued(place.scope)
    assert state(later) == ("sent", None)


def talk(place: Place, at: dt.datetime, kind: int) -> None:
    with transaction() as session:
        place.session = session
        person = session.exec(select(Contact)).first() or place.row(
            Contact, "chatwoot", name="Anna", email="Anna@lumen.example", vendor_id="77"
        )
        conversation = place.conversation(contact_id=person.id, contact_vendor_id="77")
        place.message(conversation, at, kind)


def test_a_reply_after_the_last_message_stops_what_is_queued(place: Place) -> None:
    to = contact(place)
    with frozen(NOW):
        first = queued(place, to, NOW - HOUR)
        outbound.deliver_queued(place.scope)
    second = queued(place, to, NOW - HOUR)
    talk(place, NOW + HOUR, 0)
    outbound.deliver_queued(place.scope)
    assert (state(first), state(second)) == (("sent", None), ("blocked", "replied"))


@pytest.mark.parametrize(
    ("written_h", "answered_h", "policy"),
    [
        (2, None, {}),  # the text was written after the reply
        (-1, 2, {}),  # somebody answered the reply in Chatwoot
        (-1, None, {"opted_out": False, "stop_on_reply": False}),  # the contact's policy does not ask for it
    ],
)
def test_a_reply_stops_nothing_that_knows_of_it(
    place: Place, written_h: int, answered_h: int | None, policy: dict[str, Any]
) -> None:
    to = contact(place)
    if policy:
        opt_out(place, to, **policy)
    with frozen(NOW):
        queued(place, to, NOW - HOUR)
        outbound.deliver_queued(place.scope)
    message = queued(place, to, NOW + written_h * HOUR)
    talk(place, NOW + HOUR, 0)
    if answered_h is not None:
        talk(place, NOW + answered_h * HOUR, 1)
    with frozen(NOW + 3 * HOUR):
        outbound.deliver_queued(place.scope)
    assert state(message) == ("sent", None)


def test_a_message_before_any_of_ours_is_no_reply(place: Place) -> None:
    to = contact(place)
    message = queued(place, to)
    talk(place, NOW + HOUR, 0)
    outbound.deliver_queued(place.scope)
    assert state(message) == ("sent", None)


def test_a_run_of_another_scope_sends_nothing_of_this_one(place: Place) -> None:
    message = queued(place, contact(place))
    with transaction() as session:
        other = make_world(session, "two")
    outbound.deliver_queued(other.scope)
    assert state(message) == ("queued", None)


def test_a_run_is_bounded_and_says_what_waits(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "MESSAGES_AT_MOST", 1)
    for number in range(2):
        queued(place, contact(place, f"p{number}@lumen.example"), address=f"p{number}@lumen.example")
    assert outbound.deliver_queued(place.scope).counts()["waiting"] == 1
    assert outbound.deliver_queued(place.scope, budget_s=0).counts()["sent"] == 0
