"""Asking: what is asked is what was chosen."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from models.infra.errors import Unavailable
from tools_app.pages.search import SearchState
from tools_app.services import answers

Tab = Callable[[str], Any]
FORM = {"question": "Who waits for us?", "mode": "hybrid"}


def submit(root: Any, **form: str) -> Any:
    return asyncio.run(SearchState.submit.fn(root.substates[SearchState.get_name()], {**FORM, **form}))


def test_without_any_source_nothing_is_asked_and_a_hint_says_why(tab: Tab):
    root = tab("/search?project=all")
    assert submit(root) is None
    assert root.substates[SearchState.get_name()].hint.startswith("Choose at least one source")


def test_one_source_is_asked_alone(tab: Tab):
    asked = submit(tab("/search?project=all"), source_issues="on")
    assert "source=issues" in str(asked.args)


@pytest.mark.parametrize("fault", [Unavailable(), ZeroDivisionError()])
def test_a_question_that_fails_ends_the_waiting(tab: Tab, monkeypatch: pytest.MonkeyPatch, fault: Exception):
    async def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(answers, "ask", fail)
    root = tab("/search?project=all&q=anything")
    shown = root.substates[SearchState.get_name()]

    async def load() -> None:
        async for _ in SearchState.load.fn(shown):
            pass

    with contextlib.suppress(ZeroDivisionError):
        asyncio.run(load())
    assert (shown.busy, shown.ready) == (False, True)
