"""A running API over a seeded database: scopes of look-alike projects, clients that talk real HTTP, tabs without a browser."""

import asyncio
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any

import bcrypt
import httpx
import pytest
import reflex as rx
import uvicorn
from fastapi import FastAPI

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.redis import close_async_clients
from models.infra.settings import Settings, override_settings
from tests.tools_app.world import World, fill, make_world
from tools_app.api.app import create_api, with_gate
from tools_app.services import auth

USER, PASSWORD = "owner", "correct horse battery staple"
# Cost 4 is bcrypt's least: the tests hash often and guard nothing.
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def credentials(settings: Settings) -> Generator[Settings]:
    """The one user, configured."""
    with override_settings(auth_credentials=f"{USER}:{HASH}") as changed:
        yield changed


@pytest.fixture
def worlds(database: str) -> dict[str, World]:
    """Two scopes with the same projects; `one` is the older, which a login opens by default."""
    made: dict[str, World] = {}
    with transaction() as session:
        for slug in ("one", "two"):
            made[slug] = make_world(session, slug)
            for place in made[slug].places.values():
                fill(place, utcnow())
    return made


@pytest.fixture(scope="session")
def api() -> FastAPI:
    """The API, made once: it reads settings per request, so every test's own are used."""
    return create_api()


@pytest.fixture
def base_url(api: FastAPI, database: str, credentials: Settings) -> Generator[str]:
    """The address of a running API."""
    held = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            with_gate(api), log_config=None, lifespan="off", proxy_headers=False, timeout_graceful_shutdown=2
        )
    )

    async def serve() -> None:
        await server.serve(sockets=[held])
        await close_async_clients()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        held.close()


@pytest.fixture
def anonymous(base_url: str) -> Generator[httpx.Client]:
    """A client without a session."""
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client


@pytest.fixture
def login(base_url: str, worlds: dict[str, World]) -> Generator[Callable[..., httpx.Client]]:
    """Makes clients with a session; `login("two")` opens the other scope."""
    opened: list[httpx.Client] = []

    def make(account_scope: str = "one") -> httpx.Client:
        client = httpx.Client(base_url=base_url, timeout=30)
        opened.append(client)
        body: dict[str, Any] = {"username": USER, "password": PASSWORD, "account_scope": account_scope}
        answer = client.post("/api/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        client.headers["x-csrf-token"] = answer.json()["csrf_token"]
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(login: Callable[..., httpx.Client]) -> httpx.Client:
    """A client logged in to scope `one`."""
    return login()


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
