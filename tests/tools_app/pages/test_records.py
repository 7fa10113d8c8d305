"""The list behind a number: what is shown belongs to the address, or nothing is."""

import asyncio
from collections.abc import Callable
from typing import Any

from tools_app.pages.records import RecordsState
from tools_app.pages.shell_state import ShellState

Tab = Callable[[str], Any]


async def load(root: Any) -> None:
    async for _ in RecordsState.load.fn(root.substates[RecordsState.get_name()]):
        pass


def test_a_known_list_is_shown_with_its_total(tab: Tab):
    root = tab("/records?set=open_issues&project=all")
    asyncio.run(load(root))
    shown = root.substates[RecordsState.get_name()]
    assert (shown.ready, shown.title) == (True, "Open issues")
    assert len(shown.lines) > 0


def test_an_unknown_list_shows_the_error_and_nothing_of_the_former_one(tab: Tab):
    root = tab("/records?set=nonsense&project=all")
    shown = root.substates[RecordsState.get_name()]
    shown.title, shown.figure, shown.total, shown.next_cursor, shown.ready = "Pipeline", "$5", "9", "x", True
    asyncio.run(load(root))
    assert (shown.ready, shown.title, shown.figure, shown.total) == (False, "", "", "")
    assert (shown.lines, shown.next_cursor) == ([], "")
    assert root.substates[ShellState.get_name()].problem.startswith("This list is not known.")


def test_a_character_that_no_text_holds_is_an_error_that_the_app_explains(tab: Tab):
    root = tab("/records?set=pipeline&stage=%00&project=all")
    asyncio.run(load(root))
    assert root.substates[ShellState.get_name()].problem == "That was not understood."
