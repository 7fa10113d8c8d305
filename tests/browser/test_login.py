"""Logging in and out: the way in, what is refused, and that nothing shows without a session."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tower, log_in

LOGIN = re.compile(r"/login\?next=")

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def stranger(browser: Browser, tower: Tower):
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def test_the_right_password_leads_to_the_page_that_was_asked_for(stranger: Page, tower: Tower):
    stranger.goto(f"{tower.url}/jobs?project=all")
    stranger.wait_for_url(LOGIN)
    stranger.fill("#username", tower.user)
    stranger.fill("#password", "a password of the browser tests")
    stranger.click("button[type=submit]")
    stranger.wait_for_selector("[data-connector]")
    assert stranger.url == f"{tower.url}/jobs?project=all"


def test_the_session_cookie_is_out_of_reach_of_scripts(stranger: Page, tower: Tower):
    log_in(stranger, tower)
    session = next(each for each in stranger.context.cookies() if each.get("name") == "ct_session")
    assert session.get("httpOnly")
    assert session.get("sameSite") == "Lax"
    assert "ct_session" not in stranger.evaluate("document.cookie")


def test_a_wrong_password_is_said_in_words_and_the_field_takes_the_focus(stranger: Page, tower: Tower):
    log_in(stranger, tower, password="wrong")
    expect(stranger.get_by_role("alert").filter(visible=True)).to_have_text("Name or password is wrong.")
    expect(stranger.locator("#password")).to_be_focused()


def test_who_tried_too_often_is_told_for_how_long(stranger: Page, tower: Tower):
    refusal = '{"error": {"code": "too_many_requests", "message": "", "details": {}, "request_id": ""}}'
    stranger.route(
        "**/api/auth/login",
        lambda route: route.fulfill(
            status=429, body=refusal, headers={"content-type": "application/json", "retry-after": "269"}
        ),
    )
    log_in(stranger, tower, password="wrong")
    expect(stranger.get_by_role("alert").filter(visible=True)).to_have_text(
        "Too many attempts. Minutes to wait: 5"
    )


def test_a_next_page_of_another_site_is_ignored(stranger: Page, tower: Tower):
    stranger.goto(f"{tower.url}/login?next=//evil.example/")
    stranger.fill("#username", tower.user)
    stranger.fill("#password", "a password of the browser tests")
    stranger.click("button[type=submit]")
    stranger.wait_for_selector("[data-tile]")
    assert stranger.url.startswith(tower.url)


@pytest.mark.parametrize("path", ["/", "/search", "/jobs", "/records?set=open_issues&project=all"])
def test_without_a_session_every_page_leads_to_the_login_and_shows_no_data(
    stranger: Page, tower: Tower, path: str
):
    frames: list[str] = []
    stranger.on(
        "websocket", lambda socket: socket.on("framereceived", lambda payload: frames.append(str(payload)))
    )
    stranger.goto(f"{tower.url}{path}")
    stranger.wait_for_url(LOGIN)
    assert not re.search("Harbor|Voltline|Meridian", "".join(frames))


def test_after_logging_out_the_session_is_gone(stranger: Page, tower: Tower):
    log_in(stranger, tower)
    stranger.locator("aside [data-logout]").click()
    stranger.wait_for_url("**/login")
    stranger.goto(tower.url)
    stranger.wait_for_url(LOGIN)
