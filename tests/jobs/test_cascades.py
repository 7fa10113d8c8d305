"""One job asks for the next: sync → indexing and comparison → repair → comparison."""

from uuid import UUID

import pytest
from sqlmodel import col, select

from jobs import cascade, enqueue, outbox, queues, runs, tasks
from jobs.cascade import FollowUp
from models.infra.database import reading, transaction
from models.queries import completeness, job_runs
from models.queries.locks import try_lock
from models.tables.platform import JobRun
from tests.jobs.copies import change, connect, follow_daily_comparison, measure, metrics, run_sync
from tests.vendors import Vendors


def queued() -> list[tuple[str, str]]:
    """(job, who asked) of the runs that wait."""
    with reading() as session:
        rows = session.exec(select(JobRun).where(JobRun.status == "queued").order_by(col(JobRun.job))).all()
        return [(row.job, row.requested_by) for row in rows]


def test_every_sync_is_followed_by_a_cheap_pass_and_one_that_wrote_by_indexing_and_identity_too(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    [ref] = enqueue.request_sync(connection_id, "anna")
    tasks.sync_connection(str(connection_id), ref.run_id)
    derived = [(job, "sync") for job in ("agreements", "identity", "index", "signals")]
    assert queued() == sorted([*derived, ("reconcile", "sync")])
    [pass_] = enqueue.request_reconciliation(connection_id, "sync")
    tasks.reconcile_connection(str(connection_id), pass_.run_id)
    assert {row.stale for row in metrics("issues")} == {None}
    assert queued() == derived
    # Nothing is new, twice: the pass that waits is joined.
    for _ in range(2):
        [ref] = enqueue.request_sync(connection_id, "anna")
        tasks.sync_connection(str(connection_id), ref.run_id)
        assert queued() == [
            (job, "sync") for job in ("agreements", "identity", "index", "reconcile", "signals")
        ]


def test_a_vendor_that_is_away_makes_the_figure_unknown_and_says_since_when(
    database: str, still_vendors: Vendors
) -> None:
    scope, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    measure(connection_id)
    known = metrics("issues")[0]
    change("UPDATE vendor_connections SET base_url = 'http://127.0.0.1:1' RETURNING name")
    [ref] = enqueue.request_sync(connection_id, "schedule")
    tasks.sync_connection(str(connection_id), ref.run_id)
    with reading() as session:
        ended = session.get(JobRun, UUID(ref.run_id))
        assert ended is not None
        assert ended.status == "failed"
    assert queued() == [("reconcile", "sync")]
    [compare] = enqueue.request_reconciliation(connection_id, "sync")
    tasks.reconcile_connection(str(connection_id), compare.run_id)
    with reading() as session:
        found = {
            each.stream: each for each in completeness.list_completeness(session, scope.all, is_whole=True)
        }
    assert {each.pct for each in found.values()} == {None}
    assert found["issues"].known_at == known.measured_at
    # An unknown figure is nothing to mend.
    assert queued() == []


def test_a_sync_that_broke_down_is_followed_by_a_cheap_pass_too(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "linear")

    def break_down(*_: object) -> None:
        raise ValueError("broken")

    monkeypatch.setattr("jobs.sync.sync_connection", break_down)
    [ref] = enqueue.request_sync(connection_id, "schedule")
    with pytest.raises(ValueError, match="broken"):
        tasks.sync_connection(str(connection_id), ref.run_id)
    assert queued() == [("reconcile", "sync")]


def test_a_sync_that_finds_its_work_locked_waits_on_and_is_followed_by_nothing(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT_S", 0.1)
    _, connection_id = connect(still_vendors, "linear")
    [ref] = enqueue.request_sync(connection_id, "schedule")
    with try_lock(runs.lock_name("sync", str(connection_id))) as held:
        assert held
        tasks.sync_connection(str(connection_id), ref.run_id)
    assert queued() == [("sync", "schedule")]


def test_a_cheap_pass_that_waits_becomes_deep_when_a_person_asks(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    [cheap] = enqueue.request_reconciliation(connection_id, "sync")
    [asked] = enqueue.request_reconciliation(connection_id, "anna")
    assert (asked.run_id, asked.created) == (cheap.run_id, False)
    tasks.reconcile_connection(str(connection_id), asked.run_id)
    assert {row.stale for row in metrics("issues")} == {0}


def test_the_daily_comparison_mends_what_it_finds_and_looks_again(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    change("DELETE FROM linear_cycles RETURNING vendor_id")
    with transaction() as session:
        job_runs.save_cadence(session, "reconcile", 86_400)
    tasks.dispatch("reconcile")
    assert queued() == [("reconcile", "schedule")]
    [daily] = enqueue.request_reconciliation(connection_id, "schedule")
    tasks.reconcile_connection(str(connection_id), daily.run_id)
    assert queued() == [("repair", "schedule")]
    [mend] = enqueue.request_repair(connection_id, "schedule")
    tasks.repair_connection(str(connection_id), mend.run_id)
    derived = [(job, "repair") for job in ("agreements", "identity", "index", "signals")]
    assert queued() == sorted([*derived, ("reconcile", "repair")])
    [last] = enqueue.request_reconciliation(connection_id, "repair")
    tasks.reconcile_connection(str(connection_id), last.run_id)
    assert metrics("cycles")[0].completeness_pct == 100.0
    assert queued() == derived


def test_what_a_cheap_pass_finds_is_mended_until_there_is_nothing_more_to_write(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "attio")
    run_sync(connection_id)
    # As after a merge at the vendor: the row of a record that its list shows no more.
    [row] = change("SELECT id FROM attio_people ORDER BY vendor_id LIMIT 1")
    gone = "00000000-0000-4000-8000-000000000000"
    change("UPDATE attio_people SET vendor_id = :gone WHERE id = :id RETURNING vendor_id", gone=gone, id=row)
    [compare] = enqueue.request_reconciliation(connection_id, "sync")
    tasks.reconcile_connection(str(connection_id), compare.run_id)
    assert (metrics("people")[0].missing, metrics("people")[0].extra) == (1, 1)
    assert queued() == [("repair", "sync")]
    [mend] = enqueue.request_repair(connection_id, "sync")
    tasks.repair_connection(str(connection_id), mend.run_id)
    assert change("SELECT vendor_id FROM attio_people WHERE deleted_at IS NOT NULL") == [gone]
    assert queued() == [
        ("agreements", "sync"),
        ("identity", "sync"),
        ("index", "sync"),
        ("mirror", "sync"),
        ("reconcile", "sync"),
        ("signals", "sync"),
    ]
    [compare] = enqueue.request_reconciliation(connection_id, "sync")
    tasks.reconcile_connection(str(connection_id), compare.run_id)
    assert (metrics("people")[0].missing, metrics("people")[0].extra) == (0, 0)
    assert queued() == [(job, "sync") for job in ("agreements", "identity", "index", "mirror", "signals")]


def test_a_comparison_that_reached_nothing_is_a_failed_run(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "linear", token="wrong")
    [ref] = enqueue.request_reconciliation(connection_id, "anna")
    tasks.reconcile_connection(str(connection_id), ref.run_id)
    with reading() as session:
        row = session.exec(select(JobRun)).one()
        assert (row.status, row.error_code, row.counts["unknown"]) == ("failed", "vendor_unknown", 5)


def test_what_one_repair_leaves_is_mended_by_the_next_until_nothing_waits(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    removed = change("DELETE FROM linear_cycles RETURNING vendor_id")
    monkeypatch.setattr("jobs.repair.RECORDS_AT_MOST", len(removed) // 2 + 1)
    follow_daily_comparison(connection_id)
    assert len(change("SELECT vendor_id FROM linear_cycles")) == len(removed)
    # The last comparison is for the figure; it found nothing, and asked for nothing.
    assert [job for job, _ in queued() if job not in ("agreements", "identity", "index", "signals")] == []


def test_every_job_of_the_table_exists() -> None:
    named = {*cascade.AFTER, *(each.job for stages in cascade.AFTER.values() for each in stages)}
    assert {outbox.function_of(job) for job in named} <= set(queues.FUNCTIONS)


def test_a_later_stage_is_one_line_of_the_table(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, connection_id = connect(still_vendors, "linear")
    # After a job of an account scope: one of its connections, and one of the scope.
    monkeypatch.setitem(cascade.AFTER, "index", (FollowUp("mirror", on=("deleted",)), FollowUp("index")))
    cascade.follow("index", scope.id, {"written": 0, "deleted": 2}, "indexing")
    assert queued() == [("mirror", "indexing")]
    cascade.follow("index", scope.id, {"written": 1, "deleted": 0}, "indexing")
    assert queued() == [("index", "indexing"), ("mirror", "indexing")]
    # After a job of a connection: the connector that is named, and no other.
    monkeypatch.setitem(
        cascade.AFTER, "sync", (FollowUp("repair", connector="attio"), FollowUp("retry", connector="linear"))
    )
    cascade.follow("sync", connection_id, {"written": 1}, "sync")
    assert queued() == [("index", "indexing"), ("mirror", "indexing"), ("retry", "sync")]


def test_nothing_follows_at_a_connection_that_was_switched_off(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "linear")
    change("UPDATE vendor_connections SET enabled = false RETURNING name")
    cascade.follow("sync", connection_id, {"written": 1}, "sync")
    assert queued() == []


def test_what_a_person_compares_is_not_mended_behind_their_back(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    cascade.follow("reconcile", connection_id, {"missing": 1}, "anna")
    assert queued() == []
    cascade.follow("reconcile", connection_id, {"missing": 1}, enqueue.SCHEDULE)
    assert queued() == [("repair", "schedule")]
