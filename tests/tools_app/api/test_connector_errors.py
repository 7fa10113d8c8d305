"""Failed units over HTTP: listed by page, given up ones apart, tried again inside the caller's projects."""

import datetime as dt
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import new_id
from models.tables.platform import AuditEvent, JobRun, VendorConnection
from models.tables.reliability import ConnectorError
from tests.tools_app.world import World
from tools_app.services import connector_errors

ERRORS = "/api/connectors/errors"


@pytest.fixture
def given_up(worlds: dict[str, World]) -> dict[str, World]:
    """Both scopes with alpha's error given up, and beta's waiting for an hour."""
    for world in worlds.values():
        with transaction() as session:
            for slug, values in (
                ("alpha", {"status": "dead_letter", "attempt": 5, "next_retry_at": None}),
                ("beta", {"attempt": 3, "next_retry_at": utcnow() + dt.timedelta(hours=1)}),
            ):
                (row,) = session.exec(
                    select(ConnectorError).where(ConnectorError.project_id == world.places[slug].project)
                )
                row.sqlmodel_update(values)
                session.add(row)
    return worlds


def listed(client: httpx.Client, path: str = ERRORS, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(path, params={"project_id": "all", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def states(world: World) -> dict[str, tuple[str, int]]:
    """Status and attempts of each project's error."""
    with reading() as session:
        rows = session.exec(select(ConnectorError).where(ConnectorError.account_scope_id == world.scope))
        found = {row.project_id: (row.status, row.attempt) for row in rows}
    return {slug: found[place.project] for slug, place in world.places.items()}


def retry(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{ERRORS}/retry", json={"project_id": "all", **body})
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_errors_are_paged_newest_first(client: httpx.Client) -> None:
    first = client.get("/api/connectors/errors?limit=2").json()
    second = client.get("/api/connectors/errors", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    units = [each["unit"] for each in first["items"] + second["items"]]
    assert units == ["unit markoneunassigned", "unit markonebeta", "unit markonealpha"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["zzz", "", "\0"])
def test_a_cursor_of_errors_that_no_page_gave_is_400(client: httpx.Client, cursor: str) -> None:
    answer = client.get("/api/connectors/errors", params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_cursor"


def test_given_up_errors_have_a_list_of_their_own_with_pages(
    client: httpx.Client, given_up: dict[str, World]
) -> None:
    path = f"{ERRORS}/dead-letter"
    (found,) = listed(client, path)
    assert (found["unit"], found["status"]) == ("unit markonealpha", "dead_letter")
    assert listed(client, path, project_id="beta") == []
    retired = listed(client)[0]["id"]
    with transaction() as session:
        row = session.get(ConnectorError, retired)
        assert row is not None
        row.status = "dead_letter"
        session.add(row)
    first = client.get(path, params={"project_id": "all", "limit": 1}).json()
    rest = client.get(path, params={"project_id": "all", "cursor": first["next_cursor"]}).json()
    assert [each["id"] for each in first["items"] + rest["items"]] == [retired, found["id"]]


def test_a_named_error_is_tried_again_at_once_and_that_is_audited(
    client: httpx.Client, given_up: dict[str, World]
) -> None:
    (found,) = listed(client, f"{ERRORS}/dead-letter")
    answer = retry(client, error_ids=[found["id"]])
    assert (answer["error_count"], answer["has_more"]) == (1, False)
    assert states(given_up["one"])["alpha"] == ("pending", 0)
    assert states(given_up["one"])["beta"] == ("pending", 3), "only what was named"
    (asked,) = answer["items"]
    with reading() as session:
        (run,) = session.exec(select(JobRun).where(JobRun.job == "retry")).all()
        assert (str(run.id), run.subject) == (asked["run_id"], found["connection_id"])
        (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "connector.retry_errors")).all()
        assert event.after == {"error_ids": [found["id"]]}
    assert not asked["joined"]
    (again,) = retry(client, error_ids=[found["id"]])["items"]
    assert (again["run_id"], again["joined"]) == (asked["run_id"], True)


@pytest.mark.parametrize(
    ("body", "fresh"),
    [
        ({}, {"alpha", "beta", "unassigned"}),
        ({"connector": "linear"}, {"alpha", "beta", "unassigned"}),
        ({"connector": "attio"}, set()),
        ({"only_dead_letters": True}, {"alpha"}),
        ({"project_id": "beta"}, {"beta"}),
        ({"project_id": "beta", "only_dead_letters": True}, set()),
    ],
)
def test_all_errors_of_what_is_asked_for_are_tried_again_and_no_others(
    client: httpx.Client, given_up: dict[str, World], body: dict[str, Any], fresh: set[str]
) -> None:
    with transaction() as session:
        for row in session.exec(select(ConnectorError).where(col(ConnectorError.attempt) == 0)):
            row.attempt = 2
            session.add(row)
    before = states(given_up["two"])
    assert retry(client, **body)["error_count"] == len(fresh)
    assert {slug for slug, state in states(given_up["one"]).items() if state == ("pending", 0)} == fresh
    assert states(given_up["two"]) == before


def test_more_errors_than_one_request_takes_are_taken_by_the_next(
    client: httpx.Client, given_up: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector_errors, "RETRIED_AT_MOST", 1)
    assert [retry(client)["has_more"] for _ in range(3)] == [True, True, False]
    assert set(states(given_up["one"]).values()) == {("pending", 0)}


def test_errors_outside_the_callers_projects_are_not_there(
    client: httpx.Client, given_up: dict[str, World]
) -> None:
    with reading() as session:
        (foreign,) = session.exec(
            select(ConnectorError.id).where(
                ConnectorError.project_id == given_up["two"].places["alpha"].project
            )
        )
    (mine,) = listed(client, f"{ERRORS}/dead-letter")
    before = states(given_up["one"]), states(given_up["two"])
    for body in ({"error_ids": [str(foreign)]}, {"error_ids": [mine["id"]], "project_id": "beta"}):
        assert client.post(f"{ERRORS}/retry", json={"project_id": "all", **body}).status_code == 404
    assert (states(given_up["one"]), states(given_up["two"])) == before
    # One that is gone meanwhile does not keep the others from their turn.
    assert retry(client, error_ids=[str(new_id()), mine["id"]])["error_count"] == 1


def test_errors_of_a_connection_that_is_switched_off_stay_as_they_are(
    client: httpx.Client, given_up: dict[str, World]
) -> None:
    with transaction() as session:
        held = session.get(VendorConnection, given_up["one"].places["alpha"].connections["linear"])
        assert held is not None
        held.enabled = False
        session.add(held)
    before = states(given_up["one"])
    answer = retry(client)
    assert (answer["error_count"], answer["items"]) == (0, [])
    assert states(given_up["one"]) == before


@pytest.mark.parametrize(
    "body", [{"error_ids": []}, {"error_ids": ["x"]}, {"connector": "jira"}, {"status": "pending"}]
)
def test_a_retry_that_makes_no_sense_is_400(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post(f"{ERRORS}/retry", json=body).status_code == 400


def test_an_empty_project_is_400_and_not_taken_for_none(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    assert client.get(ERRORS, params={"project_id": ""}).status_code == 400
    assert client.post(f"{ERRORS}/retry", json={"project_id": ""}).status_code == 400
