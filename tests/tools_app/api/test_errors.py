import re

import httpx
import pytest

from models.infra.ids import new_id
from models.infra.settings import override_settings
from tests.tools_app.world import World, unused_id
from tools_app.services import projects


def assert_error(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert body["request_id"] == answer.headers["x-request-id"]


def test_an_unknown_path_below_api_is_404_in_the_one_shape(anonymous: httpx.Client) -> None:
    for path in ("/api/nothing", "/api/", "/api/projects/x/y/z", "/api/auth", "/api/docs/assets/none.js"):
        assert_error(anonymous.get(path), 404, "not_found")


def test_a_wrong_method_is_405_and_says_what_is_allowed(anonymous: httpx.Client) -> None:
    answer = anonymous.delete("/api/auth/login")
    assert_error(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


INVALID_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b'{"query": ""}',
    b'{"query": "x", "top_k": 0}',
    b'{"query": "x", "top_k": 51}',
    b'{"query": "x", "source_limit": 26}',
    b'{"query": "x", "unknown": 1}',
    b'{"query": "x", "source_filter": ["mails"]}',
    b'{"query": "x", "date_from": "yesterday"}',
    b'{"query": "x", "date_from": "2026-02-30"}',
    b'{"query": "   "}',
    b"\xff\xfe",
    b'{"query": "x", "date_from": "2026-02-02", "date_to": "2026-01-01"}',
    b'{"query": "' + b"x" * 4001 + b'"}',
]


def test_an_invalid_body_is_400_in_the_one_shape(client: httpx.Client) -> None:
    for body in INVALID_BODIES:
        answer = client.post(
            "/api/lightrag/query", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400, (body, answer.text)
        assert set(answer.json()) == {"error", "request_id"}
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


class Named(dict[str, str]):
    """Values of path parameters; what has no name of its own is an id."""

    def __missing__(self, name: str) -> str:
        return str(new_id())


def test_every_mutation_refuses_a_body_it_does_not_know(client: httpx.Client) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    mutations = [
        (
            method,
            path.format_map(Named(name="linear", project_id="all", connector="linear")),
        )
        for path, operations in paths.items()
        for method in operations
        # A delivery proves itself by its signature before anything in it is read.
        if method != "get" and path != "/api/webhooks/{connector}/{binding}"
    ]
    assert ("post", "/api/auth/logout") in mutations
    for method, path in mutations:
        for content in (b'{"unexpected": true}', b"[]", b"0", b'""', b"{", b"connector=linear"):
            answer = client.request(
                method, path, content=content, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 400, (path, content, answer.text)
            assert answer.json()["error"]["code"] == "invalid_input"
    assert client.get("/api/auth/me").status_code == 200


def test_a_mutation_without_parameters_takes_an_empty_object_or_nothing(client: httpx.Client) -> None:
    for path in ("/api/projects/all/select", "/api/connectors/linear/sync", "/api/connectors/sync"):
        for body in ({}, None):
            assert client.post(path, json=body).is_success, (path, body)
    assert client.post("/api/auth/logout", json={}).status_code == 200


def test_an_invalid_parameter_is_400_in_the_one_shape(client: httpx.Client) -> None:
    for query in ("limit=0", "limit=201", "limit=x", "cursor=garbage", "cursor=W10", "week=x&stage=y"):
        answer = client.get(f"/api/records?set=messages_weekly&{query}")
        assert answer.status_code == 400, (query, answer.text)


def test_an_unknown_record_set_is_400(client: httpx.Client) -> None:
    assert_error(client.get("/api/records?set=secrets"), 400, "unknown_record_set")


def test_a_project_that_does_not_exist_is_404(client: httpx.Client) -> None:
    assert_error(client.get(f"/api/control-tower?project_id={unused_id()}"), 404, "not_found")


def test_a_slug_in_use_is_409(client: httpx.Client) -> None:
    assert_error(client.post("/api/projects", json={"slug": "alpha", "name": "Again"}), 409, "slug_taken")


def test_too_many_logins_are_429_with_retry_after(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    wrong = {"username": "owner", "password": "wrong"}
    for _ in range(5):
        assert anonymous.post("/api/auth/login", json=wrong).status_code == 401
    answer = anonymous.post("/api/auth/login", json=wrong)
    assert_error(answer, 429, "too_many_requests")
    assert 0 < int(answer.headers["retry-after"]) <= 300


def test_an_unexpected_fault_is_500_with_an_id_and_without_its_cause(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_session: object) -> None:
        raise RuntimeError("the cause: password=hunter2")

    monkeypatch.setattr(projects, "list_projects", fail)
    answer = client.get("/api/projects")
    assert_error(answer, 500, "internal_error")
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("given", "kept"), [("abcd-1234", True), ("x" * 129, False), ("a b", False), ("short", False)]
)
def test_a_sane_request_id_is_echoed_and_any_other_replaced(
    anonymous: httpx.Client, given: str, kept: bool
) -> None:
    answer = anonymous.get("/api/auth/me", headers={"x-request-id": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"[A-Za-z0-9._:-]{8,128}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/api/auth/me", "/health", "/api/docs", "/api/nothing"])
def test_every_answer_carries_the_security_headers(anonymous: httpx.Client, path: str) -> None:
    headers = anonymous.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers
    assert headers["cache-control"] == "no-store"


def test_a_database_that_is_away_is_503_and_not_a_stack_trace(client: httpx.Client) -> None:
    with override_settings(database_url=""):
        assert_error(client.get("/api/projects"), 503, "database_not_configured")


def test_a_database_that_cannot_be_reached_is_503_with_retry_after(client: httpx.Client) -> None:
    with override_settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none"):
        answer = client.get("/api/projects")
    assert_error(answer, 503, "database_away")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "path", ["/api/records?set=pipeline&stage=a%00b", "/api/control-tower?project_id=%00"]
)
def test_a_nul_character_is_refused_and_not_a_fault(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code in (400, 404)
