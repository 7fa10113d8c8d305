"""Pages may send so many events; the one too many runs no handler and says so once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from reflex.event import Event

from models.infra.redis import close_async_clients
from models.infra.settings import override_settings
from tools_app.pages.event_limit import EventLimit
from tools_app.pages.session_guard import OwnerState, SessionGuard
from tools_app.pages.shell_state import ShellState
from tools_app.tools_app import app

Tab = Callable[[str], Any]


def send(root: Any, times: int) -> list[Any]:
    async def run() -> list[Any]:
        found = [await EventLimit().preprocess(app, root, Event(name="any.event")) for _ in range(times)]
        await close_async_clients()
        return found

    return asyncio.run(run())


def owned(root: Any, owner: str) -> Any:
    root.substates[OwnerState.get_name()]._owner = owner
    return root


def test_the_limit_stands_right_behind_the_guard() -> None:
    assert [type(each) for each in app._middlewares[:2]] == [SessionGuard, EventLimit]


def test_one_event_too_many_is_answered_with_the_toast_and_runs_nothing(tab: Tab) -> None:
    root = owned(tab("/?project=all"), "somebody")
    with override_settings(rate_limit_events=3):
        answers = send(root, 5)
    assert answers[:3] == [None] * 3
    for refused in answers[3:]:
        assert refused.events == []
        assert "Too many requests" in str(refused.delta)
    [toast] = root.substates[ShellState.get_name()].toasts
    assert toast.message.startswith("Too many requests")


def test_all_tabs_of_a_session_count_together_and_another_session_apart(tab: Tab) -> None:
    with override_settings(rate_limit_events=3):
        assert send(owned(tab("/"), "somebody"), 3) == [None] * 3
        assert send(owned(tab("/jobs"), "somebody"), 1) != [None]
        assert send(owned(tab("/jobs"), "another"), 1) == [None]


@pytest.mark.parametrize("owner", [""])
def test_without_a_session_the_address_is_counted_whatever_cookie_comes(tab: Tab, owner: str) -> None:
    with override_settings(rate_limit_events=2):
        answers = send(owned(tab("/"), owner), 1) + send(owned(tab("/jobs"), owner), 2)
    assert answers[:2] == [None, None]
    assert answers[2] is not None
