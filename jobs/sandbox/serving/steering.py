"""What the control endpoints share: JSON answers, refusals in a sentence, and who may steer."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_BODY_AT_MOST: Final = 1_000_000


class Busy(RuntimeError):
    """What was asked for cannot be done in the present state; answered with 409."""


def reply(body: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, media_type="application/json")


async def read_body(request: Request) -> bytes:
    """The whole body. Raises ValueError above a megabyte."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > _BODY_AT_MOST:
            raise ValueError(f"a body of over {_BODY_AT_MOST} bytes")
        parts.append(part)
    return b"".join(parts)


async def steered(request: Request, act: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    """Act on a JSON body; what it refuses is 400 with a sentence, and 409 when it is too much."""
    try:
        return reply(act(orjson.loads(await read_body(request))))
    except Busy as error:
        return reply({"error": str(error)}, 409)
    except KeyError as error:
        return reply({"error": f"{error} is missing or unknown"}, 400)
    except (TypeError, ValueError) as error:
        return reply({"error": f"{type(error).__name__}: {error}"}, 400)


def from_this_machine(app: ASGIApp) -> ASGIApp:
    """Refuse changes that a page of another site asks for: a browser names the site in Origin."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        origin = Request(scope).headers.get("origin")
        if origin is not None and scope["method"] not in ("GET", "HEAD") and not _is_local(origin):
            await reply({"error": "only pages of this machine may steer the sandbox"}, 403)(
                scope, receive, send
            )
            return
        await app(scope, receive, send)

    return guarded


def _is_local(origin: str) -> bool:
    try:
        return urlsplit(origin).hostname in LOOPBACK
    except ValueError:
        return False
