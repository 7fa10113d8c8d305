"""ASGI wrapper that opens websockets for pages of this application alone, by the handshake's Origin.

A browser always says which page opens a websocket; the session cookie would come along from any. The framework lets a
handshake without an Origin pass, so this stands before it: no Origin is no page of ours.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from models.infra.logging import get_logger
from models.infra.settings import get_settings

log = get_logger(__name__)


def with_websocket_origin(app: ASGIApp) -> ASGIApp:
    """Wrap `app`: a websocket handshake from elsewhere is answered 403 before anything is read from it."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            origin = Headers(scope=scope).get("origin")
            if origin not in get_settings().allowed_origins():
                log.warning("websocket refused", origin=(origin or "")[:200])
                await receive()
                # Closed before it is accepted: servers answer the handshake with 403.
                await send({"type": "websocket.close", "code": 1008, "reason": ""})
                return
        await app(scope, receive, send)

    return wrapped
