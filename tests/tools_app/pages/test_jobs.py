"""The jobs page: a payload is shown on demand, of the page's project, and goes with its error."""

import asyncio
from collections.abc import Callable
from typing import Any

from models.infra.ids import new_id
from tests.tools_app.world import World
from tools_app.components.error_list import OpenPayload
from tools_app.pages.jobs import JobsState
from tools_app.pages.shell_state import ShellState

Tab = Callable[[str], Any]


def loaded(tab: Tab, path: str) -> tuple[Any, Any]:
    """The root of a tab at `path`, and its jobs page, filled."""
    root = tab(path)
    page = root.substates[JobsState.get_name()]
    asyncio.run(page.refresh())
    return root, page


def show(page: Any, error_id: str) -> None:
    asyncio.run(JobsState.show_payload.fn(page, error_id))


def test_a_payload_opens_and_closes_again(tab: Tab, worlds: dict[str, World]):
    _, page = loaded(tab, "/jobs?project=alpha")
    (line,) = page.errors
    show(page, line.id)
    assert page.payload.error_id == line.id
    assert worlds["one"].places["alpha"].marker in page.payload.text
    assert "hidden" not in page.payload.text, "a token of the vendor"
    show(page, line.id)
    assert (page.payload.error_id, page.payload.text) == ("", "")


def test_a_payload_of_another_project_is_not_shown(tab: Tab, worlds: dict[str, World]):
    _, everything = loaded(tab, "/jobs?project=all")
    _, page = loaded(tab, "/jobs?project=alpha")
    foreign = next(each.id for each in everything.errors if each.id not in {line.id for line in page.errors})
    show(page, foreign)
    assert page.payload.text == ""


def test_a_payload_whose_error_is_gone_is_said_and_not_kept(tab: Tab):
    root, page = loaded(tab, "/jobs?project=all")
    show(page, str(new_id()))
    assert page.payload.error_id == ""
    assert [each.tone for each in root.substates[ShellState.get_name()].toasts] == ["bad"]


def test_a_payload_closes_when_its_error_leaves_the_list(tab: Tab):
    _, page = loaded(tab, "/jobs?project=alpha")
    show(page, page.errors[0].id)
    page.payload = OpenPayload(str(new_id()), "of another", "")
    asyncio.run(page.refresh())
    assert page.payload.text == ""
