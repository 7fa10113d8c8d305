"""One running Control Tower for all browser tests: what `make up` starts, on data servers and ports of the session's own.

The front end is exported once, the demo is synced by the real workers over HTTP from the sandbox. A page that logs an
error to its console fails its test.
"""

import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from deploy.browser import find_browser
from deploy.embedded import ServerUrls
from models.infra.settings import environment
from tests.conftest import ROOT, TEMPLATE

PASSWORD = "a password of the browser tests"
_READY = re.compile(r"Control Tower is ready: (\S+)  user: (\S+)")
_READY_S = 420
# The redis fixtures of other tests empty database 0 of the same servers.
_REDIS_DATABASE = 3
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True)
class Tower:
    """The running application: its address, its user, its sandbox's control address, its servers, its files."""

    url: str
    user: str
    sandbox: str
    database: str
    redis: str
    cache_redis: str
    data_dir: Path

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """What a statement returns in the application's database, behind the application's back."""
        with psycopg.connect(self.database.replace("+psycopg", "", 1)) as connection:
            return connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="package")
def tower(servers: ServerUrls, tmp_path_factory: pytest.TempPathFactory) -> Generator[Tower]:
    """Start it, wait for its ready line, stop it."""
    data_dir = tmp_path_factory.mktemp("tower")
    database = servers.database_url.rpartition("/")[0] + "/tower"
    with psycopg.connect(servers.database_url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(f"create database tower template {TEMPLATE} strategy file_copy".encode())
    port, sandbox = _free_ports(1), _free_ports(3)
    variables = environment(
        APP_ENV="demo",
        PORT=str(port),
        SANDBOX_PORT_BASE=str(sandbox),
        SANDBOX_TICK_S="0",
        DATA_DIR=str(data_dir),
        DEMO_PASSWORD=PASSWORD,
        DATABASE_URL=database,
        REDIS_URL=f"{servers.redis_url.rstrip('/').removesuffix('/0')}/{_REDIS_DATABASE}",
        CACHE_REDIS_URL=f"{servers.cache_redis_url.rstrip('/').removesuffix('/0')}/{_REDIS_DATABASE}",
        PYTHONPATH=str(ROOT),
    )
    log = data_dir / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.up"], cwd=ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        url, user = _wait_until_ready(process, log)
        yield Tower(
            url,
            user,
            f"http://127.0.0.1:{sandbox}",
            database,
            variables["REDIS_URL"],
            variables["CACHE_REDIS_URL"],
            data_dir,
        )
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        found = _READY.search(log.read_text(errors="replace"))
        if found:
            return found.group(1), found.group(2)
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError(f"Control Tower did not come up:\n{log.read_text(errors='replace')[-3000:]}")


def _free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first + count < 65_536 and all(_is_free(first + offset) for offset in range(count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="package")
def browser() -> Generator[Browser]:
    """Debian's Chromium, closed with the last browser test: Playwright keeps an event loop running in this thread."""
    found = find_browser()
    assert found is not None, "no Chromium on PATH: run make browser"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def session_cookies(tower: Tower, browser: Browser) -> list[dict[str, object]]:
    """The cookies of one login: the throttle is for people, not for fifty tests."""
    context = browser.new_context()
    page = context.new_page()
    log_in(page, tower)
    cookies = [dict(each) for each in context.cookies()]
    context.close()
    return cookies


@pytest.fixture
def context(browser: Browser, session_cookies: list[dict[str, object]]) -> Generator[BrowserContext]:
    """A logged-in desktop browser that reads English."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    opened.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]  # the shape Playwright gave
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Generator[Page]:
    """A page of it; errors on its console fail the test."""
    opened = context.new_page()
    errors = watch_console(opened)
    yield opened
    assert errors == []


def watch_console(page: Page) -> list[str]:
    """A list that fills with what the page reports as errors."""
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_default_timeout(20_000)
    return errors


def log_in(page: Page, tower: Tower, password: str = PASSWORD) -> None:
    """Fill in the login form and send it."""
    page.goto(f"{tower.url}/login")
    page.fill("#username", tower.user)
    page.fill("#password", password)
    page.click("button[type=submit]")
    if password == PASSWORD:
        page.wait_for_selector("[data-tile]")
