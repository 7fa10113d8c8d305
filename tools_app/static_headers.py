"""ASGI wrapper around the exported front end: caching, no detour for `/page`, and which scripts a page may run."""

from __future__ import annotations

import json
from functools import lru_cache

from reflex.utils.prerequisites import get_web_dir
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_YEAR = "public, max-age=31536000, immutable"
# Names without a hash (HTML, scripts and icons of ours): asked for every time, answered 304 while unchanged.
_REVALIDATE = "no-cache"


def with_static_headers(app: ASGIApp) -> ASGIApp:
    """Wrap `app`, the server of the exported files and of the websocket."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["cache-control"] = (
                    _YEAR if path.startswith("/assets/") and message["status"] == 200 else _REVALIDATE
                )
                if headers.get("content-type", "").startswith("text/html"):
                    headers["content-security-policy"] = _policy()
            await send(message)

        await app(_to_file(scope), receive, with_headers)

    return wrapped


def _to_file(scope: Scope) -> Scope:
    """A page is exported as `<page>.html`: serve it under its own name instead of redirecting to `<page>/`."""
    path: str = scope["path"]
    if path in ("/", "") or "." in path.rsplit("/", 1)[-1] or path.startswith("/_"):
        return scope
    page = f"{path.rstrip('/')}.html"
    if not _is_exported(page.lstrip("/")):
        return scope
    return {**scope, "path": page, "raw_path": page.encode()}


def _is_exported(name: str) -> bool:
    try:
        return (get_web_dir() / "build" / "client" / name).is_file()
    except OSError:
        # A name that no file system takes (too long) is no page: the file server answers 404.
        return False


@lru_cache(maxsize=1)
def _policy() -> str:
    """The Content-Security-Policy of the pages: own scripts, and the inline ones of the export by their hashes.

    No `unsafe-eval` and no inline script but those (without an export, as under `reflex run`, there are no hashes and
    inline scripts must be let through). Styles may be inline: the framework's and the charts' geometry are attributes.
    """
    build = get_web_dir() / "build.json"
    hashes = json.loads(build.read_text())["script_hashes"] if build.is_file() else ["'unsafe-inline'"]
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {' '.join(hashes)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            # Covers the websocket too: it has this origin.
            "connect-src 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
