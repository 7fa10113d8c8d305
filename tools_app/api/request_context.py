"""ASGI middleware around everything the server answers: request id, security headers, access log, last-resort 500.

It also counts what is under way, for the server to wait for when it stops (`services.serving`).

`x-request-id` of the caller is taken over when it is sane (a proxy's id then joins both logs), else one is made; it
is echoed in the answer and put into the log context. Written against plain ASGI, so that event streams are passed
through as they come and websockets are left alone.
"""

import json
import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.infra import metrics
from models.infra.ids import new_id
from models.infra.logging import get_logger
from models.infra.logging import request_id as request_id_var
from tools_app.services.serving import serving

log = get_logger(__name__)

_SANE = re.compile(r"^[A-Za-z0-9._:-]{8,128}$")

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Data needs nothing loaded; the docs page loads its own assets only; pages may not be framed or re-based.
_CSP_DATA = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_CSP_DOCS = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CSP_PAGES = "base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"


# What an access log keeps of a path that somebody made up.
_PATH_CHARS = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def current_request_id() -> str:
    """The id of the request being answered ("" outside of one)."""
    return request_id_var.get()


def _policy(path: str) -> str:
    if path.startswith("/api/docs"):
        return _CSP_DOCS
    if path.startswith("/api/") or path in ("/health", "/metrics"):
        return _CSP_DATA
    return _CSP_PAGES


def _is_data(path: str) -> bool:
    return path.startswith("/api/") or path in ("/health", "/metrics")


class RequestContext:
    """The middleware. `https` says whether the public address is https (then HSTS is sent)."""

    def __init__(self, app: ASGIApp, *, https: bool = False) -> None:
        self.app = app
        self.https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE.match(given) else str(new_id())
        token = request_id_var.set(request_id)
        answer = _Answer(scope["path"], request_id, send, https=self.https)
        started = time.perf_counter()
        serving.begin()
        try:
            await self.app(scope, receive, answer.send)
        except Exception as fault:
            # The last door: the cause goes to the log with the id that the caller sees, nothing else goes out.
            path, error = scope["path"][:_PATH_CHARS], type(fault).__name__
            log.exception("request failed", path=path, method=scope["method"], error=error)
            if not answer.status:
                await _send_failure(answer.send, request_id)
            elif answer.status != 500:
                # Half an answer is out: only a broken connection tells the client.
                raise
        finally:
            if not answer.is_stream:
                serving.end()
            if _is_data(scope["path"]):
                took_s = time.perf_counter() - started
                _tell(scope, answer.status or 500, took_s, is_stream=answer.is_stream)
            request_id_var.reset(token)


class _Answer:
    """The answer to one request as it goes out: its status, and the headers that every answer has."""

    def __init__(self, path: str, request_id: str, send: Send, *, https: bool) -> None:
        self.status = 0
        self.is_stream = False
        self._path, self._request_id, self._send, self._https = path, request_id, send, https

    async def send(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._complete(MutableHeaders(scope=message))
        await self._send(message)

    def _complete(self, headers: MutableHeaders) -> None:
        headers["x-request-id"] = self._request_id
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        headers.setdefault("content-security-policy", _policy(self._path))
        if self._https:
            headers.setdefault("strict-transport-security", "max-age=31536000; includeSubDomains")
        if _is_data(self._path):
            headers.setdefault("cache-control", "no-store")
        if headers.get("content-type", "").startswith("text/event-stream"):
            self.is_stream = True
            serving.end()
        elif serving.stopping:
            # A kept-alive connection that is simply closed may take a request that is on its way with it.
            headers["connection"] = "close"


def _tell(scope: Scope, status: int, took_s: float, *, is_stream: bool) -> None:
    """Count and log an answered request under its route's template; a stream's hours are no latency.

    Unknown paths share one label, or a scanner would fill memory.
    """
    route = _route(scope)
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    if not is_stream:
        metrics.http_request_duration_seconds.labels(method, route, str(status)).observe(took_s)
    path = scope["path"][:_PATH_CHARS]
    log.info("request", method=method, route=route, path=path, status=status, took_ms=round(took_s * 1000, 1))


def _route(scope: Scope) -> str:
    """The template of the route that answers, `other` when none does."""
    template = getattr(scope.get("route"), "path", None)
    return "other" if not template else f"{scope.get('root_path', '')}{template}"


async def _send_failure(send: Send, request_id: str) -> None:
    """Answer 500 in the one error shape (built by hand: whatever failed may be what builds answers)."""
    error = {"code": "internal_error", "message": "The server failed to answer.", "details": {}}
    body = json.dumps({"error": error, "request_id": request_id}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
