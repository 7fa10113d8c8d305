"""Sessions and API keys: what a person manages, what a program with a key may do and never may."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlmodel import select

from models.infra.clock import frozen, utcnow
from models.infra.database import reading
from models.infra.errors import Forbidden
from models.infra.rate_limit import limiter
from models.infra.redis import cache_redis
from models.infra.settings import override_settings
from models.tables.access import ApiKey
from models.tables.platform import AuditEvent
from tests.tools_app.api.question_calls import fill_questions
from tests.tools_app.api.test_isolation import CALLS, READS_BUSINESS_DATA, foreign, indexed
from tests.tools_app.commerce import fill_commerce
from tests.tools_app.conftest import USER
from tests.tools_app.world import World, unused_id
from tools_app.services import api_keys, auth

Holder = Callable[..., httpx.Client]


def make_key(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/auth/keys", json={"name": "reporting", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture
def holder(client: httpx.Client, base_url: str):
    """Makes clients that hold a key of scope `one`."""
    opened: list[httpx.Client] = []

    def make(**body: Any) -> httpx.Client:
        token = make_key(client, **body)["token"]
        opened.append(
            httpx.Client(base_url=base_url, timeout=30, headers={"authorization": f"Bearer {token}"})
        )
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def actions() -> list[str]:
    with reading() as session:
        return [each.action for each in session.exec(select(AuditEvent).order_by(AuditEvent.created_at))]


# --- sessions --------------------------------------------------------------------------------------------------


def test_a_person_sees_every_live_session_and_which_one_asks(
    client: httpx.Client, login: Callable[..., httpx.Client]
) -> None:
    other = login()
    items = client.get("/api/auth/sessions").json()["items"]
    assert sorted(each["current"] for each in items) == [False, True]
    assert all(each["ip"] == "127.0.0.1" and "httpx" in each["browser"] for each in items)
    other.post("/api/auth/logout")
    assert len(client.get("/api/auth/sessions").json()["items"]) == 1


def test_one_session_is_ended_and_the_others_go_on(
    client: httpx.Client, login: Callable[..., httpx.Client]
) -> None:
    other, third = login(), login("two")
    [mine] = [each for each in other.get("/api/auth/sessions").json()["items"] if each["current"]]
    assert client.delete(f"/api/auth/sessions/{mine['id']}").status_code == 200
    assert other.get("/api/auth/me").status_code == 401
    assert third.get("/api/auth/me").status_code == client.get("/api/auth/me").status_code == 200
    assert client.delete(f"/api/auth/sessions/{mine['id']}").status_code == 404
    assert actions().count("session.end") == 1


def test_all_others_are_ended_at_once(client: httpx.Client, login: Callable[..., httpx.Client]) -> None:
    others = [login(), login("two")]
    assert client.delete("/api/auth/sessions").json()["ended"] == 2
    assert [each.get("/api/auth/me").status_code for each in others] == [401, 401]
    assert client.get("/api/auth/me").status_code == 200


# --- keys ------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_stored_as_a_hash(client: httpx.Client) -> None:
    made = make_key(client)
    token = made["token"]
    assert token.startswith("ct_")
    assert len(token) >= 3 + 43  # 256 bits
    listed = client.get("/api/auth/keys")
    assert token not in listed.text
    [item] = listed.json()["items"]
    assert token.startswith(item["hint"])
    assert len(item["hint"]) == 11
    assert item["last_used_at"] is None
    with reading() as session:
        [row] = session.exec(select(ApiKey)).all()
        audited = json.dumps([each.model_dump(mode="json") for each in session.exec(select(AuditEvent))])
    assert token not in row.model_dump_json() + audited
    assert len(row.token_hash) == 64
    assert "api_key.create" in actions()


def test_a_key_reads_without_cookie_or_csrf_token_and_its_use_is_noted(
    holder: Holder, client: httpx.Client
) -> None:
    program = holder()
    assert program.get("/api/projects").status_code == 200
    me = program.get("/api/auth/me").json()
    assert me["user"].startswith("key ct_")
    assert me["csrf_token"] == ""
    assert client.get("/api/auth/keys").json()["items"][0]["last_used_at"] is not None


def test_a_key_that_only_reads_asks_questions_and_changes_nothing(holder: Holder) -> None:
    program = holder()
    assert program.post("/api/search", json={"query": "deadline"}).status_code == 200
    for path, body in (
        ("/api/projects", {"slug": "gamma", "name": "Gamma"}),
        ("/api/connectors/sync", {}),
        ("/api/lightrag/refresh", {}),
    ):
        answer = program.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "key_is_read_only"), path


def test_a_key_that_changes_leaves_its_name_in_the_audit_trail(holder: Holder) -> None:
    program = holder(read_only=False)
    assert program.post("/api/projects", json={"slug": "gamma", "name": "Gamma"}).status_code == 201
    with reading() as session:
        [event] = session.exec(select(AuditEvent).where(AuditEvent.action == "project.create")).all()
    assert event.actor.startswith("key ct_")


def test_a_key_never_manages_keys_sessions_or_secrets(holder: Holder) -> None:
    program = holder(read_only=False)
    for method, path, body in (
        ("GET", "/api/auth/sessions", None),
        ("DELETE", "/api/auth/sessions", None),
        ("DELETE", f"/api/auth/sessions/{unused_id()}", None),
        ("GET", "/api/auth/keys", None),
        ("POST", "/api/auth/keys", {"name": "more"}),
        ("DELETE", f"/api/auth/keys/{unused_id()}", None),
        ("POST", "/api/auth/logout", None),
        ("POST", "/api/projects/all/select", None),
        ("PUT", f"/api/webhooks/linear/{unused_id()}/secret", {"secret": "0123456789abcdef"}),
    ):
        answer = program.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "session_required"), path


def test_a_key_opens_neither_the_queues_dashboard_nor_what_only_a_csrf_token_guards(holder: Holder) -> None:
    program = holder(read_only=False)
    for method, path in (("GET", "/rq/"), ("DELETE", "/rq/queues/sync"), ("POST", "/rq/job/x/requeue")):
        headers = {"sec-fetch-site": "same-origin"}
        assert program.request(method, path, headers=headers).status_code == 403, path
    key = api_keys.session_of_key(program.headers["authorization"].removeprefix("Bearer "))
    assert key is not None
    for given in (None, ""):
        with pytest.raises(Forbidden):
            auth.check_csrf(key, given)


def test_a_revoked_key_opens_nothing_at_once(holder: Holder, client: httpx.Client) -> None:
    program = holder()
    [item] = client.get("/api/auth/keys").json()["items"]
    assert client.delete(f"/api/auth/keys/{item['id']}").json()["key"]["state"] == "revoked"
    assert program.get("/api/projects").status_code == 401
    assert client.delete(f"/api/auth/keys/{item['id']}").status_code == 404
    assert actions()[-1] == "api_key.revoke"


def test_a_key_expires(client: httpx.Client) -> None:
    token = make_key(client, expires_in_days=7)["token"]
    assert api_keys.session_of_key(token) is not None
    with frozen(utcnow() + dt.timedelta(days=7, seconds=1)):
        assert api_keys.session_of_key(token) is None


@pytest.mark.parametrize("header", ["Bearer", "Bearer ct_wrong", "Bearer " + "x" * 300, "bearer ct_ü"])
def test_a_wrong_key_is_401_even_beside_a_good_cookie(client: httpx.Client, header: str) -> None:
    answer = client.get("/api/projects", headers={"authorization": header.encode()})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [{"name": ""}, {"name": "\u0007"}, {"expires_in_days": 0}, {"expires_in_days": 366}, {"project_ids": []}, {"project_ids": ["all"]}],
)  # fmt: skip
def test_a_key_without_name_end_or_project_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post("/api/auth/keys", json={"name": "x", **body}).status_code == 400
    assert client.get("/api/auth/keys").json()["items"] == []


def test_a_key_cannot_be_limited_to_a_project_of_another_scope(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    for name in (str(worlds["two"].places["alpha"].project), "nowhere"):
        answer = client.post("/api/auth/keys", json={"name": "x", "project_ids": [name]})
        assert answer.status_code == 404


def test_the_fifty_first_live_key_is_refused(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MAX_LIVE", 2)
    make_key(client)
    make_key(client)
    assert client.post("/api/auth/keys", json={"name": "x"}).status_code == 409


def test_keys_of_another_scope_are_neither_listed_nor_revoked(
    client: httpx.Client, login: Callable[..., httpx.Client]
) -> None:
    key = make_key(client)["key"]["id"]
    other = login("two")
    assert other.get("/api/auth/keys").json()["items"] == []
    assert other.delete(f"/api/auth/keys/{key}").status_code == 404


# --- a key that is limited to projects -------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_a_limited_key_meets_only_its_projects_at_every_endpoint(
    holder: Holder, worlds: dict[str, World]
) -> None:
    mine = worlds["one"].places["alpha"]
    program = holder(read_only=False, project_ids=["alpha"])
    hidden = foreign(worlds, [mine])
    for key, call in CALLS.items():
        for project in (None, "beta"):
            for answer in call(program, project):
                shown = {each for each in hidden if each in answer.text}
                assert not shown, (key, project, shown)
                assert answer.status_code < 500


def test_a_limited_key_reads_its_project_and_not_another(
    holder: Holder, client: httpx.Client, worlds: dict[str, World]
) -> None:
    fill_commerce(worlds["one"].places["alpha"])
    fill_questions(worlds["one"].places["alpha"], USER)
    indexed(worlds["one"])
    program = holder(project_ids=["alpha"])
    beta = str(worlds["one"].places["beta"].project)
    assert [each["slug"] for each in program.get("/api/projects").json()["items"]] == ["alpha"]
    for key in READS_BUSINESS_DATA:
        own, owners = ([each.status_code for each in CALLS[key](who, "alpha")] for who in (program, client))
        assert own == owners, key
        assert {each.status_code for each in CALLS[key](program, beta)} == {404}, key


def test_what_a_limited_key_was_answered_is_never_served_to_the_owner(
    holder: Holder, client: httpx.Client
) -> None:
    program = holder(project_ids=["alpha"])
    for path in ("/api/portfolio/overview", "/api/control-tower?project_id=all"):
        for _ in range(2):
            assert "Beta of one" not in program.get(path).text, path
        assert "Beta of one" in client.get(path).text, path
        assert "Beta of one" not in program.get(path).text, path


def test_a_limited_key_changes_its_project_and_no_other(holder: Holder, worlds: dict[str, World]) -> None:
    program = holder(read_only=False, project_ids=["alpha"])
    path, body = "/api/offers", {"title": "Phase 1", "currency": "EUR"}
    assert program.post(path, json={**body, "project_id": "alpha"}).status_code == 201
    assert program.post(path, json={**body, "project_id": "beta"}).status_code == 404
    assert program.post(path, json={**body, "project_id": "all"}).status_code == 400
    reader = holder(project_ids=["alpha"])
    assert reader.post(path, json={**body, "project_id": "alpha"}).status_code == 403
    # Of the audit trail it sees its project's part, and no logins.
    events = program.get("/api/audit?project_id=all").json()["items"]
    assert {each["action"] for each in events} == {"offer.create"}


def test_a_limited_key_is_refused_where_the_whole_account_scope_is_meant(holder: Holder) -> None:
    program = holder(read_only=False, project_ids=["alpha"])
    for method, path in (
        ("GET", "/api/system"),
        ("GET", "/api/events/stream"),
        ("POST", "/api/connectors/sync"),
        ("POST", "/api/lightrag/refresh"),
        ("POST", "/api/projects"),
    ):
        answer = program.request(
            method, path, json={"slug": "x", "name": "x"} if path == "/api/projects" else None
        )
        assert answer.status_code == 403, path


# --- rate limits -----------------------------------------------------------------------------------------------


def test_reads_are_limited_by_session(client: httpx.Client, login: Callable[..., httpx.Client]) -> None:
    other = login()
    with frozen(utcnow()), override_settings(rate_limit_get=5):
        codes = [client.get("/api/auth/me").status_code for _ in range(7)]
        refused = client.get("/api/projects")
        assert other.get("/api/auth/me").status_code == 200
    assert codes == [200] * 5 + [429] * 2
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert 1 <= int(refused.headers["retry-after"]) <= 120


def test_changes_are_limited_by_address_whoever_asks(
    client: httpx.Client, login: Callable[..., httpx.Client], anonymous: httpx.Client
) -> None:
    other = login()
    # Logins are changes too; how long ago they were must not matter here.
    cache_redis().flushdb()
    limiter.forget()
    with frozen(utcnow()), override_settings(rate_limit_post=4):
        codes = [
            each.post("/api/projects/all/select").status_code for each in (client, other, anonymous, client)
        ]
        assert codes == [200, 200, 401, 200]
        for path in ("/api/projects/all/select", "/api/auth/login", "/api/nothing"):
            refused = anonymous.post(path, json={})
            assert refused.status_code == 429, path
            assert set(refused.json()) == {"error", "request_id"}
            assert refused.headers["x-content-type-options"] == "nosniff"
        assert client.delete(f"/api/auth/keys/{unused_id()}").status_code == 429
        assert client.get("/api/auth/me").status_code == 200


def test_a_key_has_a_limit_of_its_own(holder: Holder, client: httpx.Client) -> None:
    program, another = holder(), holder()
    with frozen(utcnow()), override_settings(rate_limit_key=3, rate_limit_post=1, rate_limit_get=1):
        codes = [
            program.get("/api/projects").status_code,
            program.post("/api/search", json={"query": "deadline"}).status_code,
            program.post("/api/search", json={"query": "deadline"}).status_code,
            program.get("/api/projects").status_code,
        ]
        assert codes == [200, 200, 200, 429]
        assert another.get("/api/projects").status_code == 200


def test_who_proves_nothing_is_limited_by_address(anonymous: httpx.Client, client: httpx.Client) -> None:
    with frozen(utcnow()), override_settings(rate_limit_anonymous=3):
        made_up = [{"cookie": f"ct_session={'x' * 42}{n}"} for n in range(3)]
        codes = [anonymous.get("/api/auth/me", headers=each).status_code for each in made_up]
        assert codes == [401] * 3
        assert anonymous.get("/api/auth/me", headers={"authorization": "Bearer ct_x"}).status_code == 429
        assert client.get("/api/auth/me").status_code == 200, (
            "a live session is not held up by its neighbours"
        )


def test_webhooks_have_a_limit_of_their_own(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    path = f"/api/webhooks/linear/{unused_id()}"
    with frozen(utcnow()), override_settings(rate_limit_post=1, rate_limit_webhook=3):
        assert [anonymous.post(path, json={}).status_code for _ in range(4)] == [401, 401, 401, 429]


def test_health_is_not_limited_for_private_networks_and_is_for_others(
    anonymous: httpx.Client, database: str
) -> None:
    with frozen(utcnow()), override_settings(rate_limit_anonymous=2, trusted_proxies="127.0.0.1/32"):
        assert {anonymous.get("/health").status_code for _ in range(4)} == {200}
        public = {"x-forwarded-for": "198.51.100.7"}
        assert [anonymous.get("/health", headers=public).status_code for _ in range(3)] == [200, 200, 429]


def test_without_redis_the_limits_still_hold(client: httpx.Client) -> None:
    with frozen(utcnow()), override_settings(cache_redis_url="redis://127.0.0.1:1/0", rate_limit_get=3):
        codes = [client.get("/api/auth/me").status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]
