import datetime as dt
from dataclasses import replace

import httpx
import pytest
from sqlmodel import select

from jobs.connectors.breaker import Breaker, circuit_key
from jobs.connectors.errors import VendorDown
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.settings import override_settings
from models.queries.job_runs import save_cadence
from models.tables.platform import AuditEvent, JobRun
from models.tables.reliability import ConnectorSyncState, ReconciliationMetric
from tests.tools_app.world import World
from tools_app.components.connector_card import present
from tools_app.services.connectors import connectors_state
from tools_app.services.dashboard import control_tower


def cards(client: httpx.Client, query: str = "project_id=all") -> dict[str, dict]:
    return {each["connector"]: each for each in client.get(f"/api/connectors/state?{query}").json()["items"]}


def test_state_counts_live_rows_and_errors_a_stream(client: httpx.Client) -> None:
    linear = cards(client)["linear"]
    rows = {each["stream"]: (each["rows"], each["errors"]) for each in linear["streams"]}
    assert rows == {
        "projects": (3, 0),
        "states": (3, 0),
        "cycles": (3, 0),
        "issues": (9, 3),
        "comments": (3, 0),
    }
    assert linear["error_count"] == 3
    assert cards(client, "project_id=alpha")["linear"]["error_count"] == 1


def test_the_rows_of_a_stream_open_as_a_list(client: httpx.Client) -> None:
    for card in cards(client).values():
        for stream in card["streams"]:
            body = client.get(f"/api/records?{stream['records_query']}&limit=200").json()
            assert body["total"] == len(body["items"]) == stream["rows"], stream


def test_state_never_shows_a_token(client: httpx.Client) -> None:
    assert "secret-one" not in client.get("/api/connectors/state").text


@pytest.mark.parametrize(
    ("age", "status", "state"),
    [
        (dt.timedelta(minutes=5), "ok", "ok"),
        (dt.timedelta(minutes=5), "degraded", "ok"),
        (dt.timedelta(minutes=31), "ok", "late"),
        (dt.timedelta(minutes=5), "failed", "failing"),
    ],
)
def test_a_connector_is_late_after_two_cadences_and_failing_after_a_failed_run(
    worlds: dict[str, World], age: dt.timedelta, status: str, state: str
) -> None:
    world = worlds["one"]
    with transaction() as session:
        held = session.get(ConnectorSyncState, world.places["alpha"].connections["linear"])
        assert held is not None
        held.status, held.last_success_at, held.last_error_kind = status, utcnow() - age, "vendor_down"
        session.add(held)
    card = next(each for each in connectors_state(world.of()) if each.connector == "linear")
    assert card.state == state
    assert card.error_code == ("" if status == "ok" else "vendor_down")


def test_a_card_says_how_old_the_last_success_is_and_how_often_one_is_due(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    with transaction() as session:
        save_cadence(session, "sync", 900)
        held = session.get(ConnectorSyncState, worlds["one"].places["alpha"].connections["linear"])
        assert held is not None
        held.last_success_at = utcnow() - dt.timedelta(minutes=40)
        session.add(held)
    found = cards(client)
    assert found["linear"]["lag_s"] >= 2_400
    assert (found["linear"]["cadence_s"], found["attio"]["lag_s"]) == (900, None)
    (shown,) = [each for each in connectors_state(worlds["one"].of()) if each.connector == "linear"]
    assert present(shown, "en").every == "every 15 min"
    assert present(replace(shown, cadence_s=None), "en").every == ""


def test_a_connector_that_never_ran_says_so_and_leaves_the_trust_bar_undated(
    worlds: dict[str, World],
) -> None:
    view = control_tower(worlds["one"].of())
    states = {each.connector: each.state for each in view.trust.sources}
    assert states == {"attio": "never", "chatwoot": "never", "linear": "ok"}
    assert view.trust.updated_at is None
    assert view.trust.error_count == 3


def test_a_running_sync_shows_where_it_stands(client: httpx.Client, worlds: dict[str, World]) -> None:
    place = worlds["one"].places["alpha"]
    with transaction() as session:
        session.add(
            JobRun(
                job="sync",
                subject=str(place.connections["attio"]),
                account_scope_id=place.scope,
                connector="attio",
                status="running",
                progress={"stream": "deals", "page": 2, "rows": 70, "eta_s": 1.5},
            )
        )
    card = cards(client)["attio"]
    assert card["state"] == "syncing"
    assert card["running"]["stream"] == "deals"
    assert (card["running"]["page"], card["running"]["rows"], card["running"]["eta_s"]) == (2, 70, 1.5)


def test_sync_now_asks_for_every_connection_of_the_scope_once_and_is_audited(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    first = client.post("/api/connectors/sync")
    assert first.status_code == 202
    again = client.post("/api/connectors/sync")
    runs = {each["connector"]: each["run_id"] for each in first.json()["items"]}
    assert set(runs) == {"chatwoot", "linear", "attio"}
    assert {each["connector"]: each["run_id"] for each in again.json()["items"]} == runs
    with transaction() as session:
        queued = session.exec(select(JobRun).where(JobRun.status == "queued")).all()
        audited = session.exec(select(AuditEvent).where(AuditEvent.action == "connector.sync")).all()
    assert {str(run.id) for run in queued} == set(runs.values())
    assert {run.account_scope_id for run in queued} == {worlds["one"].scope}
    assert len(audited) == 6


def test_one_connector_can_be_synced_alone(client: httpx.Client) -> None:
    items = client.post("/api/connectors/linear/sync").json()["items"]
    assert [each["connector"] for each in items] == ["linear"]


def test_a_sync_of_all_can_be_narrowed_to_one_connector_by_its_body(client: httpx.Client) -> None:
    items = client.post("/api/connectors/sync", json={"connector": "attio"}).json()["items"]
    assert [each["connector"] for each in items] == ["attio"]
    assert client.post("/api/connectors/sync", json={"connector": "jira"}).status_code == 400


def test_a_connector_that_does_not_exist_is_refused(client: httpx.Client) -> None:
    assert client.post("/api/connectors/hubspot/sync").status_code == 400


def test_a_sync_asked_for_while_the_queue_is_away_is_accepted_and_kept(client: httpx.Client) -> None:
    with override_settings(redis_url="redis://127.0.0.1:1/0"):
        answer = client.post("/api/connectors/sync")
        status = client.get("/api/jobs/status").json()["jobs"]
    assert answer.status_code == 202
    assert status["queue_online"] is False
    assert {each["status"] for each in status["runs"] if each["requested_by"] == "owner"} == {"queued"}


def test_completeness_is_unknown_until_every_source_is_measured(worlds: dict[str, World]) -> None:
    world = worlds["one"]
    place = world.places["alpha"]

    def measure(connector: str, stream: str, pct: float | None, vendor_count: int, minutes_ago: int) -> None:
        with transaction() as session:
            session.add(
                ReconciliationMetric(
                    account_scope_id=world.scope,
                    connection_id=place.connections[connector],
                    stream=stream,
                    method="counts",
                    vendor_count=vendor_count,
                    local_count=0,
                    completeness_pct=pct,
                    measured_at=utcnow() - dt.timedelta(minutes=minutes_ago),
                )
            )

    measure("linear", "issues", 10.0, 300, 60)
    measure("linear", "issues", 100.0, 300, 5)
    measure("linear", "comments", 80.0, 100, 5)
    measure("chatwoot", "messages", 99.0, 10, 5)
    trust = control_tower(world.of()).trust
    assert {each.connector: each.completeness_pct for each in trust.sources} == {
        "attio": None, "chatwoot": 99.0, "linear": 95.0,
    }  # fmt: skip
    assert trust.completeness_pct is None
    measure("attio", "deals", 100.0, 10, 5)
    assert control_tower(world.of()).trust.completeness_pct == 95.0
    measure("attio", "notes", None, 10, 1)
    assert control_tower(world.of()).trust.completeness_pct is None


def test_a_run_that_left_records_behind_is_partial(client: httpx.Client, worlds: dict[str, World]) -> None:
    with transaction() as session:
        session.add(
            JobRun(
                job="sync",
                subject="x",
                account_scope_id=worlds["one"].scope,
                connector="attio",
                status="succeeded",
                counts={"fetched": 5, "written": 3, "failed": 2},
            )
        )
    run = client.get("/api/jobs/status").json()["jobs"]["runs"][0]
    assert (run["status"], run["failed"], run["written"]) == ("partial", 2, 3)


def test_a_connector_that_is_not_asked_because_it_failed_says_so(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    origin = cards(client)["linear"]["origin"]
    guard = Breaker(circuit_key("linear", origin))

    def down() -> None:
        raise VendorDown("no answer in time")

    assert not cards(client)["linear"]["circuit_open"]
    for _ in range(5):
        with pytest.raises(VendorDown):
            guard.call(down)
    assert {name for name, card in cards(client).items() if card["circuit_open"]} == {"linear"}
    exported = client.get("/metrics").text
    assert 'connector_circuit_open{connector="linear"} 1.0' in exported
    assert 'connector_circuit_open{connector="attio"} 0.0' in exported
