"""Answers that are JSON already: the request id is put in front, an ETag says whether the caller has them.

What a cache answered is also held as rendered under the request that asked for it (`remember`), where `hit_lane` finds
it. The ETag covers the answer without the request id, which is different every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from models.infra.local_cache import local_cache
from tools_app.api import gzip_body
from tools_app.api.request_context import current_request_id
from tools_app.services.views import SessionView

# What endpoints with an ETag say of their other answer.
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Unchanged since the given ETag"}}
# Private, and asked for every time: the ETag makes that cheap.
HEADERS = {"cache-control": "private, no-cache", "vary": "cookie"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer without its opening brace and request id. `first_id` and `mode` mark the answer to a question.

    `packed` is `rest` compressed once, for those who take gzip; empty where that does not pay.
    """

    rest: bytes
    etag: str = ""
    first_id: str = ""
    mode: str = ""
    packed: bytes = b""


def cached(rest: bytes) -> Rendered:
    """A rendered answer with its ETag."""
    return Rendered(rest, etag_of(rest))


def etag_of(body: bytes) -> str:
    """A weak validator of an answer without its request id."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def envelope(name: str, body: bytes) -> bytes:
    """`{"<name>": <body>}` without the opening brace."""
    return b'"%b":%b}' % (name.encode(), body)


def whole(rest: bytes, request_id: str) -> bytes:
    """The body of an answer."""
    return b'{"request_id":"%b",%b' % (request_id.encode(), rest)


def matches(given: str | None, etag: str) -> bool:
    """Whether If-None-Match names this validator (weak comparison, RFC 9110 13.1.2)."""
    if not given:
        return False
    bare = etag.removeprefix("W/")
    return any(each.strip().removeprefix("W/") in (bare, "*") for each in given.split(","))


def answer(request: Request, rest: bytes, etag: str, headers: Mapping[str, str] | None = None) -> Response:
    """The response: 304 without a body when the caller has it."""
    sent = {**HEADERS, "etag": etag, **dict(headers or {})}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=sent)
    return Response(whole(rest, current_request_id()), media_type="application/json", headers=sent)


def answer_model(request: Request, model: BaseModel) -> Response:
    """An answer that is computed each time, with an ETag of its content."""
    rest = model.model_dump_json(exclude={"request_id"}).encode()[1:]
    return answer(request, rest, etag_of(rest))


def lane_key(method: str, path: str, query: bytes, body: bytes, session: SessionView) -> str:
    """What an answer depends on: the request itself, and what the session may and would read."""
    digest = hashlib.blake2b(body, digest_size=16).hexdigest() if body else ""
    chosen = f"{session.account_scope_id}|{session.active_project_id}"
    return f"lane:{method}|{path}|{query.decode('latin-1')}|{digest}|{chosen}"


async def remember(
    request: Request,
    session: SessionView,
    rendered: Rendered,
    fresh_until: float,
    tags: tuple[str, ...],
    version: int,
) -> None:
    """Hold a rendered answer until `fresh_until` or until a tag changes; `version` was read before the answer was."""
    if session.key_id is not None:
        # A key may see less than its account scope, and has no short way.
        return
    body = await request.body() if request.method == "POST" else b""
    key = lane_key(request.method, request.url.path, request.scope["query_string"], body, session)
    if len(rendered.rest) >= gzip_body.MINIMUM:
        rendered = replace(rendered, packed=gzip_body.deflated(rendered.rest))
    size = len(rendered.rest) + len(rendered.packed) + len(key)
    local_cache().put(key, rendered, size, fresh_until, tags, version)
