"""The copy is compared with vendors over real HTTP: exactly what was changed behind its back is found, and mended."""

import asyncio
import contextlib
import datetime as dt
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import text
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from jobs import enqueue, tasks
from jobs.reconciliation import ReconcileResult, reconcile
from jobs.repair import repair, repair_connection
from models.infra import events
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId, ProjectId
from models.infra.settings import override_settings
from models.queries import job_runs
from models.queries.reconciliation import read_differences
from models.queries.records import STREAM_TABLES
from models.tables.platform import AuditEvent, JobRun
from models.tables.reliability import ReconciliationMetric
from tests.jobs.test_sync import CONNECTORS, connect, fingerprint
from tests.jobs.test_sync import run as sync
from tests.scopes import make_connection, make_scope
from tests.vendors import Vendors, running_vendors

STREAMS = tuple(STREAM_TABLES)
LEAVES = {
    "cw_messages", "cw_attachments", "cw_inboxes", "linear_comments", "linear_states", "linear_cycles", "attio_notes",
}  # fmt: skip


@contextlib.contextmanager
def empty_attio() -> Iterator[str]:
    """An Attio workspace without anything; yields its origin."""
    held = socket.create_server(("127.0.0.1", 0))

    async def nothing(_: Request) -> JSONResponse:
        return JSONResponse({"data": []})

    app = Starlette(routes=[Route("/{path:path}", nothing, methods=["GET", "POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[held])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        held.close()


@pytest.fixture(scope="module")
def still_vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    """A sandbox that no test changes."""
    with running_vendors(tmp_path_factory.mktemp("still") / "sandbox") as vendors:
        yield vendors


@pytest.fixture
def moving_vendors(tmp_path: Path) -> Iterator[Vendors]:
    """A sandbox of the test's own."""
    with running_vendors(tmp_path / "sandbox") as vendors:
        yield vendors


def measure(connection_id: ConnectionId, *, deep: bool = True) -> ReconcileResult:
    return reconcile(connection_id, deep, lambda _: None)


def change(statement: str, **values: Any) -> list[str]:
    """Do something behind the copy's back; returns the vendor ids it says."""
    with transaction() as session:
        return [str(each) for each in session.execute(text(statement), values).scalars()]


def metrics(stream: str) -> list[ReconciliationMetric]:
    """The rows of a stream's newest comparison: the connection's first."""
    with reading() as session:
        rows = session.exec(select(ReconciliationMetric).where(ReconciliationMetric.stream == stream)).all()
        newest = max(row.measured_at for row in rows)
        session.expunge_all()
    return sorted(
        (row for row in rows if row.measured_at == newest), key=lambda row: row.project_id is not None
    )


def audited(action: str) -> list[dict[str, Any]]:
    with reading() as session:
        rows = session.exec(select(AuditEvent).where(AuditEvent.action == action)).all()
        return [row.after or {} for row in rows]


def spoil(table: str) -> tuple[list[str], list[str]]:
    """Alter the first row of a table, add a copy of it as 999999999 and remove the last; (altered, removed) ids."""
    columns = change(
        "SELECT column_name FROM information_schema.columns WHERE table_name = :table AND is_generated = 'NEVER'"
        " AND column_name NOT IN ('id', 'vendor_id')",
        table=table,
    )
    listed = ", ".join(columns)
    first = f"SELECT id FROM {table} WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 1"  # noqa: S608
    change(
        f"INSERT INTO {table} (vendor_id, {listed}) SELECT '999999999', {listed}"  # noqa: S608
        f" FROM {table} WHERE id = ({first}) RETURNING vendor_id"
    )
    altered = change(f"UPDATE {table} SET content_hash = 'x' WHERE id = ({first}) RETURNING vendor_id")  # noqa: S608
    # What others point to keeps its row, as a tombstone.
    remove = "DELETE FROM {}" if table in LEAVES else "UPDATE {} SET deleted_at = now()"
    alone = " AND id NOT IN (SELECT message_id FROM cw_attachments)" if table == "cw_messages" else ""
    removed = change(
        f"{remove.format(table)} WHERE id = (SELECT id FROM {table} WHERE deleted_at IS NULL AND vendor_id <> '999999999'{alone}"  # noqa: S608
        " ORDER BY vendor_id DESC LIMIT 1) RETURNING vendor_id"
    )
    return altered, removed


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_fresh_copy_is_complete_and_nothing_is_written(
    database: str, still_vendors: Vendors, connector: str
) -> None:
    _, connection_id = connect(still_vendors, connector)
    sync(connection_id)
    before = fingerprint(connector)
    with reading() as session:
        marks = session.execute(text("SELECT stream, committed FROM sync_watermarks ORDER BY 1")).all()
    result = measure(connection_id)
    assert set(result.streams) == {stream for owner, stream in STREAMS if owner == connector}
    found = {
        each.stream: (each.pct, each.missing, each.extra, each.stale) for each in result.streams.values()
    }
    assert found == dict.fromkeys(found, (100.0, 0, 0, 0))
    assert all(each.local_count == each.vendor_count for each in result.streams.values())
    assert fingerprint(connector) == before
    with reading() as session:
        assert (
            session.execute(text("SELECT stream, committed FROM sync_watermarks ORDER BY 1")).all() == marks
        )


@pytest.mark.parametrize("connector", CONNECTORS)
def test_what_was_changed_behind_its_back_is_found_and_mended(
    database: str, still_vendors: Vendors, connector: str
) -> None:
    _, connection_id = connect(still_vendors, connector)
    sync(connection_id)
    streams = {stream: place.table for (owner, stream), place in STREAM_TABLES.items() if owner == connector}
    spoilt = {stream: spoil(table) for stream, table in streams.items()}
    measure(connection_id)
    for stream, (altered, removed) in spoilt.items():
        with reading() as session:
            found = read_differences(session, connection_id, stream)
        assert (list(found.missing), found.extra, found.stale) == (removed, ["999999999"], altered), stream
        whole, *shares = metrics(stream)
        assert whole.vendor_count is not None
        assert whole.completeness_pct == pytest.approx(100 * (whole.vendor_count - 1) / whole.vendor_count)
        assert (whole.missing, whole.extra, whole.stale, whole.duplicates) == (1, 1, 1, 0)
        assert whole.ids_seen == whole.vendor_count == sum(row.vendor_count or 0 for row in shares)
        assert whole.local_count == sum(row.local_count for row in shares)
    for done in repair_connection(connection_id):
        assert (done.written, done.deleted, done.waiting) == (3, 1, 0), done
    for again in measure(connection_id).streams.values():
        assert (again.pct, again.missing, again.extra, again.stale) == (100.0, 0, 0, 0), again


def test_what_happened_at_the_vendors_since_the_sync_is_found_and_mended(
    database: str, moving_vendors: Vendors
) -> None:
    connections = {name: connect(moving_vendors, name)[1] for name in CONNECTORS}
    for connection_id in connections.values():
        sync(connection_id)
    for _ in range(26):  # all authored events of six projects, three a tick
        moving_vendors.control("tick")
    for connector, connection_id in connections.items():
        counts = measure(connection_id).counts()
        assert counts["missing"] + counts["stale"] + counts["extra"] > 0, connector
        repair_connection(connection_id)
        left = {
            each.stream: (each.pct, each.extra, each.stale)
            for each in measure(connection_id).streams.values()
        }
        assert left == dict.fromkeys(left, (100.0, 0, 0)), connector
        assert sync(connection_id).status == "ok"


def test_a_missing_record_counts_for_the_project_it_would_be_routed_to(
    database: str, still_vendors: Vendors
) -> None:
    scope, connection_id = connect(still_vendors, "linear")
    sync(connection_id)
    change(
        "DELETE FROM linear_comments WHERE project_id = :project RETURNING vendor_id",
        project=scope.projects["harbor-pine"],
    )
    (issue,) = change(
        "DELETE FROM linear_issues WHERE id = (SELECT id FROM linear_issues WHERE project_id = :project"
        " AND deleted_at IS NULL ORDER BY vendor_id LIMIT 1) RETURNING vendor_id",
        project=scope.projects["harbor-pine"],
    )
    measure(connection_id)
    shares = {ProjectId(row.project_id): row for row in metrics("issues") if row.project_id}
    assert list(shares[scope.projects["harbor-pine"]].missing_ids) == [issue]
    assert shares[scope.projects["unassigned"]].completeness_pct == 100.0
    comments = {ProjectId(row.project_id): row for row in metrics("comments") if row.project_id}
    assert comments[scope.projects["harbor-pine"]].completeness_pct == 0.0
    assert comments[scope.projects["unassigned"]].missing == 0


def test_repairing_messages_brings_their_conversation_too(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    sync(connection_id)
    (gone,) = change(
        "DELETE FROM cw_conversations WHERE id = (SELECT conversation_id FROM cw_messages ORDER BY vendor_id LIMIT 1)"
        " RETURNING vendor_id"
    )
    result = measure(connection_id)
    assert (result.streams["conversations"].missing, result.streams["messages"].extra) == (1, 0)
    assert (result.streams["messages"].missing or 0) > 0
    assert repair(connection_id, "messages").inserted == result.streams["messages"].missing
    assert change("SELECT vendor_id FROM cw_conversations WHERE vendor_id = :id", id=gone) == [gone]
    assert measure(connection_id).counts()["missing"] == 0


def test_a_vendor_out_of_reach_is_unknown_and_older_figures_stay(
    database: str, moving_vendors: Vendors
) -> None:
    _, connection_id = connect(moving_vendors, "attio")
    sync(connection_id)
    measure(connection_id)
    moving_vendors.control("faults", vendor="attio", route_prefix="/", kind="500", times=500)
    result = measure(connection_id)
    assert {(each.method, each.pct) for each in result.streams.values()} == {("unknown", None)}
    assert all(each.error for each in result.streams.values())
    with reading() as session:
        rows = session.exec(
            select(ReconciliationMetric)
            .where(ReconciliationMetric.stream == "companies", col(ReconciliationMetric.project_id).is_(None))
            .order_by(col(ReconciliationMetric.measured_at))
        ).all()
        assert [(row.method, row.completeness_pct, row.missing) for row in rows] == [
            ("ids", 100.0, 0),
            ("unknown", None, None),
        ]
    assert audited("completeness_drop") == []


def test_a_refused_token_is_unknown_after_one_request(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "linear", token="wrong")
    result = measure(connection_id)
    assert {each.method for each in result.streams.values()} == {"unknown"}
    assert result.requests == 1
    assert {row.error_kind for row in metrics("comments")} == {"credentials"}


def test_one_stream_out_of_reach_leaves_the_others_their_figures(
    database: str, moving_vendors: Vendors
) -> None:
    _, connection_id = connect(moving_vendors, "chatwoot")
    sync(connection_id)
    moving_vendors.control(
        "faults", vendor="chatwoot", route_prefix="/api/v1/accounts/1/conversations", kind="500", times=500
    )
    found = {each.stream: each.pct for each in measure(connection_id, deep=False).streams.values()}
    assert (found["inboxes"], found["conversations"], found["messages"], found["attachments"]) == (
        100.0, None, None, None,
    )  # fmt: skip


def test_an_empty_vendor_is_complete(database: str) -> None:
    with empty_attio() as origin:
        with transaction() as session:
            connection_id = make_connection(session, make_scope(session), "attio", base_url=origin).id
        result = measure(connection_id)
    assert {(each.method, each.pct, each.vendor_count) for each in result.streams.values()} == {
        ("ids", 100.0, 0)
    }


def test_each_measurement_is_audited_with_its_delta_and_a_drop_is_told_once(
    database: str, still_vendors: Vendors
) -> None:
    scope, connection_id = connect(still_vendors, "linear")
    sync(connection_id)
    measure(connection_id)
    first = next(each for each in audited("reconciliation.measured") if each["stream"] == "cycles")
    assert (first["completeness_pct"], first["completeness_delta"]) == (100.0, None)
    change("DELETE FROM linear_cycles RETURNING vendor_id")
    measure(connection_id, deep=False)
    deltas = [
        each["completeness_delta"]
        for each in audited("reconciliation.measured")
        if each["stream"] == "cycles"
    ]
    assert sorted(deltas, key=str) == [-100.0, None]
    (drop,) = audited("completeness_drop")
    assert (drop["stream"], drop["completeness_pct"], drop["minimum_pct"]) == ("cycles", 0.0, 95.0)
    told = [event.payload for event in events.read_after(None) if event.kind == "completeness_drop"]
    assert [(each["stream"], each["account_scope_id"]) for each in told] == [("cycles", str(scope.id))]
    measure(connection_id, deep=False)
    assert len(audited("completeness_drop")) == 1


def test_the_minimum_is_a_setting(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "linear")
    sync(connection_id)
    change("DELETE FROM linear_cycles RETURNING vendor_id")
    with override_settings(connector_reconciliation_min_completeness_pct=0.0):
        measure(connection_id)
    assert audited("completeness_drop") == []


def test_a_pass_that_is_not_deep_compares_no_contents_and_asks_less(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    sync(connection_id)
    deep = measure(connection_id)
    quick = measure(connection_id, deep=False)
    assert set(deep.streams) - set(quick.streams) == {"messages", "attachments"}
    assert {each.stale for each in quick.streams.values()} == {None}
    assert quick.requests < deep.requests / 3
    monkeypatch.setattr("jobs.reconciliation._COUNT_ABOVE", 1)
    change("DELETE FROM cw_messages RETURNING vendor_id")
    counted = measure(connection_id, deep=False)
    assert {each.stream: (each.method, each.pct) for each in counted.streams.values()} == {
        "inboxes": ("counts", 100.0), "conversations": ("counts", 100.0), "contacts": ("counts", 100.0),
    }  # fmt: skip
    with transaction() as session:
        session.execute(
            text("UPDATE sync_reconciliation_metrics SET measured_at = measured_at - interval '1 day'")
        )
    monkeypatch.setattr("jobs.reconciliation._COUNT_ABOVE", 2_000)
    assert measure(connection_id, deep=False).streams["messages"].pct == 0.0


def test_only_as_many_conversations_are_read_as_are_allowed(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    sync(connection_id)
    monkeypatch.setattr("jobs.sweep.THREADS_AT_MOST", 3)
    messages = measure(connection_id).streams["messages"]
    assert (messages.pct, messages.extra) == (100.0, 0)
    assert 0 < (messages.vendor_count or 0) == messages.local_count < 200


def test_a_repair_is_bounded_and_says_what_waits(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "attio")
    sync(connection_id)
    removed = change("DELETE FROM attio_notes RETURNING vendor_id")
    measure(connection_id)
    monkeypatch.setattr("jobs.repair.RECORDS_AT_MOST", 2)
    done = repair(connection_id, "notes")
    assert (done.inserted, done.waiting) == (2, len(removed) - 2)


def queued() -> list[tuple[str, str]]:
    """(job, who asked) of the runs that wait."""
    with reading() as session:
        rows = session.exec(select(JobRun).where(JobRun.status == "queued").order_by(col(JobRun.job))).all()
        return [(row.job, row.requested_by) for row in rows]


def test_a_sync_that_wrote_asks_for_a_cheap_pass_and_one_that_did_not_asks_for_none(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    [ref] = enqueue.request_sync(connection_id, "anna")
    tasks.sync_connection(str(connection_id), ref.run_id)
    assert queued() == [("index", "sync"), ("reconcile", "sync")]
    [pass_] = enqueue.request_reconciliation(connection_id, "sync")
    tasks.reconcile_connection(str(connection_id), pass_.run_id)
    assert {row.stale for row in metrics("issues")} == {None}
    assert queued() == [("index", "sync")]
    [ref] = enqueue.request_sync(connection_id, "anna")
    tasks.sync_connection(str(connection_id), ref.run_id)
    assert queued() == [("index", "sync")]


def test_a_cheap_pass_that_waits_becomes_deep_when_a_person_asks(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    sync(connection_id)
    [cheap] = enqueue.request_reconciliation(connection_id, "sync")
    [asked] = enqueue.request_reconciliation(connection_id, "anna")
    assert (asked.run_id, asked.created) == (cheap.run_id, False)
    tasks.reconcile_connection(str(connection_id), asked.run_id)
    assert {row.stale for row in metrics("issues")} == {0}


def test_the_daily_comparison_mends_what_it_finds_and_looks_again(
    database: str, still_vendors: Vendors
) -> None:
    _, connection_id = connect(still_vendors, "linear")
    sync(connection_id)
    change("DELETE FROM linear_cycles RETURNING vendor_id")
    with transaction() as session:
        job_runs.save_cadence(session, "reconcile", 86_400)
    tasks.dispatch("reconcile")
    assert queued() == [("reconcile", "schedule")]
    [daily] = enqueue.request_reconciliation(connection_id, "schedule")
    tasks.reconcile_connection(str(connection_id), daily.run_id)
    assert queued() == [("repair", "reconcile")]
    [mend] = enqueue.request_repair(connection_id, "reconcile")
    tasks.repair_connection(str(connection_id), mend.run_id)
    assert queued() == [("index", "repair"), ("reconcile", "repair")]
    [last] = enqueue.request_reconciliation(connection_id, "repair")
    tasks.reconcile_connection(str(connection_id), last.run_id)
    assert metrics("cycles")[0].completeness_pct == 100.0
    assert queued() == [("index", "repair")]


def test_a_comparison_that_reached_nothing_is_a_failed_run(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "linear", token="wrong")
    [ref] = enqueue.request_reconciliation(connection_id, "anna")
    tasks.reconcile_connection(str(connection_id), ref.run_id)
    with reading() as session:
        row = session.exec(select(JobRun)).one()
        assert (row.status, row.error_code, row.counts["unknown"]) == ("failed", "vendor_unknown", 5)


def test_old_comparisons_are_forgotten(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "linear")
    measure(connection_id)
    for days in (91, 40):
        with transaction() as session:
            session.execute(
                text(
                    "UPDATE sync_reconciliation_metrics SET measured_at = measured_at - make_interval(days => :days)"
                ),
                {"days": days},
            )
        measure(connection_id)
    with reading() as session:
        dates = (
            session.execute(
                text("SELECT DISTINCT measured_at FROM sync_reconciliation_metrics WHERE stream = 'states'")
            )
            .scalars()
            .all()
        )
    assert len(dates) == 2
    assert min(dates) > utcnow() - dt.timedelta(days=90)
