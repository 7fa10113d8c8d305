"""A whole account is copied over real HTTP, and afterwards only what changed."""

import signal
import subprocess
import sys
import time

import httpx
import pytest
from sqlalchemy import text

from jobs.sandbox.world.loader import load_studio
from models.infra.database import reading, transaction
from models.infra.settings import override_settings
from tests.conftest import ROOT
from tests.jobs.copies import (
    CONNECTORS,
    TEAM,
    connect,
    fingerprint,
    rows_of,
    run_sync,
)
from tests.vendors import Vendors


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_second_sync_with_nothing_new_writes_no_row(
    database: str, still_vendors: Vendors, connector: str
) -> None:
    _, connection_id = connect(still_vendors, connector)
    first = run_sync(connection_id)
    assert first.status == "ok", first.errors
    assert first.counts()["inserted"] > 0
    before = fingerprint(connector)
    second = run_sync(connection_id)
    assert second.status == "ok"
    assert second.counts()["written"] == 0
    assert fingerprint(connector) == before


def test_every_message_of_the_vendor_is_here(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    run_sync(connection_id)
    headers = {"api_access_token": still_vendors.tokens["chatwoot"]}
    base = f"{still_vendors.origin('chatwoot')}/api/v1/accounts/1"
    counted = httpx.get(
        f"{base}/conversations/meta", params={"status": "all"}, headers=headers, timeout=20
    ).json()
    with reading() as session:
        conversations = session.execute(text("SELECT vendor_id FROM cw_conversations")).scalars().all()
        here = set(session.execute(text("SELECT vendor_id FROM cw_messages")).scalars())
    assert len(conversations) == counted["meta"]["all_count"]
    there: set[str] = set()
    for conversation in conversations:
        after = 0
        for _ in range(100):
            page = httpx.get(
                f"{base}/conversations/{conversation}/messages",
                params={"after": after},
                headers=headers,
                timeout=20,
            ).json()["payload"]
            there.update(str(message["id"]) for message in page)
            if len(page) < 100:
                break
            after = page[-1]["id"]
    assert here == there


def test_contacts_that_the_list_hides_are_here_too(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    run_sync(connection_id)
    with reading() as session:
        hidden = session.execute(
            text("SELECT count(*) FROM cw_contacts WHERE coalesce(email, phone, identifier) IS NULL")
        ).scalar_one()
        unlinked = session.execute(
            text(
                "SELECT count(*) FROM cw_conversations c JOIN cw_contacts k ON k.connection_id = c.connection_id"
                " AND k.vendor_id = c.contact_vendor_id AND k.project_id = c.project_id WHERE c.contact_id IS NULL"
            )
        ).scalar_one()
    assert hidden > 0
    assert unlinked == 0


@pytest.mark.parametrize("connector", CONNECTORS)
def test_records_are_routed_by_rule_and_the_rest_is_unassigned(
    database: str, still_vendors: Vendors, connector: str
) -> None:
    scope, connection_id = connect(still_vendors, connector)
    run_sync(connection_id)
    table = {"chatwoot": "cw_conversations", "linear": "linear_issues", "attio": "attio_companies"}[connector]
    with reading() as session:
        found = session.execute(text(f"SELECT project_id, count(*) AS n FROM {table} GROUP BY 1"))  # noqa: S608
        counts = {row.project_id: row.n for row in found}
    world = load_studio().projects["harbor-pine"]
    if connector == "attio":
        assert counts[scope.projects["harbor-pine"]] == len(world.companies)
    if connector == "linear":
        with reading() as session:
            teams = (
                session.execute(
                    text("SELECT DISTINCT team_key FROM linear_issues WHERE project_id = :project"),
                    {"project": scope.projects["harbor-pine"]},
                )
                .scalars()
                .all()
            )
        assert teams == [TEAM]
    assert counts[scope.projects["harbor-pine"]] > 10
    assert counts[scope.projects["unassigned"]] > 10


def test_blocking_relations_become_blocked_by(database: str, still_vendors: Vendors) -> None:
    _, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    with reading() as session:
        blocked = session.execute(
            text("SELECT count(*) FROM linear_issues WHERE cardinality(blocked_by) > 0")
        ).scalar_one()
        dangling = session.execute(
            text(
                "SELECT count(*) FROM linear_issues i, unnest(i.blocked_by) b"
                " WHERE NOT EXISTS (SELECT 1 FROM linear_issues o WHERE o.identifier = b)"
            )
        ).scalar_one()
    assert blocked > 5
    assert dangling == 0


def test_new_edited_and_deleted_records_arrive_after_ticks(database: str, moving_vendors: Vendors) -> None:
    connections = {name: connect(moving_vendors, name)[1] for name in CONNECTORS}
    for connection_id in connections.values():
        assert run_sync(connection_id).status == "ok"
    before = rows_of("chatwoot")
    for _ in range(26):  # all authored events of six projects, three a tick
        moving_vendors.control("tick")
    written = {name: run_sync(connection_id).counts() for name, connection_id in connections.items()}
    assert all(counts["written"] > 0 for counts in written.values()), written
    assert rows_of("chatwoot")["messages"] > before["messages"]
    with reading() as session:
        gone = {
            table: session.execute(
                text(f"SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL")  # noqa: S608
            ).scalar_one()
            for table in ("cw_messages", "linear_issues", "attio_companies")
        }
    assert gone["cw_messages"] > 0, gone


def test_a_refused_token_stops_the_run_and_says_so(database: str, still_vendors: Vendors) -> None:
    for connector in CONNECTORS:
        _, connection_id = connect(still_vendors, connector, token="wrong")
        result = run_sync(connection_id)
        assert result.status == "failed", connector
        with reading() as session:
            state = session.execute(
                text(
                    "SELECT status, last_error_kind, last_success_at FROM connector_sync_state"
                    " WHERE connection_id = :id"
                ),
                {"id": connection_id},
            ).one()
        assert tuple(state) == ("failed", "credentials", None)


def test_a_vendor_that_is_down_degrades_the_run_and_recovers(database: str, moving_vendors: Vendors) -> None:
    _, connection_id = connect(moving_vendors, "attio")
    moving_vendors.control("faults", vendor="attio", route_prefix="/v2/notes", kind="500", times=50)
    broken = run_sync(connection_id)
    assert broken.status == "degraded"
    assert set(broken.errors) == {"notes"}
    assert rows_of("attio")["companies"] > 0
    moving_vendors.clear_faults()
    assert run_sync(connection_id).status == "ok"
    assert rows_of("attio")["notes"] > 0
    with reading() as session:
        assert session.execute(
            text("SELECT status FROM connector_errors WHERE stream = 'notes'")
        ).scalars().all() == ["resolved"]


def test_a_killed_run_loses_and_doubles_nothing(
    database: str, still_vendors: Vendors, process_env: dict[str, str]
) -> None:
    _, connection_id = connect(still_vendors, "chatwoot")
    code = (
        "import sys, uuid; from jobs.sync import sync_connection; "
        "sync_connection(uuid.UUID(sys.argv[1]), lambda progress: print(progress.rows, flush=True))"
    )
    for pages in (2, 9, 40):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(connection_id)],
            cwd=ROOT,
            env=process_env,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        for _ in range(pages):
            if not process.stdout.readline():
                break
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
    assert run_sync(connection_id).status == "ok"
    killed = rows_of("chatwoot")
    with transaction() as session:
        session.execute(text("TRUNCATE account_scopes CASCADE"))
    _, clean = connect(still_vendors, "chatwoot")
    run_sync(clean)
    assert rows_of("chatwoot") == killed


def test_the_sync_leaves_the_time_for_a_user(database: str, still_vendors: Vendors) -> None:
    """Requests stay near the minimum: one a page and one a conversation, however fast the machine is."""
    _, connection_id = connect(still_vendors, "chatwoot")
    result = run_sync(connection_id)
    streams = result.streams
    least = streams["conversations"].fetched * (1 + 1 / 25) + streams["contacts"].fetched / 15
    assert result.requests <= least * 1.2 + 10
    started = time.monotonic()
    with override_settings(http_timeout_s=7.0):
        again = run_sync(connection_id)
    assert again.requests <= 40, time.monotonic() - started
