"""The page of sessions and keys: making a key and using it, ending another browser, on a phone and in Russian too."""

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tower, log_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def security(page: Page, tower: Tower) -> Page:
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    page.click("[data-nav=security]")
    page.wait_for_selector("[data-session]")
    return page


def test_a_key_is_made_used_and_revoked(security: Page, tower: Tower):
    security.fill("#key-name", "weekly report")
    security.locator("[data-key-form] input[type=checkbox]").first.check()
    security.click("[data-key-form] button[type=submit]")
    token = security.locator("[data-new-token]").inner_text()
    assert token.startswith("ct_")
    headers = {"authorization": f"Bearer {token}"}
    listed = httpx.get(f"{tower.url}/api/projects", headers=headers)
    assert len(listed.json()["items"]) == 1, "limited to the project that was ticked"
    security.click("[data-forget]")
    expect(security.locator("[data-new-token]")).to_have_count(0)
    assert token not in security.content()
    line = security.locator("[data-key]").filter(has_text="weekly report")
    line.locator("[data-revoke]").click()
    line.locator("[data-revoke-now]").click()
    expect(line).to_contain_text("Revoked")
    assert httpx.get(f"{tower.url}/api/projects", headers=headers).status_code == 401


def test_another_browser_is_ended_from_here(security: Page, tower: Tower, browser: Browser):
    context = browser.new_context(locale="en-GB")
    other = context.new_page()
    other.set_default_timeout(20_000)
    log_in(other, tower)
    security.reload()
    security.wait_for_selector("[data-end]")
    before = security.locator("[data-session]").count()
    security.locator("[data-end]").first.click()
    expect(security.locator("[data-session]")).to_have_count(before - 1)
    expect(security.locator("[data-session]").filter(has_text="This browser")).to_have_count(1)
    other.reload()
    other.wait_for_url("**/login?next=**")
    context.close()


def test_on_a_phone_it_is_reached_from_the_project_sheet(
    browser: Browser, session_cookies: list[dict[str, object]], tower: Tower
):
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="ru-RU", color_scheme="dark")
    context.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    page.click("nav >> [data-open-dialog=project-sheet]")
    page.get_by_role("link", name="Сеансы и ключи API").click()
    page.wait_for_selector("[data-session]")
    expect(page.get_by_role("heading", name="Ключи API", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
