"""Projects never leak: every endpoint is walked in every way, and a foreign project's marker must never show.

The endpoints come from the API's own description. One that is not covered here fails the test, so that a new one
cannot be forgotten.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from models.infra import events
from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.retrieval import QueryRun
from tests.tools_app.api import (
    commerce_calls,
    connector_calls,
    identity_calls,
    question_calls,
    signal_calls,
)
from tests.tools_app.commerce import fill_commerce
from tests.tools_app.conftest import PASSWORD, USER
from tests.tools_app.world import Place, World, compare, marker
from tools_app.api import events as api_events
from tools_app.api.app import create_api
from tools_app.services import questions, search
from tools_app.services.event_hub import KINDS
from tools_app.services.search import Question

QUESTION = "What did we promise about the deadline?"
SETS = (
    "active_projects", "messages_7d", "messages_before_7d", "messages_weekly", "first_response", "waiting_conversations",
    "open_issues", "overdue_issues", "overdue_or_blocked_issues", "issues_created", "issues_completed", "open_deals",
    "pipeline", "stream_chatwoot_inboxes", "stream_chatwoot_contacts", "stream_chatwoot_conversations",
    "stream_chatwoot_messages", "stream_linear_projects", "stream_linear_states", "stream_linear_cycles",
    "stream_linear_issues", "stream_linear_comments", "stream_attio_companies", "stream_attio_people",
    "stream_attio_deals", "stream_attio_notes", "stream_attio_tasks",
)  # fmt: skip
MODES = ("hybrid", "naive", "local", "global", "mix", "vector", "lexical")

Call = Callable[[httpx.Client, str | None], list[httpx.Response]]


def get(path: str, *queries: dict[str, Any]) -> Call:
    """Calls a GET endpoint for a project, once for every query."""

    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        chosen = {} if project is None else {"project_id": project}
        return [client.get(path, params={**query, **chosen}) for query in (queries or ({},))]

    return call


def ask(path: str) -> Call:
    """Asks a question in every mode and over every source."""

    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        chosen = {} if project is None else {"project_id": project}
        bodies = [{"query": QUESTION, "mode": mode, "top_k": 50, "source_limit": 25} for mode in MODES]
        bodies += [
            {"query": QUESTION, "source_filter": [group], "top_k": 50}
            for group in ("messages", "issues", "deals")
        ]
        return [client.post(path, json={**body, **chosen}) for body in bodies]

    return call


def post(path: str, body: dict[str, Any] | None = None) -> Call:
    """Calls a POST endpoint that has no project."""
    return lambda client, _: [client.post(path, json=body)]


def portfolio(path: str) -> Call:
    """Calls a portfolio endpoint, which takes projects where others take one."""

    def call(client: httpx.Client, project: str | None) -> list[httpx.Response]:
        chosen = {} if project in (None, "all") else {"project_ids": project}
        return [client.get(path, params=chosen), client.get(path, params=chosen)]

    return call


def delete(path: str) -> Call:
    """Calls a DELETE endpoint that has no project."""
    return lambda client, _: [client.delete(path)]


def stream(client: httpx.Client, _project: str | None) -> list[httpx.Response]:
    """What an event stream sends of the kept past, until its first heartbeat; its text as an answer."""
    lines: list[str] = []
    with client.stream("GET", "/api/events/stream", headers={"last-event-id": "0-0"}) as response:
        if response.status_code != 200:
            response.read()
            return [response]
        for line in response.iter_lines():
            lines.append(line)
            if line == "event: heartbeat":
                break
    return [httpx.Response(200, text="\n".join(lines))]


def open_neighbours(client: httpx.Client, project: str | None) -> list[httpx.Response]:
    """Opens what stands around every record that a question brings up, else around one that is not there."""
    chosen = {} if project is None else {"project_id": project}
    shown = client.post("/api/lightrag/query", json={"query": QUESTION, **chosen})
    ids = [item["id"] for item in shown.json().get("evidence", [])] or [f"message:{new_id()}"]
    return [
        client.get(f"/api/lightrag/evidence/{each}/neighbours", params={"around": 10, **chosen})
        for each in ids
    ]


# How each endpoint is called. What reads business data gets a project; the others must not show any.
CALLS: dict[tuple[str, str], Call] = {
    ("get", "/health"): get("/health"),
    ("get", "/metrics"): get("/metrics"),
    ("get", "/api/auth/me"): get("/api/auth/me"),
    ("post", "/api/auth/login"): post("/api/auth/login", {"username": USER, "password": "wrong"}),
    ("get", "/api/auth/sessions"): get("/api/auth/sessions"),
    ("delete", "/api/auth/sessions"): delete("/api/auth/sessions"),
    ("delete", "/api/auth/sessions/{session_id}"): delete(f"/api/auth/sessions/{new_id()}"),
    ("get", "/api/auth/keys"): get("/api/auth/keys"),
    ("post", "/api/auth/keys"): post("/api/auth/keys", {"name": "reporting"}),
    ("delete", "/api/auth/keys/{key_id}"): delete(f"/api/auth/keys/{new_id()}"),
    ("get", "/api/projects"): get("/api/projects"),
    ("post", "/api/projects"): post("/api/projects", {"slug": "gamma", "name": "Gamma"}),
    ("post", "/api/projects/{project_id}/select"): lambda client, project: [
        client.post(f"/api/projects/{project or 'all'}/select")
    ],
    ("get", "/api/control-tower"): get("/api/control-tower"),
    ("get", "/api/portfolio/overview"): portfolio("/api/portfolio/overview"),
    ("get", "/api/portfolio/messages"): portfolio("/api/portfolio/messages"),
    ("get", "/api/contacts"): get("/api/contacts", {}, {"q": "mark"}),
    ("get", "/api/conversations"): get("/api/conversations", {}, {"status": "open"}),
    ("get", "/api/messages"): get("/api/messages", {}, {"direction": "incoming"}),
    ("get", "/api/records"): get("/api/records", *({"set": code, "limit": 200} for code in SETS)),
    ("get", "/api/lightrag/status"): get("/api/lightrag/status"),
    ("get", "/api/lightrag/evidence/{evidence_id}/neighbours"): open_neighbours,
    ("post", "/api/lightrag/query"): ask("/api/lightrag/query"),
    ("post", "/api/search"): ask("/api/search"),
    ("post", "/api/lightrag/refresh"): post("/api/lightrag/refresh"),
    ("post", "/api/lightrag/feedback"): post(
        "/api/lightrag/feedback", {"query_run_id": str(new_id()), "rating": "up"}
    ),
    ("get", "/api/webhooks"): get("/api/webhooks"),
    ("post", "/api/webhooks/{connector}/{binding}"): post(f"/api/webhooks/linear/{new_id()}", {}),
    ("put", "/api/webhooks/{connector}/{binding}/secret"): lambda client, _: [
        client.put(f"/api/webhooks/linear/{new_id()}/secret", json={"secret": "0123456789abcdef"})
    ],
    ("get", "/api/crm/unmapped-stages"): get("/api/crm/unmapped-stages"),
    ("get", "/api/system"): get("/api/system"),
    ("get", "/api/events/stream"): stream,
    # Logout has tests of its own (test_auth).
    ("post", "/api/auth/logout"): lambda _client, _project: [],
    **commerce_calls.CALLS,
    **connector_calls.CALLS,
    **identity_calls.CALLS,
    **question_calls.CALLS,
    **signal_calls.CALLS,
}

READS_BUSINESS_DATA = [
    ("get", "/api/control-tower"), ("get", "/api/records"), ("get", "/api/lightrag/status"), ("post", "/api/lightrag/query"),
    ("post", "/api/search"), *connector_calls.READS,
    ("get", "/api/lightrag/evidence/{evidence_id}/neighbours"),
    ("get", "/api/crm/unmapped-stages"), *commerce_calls.READS,
    ("get", "/api/contacts"), ("get", "/api/conversations"), ("get", "/api/messages"), *question_calls.READS,
    *identity_calls.READS,
    *signal_calls.READS,
]  # fmt: skip
# They take projects, `project_ids`, instead of one.
PORTFOLIO = [("get", "/api/portfolio/overview"), ("get", "/api/portfolio/messages")]
NUMBERS_ONLY = {
    "/api/control-tower", "/api/lightrag/status", "/api/crm/overview", "/api/outbound/policies/{contact_id}",
    *connector_calls.NUMBERS, *question_calls.NUMBERS_ONLY,
}  # fmt: skip


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat ends the look at a stream."""
    monkeypatch.setattr(api_events, "HEARTBEAT_S", 0.5)


def described() -> set[tuple[str, str]]:
    """Every endpoint of the API's description."""
    api = next(route.app for route in create_api().routes if getattr(route, "name", "") == "api")
    return {(method, path) for path, operations in api.openapi()["paths"].items() for method in operations}


def indexed(world: World) -> None:
    """Make the world's rows findable by words and by meaning."""
    from jobs.indexing import index_pending

    index_pending(world.scope, budget_s=60)


@pytest.fixture
def searchable(worlds: dict[str, World]) -> dict[str, World]:
    for world in worlds.values():
        indexed(world)
        with transaction() as session:
            compare(session, world)
        for place in world.places.values():
            fill_commerce(place)
            identity_calls.fill_identity(place)
            connector_calls.give_up(place)
            question_calls.fill_questions(place, USER)
            signal_calls.fill_signals(place)
            signal_calls.fill_agreement(place)
    return worlds


def foreign(worlds: dict[str, World], mine: list[Place]) -> set[str]:
    """The markers that must not show."""
    return {place.marker for world in worlds.values() for place in world.places.values()} - {
        each.marker for each in mine
    }


def assert_no_leak(answers: list[httpx.Response], markers: set[str], where: str) -> None:
    for answer in answers:
        text = answer.text + json.dumps(dict(answer.headers))
        found = {each for each in markers if each in text}
        assert not found, f"{where} shows {found}"


def test_every_endpoint_is_covered_here(credentials: object) -> None:
    assert described() == set(CALLS)


def test_every_endpoint_that_takes_a_project_is_walked_as_one(credentials: object) -> None:
    api = next(route.app for route in create_api().routes if getattr(route, "name", "") == "api")
    takes = {
        (method, path)
        for path, operations in api.openapi()["paths"].items()
        for method, operation in operations.items()
        if any(
            each["name"] == "project_id" and each["in"] == "query" for each in operation.get("parameters", [])
        )
    }
    assert takes == {
        *READS_BUSINESS_DATA,
        ("post", "/api/lightrag/feedback"),
        ("delete", "/api/lightrag/saved/{saved_id}"),
    }


def test_one_project_never_shows_another(client: httpx.Client, searchable: dict[str, World]) -> None:
    place = searchable["one"].places["alpha"]
    for key in READS_BUSINESS_DATA + PORTFOLIO:
        for name in (str(place.project), place.slug):
            answers = CALLS[key](client, name)
            assert {each.status_code for each in answers} == {200}, (key, [each.text for each in answers])
            assert_no_leak(answers, foreign(searchable, [place]), f"{key} of one project")


def test_all_projects_means_those_of_the_account_scope(
    login: Callable[..., httpx.Client], searchable: dict[str, World]
) -> None:
    for slug, world in searchable.items():
        client = login(slug)
        for key in READS_BUSINESS_DATA + PORTFOLIO:
            answers = CALLS[key](client, "all")
            assert {each.status_code for each in answers} == {200}, (key, [each.text for each in answers])
            assert_no_leak(answers, foreign(searchable, list(world.places.values())), f"{key} of {slug}")


def test_the_markers_do_show_where_they_belong(client: httpx.Client, searchable: dict[str, World]) -> None:
    place = searchable["one"].places["alpha"]
    for key in READS_BUSINESS_DATA:
        if key[1] in NUMBERS_ONLY:
            continue
        assert any(place.marker in each.text for each in CALLS[key](client, place.slug)), key


@pytest.mark.parametrize("key", READS_BUSINESS_DATA + PORTFOLIO)
def test_a_project_outside_the_account_scope_is_404(
    client: httpx.Client, worlds: dict[str, World], key: tuple[str, str]
) -> None:
    for name in (str(worlds["two"].places["alpha"].project), "nowhere", str(new_id())):
        answers = CALLS[key](client, name)
        assert {each.status_code for each in answers} == {404}
        assert_no_leak(answers, foreign(worlds, []), f"{key} of a foreign project")


def test_endpoints_without_a_project_show_no_business_data(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    for key, call in CALLS.items():
        if key not in READS_BUSINESS_DATA + PORTFOLIO and key not in commerce_calls.CHANGES:
            assert_no_leak(call(client, None), foreign(worlds, []), f"{key}")


def test_a_stream_of_a_scope_carries_no_event_of_another(
    login: Callable[..., httpx.Client], worlds: dict[str, World]
) -> None:
    for kind in sorted(KINDS):
        for world in worlds.values():
            for place in world.places.values():
                said = {"account_scope_id": str(world.scope), "project_id": str(place.project)}
                events.publish(kind, {**said, "title": place.marker})
                # The worst there is: a scope that is not the project's.
                strange = worlds["one"] if world is worlds["two"] else worlds["two"]
                events.publish(kind, {**said, "account_scope_id": str(strange.scope), "title": place.marker})
    for slug, world in worlds.items():
        (answer,) = stream(login(slug), None)
        mine = list(world.places.values())
        assert_no_leak([answer], foreign(worlds, mine), f"the stream of {slug}")
        assert all(answer.text.count(place.marker) == len(KINDS) for place in mine)


def test_a_change_in_one_project_shows_and_touches_no_other(
    client: httpx.Client, login: Callable[..., httpx.Client], worlds: dict[str, World]
) -> None:
    for world in worlds.values():
        for place in world.places.values():
            fill_commerce(place)
    place = worlds["one"].places["alpha"]
    others = [(login("two"), "alpha"), (client, "beta")]
    before = [[json_of(CALLS[read](who, name)) for read in commerce_calls.READS] for who, name in others]
    for key in commerce_calls.CHANGES:
        # Alpha's rows named in another project of the scope, and from another scope: not there, for either.
        if "{" in key[1]:
            path = commerce_calls.fill(key[1], client, "alpha")
            for who, name in others:
                body = {**commerce_calls.body_of(key), "project_id": name}
                answer = who.request(key[0], path, json=body)
                assert answer.status_code == 404, (key, answer.text)
        answers = CALLS[key](client, "alpha")
        assert {each.status_code for each in answers} <= {200, 201, 409}, [each.text for each in answers]
        assert_no_leak(answers, foreign(worlds, [place]), f"{key}")
    assert before == [
        [json_of(CALLS[read](who, name)) for read in commerce_calls.READS] for who, name in others
    ]


def json_of(answers: list[httpx.Response]) -> list[Any]:
    """The answers' bodies without what differs with every request."""
    return [{**each.json(), "request_id": ""} for each in answers]


def test_without_a_session_nothing_is_answered(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    public = {("get", "/health"), ("get", "/metrics"), ("post", "/api/auth/login")}
    for key, call in CALLS.items():
        if key not in public:
            assert {each.status_code for each in call(anonymous, "alpha")} <= {401}, key


def test_the_active_project_is_what_requests_without_one_read(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    place = worlds["one"].places["beta"]
    chosen = client.post(f"/api/projects/{place.project}/select")
    assert chosen.json()["active_project_id"] == str(place.project)
    answers = CALLS["get", "/api/records"](client, None)
    assert_no_leak(answers, foreign(worlds, [place]), "the active project")
    assert any(place.marker in each.text for each in answers)
    assert client.post("/api/projects/all/select").json()["active_project_id"] is None


def test_a_foreign_project_cannot_be_selected(client: httpx.Client, worlds: dict[str, World]) -> None:
    assert client.post(f"/api/projects/{worlds['two'].places['alpha'].project}/select").status_code == 404


def test_projects_of_another_scope_are_not_listed(client: httpx.Client, worlds: dict[str, World]) -> None:
    items = client.get("/api/projects").json()["items"]
    assert [each["name"] for each in items] == ["Alpha of one", "Beta of one", "Unassigned of one"]


def test_an_answer_of_another_scope_cannot_be_rated(
    client: httpx.Client, login: Callable[..., httpx.Client], searchable: dict[str, World]
) -> None:
    run = login("two").post("/api/lightrag/query", json={"query": QUESTION}).json()["query_run_id"]
    vote = {"query_run_id": run, "rating": "down"}
    assert client.post("/api/lightrag/feedback", json=vote).status_code == 404


def test_a_question_over_more_projects_is_not_recent_in_one_of_them(worlds: dict[str, World]) -> None:
    world = worlds["one"]
    with transaction() as session:
        for projects in ([world.places["alpha"]], [world.places["alpha"], world.places["beta"]]):
            session.add(
                QueryRun(
                    account_scope_id=world.scope,
                    project_ids=[str(each.project) for each in projects],
                    mode="hybrid",
                    query=f"asked over {len(projects)}",
                    profile="default",
                    answerable=True,
                    quality_score=1,
                    took_ms=1,
                )
            )
    assert {each.text for each in questions.recent(world.of("alpha"))} == {"asked over 1"}
    assert {each.text for each in questions.recent(world.of())} == {"asked over 1", "asked over 2"}
    assert questions.recent(world.of("beta")) == ()
    assert questions.recent(worlds["two"].of()) == ()


def test_errors_of_records_that_are_not_routed_yet_show_only_over_all_projects(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    from models.tables.reliability import ConnectorError

    place = worlds["one"].places["alpha"]
    with transaction() as session:
        session.add(
            ConnectorError(
                account_scope_id=place.scope,
                connection_id=place.connections["attio"],
                stream="deals",
                unit="lost",
                error_kind="bad_record",
                message="nobody knows whose this is",
            )
        )
    units = {each["unit"] for each in client.get("/api/connectors/errors?project_id=all").json()["items"]}
    assert "lost" in units
    units = {each["unit"] for each in client.get("/api/connectors/errors?project_id=alpha").json()["items"]}
    assert units == {f"unit {marker('one', 'alpha')}"}


def test_a_connections_records_of_another_scope_are_not_listed(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    other = worlds["two"].places["alpha"].connections["chatwoot"]
    answer = client.get("/api/records", params={"set": "stream_chatwoot_messages", "connection": str(other)})
    assert answer.json()["items"] == []
    assert answer.json()["total"] == 0


def test_the_page_view_of_an_answer_stays_inside_too(searchable: dict[str, World]) -> None:
    world = searchable["one"]
    place = world.places["alpha"]
    scope = world.of("alpha")
    view = search.view_of(scope, search.answer(scope, Question(QUESTION, top_k=50, source_limit=25)))
    assert view.evidence
    text = repr(view)
    assert not {each for each in foreign(searchable, [place]) if each in text}


def test_a_login_to_an_unknown_scope_opens_nothing(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    body = {"username": USER, "password": PASSWORD, "account_scope": "nowhere"}
    answer = anonymous.post("/api/auth/login", json=body)
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers
