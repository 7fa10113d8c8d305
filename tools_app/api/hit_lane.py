"""The short way for what this process holds rendered: no routing, no thread, no query, the same checks.

Stands inside `RequestContext` (request id, headers, log, metrics) and in front of the API. The session, its project, the
CSRF token and the origin are checked as endpoints check them; whatever is not a plain hit goes on to the endpoint, which
answers in full, refusals included.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.infra.cache import cache
from models.infra.errors import AppError
from models.infra.local_cache import local_cache
from models.infra.rate_limit import limiter
from tools_app.api import gzip_body
from tools_app.api.auth import session_answer
from tools_app.api.deps import CSRF_HEADER, check_origin
from tools_app.api.rendered import HEADERS, Rendered, lane_key, matches, whole
from tools_app.api.request_context import current_request_id
from tools_app.services import auth, limits
from tools_app.services.answers import repeat
from tools_app.services.views import SessionView

READS = frozenset({"/api/control-tower", "/api/portfolio/overview"})
ME = "/api/auth/me"
QUESTIONS = frozenset({"/api/lightrag/query", "/api/search"})
_BODY_MAX = 32_768
# As the compression in front of the endpoints says it.
_VARY = (b"vary", b"accept-encoding")
_STATIC = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name != "vary"]
_STATIC.append((b"vary", f"{HEADERS['vary']}, accept-encoding".encode()))

Headers = dict[bytes, bytes]
Pairs = tuple[tuple[bytes, bytes], ...]


class HitLane:
    """The middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Without a first level nothing is held.
        if scope["type"] == "http" and local_cache().is_trusted:
            path, method = scope["path"], scope["method"]
            if method == "GET" and path in READS:
                if await _read(scope, send):
                    return
            elif method == "GET" and path == ME:
                if await _me(scope, send):
                    return
            elif method == "POST" and path in QUESTIONS:
                body, receive = await _buffered(receive)
                if body is not None and await _question(scope, body, send):
                    return
        await self.app(scope, receive, send)


async def _read(scope: Scope, send: Send) -> bool:
    headers: Headers = dict(scope["headers"])
    session = await _session(headers)
    if session is None:
        return False
    rendered = _held(scope, b"", session)
    # One read too many is refused by the endpoint, in the one shape.
    if rendered is None or await limiter.count(limits.reads(), session.session_id) > 0:
        return False
    given = headers.get(b"if-none-match")
    if given and matches(given.decode("latin-1"), rendered.etag):
        await _send(send, 304, b"", rendered.etag)
    else:
        await _answer(send, headers, b"", rendered)
    return True


async def _me(scope: Scope, send: Send) -> bool:
    session = await _session(dict(scope["headers"]))
    if session is None or await limiter.count(limits.reads(), session.session_id) > 0:
        return False
    scope["route"] = SimpleNamespace(path=scope["path"])
    rest = session_answer(session).model_dump_json(exclude={"request_id"}).encode()[1:]
    await _send(send, 200, whole(rest, current_request_id()), "")
    return True


async def _question(scope: Scope, body: bytes, send: Send) -> bool:
    started = time.perf_counter()
    headers: Headers = dict(scope["headers"])
    session = await _session(headers)
    if session is None:
        return False
    try:
        if b"origin" in headers:
            check_origin(Request(scope))
        auth.check_csrf(session, headers.get(CSRF_HEADER.encode(), b"").decode("latin-1"))
    except AppError:
        # The endpoint refuses it in the one shape.
        return False
    rendered = _held(scope, body, session)
    if rendered is None:
        return False
    own = repeat(rendered.first_id, rendered.mode, session.user, started)
    if own is None:
        return False
    await _answer(send, headers, own, rendered)
    return True


async def _session(headers: Headers) -> SessionView | None:
    cookies = headers.get(b"cookie")
    # A header that names a key decides, and keys have limits of their own.
    if cookies is None or b"authorization" in headers:
        return None
    try:
        return await auth.live_session(auth.token_of_cookies(cookies.decode("latin-1")))
    except (AppError, SQLAlchemyError):
        # The endpoint asks again, and says in the one shape what is away.
        return None


def _held(scope: Scope, body: bytes, session: SessionView) -> Rendered | None:
    held = local_cache().get(lane_key(scope["method"], scope["path"], scope["query_string"], body, session))
    if held is None:
        return None
    cache().count_hit()
    # What the access metrics call this route.
    scope["route"] = SimpleNamespace(path=scope["path"])
    return held.value


async def _buffered(receive: Receive) -> tuple[bytes | None, Receive]:
    """The whole body, and a `receive` that says it again; None for a body too long to be a question of ours."""
    messages: list[Message] = []
    body = b""
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) > _BODY_MAX:
            break
    replay = iter(messages)

    async def again() -> Message:
        return next(replay, None) or await receive()

    complete = messages[-1]["type"] == "http.request" and not messages[-1].get("more_body", False)
    return (body if complete else None), again


async def _answer(send: Send, headers: Headers, own: bytes, rendered: Rendered) -> None:
    """Send the held answer with what is its own, compressed for those who take it."""
    first = whole(own, current_request_id())
    accepted = headers.get(b"accept-encoding", b"").decode("latin-1")
    if rendered.packed and gzip_body.accepts_gzip(accepted):
        body = gzip_body.gzipped(first, rendered.rest, rendered.packed)
        await _send(send, 200, body, rendered.etag, ((b"content-encoding", b"gzip"),))
    else:
        await _send(send, 200, first + rendered.rest, rendered.etag)


async def _send(send: Send, status: int, body: bytes, etag: str, more: Pairs = ()) -> None:
    headers: list[tuple[bytes, bytes]] = [*_STATIC, (b"etag", etag.encode())] if etag else [_VARY]
    headers += more
    if status != 304:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
