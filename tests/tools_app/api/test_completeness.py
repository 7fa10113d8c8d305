"""Completeness over HTTP: figures and ids inside the scope, and work that is asked for and audited."""

import datetime as dt
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlmodel import select

from jobs import outbox, tasks
from models.infra.cache import cache
from models.infra.cache_tags import tags_of_job
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import new_id
from models.queries.completeness import StreamCompleteness, Total, total_of, weakest
from models.tables.platform import AuditEvent, JobRun
from models.tables.reliability import ReconciliationMetric
from retrieval.completeness import read as read_completeness
from tests.tools_app.world import World, compare
from tools_app.components.trust_bar import present as present_trust
from tools_app.services.completeness import completeness_blocks
from tools_app.services.views import LowStream, TrustView


@pytest.fixture
def compared(worlds: dict[str, World]) -> dict[str, World]:
    """Both scopes after a comparison of Linear's issues."""
    for world in worlds.values():
        with transaction() as session:
            compare(session, world)
    return worlds


def figures(client: httpx.Client, project: str = "all") -> dict[str, dict[str, Any]]:
    answer = client.get("/api/connectors/reconciliation", params={"project_id": project})
    assert answer.status_code == 200, answer.text
    return {each["stream"]: each for each in answer.json()["items"]}


def add(world: World, stream: str, minutes_ago: int, **values: object) -> None:
    with transaction() as session:
        row = {"local_count": 0, "method": "ids", **values}
        session.add(
            ReconciliationMetric.model_validate(
                {
                    "account_scope_id": world.scope,
                    "connection_id": world.places["alpha"].connections["linear"],
                    "stream": stream,
                    "measured_at": utcnow() - dt.timedelta(minutes=minutes_ago),
                    **row,
                }
            )
        )
    # As the end of a comparison does.
    cache().renew(tags_of_job("reconcile", world.scope))


def test_figures_are_of_the_whole_connection_over_all_projects(
    client: httpx.Client, compared: dict[str, World]
) -> None:
    found = figures(client)["issues"]
    assert (found["state"], found["method"], found["completeness_pct"]) == ("measured", "ids", 75.0)
    assert (found["vendor_count"], found["missing"], found["extra"], found["stale"]) == (12, 3, 3, 3)
    assert 0 <= found["age_s"] < 60
    assert (found["delta"], found["unknown_since"]) == (0, None)


def test_the_delta_is_what_is_here_beyond_what_the_vendor_has(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    add(worlds["one"], "cycles", 0, vendor_count=9, local_count=7, missing=2, completeness_pct=77.8)
    assert figures(client)["cycles"]["delta"] == -2


def test_figures_of_one_project_count_only_its_records(
    client: httpx.Client, compared: dict[str, World]
) -> None:
    found = figures(client, "alpha")["issues"]
    assert (found["vendor_count"], found["missing"], found["completeness_pct"]) == (4, 1, 75.0)


def test_nothing_is_listed_before_the_first_comparison(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    assert figures(client) == {}


@pytest.mark.parametrize("project", ["all", "alpha"])
def test_a_vendor_out_of_reach_is_unknown_with_the_age_of_the_last_figure(
    client: httpx.Client, compared: dict[str, World], project: str
) -> None:
    add(compared["one"], "issues", -1, method="unknown", error_kind="vendor_down", local_count=9)
    add(compared["one"], "cycles", 0, method="unknown", error_kind="vendor_down")
    found = figures(client, project)
    assert (found["issues"]["state"], found["issues"]["completeness_pct"]) == ("unknown", None)
    assert found["issues"]["error_code"] == "vendor_down"
    assert 0 <= found["issues"]["age_s"] < 60
    assert found["issues"]["unknown_since"] == found["issues"]["known_at"] is not None
    assert (found["cycles"]["age_s"], found["cycles"]["unknown_since"], found["cycles"]["delta"]) == (
        None,
    ) * 3


@pytest.mark.parametrize("project", ["all", "alpha"])
def test_a_vendor_without_records_is_empty_and_complete(
    client: httpx.Client, worlds: dict[str, World], project: str
) -> None:
    add(worlds["one"], "cycles", 0, vendor_count=0, missing=0, completeness_pct=100.0)
    found = figures(client, project)["cycles"]
    assert (found["state"], found["completeness_pct"]) == ("empty", 100.0)


def test_a_share_that_was_only_counted_is_unknown_and_no_hundred_percent(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    add(worlds["one"], "issues", 0, method="counts", vendor_count=9, missing=0, completeness_pct=100.0)
    assert figures(client)["issues"]["completeness_pct"] == 100.0
    share = figures(client, "alpha")["issues"]
    assert (share["state"], share["error_code"], share["age_s"]) == ("unknown", "counted_only", None)


def test_the_trend_is_made_of_the_comparisons_whose_figure_changed(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    day = 24 * 60
    for days, pct in ((31, 10.0), (20, 90.0), (19, 90.0), (18, 80.0), (17, None), (16, 80.0), (2, 80.0)):
        method = "unknown" if pct is None else "ids"
        add(
            worlds["one"],
            "issues",
            days * day,
            method=method,
            vendor_count=10,
            missing=1,
            completeness_pct=pct,
        )
    trend = figures(client)["issues"]["trend"]
    assert [each["pct"] for each in trend] == [90.0, 80.0, None, 80.0, 80.0]
    with reading() as session:
        rows = {row.measured_at: row.completeness_pct for row in session.exec(select(ReconciliationMetric))}
    for each in trend:
        assert rows[dt.datetime.fromisoformat(each["measured_at"])] == each["pct"]


def test_the_trend_of_one_project_is_that_of_its_own_rows(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    for minutes, missing in ((90, 5), (60, 0)):
        at = utcnow() - dt.timedelta(minutes=minutes)
        for place, count in (("alpha", 10), ("beta", 90)):
            project = worlds["one"].places[place].project
            lost = missing if place == "alpha" else 9
            add(
                worlds["one"],
                "issues",
                0,
                project_id=project,
                vendor_count=count,
                missing=lost,
                measured_at=at,
            )
        add(
            worlds["one"],
            "issues",
            0,
            vendor_count=100,
            missing=missing + 9,
            completeness_pct=91.0,
            measured_at=at,
        )
    assert [each["pct"] for each in figures(client, "alpha")["issues"]["trend"]] == [50.0, 100.0]
    assert [each["pct"] for each in figures(client, "beta")["issues"]["trend"]] == [90.0, 90.0]


@pytest.mark.parametrize("project", ["all", "alpha"])
def test_a_connectors_total_is_that_of_the_trust_bar_and_follows_from_its_rows(
    client: httpx.Client, compared: dict[str, World], project: str
) -> None:
    add(compared["one"], "cycles", 0, vendor_count=0, missing=0, completeness_pct=100.0)
    add(compared["one"], "comments", 0, vendor_count=40, missing=30, completeness_pct=25.0)
    rows = figures(client, project).values()
    vendor = sum(each["vendor_count"] for each in rows)
    expected = 100 * (vendor - sum(each["missing"] for each in rows)) / vendor
    trust = client.get("/api/control-tower", params={"project_id": project}).json()["control_tower"]["trust"]
    (linear,) = [each for each in trust["sources"] if each["connector"] == "linear"]
    assert linear["completeness_pct"] == pytest.approx(expected)
    scope = compared["one"].of(*([] if project == "all" else [project]))
    (block,) = [each for each in completeness_blocks(scope) if each.connector == "linear"]
    assert block.completeness_pct == pytest.approx(expected)
    with reading() as session:
        assert read_completeness(session, scope)["linear"].pct == pytest.approx(expected)


def test_a_connector_whose_vendor_has_nothing_at_all_is_complete() -> None:
    now = utcnow()
    empty = StreamCompleteness(new_id(), "linear", "issues", "ids", now, now, 100.0, 0, 0, 0)
    assert total_of([empty, empty]).pct == 100.0
    half = replace(empty, pct=50.0, vendor_count=4, missing=2)
    assert total_of([empty, half]).pct == 50.0


def test_of_several_connectors_the_unknown_one_wins_then_the_one_never_measured_then_the_weakest() -> None:
    then = utcnow()
    away, never = Total(None, True, then), Total(None)
    assert weakest([Total(90.0), away, never]) == Total(None, True, then)
    assert weakest([Total(90.0), never]) == Total(None)
    assert weakest([Total(90.0), Total(80.0)]) == Total(80.0)
    assert weakest([]) == Total(None)


def test_a_vendor_out_of_reach_makes_the_trust_bar_say_unknown_and_since_when(
    client: httpx.Client, compared: dict[str, World]
) -> None:
    def trust() -> dict[str, Any]:
        return client.get("/api/control-tower?project_id=all").json()["control_tower"]["trust"]

    for connector in ("chatwoot", "attio"):
        with transaction() as session:
            session.add(
                ReconciliationMetric(
                    account_scope_id=compared["one"].scope,
                    connection_id=compared["one"].places["alpha"].connections[connector],
                    stream="contacts" if connector == "chatwoot" else "people",
                    method="ids", vendor_count=1, missing=0, local_count=1, completeness_pct=100.0,
                    measured_at=utcnow(),
                )
            )  # fmt: skip
    assert (trust()["completeness_pct"], trust()["is_unknown"]) == (75.0, False)
    (known,) = [each for each in figures(client).values() if each["connector"] == "linear"]
    add(compared["one"], "issues", -1, method="unknown", error_kind="vendor_down")
    found = trust()
    assert (found["completeness_pct"], found["is_unknown"]) == (None, True)
    assert found["known_at"] == known["measured_at"]
    with reading() as session:
        told = read_completeness(session, compared["one"].of())["linear"]
    assert (told.pct, told.is_unknown) == (None, True)
    assert told.known_at is not None
    assert told.known_at.isoformat() == found["known_at"].replace("Z", "+00:00")


def test_the_trust_bar_names_the_streams_that_miss_the_minimum(
    client: httpx.Client, compared: dict[str, World]
) -> None:
    add(compared["one"], "cycles", 0, vendor_count=10, missing=0, completeness_pct=95.0)
    view = client.get("/api/control-tower?project_id=all").json()["control_tower"]["trust"]
    assert view["low"] == [{"connector": "linear", "stream": "issues", "pct": 75.0}]
    low = tuple(LowStream("linear", name, 75.0) for name in ("issues", "comments", "cycles"))
    shown = present_trust(TrustView(None, (), 0, 75.0, low=low), "en", "all")
    assert shown.low == "Linear, Issues 75%; Linear, Comments 75% (+1)"


def test_a_block_says_what_compares_or_mends_now(worlds: dict[str, World]) -> None:
    world = worlds["one"]
    connection = world.places["alpha"].connections["linear"]
    with transaction() as session:
        for job, status in (("repair", "queued"), ("reconcile", "running")):
            session.add(
                JobRun(
                    job=job,
                    subject=str(connection),
                    account_scope_id=world.scope,
                    connector="linear",
                    status=status,
                )
            )
    found = {each.connector: each.job for each in completeness_blocks(world.of())}
    assert found == {"attio": "", "chatwoot": "", "linear": "reconcile"}
    assert completeness_blocks(worlds["two"].of())[2].job == ""


WORK = {"reconcile": ("reconciliation/run", {"connector": "linear"}), "repair": ("linear/repair", {})}


@pytest.mark.parametrize("work", list(WORK))
def test_work_is_asked_for_once_at_a_time_and_audited(
    client: httpx.Client, worlds: dict[str, World], work: str
) -> None:
    path, body = WORK[work]
    first, again = (client.post(f"/api/connectors/{path}", json=body) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    (asked,) = first.json()["items"]
    assert again.json()["items"] == [{**asked, "joined": True}]
    with reading() as session:
        (run,) = session.exec(select(JobRun).where(JobRun.status == "queued")).all()
        audited = session.exec(select(AuditEvent).where(AuditEvent.action == f"connector.{work}")).all()
        assert (str(run.id), run.job, run.subject) == (asked["run_id"], work, asked["connection_id"])
        assert [each.after for each in audited] == [{"run_id": asked["run_id"]}] * 2


def test_without_a_connector_every_connection_of_the_scope_is_compared(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    items = client.post("/api/connectors/reconciliation/run").json()["items"]
    assert [each["connector"] for each in items] == ["attio", "chatwoot", "linear"]
    with reading() as session:
        scopes = session.exec(select(JobRun.account_scope_id).where(JobRun.job == "reconcile")).all()
    assert set(scopes) == {worlds["one"].scope}


@pytest.mark.parametrize("work", list(WORK))
def test_work_needs_the_csrf_token_and_input_that_makes_sense(client: httpx.Client, work: str) -> None:
    path = f"/api/connectors/{WORK[work][0]}"
    assert client.post(path, headers={"x-csrf-token": "wrong"}).status_code == 403
    assert client.post(path, json={"deep": True}).status_code == 400


def test_work_at_a_connector_that_does_not_exist_is_400(client: httpx.Client) -> None:
    assert client.post("/api/connectors/hubspot/repair").status_code == 400
    answer = client.post("/api/connectors/reconciliation/run", json={"connector": "hubspot"})
    assert answer.status_code == 400


def test_a_scope_without_the_connection_is_404(client: httpx.Client, worlds: dict[str, World]) -> None:
    from models.tables.platform import VendorConnection

    with transaction() as session:
        held = session.get(VendorConnection, worlds["one"].places["alpha"].connections["linear"])
        assert held is not None
        held.enabled = False
        session.add(held)
    for path, body in WORK.values():
        assert client.post(f"/api/connectors/{path}", json=body).status_code == 404


def test_tasks_are_registered_for_both_kinds_of_work() -> None:
    from jobs import queues

    for job in ("reconcile", "repair"):
        name = outbox.function_of(job)
        assert name in queues.FUNCTIONS
        assert hasattr(tasks, name.rpartition(".")[2])
        assert outbox.arguments_of(job, "x") == {"connection_id": "x"}
