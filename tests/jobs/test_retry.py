"""What failed is tried again when its time has come, ever later, and given up after five attempts."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from jobs import enqueue, retry
from jobs.connectors.errors import QueryTooComplex
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import NotFound
from models.infra.ids import AccountScopeId, ConnectionId, new_id
from models.queries import sync_state
from tests.jobs.copies import connect, run_sync
from tests.vendors import Vendors, running_vendors


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    with running_vendors(tmp_path_factory.mktemp("retry") / "sandbox") as running:
        yield running
        running.clear_faults()


@pytest.fixture
def linear(database: str, vendors: Vendors) -> Iterator[ConnectionId]:
    """A connection to the sandbox's Linear that has never synced."""
    vendors.clear_faults()
    yield connect(vendors, "linear")[1]
    vendors.clear_faults()


def an_issue(vendors: Vendors) -> str:
    """The id of an issue at the vendor."""
    answer = httpx.post(
        f"{vendors.origin('linear')}/graphql",
        json={"query": "{ issues(first: 1) { nodes { id } } }"},
        headers={"authorization": vendors.tokens["linear"]},
        timeout=20,
    )
    return str(answer.json()["data"]["issues"]["nodes"][0]["id"])


def failed(
    connection_id: ConnectionId, unit: str, *, stream: str = "issues", due_s: float = -1, **payload: Any
) -> None:
    """Queue a failed unit whose next attempt comes in so many seconds."""
    with transaction() as session:
        connection = sync_state.get_connection(session, connection_id)
        sync_state.queue_error(
            session, connection, stream=stream, unit=unit, kind="bad_record", message="was unreadable",
            payload={"id": unit, **payload}, retryable=True,
        )  # fmt: skip
    make_due(due_s)


def make_due(seconds: float = -1) -> None:
    with transaction() as session:
        session.execute(
            text(
                "UPDATE connector_errors SET next_retry_at = now() + make_interval(secs => :s) WHERE status = 'pending'"
            ),
            {"s": seconds},
        )


def the_error() -> Any:
    with reading() as session:
        return session.execute(text("SELECT * FROM connector_errors")).one()


def rows(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with transaction() as session:
        return [tuple(row) for row in session.execute(text(statement), values)]


def count_issues() -> int:
    with reading() as session:
        return int(session.execute(text("SELECT count(*) FROM linear_issues")).scalar_one())


def test_a_due_record_is_read_by_its_id_written_and_resolved(linear: ConnectionId, vendors: Vendors) -> None:
    failed(linear, an_issue(vendors))
    assert retry.retry_connection(linear) == retry.Retried(tried=1, resolved=1)
    assert count_issues() == 1
    assert the_error().status == "resolved"
    assert retry.retry_connection(linear) == retry.Retried()


def test_what_is_not_due_waits(linear: ConnectionId, vendors: Vendors) -> None:
    failed(linear, an_issue(vendors), due_s=60)
    assert retry.retry_connection(linear) == retry.Retried()
    assert the_error().status == "pending"


def test_a_record_that_is_gone_at_the_vendor_is_resolved(linear: ConnectionId) -> None:
    failed(linear, str(new_id()))
    assert retry.retry_connection(linear).resolved == 1
    assert count_issues() == 0


def test_a_unit_that_fails_again_waits_twice_as_long_and_is_given_up_after_five_attempts(
    linear: ConnectionId, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(linear, an_issue(vendors))

    def unreadable(*_: object) -> None:
        raise KeyError("state")

    monkeypatch.setattr("jobs.connectors.linear.client.LinearClient.fetch_one", unreadable)
    waits: list[float] = []
    for _ in range(4):
        assert retry.retry_connection(linear).failed == 1
        found = the_error()
        if found.next_retry_at is not None:
            waits.append(round((found.next_retry_at - utcnow()).total_seconds() / 30))
        make_due()
    assert waits == [2, 4, 8]
    assert (the_error().status, the_error().attempt) == ("dead_letter", 5)
    assert retry.retry_connection(linear) == retry.Retried()


def test_an_old_comment_is_read_by_its_id_and_brings_its_issue(linear: ConnectionId) -> None:
    run_sync(linear)
    [(comment, issue)] = rows(
        "SELECT c.vendor_id, i.vendor_id FROM linear_comments c JOIN linear_issues i ON i.id = c.issue_id"
        " ORDER BY c.source_created_at LIMIT 1"
    )
    rows("DELETE FROM linear_issues WHERE vendor_id = :id RETURNING 1", id=issue)
    failed(linear, comment, stream="comments")
    assert retry.retry_connection(linear) == retry.Retried(tried=1, resolved=1)
    assert rows("SELECT c.vendor_id FROM linear_comments c WHERE vendor_id = :id", id=comment) == [(comment,)]
    assert the_error().status == "resolved"


def test_an_old_message_is_read_from_its_conversation_and_nothing_else_is_touched(
    database: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(vendors, "chatwoot")
    run_sync(connection_id)
    # So narrow that the first message is far from the newest ones.
    monkeypatch.setattr("jobs.connectors.chatwoot.messages._MESSAGES_NEWEST", 1)
    [(conversation, message, position)] = rows(
        "SELECT c.vendor_id, min(m.vendor_id::bigint)::text, c.max_message_id FROM cw_messages m"
        " JOIN cw_conversations c ON c.id = m.conversation_id GROUP BY c.id ORDER BY count(*) DESC LIMIT 1"
    )
    rows("DELETE FROM cw_messages WHERE vendor_id = :id RETURNING 1", id=message)
    failed(connection_id, message, stream="messages", conversation_id=int(conversation))
    before = len(vendors.asked()["requests"])
    assert retry.retry_connection(connection_id) == retry.Retried(tried=1, resolved=1)
    assert len(vendors.asked()["requests"]) - before <= 2
    assert rows("SELECT vendor_id FROM cw_messages WHERE vendor_id = :id", id=message) == [(message,)]
    assert the_error().status == "resolved"
    assert rows("SELECT max_message_id FROM cw_conversations WHERE vendor_id = :id", id=conversation) == [
        (position,)
    ]


def test_a_message_that_still_cannot_be_read_waits_longer(
    database: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(vendors, "chatwoot")
    run_sync(connection_id)
    [(conversation, message)] = rows(
        "SELECT c.vendor_id, m.vendor_id FROM cw_messages m JOIN cw_conversations c ON c.id = m.conversation_id LIMIT 1"
    )

    def unreadable(*_: object, **__: object) -> None:
        raise KeyError("created_at")

    monkeypatch.setattr("jobs.connectors.chatwoot.normalize.message", unreadable)
    failed(connection_id, message, stream="messages", conversation_id=int(conversation))
    assert retry.retry_connection(connection_id) == retry.Retried(tried=1, failed=1)
    assert (the_error().status, the_error().attempt) == ("pending", 2)


def test_a_failed_stream_and_what_has_no_address_ask_for_a_sync(linear: ConnectionId) -> None:
    failed(linear, "stream")
    failed(linear, "s1", stream="states")
    assert retry.retry_connection(linear) == retry.Retried(tried=2, needs_sync=True)


def test_what_only_a_sync_reads_waits_for_it_and_lets_the_others_have_their_turn(
    linear: ConnectionId, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "_AT_MOST", 2)
    for state in ("gone-1", "gone-2"):
        failed(linear, state, stream="states")
    failed(linear, an_issue(vendors))
    rows(
        "UPDATE connector_errors SET next_retry_at = next_retry_at - make_interval(hours => 1)"
        " WHERE stream = 'states' RETURNING 1"
    )
    assert retry.retry_connection(linear) == retry.Retried(tried=2, needs_sync=True)
    assert retry.retry_connection(linear) == retry.Retried(tried=1, resolved=1)
    waiting = rows("SELECT attempt, next_retry_at > now() + interval '10 minutes' FROM connector_errors"
                   " WHERE stream = 'states' AND status = 'pending'")  # fmt: skip
    assert waiting == [(1, True), (1, True)]


def test_a_message_that_names_no_conversation_ends_as_a_dead_letter(database: str, vendors: Vendors) -> None:
    _, connection_id = connect(vendors, "chatwoot")
    failed(connection_id, "123", stream="messages")
    for _ in range(4):
        assert retry.retry_connection(connection_id) == retry.Retried(tried=1, failed=1)
        make_due()
    assert the_error().status == "dead_letter"


@pytest.mark.parametrize("unit", ["page:2", "conversation:7"])
def test_a_part_of_a_stream_is_no_record_that_could_be_gone(
    database: str, vendors: Vendors, unit: str
) -> None:
    _, connection_id = connect(vendors, "chatwoot")
    failed(connection_id, unit, stream="conversations", conversation_id=7)
    assert retry.retry_connection(connection_id) == retry.Retried(tried=1, needs_sync=True)
    assert the_error().status == "pending"


def test_a_vendor_that_is_away_keeps_what_was_not_tried(linear: ConnectionId, vendors: Vendors) -> None:
    unit = an_issue(vendors)
    failed(linear, unit)
    with transaction() as session:
        session.execute(text("UPDATE vendor_connections SET base_url = 'http://127.0.0.1:1/graphql'"))
    outcome = retry.retry_connection(linear)
    assert outcome.resolved == 0
    assert the_error().status == "pending"


def test_a_dead_letter_is_given_a_fresh_start_inside_its_account_scope_only(linear: ConnectionId) -> None:
    failed(linear, "x")
    with transaction() as session:
        session.execute(
            text("UPDATE connector_errors SET status = 'dead_letter', attempt = 5, next_retry_at = NULL")
        )
        found = session.execute(text("SELECT id, account_scope_id FROM connector_errors")).one()
        assert sync_state.requeue_errors(session, AccountScopeId(new_id()), [found.id]) == {}
        assert sync_state.requeue_errors(session, found.account_scope_id, [new_id()]) == {}
        due = sync_state.requeue_errors(session, found.account_scope_id, [found.id, new_id()])
        assert due == {found.id: linear}
    again = the_error()
    assert (again.status, again.attempt) == ("pending", 0)
    assert again.next_retry_at <= utcnow() + dt.timedelta(seconds=1)


def test_a_retry_is_asked_for_only_where_something_is_due(linear: ConnectionId) -> None:
    assert enqueue.request_retry(None, "schedule") == []
    failed(linear, "x")
    (asked,) = enqueue.request_retry(None, "schedule")
    assert (asked.job, asked.subject, asked.created) == ("retry", str(linear), True)
    with pytest.raises(NotFound):
        enqueue.request_retry(ConnectionId(new_id()), "somebody")


def test_a_refused_request_is_no_proof_that_a_record_is_gone(
    linear: ConnectionId, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed(linear, an_issue(vendors))

    def refuse(*_: object) -> None:
        raise QueryTooComplex("Linear: query too complex")

    monkeypatch.setattr("jobs.connectors.linear.client.LinearClient._query", refuse)
    assert retry.retry_connection(linear) == retry.Retried(tried=1, failed=1)
    assert the_error().status == "dead_letter"
