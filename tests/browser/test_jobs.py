"""Jobs and connectors: Sync now shows its progress as it happens, and the new rows without a reload."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tower

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture
def jobs(page: Page, tower: Tower) -> Page:
    page.goto(f"{tower.url}/jobs?project=all")
    page.wait_for_selector("[data-connector]")
    return page


def _rows(page: Page, connector: str) -> int:
    figures = page.locator(f"[data-connector={connector}] li a").all_inner_texts()
    return sum(int(figure.replace(",", "")) for figure in figures)


def test_each_connector_says_its_state_its_last_success_and_its_rows(jobs: Page):
    expect(jobs.locator("[data-connector]")).to_have_count(3)
    for card in jobs.locator("[data-connector]").all():
        expect(card).to_contain_text("Last success")
        assert _rows(jobs, card.get_attribute("data-connector") or "") > 100
    expect(jobs.locator("[data-coverage]")).to_contain_text("chunks")


def test_rows_of_a_stream_open_its_records(jobs: Page):
    link = jobs.locator("[data-connector=linear] li", has_text="Issues").get_by_role("link")
    rows = int(link.inner_text().replace(",", ""))
    link.click()
    expect(jobs.locator("[data-total]")).to_have_text(f"{rows} records")


def test_sync_now_shows_progress_and_then_the_new_rows(jobs: Page, tower: Tower):
    before = sum(_rows(jobs, connector) for connector in ("chatwoot", "linear", "attio"))
    for _ in range(12):
        assert jobs.request.post(f"{tower.sandbox}/_sandbox/tick").ok
    words: list[str] = []

    def note(text: str) -> None:
        words.append(text)

    jobs.expose_function("noteProgress", note)
    # Every text the page ever shows as progress, however briefly.
    jobs.evaluate(
        """() => new MutationObserver(() => document.querySelectorAll('[data-progress]').forEach(
               (each) => window.noteProgress(each.textContent))).observe(
               document.body, {subtree: true, childList: true, characterData: true})"""
    )
    jobs.locator("header [data-sync]").click()
    expect(jobs.locator("header [data-sync]")).to_contain_text("Syncing")
    expect(jobs.locator("header [data-sync]")).to_contain_text("Sync now", timeout=60_000)
    assert any("row" in each for each in words), f"no progress with rows was shown: {sorted(set(words))}"
    expect(jobs.locator("[data-run]").filter(has_text=re.compile("^Sync")).first).to_contain_text("Succeeded")
    assert sum(_rows(jobs, connector) for connector in ("chatwoot", "linear", "attio")) > before


def test_another_open_page_learns_of_the_sync_too(jobs: Page, tower: Tower):
    other = jobs.context.new_page()
    other.goto(f"{tower.url}/?project=all")
    other.wait_for_selector("[data-tile]")
    before = other.locator("[data-trust] ct-time").get_attribute("datetime")
    jobs.locator("header [data-sync]").click()
    expect(other.locator("[data-trust] ct-time")).not_to_have_attribute(
        "datetime", before or "", timeout=60_000
    )
    expect(jobs.locator("header [data-sync]")).to_contain_text("Sync now", timeout=60_000)


def test_nothing_is_polled_while_the_push_channel_is_open(jobs: Page):
    asked: list[str] = []
    sent: list[str] = []
    jobs.on("request", lambda request: asked.append(request.url))
    jobs.on("websocket", lambda socket: socket.on("framesent", lambda payload: sent.append(str(payload))))
    jobs.wait_for_timeout(12_000)
    assert asked == []
    assert sent == []
