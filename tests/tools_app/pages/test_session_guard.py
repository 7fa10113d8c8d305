# pyright: reportPrivateUsage=false
"""A tab's token replayed with another session, or none, brings nothing of what the pages held."""

import asyncio
import contextlib
import hashlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import reflex as rx
from reflex.event import Event
from reflex.utils.format import json_dumps
from sqlmodel import select

from models.infra.database import reading
from models.infra.settings import Settings, override_settings
from models.tables.platform import AuditEvent, JobRun
from tests.tools_app.conftest import PASSWORD, USER
from tools_app.components.completeness_lines import Completeness
from tools_app.components.record_list import RecordLine
from tools_app.pages.completeness import CompletenessState
from tools_app.pages.records import RecordsState
from tools_app.pages.session_guard import CONNECTS, SessionGuard
from tools_app.pages.shell_state import ShellState
from tools_app.services import auth
from tools_app.tools_app import app

pytestmark = pytest.mark.usefixtures("worlds")

SECRET = "Harbor & Pine owes us 12 000"
HYDRATE, HYDRATE_AND_LOAD = sorted(CONNECTS, key=len)
OTHER = "any.other_event"


def handlers() -> Iterator[tuple[str, Any, Any]]:
    """Every event handler of the pages: its name, its State, itself."""
    for state in sorted(rx.State.get_substates(), key=lambda each: each.__name__):
        if state.__module__.startswith("tools_app.pages."):
            for name, handler in state.event_handlers.items():
                if handler.fn.__module__.startswith("tools_app.pages."):
                    yield f"{state.__name__}.{name}", state, handler


async def call(handler: Any, state: Any) -> None:
    """Run a handler to its end as a browser can: with what it likes for arguments."""
    made = handler.fn(state, *("" for name in inspect.signature(handler.fn).parameters if name != "self"))
    if inspect.isasyncgen(made):
        async for _ in made:
            pass
    elif inspect.isawaitable(made):
        await made


def log_in() -> str:
    """The token of a new session."""
    return auth.login(USER, PASSWORD, auth.Browser("127.0.0.1")).token


def visit(root: rx.State, token: str | None, event: str) -> None:
    """What happens before an event that comes with a session's cookie."""
    cookie = "" if token is None else f"{auth.cookie_name()}={token}"
    data = {"headers": {"cookie": cookie}}
    root._update_router_vars(data, root.router_data)
    root.router_data = data
    asyncio.run(_preprocess(root, event))


async def _preprocess(root: rx.State, event: str) -> None:
    assert await app._preprocess(root, Event(name=event)) is None or event == HYDRATE


def shown(root: rx.State) -> str:
    """All that a connecting page is sent."""
    return json_dumps(root.dict())


def fill(root: rx.State) -> None:
    """Put the secret into every text of every page's State, and into a list."""
    for state in root.substates.values():
        if type(state).__module__.startswith("tools_app.pages."):
            for name, field in type(state).get_fields().items():
                if name in type(state).base_vars and field.default == "":
                    setattr(state, name, SECRET)
    records: Any = root.substates[RecordsState.get_name()]
    records.lines = [RecordLine("1", "", SECRET, "", "", "", "", "", "")]
    completeness: Any = root.substates[CompletenessState.get_name()]
    completeness.blocks = [Completeness("linear", SECRET, "", "", differs=False)]


@pytest.fixture
def session(credentials: Settings):
    with override_settings(cookie_secure="never"):
        yield log_in()


@pytest.fixture
def root(session: str) -> rx.State:
    made = rx.State(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue]
    visit(made, session, HYDRATE_AND_LOAD)
    fill(made)
    return made


def test_the_guard_stands_before_everything_else():
    assert isinstance(app._middlewares[0], SessionGuard)


@pytest.mark.parametrize("event", [HYDRATE, HYDRATE_AND_LOAD])
def test_the_session_that_filled_the_pages_gets_them_back(root: rx.State, session: str, event: str):
    visit(root, session, event)
    assert SECRET in shown(root)


@pytest.mark.parametrize("event", [HYDRATE, HYDRATE_AND_LOAD])
def test_after_logout_connecting_with_the_old_cookie_brings_nothing(root: rx.State, session: str, event: str):
    auth.logout(session)
    visit(root, session, event)
    assert SECRET not in shown(root)


@pytest.mark.parametrize("event", [HYDRATE, HYDRATE_AND_LOAD, OTHER])
@pytest.mark.parametrize("cookie", [None, "x" * 43])
def test_without_a_session_nothing_is_brought(root: rx.State, cookie: str | None, event: str):
    visit(root, cookie, event)
    assert SECRET not in shown(root)


@pytest.mark.parametrize("event", [HYDRATE, HYDRATE_AND_LOAD, OTHER])
def test_another_live_session_finds_nothing_of_the_former_one(root: rx.State, event: str):
    visit(root, log_in(), event)
    assert SECRET not in shown(root)


def test_what_the_session_is_known_by_is_never_sent(root: rx.State, session: str):
    sent = shown(root)
    assert session not in sent
    assert hashlib.sha256(session.encode()).hexdigest() not in sent


def test_the_shell_forgets_too(root: rx.State):
    visit(root, None, HYDRATE_AND_LOAD)
    shell: Any = root.substates[ShellState.get_name()]
    assert (shell.user, shell.projects, shell.toasts) == ("", [], [])


@pytest.mark.parametrize(
    ("state", "handler"), [pytest.param(state, handler, id=name) for name, state, handler in handlers()]
)
def test_without_a_session_no_handler_brings_or_does_anything(state: Any, handler: Any):
    root: Any = rx.State(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue]
    root._update_router_vars({"headers": {"cookie": ""}, "pathname": "/jobs", "asPath": "/jobs"}, {})
    # A handler may refuse what it is given in any way.
    with contextlib.suppress(Exception):
        asyncio.run(call(handler, root.substates[state.get_name()]))
    sent = shown(root)
    assert "of one" not in sent, "a project of the database"
    assert "mark" not in sent, "a text of the database"
    with reading() as db:
        assert db.exec(select(JobRun).where(JobRun.status == "queued")).all() == []
        assert db.exec(select(AuditEvent)).all() == []
