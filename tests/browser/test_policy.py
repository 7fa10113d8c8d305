"""Every page really works under the policy it is sent with, and a foreign page opens nothing."""

import http.client
import secrets
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Tower
from tools_app.tools_app import app

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# Reports every violation, also of what the console does not name: set before the page's own scripts.
_LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (e) =>
  window.violations.push([e.violatedDirective, e.blockedURI, e.sourceFile].join(" ")));
"""


def routes() -> list[str]:
    """Every page of the application."""
    return sorted({f"/{route}".replace("/index", "/") for route in app._unevaluated_pages if route != "404"})


def test_there_is_a_page_to_walk():
    assert {"/", "/login", "/jobs", "/security"} <= set(routes())


def test_every_page_works_under_its_policy(page: Page, tower: Tower):
    page.add_init_script(_LISTEN)
    for route in routes():
        answer = page.goto(f"{tower.url}{route}?project=all")
        assert answer is not None
        policy = dict(
            part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
        )
        assert "'unsafe-eval'" not in policy["script-src"]
        assert "'unsafe-inline'" not in policy["script-src"]
        assert policy["default-src"] == "'self'"
        assert policy["object-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["connect-src"] == policy["form-action"] == "'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        page.wait_for_load_state("networkidle")
        # The page has come to life: the header is drawn by its scripts' State, the theme switch is theirs too.
        if route != "/login":
            page.wait_for_selector("#theme-toggle")
            page.click("#theme-toggle")
            page.keyboard.press("?")
            page.wait_for_selector("dialog#shortcuts[open]")
            page.keyboard.press("Escape")
        assert page.evaluate("window.violations") == [], route


def test_the_api_documentation_works_under_its_policy(page: Page, tower: Tower):
    page.add_init_script(_LISTEN)
    answer = page.goto(f"{tower.url}/api/docs")
    assert answer is not None
    assert "script-src 'self'; " in answer.headers["content-security-policy"]
    page.wait_for_selector(".opblock")
    assert page.evaluate("window.violations") == []


def test_the_policy_stops_what_was_slipped_into_a_page(browser: Browser, tower: Tower):
    """The policy is not decoration: neither eval nor an inline script nor a foreign one runs."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{tower.url}/login")
    # Each tries from a task of the page: what a debugger evaluates is excepted from the policy.
    page.evaluate(
        """() => {
          window.tried = {};
          setTimeout(() => {
            try { eval("window.tried.eval = 'ran'"); } catch (e) { window.tried.eval = "refused"; }
            const inline = document.createElement("script");
            inline.textContent = "window.tried.inline = 'ran'";
            document.head.append(inline);
            window.tried.inline ||= "refused";
            const foreign = document.createElement("script");
            foreign.src = "https://evil.example/x.js";
            foreign.onload = () => { window.tried.foreign = "ran"; };
            foreign.onerror = () => { window.tried.foreign = "refused"; };
            document.head.append(foreign);
          }, 0);
        }"""
    )
    # Asked from outside: Playwright's own waiting evaluates text in the page, which the policy refuses.
    until = time.monotonic() + 30
    while not page.evaluate("window.tried.foreign") and time.monotonic() < until:
        page.wait_for_timeout(100)
    assert page.evaluate("window.tried") == {"eval": "refused", "inline": "refused", "foreign": "refused"}
    context.close()


def handshake(tower: Tower, origin: str | None) -> int:
    """The status of a websocket's handshake."""
    address = urlsplit(tower.url)
    wire = http.client.HTTPConnection(address.netloc, timeout=20)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": secrets.token_urlsafe(16),
    }
    try:
        wire.request(
            "GET",
            "/_event/?EIO=4&transport=websocket",
            headers=headers | ({"Origin": origin} if origin else {}),
        )
        return wire.getresponse().status
    finally:
        wire.close()


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null", "http://127.0.0.1:1"])
def test_the_websocket_opens_for_no_other_page(tower: Tower, origin: str | None):
    assert handshake(tower, origin) == 403


def test_the_websocket_opens_for_ours(tower: Tower):
    assert handshake(tower, tower.url) == 101


@pytest.mark.parametrize("path", ["/_event/?EIO=4&transport=polling", "/api/auth/me", "/"])
def test_a_foreign_page_is_told_nothing(tower: Tower, path: str):
    wire = http.client.HTTPConnection(urlsplit(tower.url).netloc, timeout=20)
    wire.request("GET", path, headers={"Origin": "https://evil.example"})
    answer = wire.getresponse()
    assert answer.getheader("access-control-allow-origin") not in ("*", "https://evil.example")
    wire.close()
