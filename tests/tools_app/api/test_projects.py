import httpx
from sqlmodel import select

from models.infra.database import transaction
from models.tables.platform import AuditEvent
from tests.tools_app.world import World


def test_clients_come_by_name_and_the_unassigned_project_last(client: httpx.Client) -> None:
    body = client.get("/api/projects").json()
    assert [(each["slug"], each["is_unassigned"]) for each in body["items"]] == [
        ("alpha", False),
        ("beta", False),
        ("unassigned", True),
    ]
    assert body["next_cursor"] is None


def test_a_created_project_is_listed_selectable_and_audited(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    answer = client.post("/api/projects", json={"slug": "Gamma-2", "name": " Gamma "})
    assert answer.status_code == 201
    project = answer.json()["project"]
    assert (project["slug"], project["name"]) == ("gamma-2", "Gamma")
    assert "gamma-2" in [each["slug"] for each in client.get("/api/projects").json()["items"]]
    assert client.post("/api/projects/gamma-2/select").json()["active_project_id"] == project["id"]
    assert client.get("/api/auth/me").json()["active_project_id"] == project["id"]
    with transaction() as session:
        events = {row.action: row for row in session.exec(select(AuditEvent))}
    assert events["project.create"].after == {"slug": "gamma-2", "name": "Gamma"}
    assert str(events["project.create"].project_id) == project["id"]
    assert events["project.select"].before == {"project_id": None}
    assert events["project.select"].after == {"project_id": project["id"]}
    assert str(events["project.select"].account_scope_id) == str(worlds["one"].scope)


def test_a_slug_that_cannot_stand_in_a_url_is_400(client: httpx.Client) -> None:
    for slug in ("all", "-a", "a-", "a b", "ä", "a" * 64, ""):
        assert client.post("/api/projects", json={"slug": slug, "name": "X"}).status_code == 400, slug


def test_a_project_without_a_name_is_400(client: httpx.Client) -> None:
    assert client.post("/api/projects", json={"slug": "x", "name": "  "}).status_code == 400


def test_selecting_what_does_not_exist_is_404(client: httpx.Client) -> None:
    assert client.post("/api/projects/nothing/select").status_code == 404
