"""RQ's dashboard in a browser: behind the login, from the jobs page, without an error and without anything from elsewhere."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tower, watch_console

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def test_without_a_session_it_leads_to_the_login(browser: Browser, tower: Tower):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{tower.url}/rq/queues")
    page.wait_for_selector("#password")
    assert urlsplit(page.url).query == "next=/rq/"
    context.close()


def test_its_pages_open_from_the_jobs_page_and_load_nothing_from_elsewhere(page: Page, tower: Tower):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{tower.url}/jobs?project=all")
    page.get_by_role("link", name="Queues in detail").click()
    expect(page.locator("main")).to_contain_text("sync")
    for name in ("Jobs", "Queues", "Workers", "Export"):
        page.get_by_role("link", name=name, exact=True).first.click()
        page.wait_for_url(f"**/rq/{name.lower()}*")
        page.wait_for_load_state("networkidle")
    page.goto(f"{tower.url}/rq/workers")
    expect(page.locator("main")).to_contain_text("control-sync-")
    # Longer than its refresh of five seconds: what it asks for by itself is answered too.
    page.wait_for_timeout(7_000)
    assert {urlsplit(each).netloc for each in asked if each.startswith("http")} == {
        urlsplit(tower.url).netloc
    }


def test_another_origins_page_changes_nothing(browser: Browser, page: Page, tower: Tower):
    page.goto(f"{tower.url}/rq/queues")
    # The sandbox's page is another origin of the same site: cookies go along, the guard must not care.
    foreign = page.context.new_page()
    watch_console(foreign)
    foreign.goto(f"{tower.sandbox}/_sandbox")
    said = foreign.evaluate(
        """async (url) => {
            try {
                const answer = await fetch(url, {method: 'DELETE', mode: 'no-cors', credentials: 'include'});
                return answer.type;
            } catch (error) { return String(error); }
        }""",
        f"{tower.url}/rq/queues/sync",
    )
    # DELETE is no simple method: the browser itself does not send it without CORS, and a simple POST is refused.
    assert "TypeError" in said
    foreign.evaluate(
        "(url) => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include'})",
        f"{tower.url}/rq/queues/sync/cleanup-stale",
    )
    assert tower.rows("select count(*) from audit_events where action like 'queue%'") == [(0,)]
