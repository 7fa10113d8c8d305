"""A tab without a browser: its tree of States, at an address, with a session's cookie."""

from collections.abc import Callable
from typing import Any

import pytest
import reflex as rx

from models.infra.settings import Settings
from tests.tools_app.conftest import PASSWORD, USER
from tests.tools_app.world import World
from tools_app.services import auth


@pytest.fixture
def tab(credentials: Settings, worlds: dict[str, World]) -> Callable[[str], Any]:
    """Makes the root State of a logged-in tab that is at a path with its query."""
    token = auth.login(USER, PASSWORD, auth.Browser("127.0.0.1")).token

    def open_at(path: str) -> Any:
        root: Any = rx.State(_reflex_internal_init=True)  # pyright: ignore[reportCallIssue]
        headers = {"cookie": f"{auth.cookie_name()}={token}", "origin": "http://127.0.0.1"}
        data = {"headers": headers, "pathname": path.partition("?")[0], "asPath": path}
        root._update_router_vars(data, {})
        root.router_data = data
        return root

    return open_at
