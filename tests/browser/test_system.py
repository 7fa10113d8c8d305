"""The system page: every part with what is known of it, and a part that hangs is shown as away while it hangs."""

import pytest
import redis
from playwright.sync_api import Locator, Page, expect

from deploy.embedded import ServerUrls
from tests.browser.conftest import Tower

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PARTS = ("postgres", "redis", "cache", "workers", "queues", "scheduler", "disk", "versions")


@pytest.fixture
def system(page: Page, tower: Tower) -> Page:
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    page.keyboard.press("g")
    page.keyboard.press("y")
    page.wait_for_url("**/system?project=all")
    page.wait_for_selector("[data-part]")
    return page


def part(page: Page, code: str) -> Locator:
    return page.locator(f"[data-part={code}]")


def test_every_part_is_shown_and_works(system: Page, tower: Tower) -> None:
    assert [each.get_attribute("data-part") for each in system.locator("[data-part]").all()] == list(PARTS)
    for code in ("postgres", "cache", "workers", "queues", "scheduler", "versions"):
        expect(part(system, code)).to_contain_text("Working")
    ((revision,),) = tower.rows("select version_num from alembic_version")
    expect(part(system, "postgres")).to_contain_text(str(revision))
    expect(part(system, "workers")).to_contain_text("control-")
    expect(part(system, "queues").locator("li")).to_have_count(3)


def test_a_redis_that_hangs_is_away_while_the_rest_is_shown(system: Page, servers: ServerUrls) -> None:
    # All clients of this server wait until the time is over, as with one that is stuck.
    with redis.Redis.from_url(servers.redis_url) as client:
        client.client_pause(10_000)
    system.locator("[data-check]").click()
    expect(part(system, "redis")).to_contain_text("Broken")
    expect(part(system, "redis").get_by_role("alert")).to_contain_text("REDIS_URL")
    expect(part(system, "workers")).to_contain_text("cannot be seen")
    expect(part(system, "postgres")).to_contain_text("Working")
    expect(part(system, "postgres")).to_contain_text("Schema revision")
    system.wait_for_timeout(10_000)
    system.locator("[data-check]").click()
    expect(part(system, "redis").get_by_role("alert").filter(has_text="REDIS_URL")).to_have_count(0)
    expect(part(system, "workers")).to_contain_text("Working")
