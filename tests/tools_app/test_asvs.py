"""OWASP ASVS 5.0 walked over the running API: each test's first words are the requirement's number.

docs/security.md lists every requirement of the chapters on the web front end, authentication and sessions with the test
that shows it, here or elsewhere, and says what is not claimed. Here stands what no other test shows.
"""

import datetime as dt
import re
from collections.abc import Callable
from http.cookies import SimpleCookie

import bcrypt
import httpx
import pytest
from sqlmodel import select

from models.infra.clock import frozen, utcnow
from models.infra.database import transaction
from models.infra.settings import override_settings
from models.tables.platform import UserSession
from tests.conftest import ROOT
from tests.tools_app.api.test_isolation import described
from tests.tools_app.conftest import PASSWORD, USER
from tests.tools_app.world import World
from tools_app.services import auth, credentials

LOGIN = {"username": USER, "password": PASSWORD}
DOC = ROOT / "docs" / "security.md"


def set_cookies(answer: httpx.Response) -> dict[str, SimpleCookie]:
    found = {}
    for header in answer.headers.get_list("set-cookie"):
        found[header.partition("=")[0]] = SimpleCookie(header)
    return found


# --- V3.3 cookies ----------------------------------------------------------------------------------------------


def test_3_3_1_to_4_every_cookie_is_host_bound_secure_lax_and_out_of_reach_of_scripts(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    """3.3.1 Secure, 3.3.2 SameSite, 3.3.3 __Host-, 3.3.4 HttpOnly."""
    with override_settings(public_url="https://tower.example"):
        cookies = set_cookies(anonymous.post("/api/auth/login", json=LOGIN))
    assert set(cookies) == {"__Host-ct_session", "__Host-ct_device"}
    for name, cookie in cookies.items():
        [morsel] = cookie.values()
        assert morsel["secure"] is True, name
        assert morsel["httponly"] is True, name
        assert morsel["samesite"].lower() == "lax", name
        assert (morsel["path"], morsel["domain"]) == ("/", ""), name


def test_3_3_4_a_session_token_is_in_no_body_and_no_other_header(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    """3.3.4: the value reaches the browser by Set-Cookie alone."""
    answer = anonymous.post("/api/auth/login", json=LOGIN)
    token = anonymous.cookies["ct_session"]
    others = [value for name, value in answer.headers.items() if name != "set-cookie"]
    assert not any(token in text for text in [answer.text, *others, anonymous.get("/api/auth/me").text])


def test_3_3_5_cookies_are_small(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    """3.3.5: name and value of a cookie are at most 4096 bytes."""
    answer = anonymous.post("/api/auth/login", json=LOGIN)
    assert all(len(each) < 512 for each in answer.headers.get_list("set-cookie"))


# --- V3.2, V3.4, V4 headers and origins ------------------------------------------------------------------------

PATHS = ("/api/auth/me", "/health", "/metrics", "/api/docs", "/api/nothing", "/api/openapi.json", "/nothing")


def test_3_4_1_https_is_insisted_on_for_a_year(anonymous: httpx.Client) -> None:
    """3.4.1: Strict-Transport-Security of at least a year, subdomains included, wherever the address is https."""
    from tools_app.api.request_context import RequestContext

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(RequestContext(app, https=True))
        async with httpx.AsyncClient(transport=transport, base_url="https://tower.example") as client:
            return await client.get("/api/auth/me")

    import asyncio

    header = asyncio.run(ask()).headers["strict-transport-security"]
    assert int(re.findall(r"max-age=(\d+)", header)[0]) >= 31_536_000
    assert "includeSubDomains" in header


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_3_4_2_no_other_origin_may_read_anything(client: httpx.Client, origin: str) -> None:
    """3.4.2: no Access-Control-Allow-Origin for what is not on the list, for no method, credentials or not."""
    for path in PATHS:
        for method in ("GET", "OPTIONS"):
            asked = {"origin": origin, "access-control-request-method": "POST"}
            answer = client.request(method, path, headers=asked)
            assert "access-control-allow-origin" not in answer.headers, path


def test_3_4_3_to_8_the_headers_that_tie_a_browsers_hands_are_on_every_answer(
    anonymous: httpx.Client,
) -> None:
    """3.4.3 CSP, 3.4.4 nosniff, 3.4.5 Referrer-Policy, 3.4.6 frame-ancestors, 3.4.8 and 3.5.8 cross-origin policies."""
    for path in PATHS:
        headers = anonymous.get(path).headers
        policy = headers["content-security-policy"]
        assert "base-uri 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "default-src 'none'" in policy or "object-src 'none'" in policy, path
        assert "unsafe-eval" not in policy, path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "same-origin", path
        assert headers["cross-origin-opener-policy"] == "same-origin", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path


def test_3_2_1_data_is_never_taken_for_a_page(client: httpx.Client) -> None:
    """3.2.1, 4.1.1: an answer of the API says its type; opened by itself it may load and run nothing."""
    for path in ("/api/auth/me", "/api/projects", "/api/records?set=open_issues", "/health", "/api/nothing"):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("application/json"), path
        assert "default-src 'none'" in answer.headers["content-security-policy"], path


def test_3_5_3_reading_changes_nothing_and_changing_is_no_get(credentials: object) -> None:
    """3.5.3: what a GET does, a link of another site could do. Only reads are GETs, and each mutation is its own method."""
    verbs = re.compile(
        r"/(sync|retry|reconcile|repair|refresh|select|login|logout|create|send|approve|apply|run)\b"
    )
    assert [path for method, path in described() if method == "get" and verbs.search(path)] == []


def test_4_1_3_a_client_cannot_choose_its_own_address(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    """4.1.3: X-Forwarded-For counts from trusted proxies alone, else every guess would come from a new address."""
    for number in range(5):
        header = {"x-forwarded-for": f"198.51.100.{number}"}
        anonymous.post("/api/auth/login", json={**LOGIN, "password": "wrong"}, headers=header)
    refused = anonymous.post("/api/auth/login", json=LOGIN, headers={"x-forwarded-for": "198.51.100.99"})
    assert refused.status_code == 429


# --- V3.5 CSRF -------------------------------------------------------------------------------------------------


def mutations() -> list[tuple[str, str]]:
    """Every mutation with a session; deliveries prove themselves by their signature, the login by JSON and Origin."""
    public = {"/api/auth/login", "/api/webhooks/{connector}/{binding}"}
    return sorted((method, path) for method, path in described() if method != "get" and path not in public)


def filled(path: str) -> str:
    return re.sub(r"\{\w+\}", "0198c0de-0000-7000-8000-000000000000", path)


def test_3_5_1_no_mutation_works_without_the_sessions_csrf_token(
    client: httpx.Client, login: Callable[..., httpx.Client]
) -> None:
    """3.5.1: asked of every mutation there is, with no token, a wrong one, and another session's."""
    foreign = login().headers["x-csrf-token"]
    del client.headers["x-csrf-token"]
    for method, path in mutations():
        for token in (None, "", "wrong", foreign):
            headers = {} if token is None else {"x-csrf-token": token}
            answer = client.request(method, filled(path), headers=headers, json={})
            # Some bodies are judged first; nothing is done in either case.
            assert answer.status_code in (400, 403), (method, path, answer.text)
            if answer.status_code == 403:
                assert answer.json()["error"]["code"] == "wrong_csrf_token"
    assert client.get("/api/auth/me").status_code == 200, "not even the logout was done"
    assert len(client.get("/api/projects").json()["items"]) == 3


def test_3_5_1_a_foreign_page_with_a_stolen_token_is_refused_too(client: httpx.Client) -> None:
    """3.5.1: the Origin is checked beside the token."""
    for method, path in mutations():
        answer = client.request(method, filled(path), headers={"origin": "https://evil.example"}, json={})
        assert answer.status_code in (400, 403), (method, path)
    assert client.get("/api/auth/me").status_code == 200


def test_3_5_2_a_form_of_another_site_cannot_log_a_visitor_in(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    """3.5.2: types that need no preflight are refused, and so is a foreign Origin."""
    for content_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        answer = anonymous.post(
            "/api/auth/login",
            content=b'{"username":"owner","password":"correct horse battery staple"}',
            headers={"content-type": content_type},
        )
        assert answer.status_code == 400
        assert "set-cookie" not in answer.headers
    foreign = anonymous.post("/api/auth/login", json=LOGIN, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403


def test_3_5_1_the_token_is_compared_in_constant_time() -> None:
    """3.5.1: by the one comparison of the standard library that is made for it."""
    from tools_app.api import health
    from tools_app.services import devices

    for module, function in (
        (auth, auth.check_csrf),
        (health, health.metrics),
        (devices, devices.known_device),
    ):
        names = {*function.__code__.co_names, *(n for c in function.__code__.co_consts if hasattr(c, "co_names") for n in c.co_names)}  # fmt: skip
        assert "compare_digest" in names, module.__name__


# --- V6 authentication -----------------------------------------------------------------------------------------


def test_6_2_8_a_password_is_verified_exactly_as_it_was_given(worlds: dict[str, World]) -> None:
    """6.2.8: no case folding, no trimming, nothing cut off behind byte 72."""
    secret = "Ä" * 36  # 72 bytes
    pair = (USER, bcrypt.hashpw(secret.encode(), bcrypt.gensalt(4)).decode())
    assert credentials.verify_password(pair, USER, secret)
    for other in (secret + "x", secret.lower(), f" {secret}", secret[:-1], secret + "\0", ""):
        assert not credentials.verify_password(pair, USER, other), other


@pytest.mark.parametrize("cost", [4, 6])
def test_6_3_8_an_answer_does_not_tell_whether_a_name_exists(
    worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch, cost: int
) -> None:
    """6.3.8: one bcrypt computation of the same cost for an unknown name, a wrong password and one that is too long."""
    pair = (USER, bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost)).decode())
    worked: list[bytes] = []
    check = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        worked.append(hashed[:7])
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    for name, password in (
        (USER, "wrong password"),
        ("nobody", PASSWORD),
        ("", "x" * 200),
        (USER, "x" * 200),
    ):
        assert not credentials.verify_password(pair, name, password)
    assert worked == [f"$2b${cost:02}$".encode()] * 4


def test_6_3_4_every_way_to_be_somebody_is_documented(credentials: object) -> None:
    """6.3.4: the login, its session, an API key; whatever else the API's description names would fail here."""
    from tools_app.api.app import create_api

    api = next(route.app for route in create_api().routes if getattr(route, "name", "") == "api")
    assert set(api.openapi()["components"]["securitySchemes"]) == {"session", "csrf", "key"}


# --- V7 sessions -----------------------------------------------------------------------------------------------


def test_7_2_3_tokens_are_random_and_long(worlds: dict[str, World], credentials: object) -> None:
    """7.2.3: 256 bits from the system's generator, never the same twice."""
    tokens = {auth.login(USER, PASSWORD, auth.Browser(f"192.0.2.{n}")).token for n in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", each) for each in tokens)
    assert len({each[:6] for each in tokens}) == 20


def test_7_2_4_a_token_that_was_planted_before_the_login_opens_nothing_after_it(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    """7.2.4: session fixation. The login never takes a token over, and ends the browser's former session."""
    planted = "A" * 43
    answer = anonymous.post("/api/auth/login", json=LOGIN, headers={"cookie": f"ct_session={planted}"})
    assert answer.status_code == 200
    assert auth.current_session(planted) is None
    first = anonymous.cookies["ct_session"]
    anonymous.post("/api/auth/login", json=LOGIN)
    assert auth.current_session(first) is None


def test_7_3_1_and_2_a_session_ends_when_idle_and_in_any_case_after_14_days(
    client: httpx.Client, base_url: str
) -> None:
    """7.3.1 24 idle hours, 7.3.2 14 days: told by the server, whatever the browser keeps."""
    token = {"cookie": f"ct_session={client.cookies['ct_session']}"}
    with frozen(utcnow() + dt.timedelta(hours=24, minutes=2)):
        assert httpx.get(f"{base_url}/api/auth/me", headers=token).status_code == 401
    with transaction() as session:
        [row] = session.exec(select(UserSession)).all()
        assert row.expires_at - row.created_at == dt.timedelta(days=14)


def test_7_4_1_after_logout_the_token_opens_no_endpoint_and_no_page(
    client: httpx.Client, base_url: str
) -> None:
    """7.4.1: ended on the server; the browser is told to forget the cookie."""
    token = client.cookies["ct_session"]
    told = client.post("/api/auth/logout")
    assert "max-age=0" in told.headers["set-cookie"].lower()
    for path in ("/api/auth/me", "/api/projects", "/api/control-tower"):
        assert httpx.get(f"{base_url}{path}", headers={"cookie": f"ct_session={token}"}).status_code == 401
    assert auth.session_of_cookies(f"ct_session={token}") is None


def test_7_4_2_a_user_who_is_taken_out_of_the_settings_is_out(client: httpx.Client) -> None:
    """7.4.2: the account's end ends its sessions."""
    with override_settings(
        auth_credentials=f"another:{'$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZBYfWJCJmVn1xw3f0n4dD0fVnJj1Oa'}"
    ):
        assert client.get("/api/auth/me").status_code == 401
    assert client.get("/api/auth/me").status_code == 200


def test_14_3_2_answers_with_data_are_not_kept_by_caches(client: httpx.Client) -> None:
    """14.3.2: no-store, also on errors and on files to download."""
    for path in (
        "/api/auth/me",
        "/api/records?set=open_issues",
        "/api/nothing",
        "/api/connectors/reconciliation/diff?format=csv",
    ):
        assert "no-store" in client.get(path).headers["cache-control"] or "private" in client.get(path).headers["cache-control"], path  # fmt: skip


# --- the document ----------------------------------------------------------------------------------------------


def test_the_document_names_only_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOC.read_text())
    assert len(named) >= 30
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).exists() or not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]  # fmt: skip
    assert missing == []


def test_every_test_of_a_requirement_is_in_the_document() -> None:
    own = re.findall(
        r"^def (test_\d\w+)\(", (ROOT / "tests/tools_app/test_asvs.py").read_text(), re.MULTILINE
    )
    assert [name for name in own if name not in DOC.read_text()] == []
