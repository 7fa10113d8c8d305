"""The websocket opens for pages of this application alone: a foreign Origin, or none, is refused at the handshake."""

from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from models.infra.settings import Settings, override_settings
from tools_app.websocket_origin import with_websocket_origin


async def takes_all(scope: Scope, receive: Receive, send: Send) -> None:
    """A server that takes every websocket."""
    await receive()
    await send({"type": "websocket.accept"})


@pytest.fixture
def public(settings: Settings) -> Iterator[None]:
    with override_settings(public_url="https://tower.example", port=3456):
        yield


async def handshake(origin: str | None) -> str:
    """The first thing a websocket of a page at `origin` is sent; a close before the accept is a 403."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if origin is None else [(b"origin", origin.encode())]
    scope = {"type": "websocket", "path": "/_event/", "headers": headers}
    await with_websocket_origin(takes_all)(scope, receive, send)
    [answer] = sent
    return answer["type"]


@pytest.mark.parametrize(
    "origin", ["https://tower.example", "http://127.0.0.1:3456", "http://localhost:3456"]
)
async def test_a_page_of_ours_opens_it(public: None, origin: str) -> None:
    assert await handshake(origin) == "websocket.accept"


@pytest.mark.parametrize(
    "origin",
    [
        None, "null", "https://evil.example", "https://tower.example.evil.example", "http://tower.example",
        "https://tower.example:8443", "http://127.0.0.1:3457", "https://TOWER.example.", "",
    ],
)  # fmt: skip
async def test_any_other_page_and_no_page_are_refused(public: None, origin: str | None) -> None:
    assert await handshake(origin) == "websocket.close"
