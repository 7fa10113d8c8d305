"""RQ's dashboard in a browser: behind the login, from the jobs page, without an error and without anything from elsewhere."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tower

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
    expect(page.locator("main")).to_contain_text("control-")
    # Longer than its refresh of five seconds: what it asks for by itself is answered too.
    page.wait_for_timeout(7_000)
    assert {urlsplit(each).netloc for each in asked if each.startswith("http")} == {
        urlsplit(tower.url).netloc
    }


def test_a_page_of_another_port_changes_nothing_although_it_has_the_cookies(page: Page, tower: Tower):
    foreign = page.context.new_page()
    statuses: list[int] = []
    foreign.on("response", lambda answer: statuses.append(answer.status) if "/rq/" in answer.url else None)
    # Another origin of the same site: the browser sends the session's cookie along.
    foreign.route("**/lure", lambda route: route.fulfill(body="<h1>A lure</h1>", content_type="text/html"))
    foreign.goto(f"{tower.sandbox}/lure")
    # The browser keeps the answer from that page, whatever it is; what counts is that nothing was done.
    foreign.evaluate(
        "(url) => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include'}).catch(() => null)",
        f"{tower.url}/rq/queues/sync/cleanup-stale",
    )
    assert set(statuses) <= {403}
    assert tower.rows("select count(*) from audit_events where action like 'queue%'") == [(0,)]
    foreign.close()
