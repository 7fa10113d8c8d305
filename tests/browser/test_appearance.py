"""How every page comes up: no console error, nothing wider than the screen, one language, one mode, a light load."""

import re
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from tests.browser.conftest import Tower, watch_console

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

# Path and what shows that its data are there.
PAGES = {
    "dashboard": ("/?project=all", "[data-tile]"),
    "search": ("/search?project=all", "[data-suggested]"),
    "jobs": ("/jobs?project=all", "[data-connector]"),
    "system": ("/system?project=all", "[data-part]"),
    "security": ("/security?project=all", "[data-session]"),
    "questions": ("/questions?project=all", "[data-modes]"),
    "records": ("/records?set=open_issues&project=all", "[data-record]"),
}
SCREENS = {"desktop": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
JS_BUDGET = 200_000


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["desktop", "phone"])
def screen(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def visitor(
    browser: Browser, session_cookies: list[dict[str, object]], scheme: str, screen: str
) -> Generator[Page]:
    context = browser.new_context(
        viewport=SCREENS[screen],  # pyright: ignore[reportArgumentType]
        color_scheme=scheme,  # pyright: ignore[reportArgumentType]
        locale="ru-RU" if scheme == "dark" else "en-GB",
    )
    context.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_comes_up_clean(visitor: Page, tower: Tower, name: str, scheme: str, screen: str):
    errors = watch_console(visitor)
    path, sign = PAGES[name]
    visitor.goto(f"{tower.url}{path}")
    visitor.wait_for_selector(sign)
    assert errors == []
    assert visitor.evaluate("document.documentElement.scrollWidth") <= SCREENS[screen]["width"]
    assert scheme in (visitor.locator("html").get_attribute("class") or "").split()
    expect(visitor.locator("[data-locale-root]")).to_have_attribute(
        "data-locale-root", "ru" if scheme == "dark" else "en"
    )
    unlabelled = "button:visible, a:visible, input:visible, textarea:visible, select:visible"
    for element in visitor.locator(unlabelled).all():
        assert element.evaluate(
            "e => (e.ariaLabel || e.textContent || e.title || (e.labels && e.labels.length) || '').toString().trim()"
        ), element.evaluate("e => e.outerHTML")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_less_script_than_its_budget(
    browser: Browser, session_cookies: list[dict[str, object]], tower: Tower, name: str
):
    context = browser.new_context()
    context.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    scripts: dict[str, str] = {}
    sizes: list[int] = []
    wire.on("Network.responseReceived", lambda e: scripts.__setitem__(e["requestId"], e["type"]))
    wire.on(
        "Network.loadingFinished",
        lambda e: sizes.append(e["encodedDataLength"]) if scripts.get(e["requestId"]) == "Script" else None,
    )
    path, sign = PAGES[name]
    page.goto(f"{tower.url}{path}")
    page.wait_for_selector(sign)
    context.close()
    assert 50_000 < sum(sizes) < JS_BUDGET


def test_pages_forbid_eval_and_foreign_scripts(page: Page, tower: Tower):
    answered = page.goto(f"{tower.url}/?project=all")
    assert answered is not None
    policy = answered.headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy


def test_hashed_assets_are_kept_for_good_and_pages_are_asked_for_again(page: Page, tower: Tower):
    kept: dict[str, str] = {}
    page.on(
        "response", lambda response: kept.__setitem__(response.url, response.headers.get("cache-control", ""))
    )
    page.goto(f"{tower.url}/jobs?project=all")
    page.wait_for_selector("[data-connector]")
    assets = {value for url, value in kept.items() if "/assets/" in url}
    assert assets == {"public, max-age=31536000, immutable"}
    assert kept[f"{tower.url}/jobs?project=all"] == "no-cache", "and no detour by way of /jobs/"


def test_the_chosen_mode_is_remembered(page: Page, tower: Tower):
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    page.locator("#theme-toggle").click()
    expect(page.locator("html")).to_have_class("dark")
    page.reload()
    expect(page.locator("html")).to_have_class("dark")


def test_the_language_is_switched_for_good_numbers_and_dates_included(page: Page, tower: Tower):
    page.goto(f"{tower.url}/jobs?project=all")
    page.wait_for_selector("[data-connector]")
    page.get_by_role("button", name="Сменить язык на русский").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Задания и коннекторы")
    expect(page.locator("html")).to_have_attribute("lang", "ru")
    expect(page.locator("[data-connector=chatwoot]")).to_contain_text("назад")
    expect(page).to_have_title("Задания и коннекторы · Control Tower")
    page.goto(f"{tower.url}/?project=all")
    expect(page.locator("[data-trust]")).to_contain_text("Полнота")


TITLES = {
    "dashboard": ("Control Tower", "Control Tower"),
    "search": ("Search · Control Tower", "Поиск · Control Tower"),
    "jobs": ("Jobs and connectors · Control Tower", "Задания и коннекторы · Control Tower"),
    "system": ("System · Control Tower", "Система · Control Tower"),
    "records": ("Records · Control Tower", "Записи · Control Tower"),
    "security": ("Sessions and API keys · Control Tower", "Сеансы и ключи API · Control Tower"),
    "questions": ("Questions and votes · Control Tower", "Вопросы и оценки · Control Tower"),
}


@pytest.mark.parametrize("locale", ["en-GB", "ru-RU"])
def test_the_tab_is_named_in_the_readers_language(
    browser: Browser, session_cookies: list[dict[str, object]], tower: Tower, locale: str
):
    context = browser.new_context(locale=locale)
    page = context.new_page()
    page.goto(f"{tower.url}/login")
    expect(page).to_have_title("Вход · Control Tower" if locale == "ru-RU" else "Log in · Control Tower")
    context.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]
    for name, (path, sign) in PAGES.items():
        page.goto(f"{tower.url}{path}")
        page.wait_for_selector(sign)
        expect(page).to_have_title(TITLES[name][locale == "ru-RU"])
    context.close()


def test_the_tab_is_renamed_on_the_way_to_another_page(
    browser: Browser, session_cookies: list[dict[str, object]], tower: Tower
):
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="ru-RU")
    context.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_selector("[data-connector]")
    expect(page).to_have_title(TITLES["jobs"][1])
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_scrolls_sideways_in_russian_on_the_narrowest_phone(
    browser: Browser, session_cookies: list[dict[str, object]], tower: Tower, name: str
):
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="ru-RU")
    context.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    path, sign = PAGES[name]
    page.goto(f"{tower.url}{path}")
    page.wait_for_selector(sign)
    expect(page.locator("[data-locale-root]")).to_have_attribute("data-locale-root", "ru")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_a_lost_connection_is_said_until_it_is_back(context: BrowserContext, tower: Tower):
    # Not the watched page: a browser without a network reports that on its console.
    page = context.new_page()
    cut = False
    held: list[WebSocketRoute] = []

    def pass_or_close(socket: WebSocketRoute) -> None:
        if cut:
            socket.close()
            return
        held.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile(r"/_event"), pass_or_close)
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    notice = page.get_by_role("alert").filter(has_text="Connection lost")
    expect(notice).to_have_count(0)
    cut = True
    held[-1].close()
    expect(notice).to_be_visible(timeout=30_000)
    cut = False
    expect(notice).to_have_count(0, timeout=60_000)


def test_the_palette_goes_to_a_project_by_keyboard_alone(page: Page, tower: Tower):
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Command palette")).to_be_visible()
    page.keyboard.type("volt")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?project=voltline")


def test_shortcuts_lead_around(page: Page, tower: Tower):
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    page.keyboard.press("g")
    page.keyboard.press("j")
    page.wait_for_selector("[data-connector]")
    page.keyboard.press("/")
    page.wait_for_selector("#question")


def test_on_a_phone_projects_are_chosen_in_a_sheet(
    browser: Browser, session_cookies: list[dict[str, object]], tower: Tower
):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, locale="en-GB")
    context.add_cookies(session_cookies)  # pyright: ignore[reportArgumentType]
    page = context.new_page()
    page.goto(f"{tower.url}/?project=all")
    page.wait_for_selector("[data-tile]")
    expect(page.locator("aside")).to_be_hidden()
    page.get_by_role("button", name="Projects", exact=True).click()
    sheet = page.get_by_role("dialog", name="Projects")
    sheet.locator("[data-project=voltline]").click()
    page.wait_for_url("**/?project=voltline")
    expect(sheet).to_be_hidden()
    context.close()
