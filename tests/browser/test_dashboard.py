"""The Control Tower: highlights, trust, charts; every number opens the records it was computed from."""

import re
import time

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Tower

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text) or 0)


@pytest.fixture
def dashboard(page: Page, tower: Tower) -> Page:
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    return page


def test_it_shows_three_to_six_highlights_and_one_primary_action(dashboard: Page):
    assert 3 <= dashboard.locator("[data-tile]").count() <= 6
    expect(dashboard.locator("[data-sync]")).to_have_count(1)
    expect(dashboard.locator("[data-sync]")).to_have_text("Sync now")


def test_the_trust_bar_names_sources_errors_and_how_complete_the_copy_is(dashboard: Page, tower: Tower):
    # The comparison with the vendors follows the first sync.
    compared = "SELECT connector FROM job_runs WHERE job = 'reconcile' AND status = 'succeeded'"
    until = time.monotonic() + 240
    while len(set(tower.rows(compared))) < 3 and time.monotonic() < until:
        time.sleep(0.5)
    dashboard.reload()
    bar = dashboard.locator("[data-trust]")
    expect(bar).to_contain_text("Updated")
    for source in ("Chatwoot", "Linear", "Attio"):
        expect(bar).to_contain_text(source)
    expect(bar).to_contain_text(re.compile(r"Completeness 100\s?%"))
    expect(bar).to_contain_text("errors")


def test_at_least_four_charts_are_drawn_from_real_data(dashboard: Page):
    drawn = dashboard.locator("[data-chart]").filter(has=dashboard.locator(".hit"))
    assert drawn.count() >= 4
    for chart in drawn.all():
        assert chart.locator("h3").inner_text().endswith("?"), "a chart's title is the question it answers"


def test_a_highlight_opens_exactly_the_records_it_counts(dashboard: Page):
    tile = dashboard.locator("[data-tile=overdue_or_blocked_issues]")
    counted = _number(tile.locator(".text-2xl").inner_text())
    assert counted > 0
    tile.click()
    expect(dashboard.locator("[data-total]")).to_have_text(f"{counted} records")
    link = dashboard.locator("[data-record] [data-vendor-link]").first.get_attribute("href")
    assert link is not None
    assert dashboard.request.get(link).ok


def test_a_number_of_a_chart_opens_exactly_the_records_it_counts(dashboard: Page):
    row = dashboard.locator("[data-chart=overdue] .hit").first
    counted = _number(row.locator("span").last.inner_text())
    row.click()
    expect(dashboard.locator("[data-total]")).to_have_text(f"{counted} records")


def test_a_figure_of_the_project_table_opens_exactly_the_records_it_counts(dashboard: Page):
    cell = dashboard.locator("[data-project-row=voltline] td a").nth(3)
    counted = _number(cell.inner_text())
    cell.click()
    expect(dashboard.locator("[data-total]")).to_have_text(f"{counted} records")


def test_a_chart_is_read_by_keyboard(dashboard: Page):
    chart = dashboard.locator("[data-chart=messages]")
    chart.locator(".hit").first.focus()
    for _ in range(3):
        dashboard.keyboard.press("ArrowRight")
    tip = chart.locator(".tip").nth(3)
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("From clients")
    counted = _number(tip.get_by_role("link").first.locator("span").last.inner_text())
    dashboard.keyboard.press("Enter")
    expect(dashboard.locator("[data-total]")).to_have_text(f"{counted} records")


def test_a_tooltip_shows_under_the_pointer(dashboard: Page):
    band = dashboard.locator("[data-chart=messages] .hit").nth(2)
    band.hover()
    expect(dashboard.locator("[data-chart=messages] .tip").nth(2)).to_be_visible()
    expect(dashboard.locator("[data-chart=messages] .tip").nth(5)).to_be_hidden()


def test_back_leads_to_where_the_reader_came_from(dashboard: Page, tower: Tower):
    dashboard.locator("[data-tile=messages_7d]").click()
    dashboard.wait_for_selector("[data-total]")
    dashboard.locator("[data-back]").click()
    dashboard.wait_for_selector("[data-tile]")
    assert dashboard.url == f"{tower.url}/?project=all"


def test_choosing_a_project_puts_it_into_the_url_and_narrows_everything(dashboard: Page, tower: Tower):
    dashboard.locator("aside [data-project=voltline]").click()
    expect(dashboard.locator("[data-project-row]")).to_have_count(1)
    assert dashboard.url == f"{tower.url}/?project=voltline"
    expect(dashboard.locator("[data-tile=active_projects]")).to_contain_text("1")


def test_two_tabs_on_two_projects_never_mix(context: BrowserContext, tower: Tower):
    one, two = context.new_page(), context.new_page()
    one.goto(f"{tower.url}/?project=voltline")
    two.goto(f"{tower.url}/?project=lumen-health")
    expect(one.locator("[data-project-row]")).to_have_attribute("data-project-row", "voltline")
    expect(two.locator("[data-project-row]")).to_have_attribute("data-project-row", "lumen-health")
    one.reload()
    expect(one.locator("[data-project-row]")).to_have_attribute("data-project-row", "voltline")


def test_an_unknown_project_is_said_so_and_all_projects_are_shown(page: Page, tower: Tower):
    page.goto(f"{tower.url}/?project=no-such-project")
    page.wait_for_url("**/?project=all")
    expect(page.get_by_role("status").filter(has_text="There is no such project here")).to_be_visible()
    page.wait_for_selector("[data-tile]")
