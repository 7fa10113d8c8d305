import datetime as dt

import httpx
import pytest
from sqlmodel import Session, select

from models.infra.clock import frozen, utcnow
from models.infra.database import transaction
from models.infra.settings import override_settings
from models.tables.platform import AuditEvent, UserSession
from tests.tools_app.conftest import PASSWORD, USER
from tests.tools_app.world import World
from tools_app.services import auth

LOGIN = {"username": USER, "password": PASSWORD}


def rows(model: type) -> list:
    with transaction() as session:
        assert isinstance(session, Session)
        return list(session.exec(select(model)))


def test_login_answers_the_user_and_sets_a_cookie_that_scripts_cannot_read(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    answer = anonymous.post("/api/auth/login", json=LOGIN)
    assert answer.status_code == 200
    body = answer.json()
    assert body["user"] == USER
    assert body["active_project_id"] is None
    assert body["account_scope_id"] == str(worlds["one"].scope)
    assert body["request_id"] == answer.headers["x-request-id"]
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("ct_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie


def test_on_https_the_cookie_is_secure_and_bound_to_the_host(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    with override_settings(public_url="https://tower.example"):
        cookie = anonymous.post("/api/auth/login", json=LOGIN).headers["set-cookie"]
    assert cookie.startswith("__Host-ct_session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_the_token_is_stored_only_as_a_hash(client: httpx.Client) -> None:
    token = client.cookies["ct_session"]
    assert len(token) >= 22  # 128 bits in base64url
    [row] = rows(UserSession)
    assert token not in row.model_dump_json()
    assert len(row.token_hash) == 64


def test_me_repeats_what_login_said(client: httpx.Client) -> None:
    body = client.get("/api/auth/me").json()
    assert body["user"] == USER
    assert body["csrf_token"] == client.headers["x-csrf-token"]


def test_me_without_a_session_is_401(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/api/auth/me")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(
    ("username", "password"), [(USER, "wrong"), ("nobody", PASSWORD), (USER, PASSWORD + " ")]
)
def test_a_wrong_name_or_password_gets_the_same_401(
    anonymous: httpx.Client, worlds: dict[str, World], username: str, password: str
) -> None:
    answer = anonymous.post("/api/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "wrong_credentials"
    assert "set-cookie" not in answer.headers


def test_logout_ends_the_session_on_the_server(client: httpx.Client) -> None:
    token = client.cookies["ct_session"]
    assert client.post("/api/auth/logout").status_code == 200
    assert client.get("/api/auth/me", headers={"cookie": f"ct_session={token}"}).status_code == 401


def test_a_login_ends_the_browsers_former_session_and_makes_a_new_token(client: httpx.Client) -> None:
    former = client.cookies["ct_session"]
    assert client.post("/api/auth/login", json=LOGIN).status_code == 200
    assert client.cookies["ct_session"] != former
    assert auth.current_session(former) is None
    assert auth.current_session(client.cookies["ct_session"]) is not None


def test_a_session_ends_after_24_idle_hours(client: httpx.Client) -> None:
    token = client.cookies["ct_session"]
    with frozen(utcnow() + dt.timedelta(hours=23, minutes=59)):
        assert auth.current_session(token) is not None
    with frozen(utcnow() + dt.timedelta(hours=48)):
        assert auth.current_session(token) is None


def test_use_keeps_a_session_alive_but_never_beyond_14_days(client: httpx.Client) -> None:
    token, start = client.cookies["ct_session"], utcnow()
    for hours in range(20, 14 * 24, 20):
        with frozen(start + dt.timedelta(hours=hours)):
            assert auth.current_session(token) is not None
    with frozen(start + dt.timedelta(days=14, minutes=1)):
        assert auth.current_session(token) is None


@pytest.mark.parametrize("given", [None, "", "wrong", "ü"])
def test_a_mutation_without_the_right_csrf_token_is_403(client: httpx.Client, given: str | None) -> None:
    headers = {} if given is None else {"x-csrf-token": given.encode()}
    client.headers.pop("x-csrf-token")
    answer = client.post("/api/projects", json={"slug": "gamma", "name": "Gamma"}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "wrong_csrf_token"


def test_the_csrf_token_of_another_session_does_not_open_this_one(client: httpx.Client, login) -> None:
    other = login()
    answer = client.post("/api/auth/logout", headers={"x-csrf-token": other.headers["x-csrf-token"]})
    assert answer.status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_login_from_another_origin_is_refused(
    anonymous: httpx.Client, worlds: dict[str, World], origin: str
) -> None:
    answer = anonymous.post("/api/auth/login", json=LOGIN, headers={"origin": origin})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_origin"


def test_login_from_the_same_origin_is_accepted(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    origin = str(anonymous.base_url).rstrip("/")
    assert anonymous.post("/api/auth/login", json=LOGIN, headers={"origin": origin}).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_login_takes_json_only(anonymous: httpx.Client, worlds: dict[str, World], content_type: str) -> None:
    answer = anonymous.post(
        "/api/auth/login",
        content=b'{"username":"owner","password":"x"}',
        headers={"content-type": content_type},
    )
    assert answer.status_code == 400


def test_a_password_never_comes_back_in_an_error(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    answer = anonymous.post("/api/auth/login", json={"username": 5, "password": "my-secret-password"})
    assert answer.status_code == 400
    assert "my-secret-password" not in answer.text


def test_an_account_scope_that_does_not_exist_is_404(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    answer = anonymous.post("/api/auth/login", json={**LOGIN, "account_scope": "three"})
    assert answer.status_code == 404


def test_without_credentials_nobody_can_log_in(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    with override_settings(auth_credentials=""):
        answer = anonymous.post("/api/auth/login", json=LOGIN)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "login_not_configured"


def test_login_and_logout_are_audited_with_the_request_id(client: httpx.Client) -> None:
    answer = client.post("/api/auth/logout", headers={"x-request-id": "caller-chose-this"})
    assert answer.headers["x-request-id"] == "caller-chose-this"
    events = {row.action: row for row in rows(AuditEvent)}
    assert set(events) == {"session.login", "session.logout"}
    assert events["session.logout"].actor == USER
    assert events["session.logout"].request_id == "caller-chose-this"
