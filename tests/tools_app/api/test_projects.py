import httpx
import pytest
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


@pytest.mark.parametrize(
    "name", ["\u202e", "\u200b\u200d", "\0", "\u2066 \u2069", "\u3164", "\u2800", "\u0301", "\ufeff\t"]
)
def test_a_name_of_which_nothing_can_be_seen_is_400(client: httpx.Client, name: str) -> None:
    answer = client.post("/api/projects", json={"slug": "x", "name": name})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "name_required"
    assert "visible" in answer.json()["error"]["message"]


def test_a_name_is_stored_without_what_turns_or_ends_a_line(client: httpx.Client) -> None:
    # Joiners stay: they make one sign of several, in emoji and in Persian.
    names = {"Ga\u202emma\0 \u2067One\u2069\n": "Gamma One", "👩\u200d💻": "👩\u200d💻", "Ё & Co.": "Ё & Co."}
    for number, (given, stored) in enumerate(names.items()):
        answer = client.post("/api/projects", json={"slug": f"x{number}", "name": given})
        assert answer.status_code == 201, answer.text
        assert answer.json()["project"]["name"] == stored


def test_pages_of_projects_lose_and_repeat_nothing(client: httpx.Client) -> None:
    slugs: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        body = client.get("/api/projects", params={"limit": 1, **cursor}).json()
        slugs += [each["slug"] for each in body["items"]]
        cursor = {"cursor": body["next_cursor"]}
    assert slugs == ["alpha", "beta", "unassigned"]
    assert body["next_cursor"] is None


def test_a_cursor_that_no_page_gave_is_400(client: httpx.Client, worlds: dict[str, World]) -> None:
    foreign = str(worlds["two"].places["alpha"].project)
    for cursor in ("zzz", "", foreign):
        answer = client.get("/api/projects", params={"cursor": cursor})
        assert answer.status_code == 400, cursor
        assert answer.json()["error"]["code"] == "invalid_cursor"
