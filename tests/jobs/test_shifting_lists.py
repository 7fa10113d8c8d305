"""Records go and come at the vendor between two pages of a list, or between a killed run and the next: none is missed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from sqlmodel import select

from jobs import sync
from jobs.sandbox.sandbox import MAIN
from jobs.sandbox.world.authored import StudioWorld
from models.infra.database import reading
from models.infra.ids import ConnectionId
from models.tables.chatwoot import Contact
from models.tables.reliability import ConnectorError
from tests.jobs.copies import run_sync
from tests.jobs.small_vendors import SmallVendors, small_vendors
from tests.jobs.test_convergence import Killed, set_page_sizes
from tests.jobs.vendor_truth import local, vendor


@pytest.fixture
def small(
    database: str, studio: StudioWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SmallVendors]:
    set_page_sizes(monkeypatch, 2, narrow=False)
    yield from small_vendors(studio, tmp_path, database, monkeypatch)


def missing(small: SmallVendors, connection: ConnectionId) -> dict[str, set[str]]:
    """What the vendor has and the copy has not, by stream."""
    held, there = local("chatwoot", connection), vendor("chatwoot", small.tenant)
    return {stream: there[stream].keys() - held[stream].keys() for stream in held}


NOTHING: dict[str, set[str]] = {
    "inboxes": set(),
    "conversations": set(),
    "messages": set(),
    "contacts": set(),
}


def delete_the_oldest(small: SmallVendors) -> None:
    conversations = small.tenant.account.conversations
    oldest = min(conversations, key=lambda number: conversations[number].created_at)
    small.sandbox.change(MAIN, "chatwoot", "delete_conversation", {"conversation": oldest})


def write_a_new_one(small: SmallVendors) -> None:
    conversations = small.tenant.account.conversations
    last = conversations[max(conversations)]
    fields = {"contact": last.contact_id, "inbox": last.inbox_id, "text": "new"}
    small.sandbox.change(MAIN, "chatwoot", "conversation", fields)


def at_request(small: SmallVendors, number: int, happens: Callable[[], None]) -> None:
    """Let something happen at the vendor just before a request of ours."""
    asked = 0

    def tick() -> None:
        nonlocal asked
        asked += 1
        if asked == number:
            happens()

    small.bridge.before = tick


@pytest.mark.parametrize("request_number", [3, 4, 9])
def test_a_conversation_that_goes_while_another_comes_hides_none(
    small: SmallVendors, request_number: int
) -> None:
    _, connection = small.connect("chatwoot")

    def happens() -> None:
        delete_the_oldest(small)
        write_a_new_one(small)

    at_request(small, request_number, happens)
    assert run_sync(connection).status == "ok"
    small.bridge.before = lambda: None
    small.hours.forward(120)
    assert run_sync(connection).status == "ok"
    assert missing(small, connection) == NOTHING


@pytest.mark.parametrize("deleted", [1, 3, 6])
def test_what_is_deleted_between_a_killed_backfill_and_the_next_run_hides_no_conversation(
    small: SmallVendors, deleted: int
) -> None:
    _, connection = small.connect("chatwoot")
    pages = 0

    def die_after_two_pages(progress: sync.Progress) -> None:
        nonlocal pages
        pages += progress.stream == "conversations"
        if pages == 2:
            raise Killed

    with pytest.raises(Killed):
        sync.sync_connection(connection, die_after_two_pages)
    for _ in range(deleted):
        delete_the_oldest(small)
    small.hours.forward(120)
    assert run_sync(connection).status == "ok"
    assert missing(small, connection) == NOTHING


@pytest.mark.parametrize("days", [0, 9])
def test_a_backfill_that_goes_on_brings_what_came_since_it_was_killed(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    _, connection = small.connect("chatwoot")
    requests = 0

    def die_at_the_sixth() -> None:
        nonlocal requests
        requests += 1
        if requests == 6:
            raise Killed

    small.bridge.before = die_at_the_sixth
    with pytest.raises(Killed):
        run_sync(connection)
    small.bridge.before = lambda: None
    write_a_new_one(small)
    small.hours.forward(86_400 * days + 600)
    assert run_sync(connection).status == "ok"
    assert missing(small, connection) == NOTHING


def test_a_visitor_stays_with_the_first_of_his_conversations(small: SmallVendors) -> None:
    scope, connection = small.connect("chatwoot")
    visitor = int(small.sandbox.change(MAIN, "chatwoot", "contact", {"name": "a visitor", "email": ""}))
    inboxes = {inbox.name: inbox.id for inbox in small.tenant.account.inboxes.values()}
    first, second = (
        int(
            small.sandbox.change(
                MAIN,
                "chatwoot",
                "conversation",
                {"contact": visitor, "inbox": inboxes[inbox], "text": "hello"},
            )
        )
        for inbox in ("Acme mail", next(name for name in inboxes if not name.startswith("Acme")))
    )
    run_sync(connection)
    for conversation in (second, first, second):
        small.hours.forward(900)
        run_sync(connection)  # from here on the other one is no longer shown
        fields = {"conversation": conversation, "status": "pending"}
        small.sandbox.change(MAIN, "chatwoot", "status", fields)
        small.hours.forward(400)
        assert run_sync(connection).counts()["streams"]["contacts"]["updated"] == 0
    with reading() as session:
        [home] = session.exec(select(Contact.project_id).where(Contact.vendor_id == str(visitor))).all()
    assert home == scope.projects["acme"]


@pytest.mark.parametrize("request_number", [2, 4, 8, 9, 11])
def test_a_killed_scan_of_contacts_goes_on_where_it_stopped(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, request_number: int
) -> None:
    _, connection = small.connect("chatwoot")
    for number in range(8):
        fields = {"name": f"n{number}", "email": f"n{number}@x.example"}
        small.sandbox.change(MAIN, "chatwoot", "contact", fields)
        small.hours.forward(60)
    asked: list[int] = []
    answer = small.bridge.handle_request

    def handle_request(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/contacts") and request.url.params["sort"] == "created_at":
            asked.append(int(request.url.params["page"]))
            if len(asked) == dies_at:
                raise Killed
        return answer(request)

    monkeypatch.setattr(small.bridge, "handle_request", handle_request)
    dies_at = request_number
    with pytest.raises(Killed):
        run_sync(connection)
    dies_at = 0
    asked.clear()
    delete_the_oldest(small)
    small.hours.forward(120)
    assert run_sync(connection).status == "ok"
    assert missing(small, connection) == NOTHING
    listed = sum(contact.resolved for contact in small.tenant.account.contacts.values())
    both_ways = [*range(listed // 2 + 1, 0, -1), *range(2, -(-listed // 2) + 1)]
    # The first page says how long the list is now.
    assert asked == [1, *both_ways[request_number - 2 :]]


@pytest.mark.parametrize("base_is_listed", [True, False])
@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_a_contact_that_is_merged_away_while_contacts_are_read_hides_none(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, page: int, base_is_listed: bool
) -> None:
    """A visitor who takes over an address enters the list where the other leaves it: its length stays the same."""
    _, connection = small.connect("chatwoot")
    account = small.tenant.account
    visitor = small.sandbox.change(MAIN, "chatwoot", "contact", {"name": "a visitor", "email": ""})
    for number in range(8):
        fields = {"name": f"n{number}", "email": f"n{number}@x.example"}
        small.sandbox.change(MAIN, "chatwoot", "contact", fields)
        small.hours.forward(60)
    listed = sorted((k for k in account.contacts.values() if k.resolved), key=lambda k: k.created_at)
    merge = {"base": listed[1].id, "mergee": listed[0].id}
    if not base_is_listed:
        merge = {"base": int(visitor), "mergee": listed[-2].id}
    answer, read = small.bridge.handle_request, 0

    def handle_request(request: httpx.Request) -> httpx.Response:
        nonlocal read
        if request.url.path.endswith("/contacts"):
            read += 1
            if read == page + 1:
                small.sandbox.change(MAIN, "chatwoot", "merge_contacts", merge)
        return answer(request)

    monkeypatch.setattr(small.bridge, "handle_request", handle_request)
    assert run_sync(connection).status == "ok"
    small.hours.forward(900)
    assert run_sync(connection).status == "ok"
    assert missing(small, connection) == NOTHING


def test_a_new_contact_whom_nobody_has_talked_to_comes_with_the_next_sync(small: SmallVendors) -> None:
    _, connection = small.connect("chatwoot")
    run_sync(connection)
    small.hours.forward(900)
    for number in range(5):  # more than a page
        fields = {"name": f"n{number}", "email": f"n{number}@x.example"}
        small.sandbox.change(MAIN, "chatwoot", "contact", fields)
    small.hours.forward(60)
    assert run_sync(connection).counts()["streams"]["contacts"]["inserted"] == 5
    assert missing(small, connection) == NOTHING


def test_a_contacts_new_name_comes_with_the_next_change_of_a_conversation(small: SmallVendors) -> None:
    _, connection = small.connect("chatwoot")
    run_sync(connection)
    small.hours.forward(900)
    conversation = next(
        c
        for c in small.tenant.account.conversations.values()
        if small.tenant.account.contacts[c.contact_id].resolved
    )
    change = {"contact": conversation.contact_id, "name": "Renamed"}
    small.sandbox.change(MAIN, "chatwoot", "rename_contact", change)
    small.sandbox.change(MAIN, "chatwoot", "status", {"conversation": conversation.id, "status": "pending"})
    small.hours.forward(60)
    run_sync(connection)
    assert local("chatwoot", connection)["contacts"][str(conversation.contact_id)][0] == "Renamed"


@pytest.mark.parametrize(("connector", "stream"), [("chatwoot", "contacts"), ("attio", "companies")])
def test_a_list_of_more_pages_than_are_read_is_an_error_and_no_end(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, connector: str, stream: str
) -> None:
    _, connection = small.connect(connector)
    monkeypatch.setattr("jobs.connectors.base.PAGES_AT_MOST", 1 if connector == "chatwoot" else 0)
    cut = run_sync(connection)
    assert cut.status == "degraded"
    assert "more than" in cut.errors[stream]
    with reading() as session:
        [error] = session.exec(select(ConnectorError).where(ConnectorError.stream == stream)).all()
    assert (error.unit, error.error_kind) == ("stream", "schema_changed")
    monkeypatch.setattr("jobs.connectors.base.PAGES_AT_MOST", 1_000)
    assert run_sync(connection).status == "ok"
