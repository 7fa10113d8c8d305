"""Projects never leak into pages: every page is opened in every way, and a foreign project's marker must never show.

What is looked at is everything that a page's States hold after it was loaded: that is what the browser gets. The pages come
from the app object. One that is not covered here fails the test, so that a new one cannot be forgotten.
"""

import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
import reflex as rx

from models.infra.database import transaction
from models.infra.events import Event
from models.infra.ids import new_id
from tests.tools_app.api.question_calls import case_id, fill_questions
from tests.tools_app.conftest import USER
from tests.tools_app.world import World, compare, marker
from tools_app import live
from tools_app.services import jobs
from tools_app.tools_app import app

Tab = Callable[[str], Any]

QUESTION = "deadline"
# How each page is opened: its queries, beside the project.
PAGES: dict[str, tuple[str, ...]] = {
    "/": ("",),
    "/search": (f"q={QUESTION}", *(f"q={QUESTION}&mode={mode}" for mode in ("vector", "lexical")), "q=mark"),
    "/jobs": ("", "connector=linear"),
    "/system": ("",),
    "/security": ("",),
    "/records": tuple(
        f"set={code}"
        for code in (
            "open_issues",
            "pipeline",
            "messages_7d",
            "waiting_conversations",
            "stream_attio_companies",
        )
    ),
    "/questions": (
        "",
        "status=completed",
        *(f"case={case_id(marker(scope, slug))}" for scope in ("one", "two") for slug in ("alpha", "beta")),
    ),
    "/login": ("next=/",),
}
# Pages that show records or texts of a project: there its marker must show.
SHOWS = ("/search", "/jobs", "/records", "/questions")


def routes() -> dict[str, list[Any]]:
    """Every page of the app with what it does when it is opened."""
    loads = app._load_events  # pyright: ignore[reportPrivateUsage]
    return {f"/{route.removeprefix('index')}": list(loads.get(route, [])) for route in app._unevaluated_pages}  # pyright: ignore[reportPrivateUsage]


async def opened(tab: Tab, page: str, query: str, project: str) -> str:
    """Everything the States of a page hold after it was opened, as text."""
    root = tab(f"{page}?{query}&project={project}" if query else f"{page}?project={project}")
    for handler in routes()[page]:
        state = await root.get_state(handler.state if inspect.isclass(handler.state) else _state_of(handler))
        await finished(handler.fn(state))
    return held(root)


def _state_of(handler: Any) -> Any:
    name = handler.state_full_name if hasattr(handler, "state_full_name") else handler.state
    return next(each for each in _states() if each.get_full_name() == name)


def _states() -> list[Any]:
    found, look = [], [rx.State]
    while look:
        found.append(look.pop())
        look += found[-1].get_substates()
    return found


async def finished(result: Any) -> None:
    """Run a handler to its end, whatever its kind."""
    if inspect.isasyncgen(result):
        async for _ in result:
            pass
    elif inspect.isawaitable(result):
        await result


def held(root: Any) -> str:
    """All that a tab's States hold, sent to the browser or not."""
    return json.dumps(root.dict(), default=repr, ensure_ascii=False)


@pytest.fixture
def searchable(worlds: dict[str, World]) -> dict[str, World]:
    from jobs.indexing import index_pending

    for world in worlds.values():
        index_pending(world.scope, budget_s=60)
        with transaction() as session:
            compare(session, world)
        for place in world.places.values():
            fill_questions(place, USER)
    return worlds


def foreign(worlds: dict[str, World], *mine: str) -> set[str]:
    everywhere = {place.marker for world in worlds.values() for place in world.places.values()}
    return everywhere - {worlds["one"].places[slug].marker for slug in mine}


def test_every_page_is_covered_here() -> None:
    assert set(routes()) == set(PAGES)


@pytest.mark.timeout(400)  # both scopes are embedded first
async def test_pages_show_their_projects_and_no_other(tab: Tab, searchable: dict[str, World]) -> None:
    await one_project_shows_no_other(tab, searchable)
    await all_projects_are_those_of_the_account_scope(tab, searchable)
    await a_foreign_or_unknown_project_shows_nothing(tab, searchable)


async def one_project_shows_no_other(tab: Tab, worlds: dict[str, World]) -> None:
    for page, queries in PAGES.items():
        texts = [await opened(tab, page, query, "alpha") for query in queries]
        for query, text in zip(queries, texts, strict=True):
            assert not {each for each in foreign(worlds, "alpha") if each in text}, (page, query)
        mine = worlds["one"].places["alpha"].marker
        assert any(mine in text for text in texts) or page not in SHOWS, page


async def all_projects_are_those_of_the_account_scope(tab: Tab, worlds: dict[str, World]) -> None:
    slugs = list(worlds["one"].places)
    for page, queries in PAGES.items():
        for query in queries:
            text = await opened(tab, page, query, "all")
            assert not {each for each in foreign(worlds, *slugs) if each in text}, (page, query)


async def a_foreign_or_unknown_project_shows_nothing(tab: Tab, worlds: dict[str, World]) -> None:
    for project in (str(worlds["two"].places["alpha"].project), "nowhere", str(new_id()), "alpha' or 1=1"):
        for page, queries in PAGES.items():
            text = await opened(tab, page, queries[0], project)
            assert not {each for each in foreign(worlds) if each in text}, (page, project)


async def test_what_is_pushed_to_a_page_is_of_its_account_scope(
    tab: Tab, searchable: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tab("/jobs?project=all")
    shell = await root.get_state(live.ShellState)
    shell.user = "owner"
    strange = "foreignconnector"
    reads: list[str] = []

    def note(*_: object) -> None:
        reads.append("read")

    monkeypatch.setattr(jobs, "jobs_view", note)
    payload = {
        "account_scope_id": str(searchable["two"].scope), "job": "sync", "run_id": strange, "connector": strange,
        "stream": strange, "page": 1, "rows": 1, "status": "failed", "counts": {},
    }  # fmt: skip
    for kind in ("job_progress", "job_completed"):
        event = Event("1-0", kind, payload)
        await live.PUSHED[event.kind](root, event.payload)
    assert strange not in held(root)
    assert reads == []
