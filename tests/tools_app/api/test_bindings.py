"""Routing rules over HTTP: who may change them, what is refused, and that a moved record is found nowhere in its old project."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from jobs import tasks
from jobs.indexing import index_pending
from models.infra.database import reading, transaction
from models.tables.platform import AccountScope, JobRun, ProjectBinding
from tests.jobs.copies import run_sync
from tests.jobs.sandbox.harness import write_studio
from tests.jobs.small_vendors import small_vendors
from tests.tools_app.api.test_isolation import CALLS, PORTFOLIO, READS_BUSINESS_DATA
from tests.tools_app.world import World

SAID = ("When will the anvil be done?", "She is in a hurry.")
QUESTION = "When will it be done, she is in a hurry?"


def bound(world: World, slug: str = "alpha", value: str = "HPN") -> str:
    """A rule of the world's Linear connection; its id."""
    place = world.places[slug]
    row = ProjectBinding(
        account_scope_id=place.scope,
        project_id=place.project,
        connection_id=place.connections["linear"],
        rule_kind="team",
        rule_value=value,
    )
    with transaction() as session:
        session.add(row)
        session.flush()
        return str(row.id)


def asked() -> list[dict[str, Any]]:
    with reading() as session:
        return [
            run.counts["asked"] for run in session.exec(select(JobRun).where(JobRun.job == "rebind")).all()
        ]


def follow() -> None:
    """Do the changes that wait, as a worker does."""
    with reading() as session:
        waiting = session.exec(select(JobRun).where(JobRun.job == "rebind", JobRun.status == "queued")).all()
    for run in waiting:
        tasks.rebind_connection(run.subject, str(run.id))


def test_rules_are_listed_for_the_projects_they_lead_into(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    rule = bound(worlds["one"])
    bound(worlds["one"], "beta", "OTH")
    bound(worlds["two"])
    (shown,) = client.get("/api/bindings", params={"project_id": "alpha"}).json()["items"]
    assert (shown["id"], shown["connector"], shown["rule_kind"], shown["rule_value"], shown["priority"]) == (
        rule, "linear", "team", "HPN", 100,
    )  # fmt: skip
    assert len(client.get("/api/bindings", params={"project_id": "all"}).json()["items"]) == 2


def test_a_change_is_asked_for_and_nothing_changes_before_the_job_makes_it(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    rule = bound(worlds["one"])
    answer = client.patch(f"/api/bindings/{rule}", json={"project_id": "beta", "priority": 7})
    assert answer.status_code == 202, answer.text
    assert (answer.json()["run"]["job"], answer.json()["run"]["joined"]) == ("rebind", False)
    (shown,) = client.get("/api/bindings", params={"project_id": "alpha"}).json()["items"]
    assert shown["priority"] == 100
    again = client.patch(f"/api/bindings/{rule}", json={"priority": 1})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "rules_changing")
    follow()
    (shown,) = client.get("/api/bindings", params={"project_id": "beta"}).json()["items"]
    assert (shown["id"], shown["priority"]) == (rule, 7)
    events = client.get("/api/audit", params={"action": "project_binding.change"}).json()["items"]
    assert [each["entity_id"] for each in events] == [rule]


def test_a_rule_is_added_and_removed(client: httpx.Client, worlds: dict[str, World]) -> None:
    connection = str(worlds["one"].places["alpha"].connections["linear"])
    body = {"connection_id": connection, "project_id": "beta", "rule_kind": "team", "rule_value": " NEW "}
    assert client.post("/api/bindings", json=body).status_code == 202
    follow()
    (made,) = client.get("/api/bindings", params={"project_id": "beta"}).json()["items"]
    assert made["rule_value"] == "NEW"
    twice = client.post("/api/bindings", json={**body, "rule_value": "new"})
    assert (twice.status_code, twice.json()["error"]["code"]) == (409, "rule_exists")
    assert client.delete(f"/api/bindings/{made['id']}").status_code == 202
    follow()
    assert client.get("/api/bindings", params={"project_id": "all"}).json()["items"] == []


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"rule_kind": "inbox"}, 400),
        ({"rule_kind": "colour"}, 400),
        ({"rule_value": "  "}, 400),
        ({"rule_value": "x" * 201}, 400),
        ({"project_id": "all"}, 400),
        ({"project_id": "nowhere"}, 404),
        ({"connection_id": "nonsense"}, 404),
        ({"priority": -1}, 400),
        ({"priority": 10_001}, 400),
        ({"owner": "me"}, 400),
    ],
)
def test_a_wrong_rule_is_refused_and_asks_for_nothing(
    client: httpx.Client, worlds: dict[str, World], wrong: dict[str, Any], status: int
) -> None:
    connection = str(worlds["one"].places["alpha"].connections["linear"])
    body = {"connection_id": connection, "project_id": "beta", "rule_kind": "team", "rule_value": "NEW"}
    assert client.post("/api/bindings", json={**body, **wrong}).status_code == status
    assert asked() == []


def test_another_account_scope_s_rules_projects_and_connections_are_not_there(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    mine, foreign = bound(worlds["one"]), bound(worlds["two"])
    there = worlds["two"].places["beta"]
    body = {"project_id": "beta", "rule_kind": "team", "rule_value": "NEW"}
    answers = [
        client.patch(f"/api/bindings/{foreign}", json={"priority": 1}),
        client.delete(f"/api/bindings/{foreign}"),
        client.patch(f"/api/bindings/{mine}", json={"project_id": str(there.project)}),
        client.post("/api/bindings", json={**body, "connection_id": str(there.connections["linear"])}),
    ]
    assert [each.status_code for each in answers] == [404] * 4
    assert asked() == []


def test_nothing_to_change_and_a_missing_token_are_refused(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    rule = bound(worlds["one"])
    assert client.patch(f"/api/bindings/{rule}", json={}).status_code == 400
    del client.headers["x-csrf-token"]
    assert client.patch(f"/api/bindings/{rule}", json={"priority": 1}).status_code == 403
    assert asked() == []


def test_a_key_may_not_change_rules(client: httpx.Client, worlds: dict[str, World], base_url: str) -> None:
    rule = bound(worlds["one"])
    token = client.post("/api/auth/keys", json={"name": "reporting", "read_only": False}).json()["token"]
    with httpx.Client(base_url=base_url, headers={"authorization": f"Bearer {token}"}) as keyed:
        answer = keyed.patch(f"/api/bindings/{rule}", json={"priority": 1})
    assert answer.status_code == 403
    assert asked() == []


def test_a_moved_record_shows_nowhere_in_the_project_it_left(
    login: Callable[..., httpx.Client], database: str, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        studio = write_studio(tmp_path / "studio")
        with contextmanager(small_vendors)(studio, tmp_path, database, patch) as small:
            scope, connection_id = small.connect("chatwoot")
            run_sync(connection_id)
            index_pending(scope.id, budget_s=60)
    with reading() as session:
        slug = session.get_one(AccountScope, scope.id).slug
    client = login(slug)

    def shown_in(project: str) -> set[str]:
        texts = [
            answer.text
            for key in READS_BUSINESS_DATA + PORTFOLIO
            for answer in [
                *CALLS[key](client, project),
                *(
                    [client.post(key[1], json={"query": QUESTION, "project_id": project})]
                    if key[0] == "post"
                    else []
                ),
            ]
        ]
        return {said for said in SAID if any(said in text for text in texts)}

    assert shown_in("acme") == set(SAID)
    assert shown_in("beta") == set()
    for rule in client.get("/api/bindings", params={"project_id": "acme"}).json()["items"]:
        assert client.patch(f"/api/bindings/{rule['id']}", json={"project_id": "beta"}).status_code == 202
        follow()
    assert shown_in("acme") == set()
    assert shown_in("beta") == set(SAID)
