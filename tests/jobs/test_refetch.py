"""Webhooks' hints are followed: the named records are fetched and written, gone ones get a tombstone, the rest waits."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import select

from jobs import enqueue, recovery, tasks
from jobs.connectors.errors import CredentialsInvalid, VendorDown
from jobs.refetch import refetch_connection
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId, new_id
from models.queries import webhooks as queries
from models.queries.reconciliation import read_differences
from models.queries.webhooks import OBJECT, SYNC, Hint
from models.tables.platform import JobRun
from tests.jobs.copies import change, connect, fingerprint, measure, run_sync
from tests.vendors import Vendors, running_vendors
from tools_app.services.webhook_vendors import VENDORS


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    with running_vendors(tmp_path_factory.mktemp("refetch") / "sandbox") as running:
        yield running


def name(connection_id: ConnectionId, *hints: Hint, at_most: int = 1_000) -> None:
    """Do what a delivery does."""
    with transaction() as session:
        target = queries.find_target(session, connection_id)
        assert target is not None
        queries.add_hints(session, target, hints, at_most=at_most)


def waiting(connection_id: ConnectionId) -> list[Hint]:
    with reading() as session:
        return [each.hint for each in queries.list_hints(session, connection_id, limit=1_000)]


def one(statement: str, **values: Any) -> Any:
    with reading() as session:
        return session.execute(text(statement), values).one()


def test_a_named_issue_is_written_and_nothing_else(database: str, vendors: Vendors) -> None:
    _, connection_id = connect(vendors, "linear")
    run_sync(connection_id)
    (vendor_id,) = change(
        "UPDATE linear_issues SET title = 'old', content_hash = 'x' WHERE id = (SELECT id FROM linear_issues"
        " WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 1) RETURNING vendor_id"
    )
    (untouched,) = change(
        "UPDATE linear_issues SET content_hash = 'x' WHERE id = (SELECT id FROM linear_issues"
        " WHERE deleted_at IS NULL ORDER BY vendor_id DESC LIMIT 1) RETURNING vendor_id"
    )
    name(connection_id, Hint("issues", vendor_id))
    done = refetch_connection(connection_id)
    assert (done.followed, done.written, done.failed, done.waiting, done.needs_sync) == (
        1,
        1,
        0,
        False,
        False,
    )
    assert one("SELECT title FROM linear_issues WHERE vendor_id = :id", id=vendor_id).title != "old"
    assert (
        one("SELECT content_hash FROM linear_issues WHERE vendor_id = :id", id=untouched).content_hash == "x"
    )
    assert waiting(connection_id) == []
    before = fingerprint("linear")
    name(connection_id, Hint("issues", vendor_id))
    assert refetch_connection(connection_id).written == 0
    assert fingerprint("linear") == before


def test_what_the_vendor_does_not_have_gets_a_tombstone(database: str, vendors: Vendors) -> None:
    _, connection_id = connect(vendors, "linear")
    run_sync(connection_id)
    gone = str(new_id())
    change(
        "UPDATE linear_issues SET vendor_id = :gone WHERE id = (SELECT id FROM linear_issues"
        " WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 1) RETURNING vendor_id",
        gone=gone,
    )
    name(connection_id, Hint("issues", gone), Hint("issues", str(new_id())))
    done = refetch_connection(connection_id)
    assert (done.followed, done.deleted, done.written) == (2, 1, 1)
    assert one("SELECT deleted_at FROM linear_issues WHERE vendor_id = :id", id=gone).deleted_at is not None


def test_a_named_comment_is_written_with_its_issue_and_a_removed_one_gets_a_tombstone(
    database: str, vendors: Vendors
) -> None:
    _, connection_id = connect(vendors, "linear")
    run_sync(connection_id)
    # One comment and its issue as if they had not come yet, and one that the vendor has no more.
    comment = one(
        "SELECT c.vendor_id, i.vendor_id AS issue FROM linear_comments c JOIN linear_issues i ON i.id = c.issue_id"
        " WHERE c.deleted_at IS NULL AND i.deleted_at IS NULL ORDER BY c.vendor_id LIMIT 1"
    )
    change(
        "DELETE FROM linear_comments WHERE issue_id = (SELECT id FROM linear_issues WHERE vendor_id = :issue)"
        " RETURNING vendor_id",
        issue=comment.issue,
    )
    change("DELETE FROM linear_issues WHERE vendor_id = :issue RETURNING vendor_id", issue=comment.issue)
    gone = str(new_id())
    change(
        "UPDATE linear_comments SET vendor_id = :gone WHERE id = (SELECT id FROM linear_comments"
        " WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 1) RETURNING vendor_id",
        gone=gone,
    )
    for action, vendor_id in (("create", comment.vendor_id), ("remove", gone)):
        event = {"type": "Comment", "action": action, "data": {"id": vendor_id, "issueId": comment.issue}}
        name(connection_id, *VENDORS["linear"].hints(event))
    done = refetch_connection(connection_id)
    assert (done.followed, done.deleted, done.failed, done.needs_sync) == (2, 1, 0, False)
    here = "SELECT deleted_at FROM linear_comments WHERE vendor_id = :id"
    assert one(here, id=comment.vendor_id).deleted_at is None
    assert one("SELECT id FROM linear_issues WHERE vendor_id = :id", id=comment.issue).id
    assert one(here, id=gone).deleted_at is not None


def test_a_new_message_brings_its_conversation_and_everything_since_the_last_one_here(
    database: str, vendors: Vendors
) -> None:
    _, connection_id = connect(vendors, "chatwoot")
    run_sync(connection_id)
    talk = one(
        "SELECT c.vendor_id, c.id, count(*) AS messages, min(m.vendor_id::bigint) AS first, max(m.vendor_id::bigint) AS last"
        " FROM cw_conversations c JOIN cw_messages m ON m.conversation_id = c.id WHERE c.deleted_at IS NULL"
        " GROUP BY c.id ORDER BY count(*) DESC, c.vendor_id LIMIT 1"
    )
    # As if the last two thirds had not come yet.
    keep = one(
        "SELECT vendor_id::bigint AS id FROM cw_messages WHERE conversation_id = :talk ORDER BY vendor_id::bigint"
        " OFFSET :skip LIMIT 1",
        talk=talk.id, skip=talk.messages // 3,
    ).id  # fmt: skip
    change("DELETE FROM cw_attachments RETURNING vendor_id")
    change("DELETE FROM cw_messages WHERE conversation_id = :talk AND vendor_id::bigint > :keep RETURNING vendor_id",
           talk=talk.id, keep=keep)  # fmt: skip
    change("UPDATE cw_conversations SET max_message_id = :keep, content_hash = 'x' WHERE id = :talk RETURNING vendor_id",
           talk=talk.id, keep=keep)  # fmt: skip
    name(
        connection_id, Hint("messages", str(talk.last), talk.vendor_id), Hint("conversations", talk.vendor_id)
    )
    done = refetch_connection(connection_id)
    assert (done.followed, done.failed, done.needs_sync) == (2, 0, False)
    after = one(
        "SELECT count(*) AS messages, max(c.max_message_id) AS position, max(c.content_hash) AS hash FROM cw_messages m"
        " JOIN cw_conversations c ON c.id = m.conversation_id WHERE c.id = :talk",
        talk=talk.id,
    )
    assert (after.messages, after.position) == (talk.messages, talk.last)
    assert after.hash != "x"


def test_an_edit_of_an_old_message_is_read_though_newer_ones_are_here(
    database: str, vendors: Vendors
) -> None:
    _, connection_id = connect(vendors, "chatwoot")
    run_sync(connection_id)
    old = one(
        "SELECT m.vendor_id, c.vendor_id AS talk FROM cw_messages m JOIN cw_conversations c ON c.id = m.conversation_id"
        " WHERE m.deleted_at IS NULL AND c.id = (SELECT conversation_id FROM cw_messages GROUP BY conversation_id"
        " ORDER BY count(*) DESC, conversation_id LIMIT 1) ORDER BY m.vendor_id::bigint LIMIT 1"
    )
    change(
        "UPDATE cw_messages SET body = 'before', content_hash = 'x' WHERE vendor_id = :id RETURNING vendor_id",
        id=old.vendor_id,
    )
    name(connection_id, Hint("messages", old.vendor_id, old.talk))
    assert refetch_connection(connection_id).written == 1
    assert one("SELECT body FROM cw_messages WHERE vendor_id = :id", id=old.vendor_id).body != "before"


def test_an_attio_record_is_known_by_its_objects_id(database: str, vendors: Vendors) -> None:
    _, connection_id = connect(vendors, "attio")
    run_sync(connection_id)
    deal = one(
        "SELECT vendor_id, payload #>> '{id,object_id}' AS object FROM attio_deals ORDER BY vendor_id LIMIT 1"
    )
    change(
        "UPDATE attio_deals SET name = 'old', content_hash = 'x' WHERE vendor_id = :id RETURNING vendor_id",
        id=deal.vendor_id,
    )
    name(
        connection_id,
        Hint(OBJECT, deal.vendor_id, deal.object),
        Hint(OBJECT, "r", "an-object-we-do-not-keep"),
    )
    done = refetch_connection(connection_id)
    assert (done.followed, done.written, done.needs_sync) == (2, 1, True)
    assert one("SELECT name FROM attio_deals WHERE vendor_id = :id", id=deal.vendor_id).name != "old"
    assert waiting(connection_id) == []


def test_a_deal_that_comes_before_its_company_brings_it_and_is_routed_with_it(
    database: str, vendors: Vendors
) -> None:
    scope, connection_id = connect(vendors, "attio")
    run_sync(connection_id)
    deal = one(
        "SELECT vendor_id, company_vendor_id FROM attio_deals WHERE project_id = :project"
        " AND company_vendor_id IS NOT NULL ORDER BY vendor_id LIMIT 1",
        project=scope.projects["harbor-pine"],
    )
    change("UPDATE attio_people SET company_id = NULL RETURNING vendor_id")
    change("DELETE FROM attio_deals RETURNING vendor_id")
    change("DELETE FROM attio_companies WHERE vendor_id = :id RETURNING vendor_id", id=deal.company_vendor_id)
    name(connection_id, Hint("deals", deal.vendor_id))
    assert refetch_connection(connection_id).written == 2
    row = one("SELECT project_id, company_id FROM attio_deals WHERE vendor_id = :id", id=deal.vendor_id)
    assert row.project_id == scope.projects["harbor-pine"]
    assert row.company_id is not None


def test_what_has_no_id_to_ask_for_is_left_to_a_sync(database: str, vendors: Vendors) -> None:
    _, connection_id = connect(vendors, "attio")
    name(connection_id, Hint(SYNC), Hint("notes", "n-1"))
    done = refetch_connection(connection_id)
    assert (done.followed, done.written, done.needs_sync) == (2, 0, True)
    assert waiting(connection_id) == []


def test_a_record_that_fails_is_set_aside_and_the_others_are_written(
    database: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(vendors, "linear")
    run_sync(connection_id)
    ids = change("UPDATE linear_issues SET content_hash = 'x' WHERE deleted_at IS NULL RETURNING vendor_id")[
        :3
    ]
    from jobs.connectors.linear.client import LinearClient

    real = LinearClient.fetch_one

    def fetch_one(self: LinearClient, stream: str, vendor_id: str) -> Any:
        if vendor_id == ids[1]:
            raise VendorDown("no answer in time")
        return real(self, stream, vendor_id)

    monkeypatch.setattr(LinearClient, "fetch_one", fetch_one)
    name(connection_id, *(Hint("issues", each) for each in ids))
    done = refetch_connection(connection_id)
    assert (done.followed, done.written, done.failed) == (3, 2, 1)
    error = one("SELECT unit, error_kind, status FROM connector_errors")
    assert (error.unit, error.error_kind, error.status) == (ids[1], "vendor_down", "pending")
    assert waiting(connection_id) == []


def test_a_refused_token_keeps_the_hints_and_fails_the_run(
    database: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(vendors, "linear", token="wrong")
    name(connection_id, Hint("issues", "i-1"), Hint("issues", "i-2"))
    done = refetch_connection(connection_id)
    assert isinstance(done.error, CredentialsInvalid)
    assert len(waiting(connection_id)) == 2
    [ref] = enqueue.request_refetch(connection_id, "webhook")
    tasks.refetch_connection(str(connection_id), ref.run_id)
    with reading() as session:
        (run,) = session.exec(select(JobRun)).all()
        assert (run.status, run.error_code) == ("failed", "connector_credentials")
    [again] = enqueue.request_refetch(None, "schedule")
    assert again.created


def test_a_run_is_bounded_and_asks_for_the_next_one(
    database: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(vendors, "linear")
    run_sync(connection_id)
    ids = change("UPDATE linear_issues SET content_hash = 'x' WHERE deleted_at IS NULL RETURNING vendor_id")[
        :3
    ]
    monkeypatch.setattr("jobs.refetch.RECORDS_AT_MOST", 2)
    name(connection_id, *(Hint("issues", each) for each in ids))
    for left in (1, 0):
        (ref,) = enqueue.request_refetch(connection_id, "webhook")
        tasks.refetch_connection(str(connection_id), ref.run_id)
        assert len(waiting(connection_id)) == left
    with reading() as session:
        found = session.exec(select(JobRun).order_by(JobRun.queued_at)).all()  # type: ignore[arg-type]
        jobs = sorted((run.job, run.status) for run in found)
    assert jobs == [
        ("agreements", "queued"),
        ("identity", "queued"),
        ("index", "queued"),
        ("refetch", "succeeded"),
        ("refetch", "succeeded"),
        ("signals", "queued"),
    ]


def test_a_record_named_again_while_it_is_fetched_is_fetched_again(
    database: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(vendors, "linear")
    run_sync(connection_id)
    (vendor_id,) = change(
        "SELECT vendor_id FROM linear_issues WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 1"
    )
    from jobs.connectors.linear.client import LinearClient

    real = LinearClient.fetch_one

    def fetch_one(self: LinearClient, stream: str, wanted: str) -> Any:
        found = real(self, stream, wanted)
        name(connection_id, Hint("issues", wanted))
        return found

    monkeypatch.setattr(LinearClient, "fetch_one", fetch_one)
    name(connection_id, Hint("issues", vendor_id))
    refetch_connection(connection_id)
    assert waiting(connection_id) == [Hint("issues", vendor_id)]


def test_a_sync_that_webhooks_ask_for_while_one_runs_is_done_once_more(
    database: str, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(vendors, "linear")
    [ref] = enqueue.request_sync(connection_id, "anna")
    from jobs import sync

    real = sync.sync_connection

    def synced(*arguments: Any) -> Any:
        result = real(*arguments)
        assert not enqueue.request_sync(connection_id, "schedule")[0].created
        assert not enqueue.request_sync(connection_id, enqueue.WEBHOOK)[0].created
        return result

    monkeypatch.setattr(sync, "sync_connection", synced)
    tasks.sync_connection(str(connection_id), ref.run_id)
    with reading() as session:
        found = session.exec(select(JobRun).where(JobRun.job == "sync", JobRun.status == "queued")).all()
        assert [run.requested_by for run in found] == ["webhook"]


def test_what_happens_at_the_vendor_is_here_after_its_hints_were_followed(
    database: str, moving_vendors: Vendors
) -> None:
    _, connection_id = connect(moving_vendors, "linear")
    run_sync(connection_id)
    moved = {"kind": "issue_state", "issue": "hp-schema-hotel", "state": "Done"}
    gone = {"kind": "delete_issue", "issue": "hp-gift-basket"}
    for event in (moved, gone):
        moving_vendors.control("event", project="harbor-pine", event=event)
    measure(connection_id)
    with reading() as session:
        found = read_differences(session, connection_id, "issues")
    assert len({*found.stale, *found.extra}) == 2
    name(connection_id, *(Hint("issues", each) for each in (*found.stale, *found.extra)))
    assert refetch_connection(connection_id).written == 2
    again = measure(connection_id).streams["issues"]
    assert (again.missing, again.extra, again.stale) == (0, 0, 0)


def test_old_deliveries_and_hints_are_forgotten(database: str, vendors: Vendors) -> None:
    _, connection_id = connect(vendors, "linear")
    name(connection_id, Hint("issues", "old"), Hint("issues", "new"))
    with transaction() as session:
        target = queries.find_target(session, connection_id)
        assert target is not None
        for key in ("old", "new"):
            assert queries.claim_delivery(session, target, {key: dt.timedelta(days=7)})
        session.execute(
            text("UPDATE record_hints SET asked_at = :at WHERE vendor_id = 'old'"),
            {"at": utcnow() - dt.timedelta(days=2)},
        )
        session.execute(
            text("UPDATE webhook_deliveries SET received_at = :at WHERE key = 'old'"),
            {"at": utcnow() - dt.timedelta(days=8)},
        )
    recovery.recover()
    assert waiting(connection_id) == [Hint("issues", "new")]
    assert one("SELECT key FROM webhook_deliveries").key == "new"
