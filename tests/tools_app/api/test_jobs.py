"""Jobs over HTTP: the schedule inside the scope, and starting a job by its name."""

import httpx
import pytest
from sqlmodel import select

from models.infra.database import reading, transaction
from models.queries.job_runs import save_cadence
from models.tables.platform import AuditEvent, JobRun, VendorConnection
from tests.tools_app.services.test_schedule import add_run
from tests.tools_app.world import World

RUN = "/api/jobs/run"


def runs() -> list[JobRun]:
    with reading() as session:
        return list(session.exec(select(JobRun).where(JobRun.status == "queued")))


def test_the_schedule_is_that_of_the_page_and_holds_the_scopes_runs(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    with transaction() as session:
        save_cadence(session, "sync", 900)
    add_run(worlds["one"], "sync", 3.0)
    add_run(worlds["two"], "sync", 99.0)
    items = client.get("/api/jobs/schedule?project_id=all").json()["items"]
    assert items == client.get("/api/jobs/status?project_id=all").json()["jobs"]["schedule"]
    found = {each["job"]: each for each in items}
    assert found["sync"]["every_s"] == 900
    assert [each["duration_s"] for each in found["sync"]["runs"]] == [3.0]
    assert found["repair"]["every_s"] is None


@pytest.mark.parametrize("job", ["sync", "retry", "reconcile", "repair"])
def test_a_job_of_connections_runs_at_those_of_the_scope_or_of_one_connector(
    client: httpx.Client, worlds: dict[str, World], job: str
) -> None:
    first = client.post(RUN, json={"job": job, "connector": "linear"})
    assert first.status_code == 202
    (one,) = first.json()["items"]
    assert (one["job"], one["connector"], one["joined"]) == (job, "linear", False)
    every = client.post(RUN, json={"job": job}).json()["items"]
    assert {each["connector"]: each["joined"] for each in every} == {
        "attio": False, "chatwoot": False, "linear": True,
    }  # fmt: skip
    assert {str(run.id) for run in runs()} == {each["run_id"] for each in every}
    assert {(run.job, run.account_scope_id) for run in runs()} == {(job, worlds["one"].scope)}
    with reading() as session:
        events = session.exec(select(AuditEvent).where(AuditEvent.action == f"connector.{job}")).all()
        assert len(events) == 4


def test_indexing_runs_for_the_account_scope_and_joins_a_refresh(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    (asked,) = client.post(RUN, json={"job": "index"}).json()["items"]
    assert (asked["connection_id"], asked["connector"]) == (None, None)
    (run,) = runs()
    assert (run.job, run.subject) == ("index", str(worlds["one"].scope))
    assert client.post("/api/lightrag/refresh").json()["run_ids"] == [asked["run_id"]]


@pytest.mark.parametrize(
    "body",
    [
        {}, {"job": "recover"}, {"job": "outbound"}, {"job": "jobs.tasks.dispatch"}, {"job": "sync", "connector": "jira"},
        {"job": "index", "connector": "linear"}, {"job": "sync", "args": []},
    ],
)  # fmt: skip
def test_a_job_that_nobody_may_name_is_400_and_starts_nothing(
    client: httpx.Client, body: dict[str, object]
) -> None:
    assert client.post(RUN, json=body).status_code == 400
    assert runs() == []


def test_a_job_needs_a_connection_that_is_switched_on_and_the_csrf_token(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    with transaction() as session:
        held = session.get(VendorConnection, worlds["one"].places["alpha"].connections["linear"])
        assert held is not None
        held.enabled = False
        session.add(held)
    assert client.post(RUN, json={"job": "sync", "connector": "linear"}).status_code == 404
    refused = client.post(RUN, json={"job": "sync"}, headers={"x-csrf-token": "wrong"})
    assert refused.status_code == 403
    assert runs() == []
