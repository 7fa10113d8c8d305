"""The Linear server: one GraphQL endpoint with its quotas, and the pages behind `url` fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.sandbox.linear.complexity import MAXIMUM, Estimator
from jobs.sandbox.linear.execution import Context, Executor
from jobs.sandbox.linear.pages import issue_page, project_page
from jobs.sandbox.linear.workspace import Record, Workspace
from jobs.sandbox.serving.gate import FaultAnswers, fault_of
from jobs.sandbox.serving.quotas import LeakyBucket

Json = dict[str, Any]
_API_KEY_PREFIX: Final = "lin_api_"


@dataclass(frozen=True, slots=True)
class LinearServer:
    """Workspaces by API key; the two buckets are the quotas, kept per user."""

    tokens: Mapping[str, Workspace]
    now: Callable[[], datetime]
    requests: LeakyBucket
    complexity: LeakyBucket


def reply(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, headers=dict(headers or {}), media_type="application/json")


def error_entry(message: str, kind: str, **more: object) -> Json:
    """One entry of `errors`. Linear: the kind is in extensions.type, the human text beside it."""
    extensions = {
        "type": kind,
        "userError": kind != "internal error",
        "userPresentableMessage": message,
        **more,
    }
    return {"message": message, "path": [], "extensions": extensions}


def _throttled(now: datetime) -> Response:
    """Linear: HTTP 400 (not 429) with extensions.code RATELIMITED and reset headers in milliseconds."""
    reset = str(int((now.timestamp() + 1) * 1000))
    headers = {
        "X-RateLimit-Requests-Limit": "2500",
        "X-RateLimit-Requests-Remaining": "0",
        "X-RateLimit-Requests-Reset": reset,
    }
    entry = error_entry("Rate limit exceeded", "ratelimited", code="RATELIMITED")
    return reply({"errors": [entry]}, 400, headers)


def _broken(status: int) -> Response:
    if status == 404:
        return reply({"errors": [error_entry("Not found", "other")]}, 404)
    return reply({"errors": [error_entry("Internal server error", "internal error")]}, status)


def _refused() -> Response:
    entry = error_entry(
        "Authentication required, not authenticated", "authentication error", code="AUTHENTICATION_ERROR"
    )
    return reply({"errors": [entry]}, 401)


ANSWERS: Final = FaultAnswers(_throttled, _broken, _refused)


def linear_app(server: LinearServer, workspaces: Mapping[str, Workspace]) -> Starlette:
    """The ASGI application; `workspaces` by slug serve the record pages."""
    executor = Executor()

    async def graphql(request: Request) -> Response:
        return _graphql(server, executor, request, await request.body())

    async def issue(request: Request) -> Response:
        workspace = workspaces.get(request.path_params["workspace"])
        return issue_page(workspace, request.path_params["identifier"])

    async def project(request: Request) -> Response:
        workspace = workspaces.get(request.path_params["workspace"])
        return project_page(workspace, request.path_params["slug"])

    return Starlette(
        routes=[
            Route("/graphql", graphql, methods=["POST"]),
            Route("/{workspace}/issue/{identifier}", issue),
            Route("/{workspace}/issue/{identifier}/{slug}", issue),
            Route("/{workspace}/project/{slug}", project),
        ]
    )


def _workspace(server: LinearServer, request: Request) -> Workspace | None:
    # Linear: an API key is sent bare, only OAuth tokens are sent as Bearer.
    sent = request.headers.get("authorization", "")
    if sent.lower().startswith("bearer "):
        sent = sent[7:]
        if sent.startswith(_API_KEY_PREFIX):
            return None
    return server.tokens.get(sent)


def _graphql(server: LinearServer, executor: Executor, request: Request, raw: bytes) -> Response:
    workspace = _workspace(server, request)
    if workspace is None:
        return _refused()
    now, user = server.now(), str(workspace.viewer["id"])
    fault = fault_of(request.scope)
    if not server.requests.take(user, 1, now):
        return _ratelimited(server, user, now, 0)
    try:
        body = orjson.loads(raw)
        query, variables = body["query"], body.get("variables") or {}
        operation = body.get("operationName")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        entry = error_entry("Request body must be JSON with a query", "graphql error")
        return reply({"errors": [entry]}, 400, _headers(server, user, now, 0))
    if fault == "schema_change":
        # GraphQL: a field that was removed makes every document that asks for it invalid.
        entry = error_entry(
            'Cannot query field "nodes" on type "Connection".',
            "graphql error",
            code="GRAPHQL_VALIDATION_FAILED",
        )
        return reply({"errors": [entry]}, 400, _headers(server, user, now, 0))
    document = executor.document(str(query))
    if isinstance(document, list):
        return reply({"errors": document}, 400, _headers(server, user, now, 0))
    cost = Estimator(executor.schema, document, variables).cost(operation)
    if cost > MAXIMUM:
        # Linear: rejected before execution above 10,000 points.
        message = f"The query is too complex. Complexity: {cost}. Maximum allowed complexity: {MAXIMUM}."
        entry = error_entry(message, "invalid input", code="INPUT_ERROR")
        entry["message"] = f"Query too complex. {message}"
        return reply({"errors": [entry]}, 400, _headers(server, user, now, cost))
    if not server.complexity.take(user, cost, now):
        return _ratelimited(server, user, now, cost)
    headers = _headers(server, user, now, cost)
    if fault == "errors_200":
        # Linear: HTTP 200 can carry errors and no data.
        return reply(
            {"data": None, "errors": [error_entry("Internal error", "internal error")]}, 200, headers
        )
    context = Context(
        workspace, now, lambda: _status(server, user, now), stuck_cursor=fault == "stuck_cursor"
    )
    result = executor.run(document, variables, operation, context)
    answer: Json = {"data": result.data}
    if result.errors:
        answer["errors"] = [
            {**error.formatted, "extensions": error.extensions or _unknown(error.message)}
            for error in result.errors
        ]
    if fault == "partial_200":
        # Linear: HTTP 200 can carry errors beside partial data.
        answer["errors"] = [
            *answer.get("errors", []),
            error_entry("Part of the query failed", "internal error"),
        ]
    return reply(answer, 200, headers)


def _unknown(message: str) -> Json:
    return {"type": "graphql error", "userError": False, "userPresentableMessage": message}


def _ratelimited(server: LinearServer, user: str, now: datetime, cost: float) -> Response:
    entry = error_entry("Rate limit exceeded", "ratelimited", code="RATELIMITED")
    return reply({"errors": [entry]}, 400, _headers(server, user, now, cost))


def _headers(server: LinearServer, user: str, now: datetime, cost: float) -> dict[str, str]:
    # Linear: on every response; Reset is epoch milliseconds.
    requests, points = server.requests, server.complexity
    return {
        "X-Complexity": str(int(cost)),
        "X-RateLimit-Requests-Limit": str(requests.quota.allowed),
        "X-RateLimit-Requests-Remaining": str(int(requests.remaining(user, now))),
        "X-RateLimit-Requests-Reset": str(int(requests.reset_at(user, requests.quota.allowed, now) * 1000)),
        "X-RateLimit-Complexity-Limit": str(points.quota.allowed),
        "X-RateLimit-Complexity-Remaining": str(int(points.remaining(user, now))),
        "X-RateLimit-Complexity-Reset": str(int(points.reset_at(user, points.quota.allowed, now) * 1000)),
    }


def _status(server: LinearServer, user: str, now: datetime) -> Record:
    limits = [
        {
            "type": name,
            "requestedAmount": 0.0,
            "allowedAmount": float(bucket.quota.allowed),
            "period": bucket.quota.period_s * 1000,
            "remainingAmount": float(int(bucket.remaining(user, now))),
            "reset": float(int(bucket.reset_at(user, bucket.quota.allowed, now) * 1000)),
        }
        for name, bucket in (("REQUESTS", server.requests), ("COMPLEXITY", server.complexity))
    ]
    return {"identifier": user, "kind": "user", "limits": limits}
