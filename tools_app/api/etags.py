"""ETags of heavy GETs: a client that has the answer already gets 304 and no body.

`tagged(request, answer)` is what an endpoint returns instead of its model. The tag is weak: it covers the answer
without its `request_id`, which differs with every request, and stays the same when the body is compressed.
The work of computing the answer is done either way; what is saved is the transfer and the reading of it.
"""

from hashlib import blake2b
from typing import Any

import orjson
from fastapi import Request, Response

from tools_app.api.schemas import Answer

# For `responses=` of the endpoints that use `tagged`.
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "Not modified: the ETag still holds"}}


def tagged(request: Request, answer: Answer) -> Response:
    """The answer as JSON with its ETag, or 304 when `If-None-Match` names it."""
    shown = answer.model_dump(mode="json")
    told = orjson.dumps({name: value for name, value in shown.items() if name != "request_id"})
    etag = f'W/"{blake2b(told, digest_size=12).hexdigest()}"'
    # Answers belong to a session: no shared cache may keep them, and a kept one is asked about before it is used.
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "Cookie, Authorization"}
    if is_named(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(orjson.dumps(shown), media_type="application/json", headers=headers)


def is_named(if_none_match: str, etag: str) -> bool:
    """Whether the header names the tag, by weak comparison (RFC 9110, 13.1.2)."""
    names = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in names or etag.removeprefix("W/") in names
