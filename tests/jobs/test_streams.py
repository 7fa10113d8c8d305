"""Conversations are read side by side: within the limits, without a gap, and at the cost of few requests."""

import gc
import tracemalloc
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import text

from deploy.bench_sync import Case
from deploy.generated_chatwoot import Account, running
from jobs.connectors.base import Page, Thread, Window
from jobs.connectors.chatwoot.client import ChatwootClient
from jobs.sync import Progress, SyncResult, sync_connection
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.infra.settings import override_settings
from tests.jobs.copies import connect, measure, run_sync
from tests.scopes import make_connection, make_scope
from tests.vendors import Vendors

CONVERSATIONS = 30


def connect_to(url: str) -> ConnectionId:
    with transaction() as session:
        return make_connection(session, make_scope(session), "chatwoot", base_url=url).id


def message_ids() -> set[str]:
    with reading() as session:
        return set(session.execute(text("SELECT vendor_id FROM cw_messages")).scalars())


def test_conversations_are_read_side_by_side_and_never_more_than_allowed(database: str) -> None:
    with (
        running(Account(CONVERSATIONS, 3), delay_ms=20) as url,
        override_settings(connector_page_parallelism=3),
    ):
        assert run_sync(connect_to(url)).status == "ok"
        stats = httpx.get(f"{url}/_stats", timeout=10).json()
    assert stats["most_at_once"] == 3
    assert len(message_ids()) == CONVERSATIONS * 3


@pytest.mark.parametrize("messages", [99, 100, 250])
def test_a_copy_costs_few_more_requests_than_the_fewest_and_nothing_new_costs_none(
    database: str, messages: int
) -> None:
    with running(Account(CONVERSATIONS, messages)) as url:
        connection = connect_to(url)
        first, second = run_sync(connection), run_sync(connection)
    assert first.counts()["streams"]["messages"]["inserted"] == CONVERSATIONS * messages
    assert first.requests <= 1.2 * Case(CONVERSATIONS, messages).requests
    assert second.requests <= 10
    assert second.counts()["written"] == 0


@pytest.fixture(scope="module")
def account() -> Iterator[ChatwootClient]:
    with running(Account(1, 250)) as url:
        client = ChatwootClient(url, "1", "t", timeout_s=10)
        yield client
        client.close()


def pages(client: ChatwootClient, thread: Thread) -> list[Page]:
    """The pages of a thread whose messages have the ids 1 to 250, one by one."""
    return list(client.pages("messages", Window({}, utcnow(), threads=lambda: [thread])))


def test_the_position_stays_below_a_gap_until_it_is_filled(redis: object, account: ChatwootClient) -> None:
    """The newest messages are read first: a run killed after them must not take what lies between as read."""
    version = utcnow()
    read = pages(account, Thread("1", 100, 250, version))
    reached = [(page.positions[0].message_id, page.positions[0].as_of) for page in read]
    assert reached == [(100, None), (200, None), (250, version)]
    assert {record.vendor_id for page in read for record in page.records if record.stream == "messages"} == {
        str(number) for number in range(101, 251)
    }


def test_a_touched_conversation_without_a_gap_is_read_in_one_request(
    redis: object, account: ChatwootClient
) -> None:
    before = account.requests_made
    [page] = pages(account, Thread("1", 240, 250, utcnow()))
    assert account.requests_made == before + 1
    assert page.positions[0].message_id == 250
    assert page.positions[0].as_of is not None


def test_a_full_last_page_is_not_followed_by_an_empty_one(redis: object, account: ChatwootClient) -> None:
    assert len(pages(account, Thread("1", 0, 200, utcnow()))) == 2
    assert [page.positions[0].as_of is None for page in pages(account, Thread("1", 0))] == [True, True, True]


def test_a_comparison_asks_no_page_behind_a_full_last_one(database: str) -> None:
    with running(Account(CONVERSATIONS, 100)) as url:
        connection = connect_to(url)
        run_sync(connection)
        found = measure(connection)
    assert found.streams["messages"].vendor_count == CONVERSATIONS * 100
    assert found.streams["messages"].pct == 100.0
    assert found.requests <= 1.2 * Case(CONVERSATIONS, 100).requests


def test_a_conversation_that_fails_loses_no_other_and_comes_later(
    database: str, moving_vendors: Vendors
) -> None:
    _, connection = connect(moving_vendors, "chatwoot")
    moving_vendors.control(
        "faults",
        vendor="chatwoot",
        route_prefix="/api/v1/accounts/1/conversations/5/messages",
        kind="500",
        times=4,  # as often as a request is tried; a fifth would open the breaker
    )
    broken = run_sync(connection)
    assert (broken.status, set(broken.errors)) == ("degraded", {"messages"})
    some = message_ids()
    moving_vendors.clear_faults()
    healed = run_sync(connection)
    assert healed.status == "ok"
    assert message_ids() > some
    with reading() as session:
        unread = session.execute(
            text("SELECT vendor_id FROM cw_conversations WHERE messages_as_of IS DISTINCT FROM synced_at")
        )
        assert unread.scalars().all() == []


def test_an_edit_seen_by_a_run_that_ended_before_the_messages_is_read_by_the_next(
    database: str, moving_vendors: Vendors
) -> None:
    _, connection = connect(moving_vendors, "chatwoot")
    assert run_sync(connection).status == "ok"
    with transaction() as session:
        session.execute(text("UPDATE cw_messages SET content_hash = 'old' WHERE sent_at = (SELECT max(sent_at)"
                             " FROM cw_messages)"))  # fmt: skip
        # What a run leaves that wrote the conversation and was killed then.
        session.execute(
            text(
                "UPDATE cw_conversations SET synced_at = clock_timestamp() WHERE id IN"
                " (SELECT conversation_id FROM cw_messages WHERE content_hash = 'old')"
            )
        )
    assert run_sync(connection).counts()["streams"]["messages"]["updated"] >= 1
    assert run_sync(connection).counts()["written"] == 0


def test_linear_never_has_to_refuse_what_its_headers_foretell(database: str, moving_vendors: Vendors) -> None:
    _, connection = connect(moving_vendors, "linear")
    moving_vendors.control("quotas", name="linear_requests", allowed=2)
    stopped = run_sync(connection)
    assert stopped.status == "degraded"
    assert all("quota is used up" in error for error in stopped.errors.values())
    assert [each["status"] for each in moving_vendors.asked()["requests"] if each["path"] == "/graphql"] == [
        200,
        200,
    ]
    moving_vendors.control("quotas", name="linear_requests", allowed=2500)
    # The time that the vendor's headers named is over.
    with transaction() as session:
        session.execute(text("DELETE FROM sync_watermarks WHERE stream = 'connection:pause'"))
    assert run_sync(connection).status == "ok"


def test_a_contact_that_was_merged_away_is_gone_after_the_next_full_list(database: str) -> None:
    with running(Account(20, 1)) as url:
        connection = connect_to(url)
        run_sync(connection)
        with transaction() as session:
            session.execute(
                text(
                    "INSERT INTO cw_contacts (account_scope_id, project_id, connection_id, vendor_id, email, content_hash)"
                    " SELECT account_scope_id, project_id, connection_id, '999', email, '' FROM cw_contacts LIMIT 1"
                )
            )
            session.execute(
                text(
                    "UPDATE sync_watermarks SET committed = committed - 'scanned_at' WHERE stream = 'contacts'"
                )
            )
        assert run_sync(connection).counts()["streams"]["contacts"]["deleted"] == 1
    with reading() as session:
        gone = session.execute(text("SELECT vendor_id FROM cw_contacts WHERE deleted_at IS NOT NULL"))
        assert gone.scalars().all() == ["999"]


def test_memory_stays_flat_over_many_messages(database: str) -> None:
    """What is here at once is what waits to be written, however many messages there are."""
    held: list[tuple[int, int]] = []

    def note(progress: Progress) -> None:
        if progress.stream == "messages":
            gc.collect()
            held.append((progress.rows, tracemalloc.get_traced_memory()[0]))

    def copy(url: str) -> SyncResult:
        tracemalloc.start()
        try:
            return sync_connection(connect_to(url), note)
        finally:
            tracemalloc.stop()

    with running(Account(150, 100)) as url:
        assert copy(url).counts()["streams"]["messages"]["inserted"] == 15_000
    early = max(size for rows, size in held if rows <= 5_000)
    late = max(size for rows, size in held if rows > 10_000)
    # 15,000 messages are 40 MB as records; what waits is 4 MB, more or less of it at any moment.
    assert late - early < 5_000_000
