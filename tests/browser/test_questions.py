"""A wrong answer becomes a case that somebody completes with the right records; a question is kept and let go."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tower

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

QUESTION = "What did we promise Voltline about the deadline?"


def _ask(page: Page, tower: Tower) -> None:
    page.goto(f"{tower.url}/search?project=all")
    page.wait_for_selector("[data-suggested]")
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-answer]")


def test_a_thumbs_down_is_completed_with_a_record_that_was_looked_for(page: Page, tower: Tower):
    _ask(page, tower)
    page.get_by_role("button", name="Bad answer").click()
    page.fill("#feedback-comment", "Speaks of another client")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#feedback-comment")).to_have_count(0)
    page.goto(f"{tower.url}/search?project=all")
    expect(page.locator("[data-chart='votes'] [data-bands]")).to_be_visible()
    page.locator("[data-questions]").click()
    line = page.locator("[data-case-line]").filter(has_text="Speaks of another client")
    line.click()
    expect(page.locator("[data-comment]")).to_contain_text("Speaks of another client")
    expect(page.locator("[data-records='shown'] [data-record-choice]").first).to_be_visible()
    page.fill("#case-words", "Voltline deadline")
    page.get_by_role("button", name="Find").click()
    chosen = page.locator("[data-records='found'] [data-record-choice]").first
    named = chosen.get_attribute("data-record-choice")
    chosen.get_by_role("button").click()
    expect(page.locator(f"[data-records='right'] [data-record-choice='{named}']")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    kept = tower.rows("select evidence from lightrag_feedback where comment = 'Speaks of another client'")
    assert kept == [([named],)]
    page.goto(f"{tower.url}/questions?project=all&status=completed")
    expect(page.locator("[data-case-line]").filter(has_text="1 right record")).to_be_visible()


def test_a_question_is_kept_found_again_and_let_go(page: Page, tower: Tower):
    _ask(page, tower)
    page.locator("[data-keep]").click()
    expect(page.locator("[data-keep]")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{tower.url}/search?project=all")
    page.locator("[data-saved]").filter(has_text=QUESTION).click()
    page.wait_for_selector("[data-answer]")
    page.locator("[data-keep]").click()
    expect(page.locator("[data-keep]")).to_have_attribute("aria-pressed", "false")
    page.goto(f"{tower.url}/search?project=all")
    page.wait_for_selector("[data-suggested]")
    expect(page.locator("[data-saved]")).to_have_count(0)
