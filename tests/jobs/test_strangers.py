"""Visitors without an address, whom no list of the vendor shows: a deep comparison knows who is gone and who is not."""

import pytest

from jobs.repair import repair_connection
from jobs.sandbox.sandbox import MAIN
from models.infra.ids import ConnectionId
from tests.jobs.copies import measure, run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.vendor_truth import local


def a_visitor_writes(small: SmallVendors) -> tuple[int, int]:
    """A visitor and the conversation he began."""
    visitor = int(small.sandbox.change(MAIN, "chatwoot", "contact", {"name": "a visitor", "email": ""}))
    inbox = next(iter(small.tenant.account.inboxes))
    fields = {"contact": visitor, "inbox": inbox, "text": "hello"}
    return visitor, int(small.sandbox.change(MAIN, "chatwoot", "conversation", fields))


def here(connection: ConnectionId) -> set[str]:
    return set(local("chatwoot", connection)["contacts"])


def test_a_visitor_who_is_merged_away_is_found_and_removed(small: SmallVendors) -> None:
    base = next(k.id for k in small.tenant.account.contacts.values() if k.resolved)
    visitor, _ = a_visitor_writes(small)
    _, connection = small.connect("chatwoot")
    run_sync(connection)
    assert str(visitor) in here(connection)
    small.sandbox.change(MAIN, "chatwoot", "merge_contacts", {"base": base, "mergee": visitor})
    small.hours.forward(900)
    run_sync(connection)
    found = measure(connection).streams["contacts"]
    assert (found.extra, found.missing) == (1, 0)
    assert [each.deleted for each in repair_connection(connection) if each.stream == "contacts"] == [1]
    assert str(visitor) not in here(connection)
    assert measure(connection).streams["contacts"].extra == 0


def test_a_visitor_whose_conversation_is_deleted_is_still_a_contact(small: SmallVendors) -> None:
    visitor, conversation = a_visitor_writes(small)
    _, connection = small.connect("chatwoot")
    run_sync(connection)
    small.sandbox.change(MAIN, "chatwoot", "delete_conversation", {"conversation": conversation})
    small.hours.forward(900)
    run_sync(connection)
    found = measure(connection).streams["contacts"]
    assert (found.extra, found.missing, found.pct) == (0, 0, 100.0)
    repair_connection(connection)
    assert str(visitor) in here(connection)


def test_of_very_many_a_part_is_asked_for_and_the_next_pass_asks_for_others(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = next(k.id for k in small.tenant.account.contacts.values() if k.resolved)
    visitors = [a_visitor_writes(small)[0] for _ in range(4)]
    _, connection = small.connect("chatwoot")
    run_sync(connection)
    for visitor in visitors:
        small.sandbox.change(MAIN, "chatwoot", "merge_contacts", {"base": base, "mergee": visitor})
    monkeypatch.setattr("jobs.sweep._STRANGERS_AT_MOST", 3)
    small.hours.forward(900)
    for extra, left in ((3, 1), (1, 0)):
        assert measure(connection).streams["contacts"].extra == extra
        repair_connection(connection)
        assert len({str(each) for each in visitors} & here(connection)) == left
