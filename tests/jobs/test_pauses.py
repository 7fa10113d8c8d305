"""A pause that a vendor asks for is kept to, by the run that heard of it and by those after it."""

import datetime as dt
import email.utils
import functools
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from jobs.retry import retry_connection
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import ConnectionId
from models.queries import sync_state
from tests.jobs.copies import run_sync
from tests.scopes import make_connection, make_scope

pytestmark = pytest.mark.usefixtures("redis")


def rows(statement: str) -> list[tuple[Any, ...]]:
    with transaction() as session:
        return [tuple(row) for row in session.execute(text(statement))]


@pytest.fixture
def attio(database: str) -> ConnectionId:
    with transaction() as session:
        return make_connection(session, make_scope(session), "attio", base_url="http://paused.example").id


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were asked for; every answer says to come back in an hour."""
    paths: list[str] = []
    later = email.utils.format_datetime(utcnow() + dt.timedelta(hours=1), usegmt=True)

    def refuse(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(429, json={"message": "Rate limit exceeded"}, headers={"Retry-After": later})

    client = functools.partial(httpx.Client, transport=httpx.MockTransport(refuse))
    monkeypatch.setattr("jobs.connectors.http.httpx.Client", client)
    return paths


def test_the_runs_after_a_long_pause_was_asked_for_send_nothing(
    attio: ConnectionId, asked: list[str]
) -> None:
    for _ in range(7):
        assert run_sync(attio).status == "degraded"
    assert len(asked) == 1
    assert rows("SELECT DISTINCT last_error_kind FROM connector_sync_state") == [("rate_limited",)]
    found = rows("SELECT error_kind, status, attempt, next_retry_at FROM connector_errors")
    assert {row[:3] for row in found} == {("rate_limited", "pending", 0)}
    assert all(abs((row[3] - utcnow()).total_seconds() - 3600) < 60 for row in found)
    assert retry_connection(attio).tried == 0


def test_what_a_user_asks_for_meanwhile_sends_nothing_and_loses_no_attempt(
    attio: ConnectionId, asked: list[str]
) -> None:
    run_sync(attio)
    with transaction() as session:
        sync_state.queue_error(
            session, sync_state.get_connection(session, attio), stream="companies", unit="c1", kind="bad_record",
            message="was unreadable", payload={}, retryable=True,
        )  # fmt: skip
        session.execute(text("UPDATE connector_errors SET next_retry_at = now() WHERE unit = 'c1'"))
    assert retry_connection(attio).failed == 1
    assert len(asked) == 1
    [(attempt, at)] = rows("SELECT attempt, next_retry_at FROM connector_errors WHERE unit = 'c1'")
    assert attempt == 1
    assert at > utcnow() + dt.timedelta(minutes=50)


def test_when_the_pause_is_over_the_vendor_is_asked_again(attio: ConnectionId, asked: list[str]) -> None:
    run_sync(attio)
    past = (utcnow() - dt.timedelta(seconds=1)).isoformat()
    with transaction() as session:
        session.execute(
            text(
                "UPDATE sync_watermarks SET committed = jsonb_build_object('until', CAST(:past AS text))"
                " WHERE stream = 'connection:pause'"
            ),
            {"past": past},
        )
    run_sync(attio)
    assert len(asked) == 2
