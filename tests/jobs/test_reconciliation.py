"""The copy is compared with vendors over real HTTP: exactly what was changed behind its back is found, and mended."""

import asyncio
import contextlib
import datetime as dt
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from sqlalchemy import text
from sqlmodel import col, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from models.infra import events
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.settings import override_settings
from models.queries.records import STREAM_TABLES
from models.tables.platform import AuditEvent
from models.tables.reliability import ReconciliationMetric
from tests.jobs.copies import (
    CONNECTORS,
    change,
    connect,
    fingerprint,
    measure,
    metrics,
    run_sync,
)
from tests.scopes import make_connection, make_scope
from tests.vendors import Vendors

STREAMS = tuple(STREAM_TABLES)


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


def audited(action: str) -> list[dict[str, Any]]:
    with reading() as session:
        rows = session.exec(select(AuditEvent).where(AuditEvent.action == action)).all()
        return [row.after or {} for row in rows]


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_fresh_copy_is_complete_and_nothing_is_written(
    database: str, still_vendors: Vendors, connector: str
) -> None:
    _, connection_id = connect(still_vendors, connector)
    run_sync(connection_id)
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


def test_a_vendor_out_of_reach_is_unknown_and_older_figures_stay(
    database: str, moving_vendors: Vendors
) -> None:
    _, connection_id = connect(moving_vendors, "attio")
    run_sync(connection_id)
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
    run_sync(connection_id)
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
    run_sync(connection_id)
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
    run_sync(connection_id)
    change("DELETE FROM linear_cycles RETURNING vendor_id")
    with override_settings(connector_reconciliation_min_completeness_pct=0.0):
        measure(connection_id)
    assert audited("completeness_drop") == []


def test_a_pass_that_is_not_deep_compares_no_contents_and_asks_less(
    database: str, still_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    run_sync(connection_id)
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
    run_sync(connection_id)
    monkeypatch.setattr("jobs.rounds.THREADS_AT_MOST", 3)
    messages = measure(connection_id).streams["messages"]
    assert (messages.pct, messages.extra) == (100.0, 0)
    assert 0 < (messages.vendor_count or 0) == messages.local_count < 200


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
