"""ASGI middleware that counts what must be counted before anybody is known: changes, deliveries, public health checks.

Reads of a session and everything of an API key are counted in `deps`, where it is known whose they are; a change that
comes with a key is left to the key's own limit there.
"""

import math

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from models.infra import metrics
from models.infra.rate_limit import RateLimit, limiter
from tools_app.api.deps import PRIVATE_NETWORKS, bearer_token, client_address, is_within
from tools_app.api.errors import error_answer
from tools_app.services import limits

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class RateLimits:
    """The middleware; it stands inside `RequestContext`, so that a refusal has its request id and headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        limit = _limit_of(request)
        if limit is not None and (wait := await limiter.count(limit, client_address(request))) > 0:
            metrics.rate_limit_hits.labels(limit.name).inc()
            refusal = error_answer(
                429,
                "too_many_requests",
                "Too many requests. Try again later.",
                {"limit": limit.name},
                {"Retry-After": str(math.ceil(wait))},
            )
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _limit_of(request: Request) -> RateLimit | None:
    path = request.scope["path"]
    if path == "/health":
        return None if is_within(client_address(request), PRIVATE_NETWORKS) else limits.anonymous()
    if request.method in _READS:
        return None
    if path.startswith("/api/webhooks/") and request.method == "POST":
        return limits.webhooks()
    # Whoever shows a key without need (at the login) is counted like anybody else.
    if bearer_token(request) is not None and path != "/api/auth/login":
        return None
    return limits.changes()
