"""Redis, Postgres or a vendor goes away in the middle of a sync: everything comes back by itself, and a user sees what is.

Real servers of the test's own, real workers and the real scheduler, whose cadences are shortened.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deploy.embedded import ServerUrls, is_free
from models.infra.cache import cache
from models.infra.database import close_database, reading, transaction
from models.infra.ids import ConnectionId
from models.infra.redis import close_clients
from models.infra.settings import Settings, environment, override_settings
from models.queries.records import STREAM_TABLES
from tests.conftest import ROOT
from tests.jobs.copies import TEAM, measure, run_sync
from tests.jobs.test_worker import until, worker_process
from tests.own_servers import OwnServers
from tests.scopes import make_connection, make_scope
from tests.tools_app.conftest import PASSWORD, USER
from tests.vendors import Vendors, running_vendors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CONNECTORS = ("chatwoot", "linear", "attio")
PATIENCE_S = 150.0
# What a card says of a vendor that does not answer.
AWAY = ("vendor_down", "circuit_open")


@pytest.fixture
def own(tmp_path: Path) -> Generator[OwnServers]:
    servers = OwnServers(tmp_path / "servers")
    try:
        yield servers
    finally:
        servers.stop()


@pytest.fixture
def redis(own: OwnServers, settings: Settings) -> Generator[ServerUrls]:
    """The test's own servers stand where the session's stand in other tests."""
    urls = own.start()
    with override_settings(redis_url=urls.redis_url, cache_redis_url=urls.cache_redis_url):
        cache.cache_clear()
        yield urls
        close_clients()


@pytest.fixture
def database(redis: ServerUrls) -> Generator[str]:
    with override_settings(database_url=redis.database_url):
        yield redis.database_url
    close_database()


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    with running_vendors(tmp_path / "sandbox") as running:
        yield running


@pytest.fixture
def connections(database: str, vendors: Vendors) -> dict[str, ConnectionId]:
    """The three vendors, connected to one account scope."""
    made: dict[str, ConnectionId] = {}
    rules = {"chatwoot": (), "linear": (("team", TEAM, "one"),), "attio": (("list", "harbor_pine", "one"),)}
    with transaction() as session:
        scope = make_scope(session)
        for name in CONNECTORS:
            row = make_connection(
                session,
                scope,
                name,
                base_url=vendors.origin(name),
                token=vendors.tokens[name],
                rules=rules[name],
            )
            made[name] = row.id
    return made


@pytest.fixture
def user(base_url: str, connections: dict[str, ConnectionId]) -> Generator[httpx.Client]:
    """The user, logged in."""
    with httpx.Client(base_url=base_url, timeout=30) as client:
        body = {"username": USER, "password": PASSWORD, "account_scope": "studio"}
        answer = client.post("/api/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        yield client


@contextlib.contextmanager
def at_work(process_env: dict[str, str], **cadences: int) -> Iterator[None]:
    """A worker and the scheduler, with some cadences of so many seconds."""
    wanted = {"recover": 1, "retry": 3_600, "sync": 3_600, **cadences}
    arguments = [f"{name}={seconds}" for name, seconds in wanted.items()]
    with worker_process(process_env, "control", "sync"):
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "tests.jobs.quick_schedule", *arguments],
            env=environment(**process_env),
            cwd=ROOT,
            start_new_session=True,
        )
        try:
            yield
        finally:
            scheduler.kill()
            scheduler.wait(10)


def cards(user: httpx.Client) -> dict[str, dict[str, Any]]:
    """What the page of connectors shows, by connector."""
    answer = user.get("/api/connectors/state", params={"project_id": "all"})
    assert answer.status_code == 200, answer.text
    return {card["connector"]: card for card in answer.json()["items"]}


def all_well(user: httpx.Client) -> bool:
    """Whether every connector's last sync was good and nothing runs or waits for a retry."""
    return all(
        card["state"] == "ok" and not (card["running"] or card["error_count"] or card["error_code"])
        for card in cards(user).values()
    )


def health(user: httpx.Client) -> tuple[int, dict[str, str]]:
    answer = user.get("/health")
    return answer.status_code, answer.json()["checks"]


def count(table: str) -> int:
    with reading() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def slow_down(vendors: Vendors, *connectors: str) -> None:
    """Let answers take so long that a sync is in the middle of its work when the outage comes."""
    for name in connectors:
        vendors.control("faults", vendor=name, kind="slow", times=None, seconds=0.3)


def assert_nothing_lost(connections: dict[str, ConnectionId], vendors: Vendors) -> None:
    """Each copy is complete, holds no record twice, and a further sync finds nothing to write."""
    vendors.clear_faults()
    for connection_id in connections.values():
        assert run_sync(connection_id).counts()["written"] == 0
        found = measure(connection_id)
        assert {(each.pct, each.extra, each.stale) for each in found.streams.values()} == {(100.0, 0, 0)}
    for place in STREAM_TABLES.values():
        distinct = f"(SELECT DISTINCT connection_id, vendor_id FROM {place.table}) t"  # noqa: S608
        assert count(place.table) == count(distinct)


def test_redis_goes_away_and_comes_back_during_a_sync(
    own: OwnServers,
    user: httpx.Client,
    vendors: Vendors,
    connections: dict[str, ConnectionId],
    process_env: dict[str, str],
) -> None:
    slow_down(vendors, "chatwoot")
    with at_work(process_env):
        assert user.post("/api/connectors/sync", json={}).status_code == 202
        until(lambda: count("cw_messages") > 0, PATIENCE_S)
        own.queue.stop()
        status, checks = health(user)
        assert (status, checks["redis"], checks["database"]) == (200, "down", "ok")
        before = count("cw_messages")
        until(lambda: count("cw_messages") > before, PATIENCE_S)  # the sync goes on
        accepted = user.post("/api/connectors/linear/sync", json={})
        assert accepted.status_code == 202  # kept in the outbox
        vendors.clear_faults()
        own.back("queue")
        until(lambda: health(user)[1]["redis"] == "ok", PATIENCE_S)
        until(
            lambda: all_well(user) and bool(count("linear_issues")) and bool(count("attio_deals")), PATIENCE_S
        )
    assert_nothing_lost(connections, vendors)


def test_postgres_restarts_during_a_sync(
    own: OwnServers,
    user: httpx.Client,
    vendors: Vendors,
    connections: dict[str, ConnectionId],
    process_env: dict[str, str],
) -> None:
    slow_down(vendors, "chatwoot")
    with at_work(process_env):
        assert user.post("/api/connectors/sync", json={}).status_code == 202
        until(lambda: count("cw_messages") > 0, PATIENCE_S)
        own.postgres.stop()
        status, checks = health(user)
        assert (status, checks["database"]) == (503, "down")
        refused = user.get("/api/connectors/state", params={"project_id": "all"})
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "database_away"
        vendors.clear_faults()
        own.back("postgres")
        until(lambda: health(user)[0] == 200, PATIENCE_S)
        until(
            lambda: all_well(user) and bool(count("linear_issues")) and bool(count("attio_deals")), PATIENCE_S
        )
        with reading() as session:
            runs = session.execute(text("SELECT status, attempt FROM job_runs WHERE job = 'sync'")).all()
    # The interrupted run itself went on: nobody had to ask again.
    assert {row.status for row in runs} == {"succeeded"}
    assert max(row.attempt for row in runs) == 2
    assert_nothing_lost(connections, vendors)


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_vendor_that_answers_503_for_a_time_is_copied_when_it_is_back(
    user: httpx.Client,
    vendors: Vendors,
    connections: dict[str, ConnectionId],
    process_env: dict[str, str],
    connector: str,
) -> None:
    vendors.control("faults", vendor=connector, kind="503", skip=3, times=None)
    with at_work(process_env, retry=1):
        assert user.post("/api/connectors/sync", json={}).status_code == 202
        until(lambda: cards(user)[connector]["error_code"] in AWAY, PATIENCE_S)
        others = [name for name in CONNECTORS if name != connector]
        until(lambda: all(cards(user)[name]["state"] == "ok" for name in others), PATIENCE_S)
        assert cards(user)[connector]["error_count"] > 0
        listed = user.get("/api/connectors/errors", params={"project_id": "all"}).json()["items"]
        assert {each["connection_id"] for each in listed} == {str(connections[connector])}
        assert {each["error_kind"] for each in listed} <= set(AWAY)
        assert all(each["next_retry_at"] for each in listed if each["status"] == "pending")
        vendors.clear_faults()
        until(lambda: all_well(user), PATIENCE_S)
    assert_nothing_lost(connections, vendors)


def test_vendors_that_refuse_connections_for_a_time_are_copied_when_they_are_back(
    user: httpx.Client,
    vendors: Vendors,
    connections: dict[str, ConnectionId],
    process_env: dict[str, str],
    tmp_path: Path,
) -> None:
    slow_down(vendors, "chatwoot")
    with at_work(process_env, retry=1, sync=20):
        assert user.post("/api/connectors/sync", json={}).status_code == 202
        until(lambda: count("cw_messages") > 0, PATIENCE_S)
        os.kill(vendors.pid, signal.SIGKILL)
        until(lambda: all(card["error_code"] in AWAY for card in cards(user).values()), PATIENCE_S)
        here = count("cw_messages")
        # Connections of the killed one linger for a while.
        for offset in range(3):
            until(lambda port=vendors.port_base + offset: is_free(port), PATIENCE_S)
        with running_vendors(tmp_path / "sandbox", vendors.port_base) as again:
            until(lambda: all_well(user), PATIENCE_S)
            assert count("cw_messages") > here
            assert_nothing_lost(connections, again)
