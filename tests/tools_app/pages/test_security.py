"""The page of sessions and keys: what it shows, and that a new key's token is there once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from models.infra.database import reading
from models.tables.access import ApiKey
from tests.tools_app.conftest import PASSWORD, USER
from tools_app.components.session_list import browser_name
from tools_app.pages.security import SecurityState
from tools_app.pages.shell_state import ShellState
from tools_app.services import api_keys, auth

Tab = Callable[[str], Any]

FORM = {"name": "reporting", "access": "read", "days": "90"}


@pytest.fixture
def page(tab: Tab) -> Any:
    root = tab("/security?project=all")
    held = root.substates[SecurityState.get_name()]
    run(held, "load")
    return held


def run(page: Any, handler: str, *arguments: Any) -> Any:
    return asyncio.run(getattr(SecurityState, handler).fn(page, *arguments))


def keys() -> list[ApiKey]:
    with reading() as session:
        return list(session.exec(select(ApiKey)))


def test_it_shows_this_browser_and_no_key_yet(page: Any) -> None:
    assert [each.current for each in page.sessions] == [True]
    assert page.keys == []
    assert page.token == ""


def test_a_new_key_is_shown_until_the_page_is_opened_anew(page: Any) -> None:
    assert run(page, "create_key", FORM) is None
    token = page.token
    assert api_keys.session_of_key(token) is not None
    assert [each.name for each in page.keys] == ["reporting"]
    run(page, "load")
    assert page.token == ""
    run(page, "create_key", FORM)
    run(page, "forget")
    assert page.token == ""


def test_the_form_limits_a_key_to_what_was_chosen(page: Any) -> None:
    run(
        page,
        "create_key",
        {**FORM, "access": "write", "days": "30", "project-alpha": "on", "project-beta": ""},
    )
    [key] = keys()
    assert (key.read_only, len(key.project_ids or [])) == (False, 1)
    assert (key.expires_at - key.created_at).days == 30
    assert "Alpha of one" in page.keys[0].scope


@pytest.mark.parametrize(
    "form", [{}, {**FORM, "name": " "}, {**FORM, "days": "9999"}, {**FORM, "days": "x"}, {**FORM, "project-nowhere": "on"}]
)  # fmt: skip
def test_a_form_that_is_not_the_pages_own_makes_no_key(page: Any, form: dict[str, Any]) -> None:
    run(page, "create_key", form)
    assert keys() == []
    assert page.token == ""


def test_a_key_is_revoked_by_the_second_click(page: Any) -> None:
    run(page, "create_key", FORM)
    [line] = page.keys
    run(page, "ask_revoke", line.id)
    assert page.asked == line.id
    assert keys()[0].revoked_at is None
    run(page, "revoke", line.id)
    assert keys()[0].revoked_at is not None
    assert (page.asked, page.keys[0].live) == ("", False)


def test_other_browsers_are_ended_one_by_one_or_all(page: Any) -> None:
    tokens = [
        auth.login(USER, PASSWORD, auth.Browser("127.0.0.1", "Firefox/130 Linux")).token for _ in range(3)
    ]
    run(page, "load")
    other = next(each for each in page.sessions if not each.current)
    assert other.name == "Firefox · Linux"
    run(page, "end", other.id)
    assert len(page.sessions) == 3
    run(page, "end_others")
    assert [each.current for each in page.sessions] == [True]
    assert [auth.current_session(each) for each in tokens] == [None] * 3


@pytest.mark.parametrize("handler", ["end", "revoke", "ask_revoke"])
@pytest.mark.parametrize("value", ["", "no id", "0" * 400])
def test_an_event_that_carries_nonsense_is_refused_in_words(page: Any, handler: str, value: str) -> None:
    run(page, handler, value)
    shell = page.parent_state.substates[ShellState.get_name()]
    assert handler == "ask_revoke" or shell.toasts


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome · Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18) AppleWebKit/605 Version/18 Safari/604.1", "Safari · iOS"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140 Safari/537 Edg/140", "Edge · Windows"),
        ("curl/8.5", "curl"),
        ("", ""),
    ],
)
def test_a_browser_is_named_as_far_as_it_says(agent: str, name: str) -> None:
    assert browser_name(agent) == name
