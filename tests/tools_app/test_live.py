"""Push to open pages: a page that cannot be refreshed holds up neither the others nor the next event."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import reflex as rx
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.infra import events
from models.infra.errors import Unauthenticated
from models.infra.events import Event
from models.infra.settings import Settings
from tests.tools_app.world import World
from tools_app import live
from tools_app.services import portfolio


class Over(RedisError):
    """Ends the endless stream of a test."""


BROKEN = [
    OperationalError("select 1", {}, Exception("the database is restarting")),
    ProgrammingError("select 1", {}, Exception("no such table")),
    PoolTimeout("every connection is in use"),
    Unauthenticated("no session"),
    RuntimeError("the page went away"),
]


class OpenPages:
    """An app whose open pages are known by their tokens; a page's state is its token or what `states` says."""

    def __init__(self, *tokens: str, states: Mapping[str, Any] | None = None) -> None:
        self.event_namespace = SimpleNamespace(token_to_sid=dict.fromkeys(tokens, "sid"))
        self._states = states or {}

    @asynccontextmanager
    async def modify_state(self, token: rx.BaseStateToken) -> AsyncIterator[Any]:
        yield self._states.get(token.ident, token.ident)


def app_with(*tokens: str, states: Mapping[str, Any] | None = None) -> rx.App:
    return cast("rx.App", OpenPages(*tokens, states=states))


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: type(fault).__name__)
async def test_a_page_that_cannot_be_read_is_passed_over(fault: Exception):
    reached: list[str] = []

    async def refresh(state: Any, _payload: Mapping[str, Any]) -> None:
        if state == "first":
            raise fault
        reached.append(state)

    await live._to_open_pages(app_with("first", "second"), {}, refresh)
    assert reached == ["second"]


async def test_the_listener_hears_the_next_event_after_a_broken_refresh(
    tab: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    reads: list[str] = []
    read = asyncio.Event()

    async def broken(*_: Any) -> None:
        reads.append("tried")
        read.set()
        raise BROKEN[0]

    async def stream() -> AsyncIterator[Event]:
        for number in range(2):
            yield Event(f"{number}-0", "job_completed", {"run_id": str(number)})
            await asyncio.wait_for(read.wait(), 5)
            read.clear()
        raise Over

    page = tab("/?project=all")
    shell = await page.get_state(live.ShellState)
    shell.user = "owner"
    monkeypatch.setattr(portfolio, "tower_view", broken)
    monkeypatch.setattr(events, "stream", stream)
    assert await live._push_events(app_with("open", states={"open": page})) == "refused"
    assert reads == ["tried", "tried"]


async def test_a_drop_of_completeness_is_told_on_every_open_page_of_its_account_scope(
    tab: Any, worlds: dict[str, World], settings: Settings
):
    drop = {"connector": "linear", "stream": "issues", "completeness_pct": 80.0, "minimum_pct": 95.0}
    page = tab("/search?project=all")
    shell = await page.get_state(live.ShellState)
    shell.user = "owner"
    app = app_with("open", states={"open": page})
    await live._to_open_pages(app, {**drop, "account_scope_id": str(worlds["two"].scope)}, live._show_drop)
    assert shell.toasts == []
    await live._to_open_pages(app, {**drop, "account_scope_id": str(worlds["one"].scope)}, live._show_drop)
    assert [(each.message, each.tone) for each in shell.toasts] == [
        ("Linear, Issues: completeness fell to 80%; at least 95% is expected.", "bad")
    ]


async def test_the_listener_passes_a_drop_on(monkeypatch: pytest.MonkeyPatch):
    assert live.PUSHED["completeness_drop"] is live._show_drop
    told: list[Any] = []
    heard = asyncio.Event()

    async def stream() -> AsyncIterator[Event]:
        yield Event("1-0", "completeness_drop", {"stream": "issues"})
        await asyncio.wait_for(heard.wait(), 5)
        raise Over

    async def show(state: Any, payload: Mapping[str, Any]) -> None:
        told.append((state, payload["stream"]))
        heard.set()

    monkeypatch.setattr(events, "stream", stream)
    monkeypatch.setitem(cast("dict[str, Any]", live.PUSHED), "completeness_drop", show)
    assert await live._push_events(app_with("open")) == "refused"
    assert told == [("open", "issues")]
