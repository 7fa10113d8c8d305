"""Completeness on /jobs: the figure of the trust bar follows from the rows it leads to, and a loss is seen, listed, healed."""

import csv
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Tower

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CONNECTORS = ("attio", "chatwoot", "linear")
_LIMIT_S = 120


def block_of(page: Page, connector: str) -> Locator:
    return page.locator(f"[data-completeness={connector}]")


def at_rest(tower: Tower) -> None:
    """Wait until nothing syncs, compares or mends."""
    deadline = time.monotonic() + _LIMIT_S
    busy = "select job from job_runs where status in ('queued', 'running') and job in ('sync', 'reconcile', 'repair')"
    while tower.rows(busy):
        assert time.monotonic() < deadline, "the jobs do not end"
        time.sleep(0.5)


def compare(page: Page, tower: Tower, connector: str) -> None:
    """Press Compare now and wait for the word about its end."""
    name = connector.capitalize()
    block_of(page, connector).get_by_role("button", name="Compare now").click()
    said = page.get_by_role("status").get_by_text(f"{name}: ").filter(has_text="differ")
    expect(said.or_(page.get_by_text(f"{name}: the vendor could not be read")).first).to_be_visible(
        timeout=_LIMIT_S * 1000
    )
    at_rest(tower)


def numbers(page: Page, connector: str) -> dict[str, list[str]]:
    """The shown table of a connector: stream → its cells."""
    rows = block_of(page, connector).locator("tbody tr").all()
    return {
        row.locator("th").inner_text().split("\n")[0]: row.locator("td").all_inner_texts() for row in rows
    }


def recomputed(page: Page, connector: str) -> float:
    """The connector's figure from the vendor's count and the missing ones of each stream, as the page explains it."""
    weighted = weights = 0.0
    for cells in numbers(page, connector).values():
        vendor, missing = (int(cells[column].replace(",", "")) for column in (1, 3))
        share = 100 * (vendor - missing) / vendor if vendor else 100.0
        weighted += share * max(1, vendor)
        weights += max(1, vendor)
    return weighted / weights


def shown(pct: float) -> str:
    """A percentage as pages write it: never rounded up to 100."""
    return "100%" if pct >= 100 else f"{round(min(pct, 99.9), 1):g}%"


@pytest.fixture
def jobs(page: Page, tower: Tower) -> Page:
    at_rest(tower)
    page.goto(f"{tower.url}/jobs?project=all")
    page.wait_for_selector("[data-completeness]")
    return page


def test_the_trust_bars_figure_follows_from_the_rows_it_leads_to(jobs: Page, tower: Tower) -> None:
    for connector in CONNECTORS:
        compare(jobs, tower, connector)
    jobs.goto(f"{tower.url}/?project=all")
    figure = jobs.locator("[data-trust] [data-figure]")
    trusted = figure.inner_text()
    assert jobs.locator("[data-tile=completeness]").inner_text().split("\n")[1] == trusted
    figure.click()
    jobs.wait_for_url("**/jobs?project=all#completeness")
    expect(jobs.get_by_role("heading", name="Completeness", exact=True)).to_be_in_viewport()
    totals = {connector: recomputed(jobs, connector) for connector in CONNECTORS}
    for connector, total in totals.items():
        expect(block_of(jobs, connector).locator("[data-complete]")).to_have_text(shown(total))
    assert trusted == shown(min(totals.values()))


def test_one_projects_figure_follows_from_its_own_rows(jobs: Page, tower: Tower) -> None:
    jobs.goto(f"{tower.url}/?project=voltline")
    jobs.wait_for_selector("[data-tile=completeness]")
    trusted = jobs.locator("[data-trust] [data-figure]").inner_text()
    jobs.locator("[data-tile=completeness]").click()
    jobs.wait_for_url("**/jobs?project=voltline#completeness")
    expect(jobs.get_by_role("heading", name="Completeness", exact=True)).to_be_in_viewport()
    whole = tower.rows("select count(*) from linear_issues where deleted_at is null")[0][0]
    here = block_of(jobs, "linear").locator("tbody tr").filter(has_text="Issues").locator("td").nth(2)
    # The tab showed all projects before; their rows stand until those of the project have come.
    expect(here).not_to_have_text(str(whole))
    assert trusted == shown(min(recomputed(jobs, connector) for connector in CONNECTORS))
    assert 0 < int(numbers(jobs, "linear")["Issues"][2].replace(",", "")) < int(str(whole))


def test_what_is_lost_behind_its_back_is_seen_listed_and_healed(
    jobs: Page, tower: Tower, tmp_path: Path
) -> None:
    lost = tower.rows(
        "delete from linear_comments where id in (select id from linear_comments where deleted_at is null"
        " order by vendor_id limit 3) returning vendor_id"
    )
    compare(jobs, tower, "linear")
    cells = numbers(jobs, "linear")["Comments"]
    assert cells[3] == "3"
    assert cells[0] == shown(100 * (int(cells[1].replace(",", "")) - 3) / int(cells[1].replace(",", "")))
    expect(block_of(jobs, "linear").locator("[data-complete]")).to_have_text(
        shown(recomputed(jobs, "linear"))
    )
    comments = block_of(jobs, "linear").locator("tbody tr").filter(has_text="Comments")
    with jobs.expect_download() as download:
        comments.locator("[data-csv]").click()
    kept = tmp_path / "differences.csv"
    download.value.save_as(kept)
    listed = list(csv.DictReader(kept.read_text().splitlines()))
    assert {(each["difference"], each["vendor_id"]) for each in listed} == {
        ("missing", str(vendor_id)) for (vendor_id,) in lost
    }
    block_of(jobs, "linear").get_by_role("button", name="Repair").click()
    expect(jobs.get_by_text("Linear: 3 records mended.")).to_be_visible(timeout=_LIMIT_S * 1000)
    expect(block_of(jobs, "linear").locator("[data-csv]")).to_have_count(0, timeout=_LIMIT_S * 1000)
    assert numbers(jobs, "linear")["Comments"][3] == "0"
    expect(block_of(jobs, "linear").get_by_role("button", name="Repair")).to_have_count(0)


def test_with_the_vendor_out_of_reach_the_figure_is_unknown_and_says_since_when(
    jobs: Page, tower: Tower
) -> None:
    fault = {"vendor": "attio", "kind": "reset", "times": 100_000}
    assert jobs.request.post(f"{tower.sandbox}/_sandbox/faults", data=fault).ok
    try:
        compare(jobs, tower, "attio")
        attio = block_of(jobs, "attio")
        expect(attio.locator("[data-complete]")).to_have_text("unknown")
        people = attio.locator("tbody tr").filter(has_text="People")
        expect(people).to_contain_text("last figure")
        expect(people.locator("ct-time").first).to_contain_text("ago")
        jobs.goto(f"{tower.url}/?project=all")
        trust = jobs.locator("[data-trust]")
        expect(trust.locator("[data-figure]")).to_have_text("unknown")
        expect(trust).to_contain_text("last figure")
        expect(jobs.locator("[data-tile=completeness]")).to_contain_text("last figure")
    finally:
        assert jobs.request.delete(f"{tower.sandbox}/_sandbox/faults").ok
    # The circuit opened meanwhile; after half a minute it lets a probe through.
    deadline = time.monotonic() + _LIMIT_S
    jobs.goto(f"{tower.url}/jobs?project=all")
    jobs.wait_for_selector("[data-completeness]")
    while block_of(jobs, "attio").locator("[data-complete]").inner_text() == "unknown":
        assert time.monotonic() < deadline, "the figure does not come back"
        block_of(jobs, "attio").get_by_role("button", name="Compare now").click()
        at_rest(tower)
        jobs.wait_for_timeout(3_000)
    expect(block_of(jobs, "attio").locator("[data-complete]")).to_have_text(shown(recomputed(jobs, "attio")))
