"""Portfolio and Control Tower: right figures, few statements, cached until a job changes something, 304 to a known ETag."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import event

from jobs.freshness import refresh_figures, run_ended
from models.infra.clock import utcnow
from models.infra.database import engine, transaction
from models.queries.dashboard_board import is_populated
from tests.tools_app.world import HOUR, World
from tools_app.services.dashboard import control_tower
from tools_app.services.portfolio import overview


@contextmanager
def statements() -> Generator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine(), "before_cursor_execute", note)


@pytest.fixture
def refreshed(worlds: dict[str, World]) -> dict[str, World]:
    assert refresh_figures()
    with transaction() as session:
        assert is_populated(session)
    return worlds


def test_the_overview_says_what_the_dashboard_says(refreshed: dict[str, World]) -> None:
    scope = refreshed["one"].of()
    shown, tower = overview(scope), control_tower(scope)
    assert shown.projects == tower.projects
    tiles = {each.key: each.figure.value for each in tower.tiles}
    assert shown.totals.messages_7d.value == tiles["messages_7d"]
    assert shown.totals.waiting.value == tiles["waiting_conversations"] == 3
    assert shown.totals.projects == tiles["active_projects"] == 2


@pytest.mark.parametrize("slugs", [(), ("alpha",), ("alpha", "beta")])
def test_a_portfolio_takes_four_statements_at_most_and_none_a_project(
    refreshed: dict[str, World], slugs: tuple[str, ...]
) -> None:
    overview(refreshed["one"].of(*slugs))
    with statements() as seen:
        overview(refreshed["one"].of(*slugs))
    assert len(seen) <= 4, seen
    assert not [each for each in seen if "LATERAL" in each and "FROM projects" in each]


def test_projects_are_chosen_by_id_or_slug(client: httpx.Client, refreshed: dict[str, World]) -> None:
    place = refreshed["one"].places["beta"]
    for named in (f"alpha,{place.project}", " alpha , beta ,"):
        answer = client.get("/api/portfolio/overview", params={"project_ids": named}).json()
        assert [each["slug"] for each in answer["portfolio"]["projects"]] == ["alpha", "beta"]
    everything = client.get("/api/portfolio/overview").json()["portfolio"]
    assert len(everything["projects"]) == 3
    assert client.get("/api/portfolio/overview", params={"project_ids": "alpha,nowhere"}).status_code == 404


@pytest.mark.parametrize("path", ["/api/portfolio/overview", "/api/control-tower"])
def test_a_known_etag_is_answered_without_a_body(
    client: httpx.Client, refreshed: dict[str, World], path: str
) -> None:
    first = client.get(path)
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.json()["request_id"] == first.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/api/portfolio/overview", "/api/control-tower?project_id=all"])
def test_an_answer_is_cached_until_a_job_changes_something(
    client: httpx.Client, refreshed: dict[str, World], path: str
) -> None:
    world = refreshed["one"]

    def shown() -> tuple[str, object]:
        answer = client.get(path)
        body = answer.json()
        view = body.get("portfolio") or body["control_tower"]
        return answer.headers["etag"], [each["messages_7d"]["value"] for each in view["projects"]]

    before = shown()
    with transaction() as session:
        place = world.places["alpha"]
        place.session = session
        place.message(place.conversation(), utcnow() - HOUR, 0)
    assert shown() == before
    assert run_ended("mirror", world.scope, {"written": 5}, "succeeded")
    assert shown() == before
    assert run_ended("sync", world.scope, {"written": 1}, "succeeded")
    after = shown()
    assert after != before
    assert after[1][0] == before[1][0] + 1  # type: ignore[index]


def test_a_new_project_shows_at_once(client: httpx.Client, refreshed: dict[str, World]) -> None:
    assert len(client.get("/api/portfolio/overview").json()["portfolio"]["projects"]) == 3
    client.post("/api/projects", json={"slug": "gamma", "name": "Gamma"})
    assert len(client.get("/api/portfolio/overview").json()["portfolio"]["projects"]) == 4


def test_lists_page_through_everything_once(client: httpx.Client, worlds: dict[str, World]) -> None:
    with transaction() as session:
        for place in worlds["one"].places.values():
            place.session = session
            talk = place.conversation(last_activity_at=utcnow() - HOUR)
            for at in range(4):
                place.message(talk, utcnow() - at * HOUR, at % 2)
    for path in ("/api/contacts", "/api/conversations", "/api/messages", "/api/portfolio/messages"):
        everything = client.get(path, params={"limit": 200}).json()["items"]
        paged, cursor = [], ""
        while cursor is not None:
            answer = client.get(path, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
            assert answer.status_code == 200, answer.text
            paged += answer.json()["items"]
            cursor = answer.json()["next_cursor"]
        assert paged == everything
        assert len({each["id"] for each in paged}) == len(paged) >= 3
        for wrong in ("x", "bnVsbA", "W10", "WzEsMl0"):
            assert client.get(path, params={"cursor": wrong}).status_code == 400


def test_contacts_are_found_by_any_part_of_name_mail_or_phone(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    from models.tables.chatwoot import Contact

    with transaction() as session:
        place = worlds["one"].places["alpha"]
        place.session = session
        place.row(Contact, "chatwoot", name="Анна 100% Иванова", email="anna@example.com", phone="+15550100")
        place.row(Contact, "chatwoot", name=None, email="nobody_1@example.com")

    def found(words: str) -> list[str]:
        return [each["email"] for each in client.get("/api/contacts", params={"q": words}).json()["items"]]

    for words in ("анна", "100%", "NNA@", "550100", " Иванова ", "100% иванова"):
        assert found(words) == ["anna@example.com"], words
    assert found("nobody_1") == ["nobody_1@example.com"]
    assert found("nobody%1") == []


def test_messages_are_narrowed_by_conversation_and_direction(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    items = client.get("/api/messages", params={"project_id": "alpha"}).json()["items"]
    assert [each["direction"] for each in items] == ["incoming", "outgoing", "incoming"]
    only = client.get("/api/messages", params={"direction": "outgoing", "project_id": "alpha"}).json()[
        "items"
    ]
    assert only == [items[1]]
    talk = {"conversation_id": items[0]["conversation_id"]}
    assert client.get("/api/messages", params=talk).json()["items"] == items


def test_another_scopes_cached_answer_is_never_given(
    login: Callable[..., httpx.Client], refreshed: dict[str, World]
) -> None:
    one, two = login("one"), login("two")
    for path in ("/api/portfolio/overview", "/api/control-tower?project_id=alpha"):
        names = []
        for caller in (one, two, one, two):
            body = caller.get(path).json()
            names.append(
                [each["name"] for each in (body.get("portfolio") or body["control_tower"])["projects"]]
            )
        assert names[0] == names[2] != names[1] == names[3]
