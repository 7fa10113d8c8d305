"""The API as one ASGI app: `create_api()` is what the application object mounts beside its pages, behind `with_gate`.

/api is an app of its own inside, so that an unknown path or method below it is answered here, as JSON, and never by
the page server that is mounted behind. FastAPI's lifespan does not run there: start and stop belong to `tools_app`.
"""

from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import RedirectResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from models.infra.settings import get_settings
from tools_app.api import (
    access,
    agreements,
    audit,
    auth,
    bindings,
    comms,
    completeness,
    connector_errors,
    connectors,
    crm,
    events,
    health,
    identity,
    jobs,
    lightrag,
    money,
    offers,
    outbound,
    portfolio,
    projects,
    questions,
    queue_dashboard,
    records,
    signals,
    system,
    webhooks,
)
from tools_app.api.deps import note_route
from tools_app.api.docs import install_docs
from tools_app.api.errors import ErrorAnswer, install_error_handlers
from tools_app.api.hit_lane import HitLane
from tools_app.api.rate_limits import RateLimits
from tools_app.api.request_context import RequestContext
from tools_app.services.credentials import require_safe_credentials

VERSION = "1"
DESCRIPTION = """
Control Tower's API. Log in with `POST /api/auth/login`; the session cookie then proves who asks, and the answer's
`csrf_token` goes into the `x-csrf-token` header of every other mutation. Programs send `Authorization: Bearer ct_…`
with a key made by `POST /api/auth/keys` or on the page "Sessions and API keys" instead. Every answer carries
`x-request-id`; whoever asks too often gets 429 with `Retry-After`.
"""
# Paths that answer without a session.
PUBLIC = frozenset({"/auth/login", "/health", "/metrics", "/webhooks/{connector}/{binding}"})

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "Invalid input"},
    401: {"model": ErrorAnswer, "description": "No session"},
    403: {"model": ErrorAnswer, "description": "Refused: CSRF token or origin"},
    404: {"model": ErrorAnswer, "description": "Unknown, or outside the account scope"},
    409: {"model": ErrorAnswer, "description": "Conflict"},
    429: {"model": ErrorAnswer, "description": "Too many requests; see Retry-After"},
    503: {"model": ErrorAnswer, "description": "Something this needs is away"},
}


class ApiApp(FastAPI):
    """A FastAPI app whose description says what the handlers really answer: 400 for invalid input, not 422."""

    path_prefix = ""

    def __init__(self, **given: Any) -> None:
        # Ours are logs and Prometheus; asking OpenTelemetry at every request whether it is set up costs a tenth of it.
        super().__init__(telemetry={"tracing": False, "metrics": False, "logs": False}, **given)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 description with full paths, made once."""
        if not self.openapi_schema:
            schema = get_openapi(
                title="Control Tower", version=VERSION, description=DESCRIPTION.strip(), routes=self.routes
            )
            schema["paths"] = {
                f"{self.path_prefix}{path}": _described(path, operations)
                for path, operations in schema.get("paths", {}).items()
            }
            components = schema.setdefault("components", {})
            components["securitySchemes"] = {
                "session": {"type": "apiKey", "in": "cookie", "name": "ct_session"},
                "csrf": {"type": "apiKey", "in": "header", "name": "x-csrf-token"},
                "key": {"type": "http", "scheme": "bearer", "description": "An API key (`ct_…`)"},
            }
            for unused in ("HTTPValidationError", "ValidationError"):
                components.get("schemas", {}).pop(unused, None)
            self.openapi_schema = schema
        return self.openapi_schema


def _described(path: str, operations: dict[str, Any]) -> dict[str, Any]:
    for method, operation in operations.items():
        operation.get("responses", {}).pop("422", None)
        if path not in PUBLIC:
            by_session: dict[str, list[str]] = (
                {"session": []} if method == "get" else {"session": [], "csrf": []}
            )
            # Keys never manage keys and sessions.
            with_key = not path.startswith(("/auth/sessions", "/auth/keys", "/auth/logout"))
            operation["security"] = [by_session, {"key": []}] if with_key else [by_session]
    return operations


def _inner_api() -> ApiApp:
    api = ApiApp(
        title="Control Tower",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        dependencies=[Depends(note_route)],
    )
    api.path_prefix = "/api"
    for module in (
        auth,
        access,
        projects,
        bindings,
        records,
        portfolio,
        comms,
        lightrag,
        questions,
        connectors,
        connector_errors,
        completeness,
        crm,
        money,
        offers,
        outbound,
        identity,
        signals,
        agreements,
        audit,
        jobs,
        system,
        events,
        webhooks,
    ):
        api.include_router(module.router, responses=_ERRORS)
    # Below a kilobyte the headers cost more than is saved; event streams are left alone by the middleware itself. What
    # holds the CSRF token (login, me) is shorter, so no secret is compressed together with what a stranger chose.
    api.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    install_docs(api)
    install_error_handlers(api)
    return api


def with_gate(app: ASGIApp) -> ASGIApp:
    """What every request passes before `app`: context and log, limits by address, and the short way for what is held."""
    return RequestContext(RateLimits(HitLane(app)), https=get_settings().origin().startswith("https:"))


def create_api() -> FastAPI:
    """The ASGI app with /api, /health and /metrics; what else it is asked for goes to whatever is mounted behind.

    It is served behind `with_gate`. Raises StartupRefused when the credentials in the settings are not safe to serve with.
    """
    require_safe_credentials(get_settings())
    api = _inner_api()
    outer = ApiApp(docs_url=None, redoc_url=None, openapi_url=None)
    outer.include_router(health.router)
    outer.include_router(queue_dashboard.router)
    outer.mount("/api", api, name="api")
    install_error_handlers(outer)
    described = outer.openapi()["paths"]

    @outer.get("/api", include_in_schema=False)
    async def index() -> RedirectResponse:
        return RedirectResponse("/api/docs")

    @outer.get("/favicon.ico", include_in_schema=False)
    async def icon() -> RedirectResponse:
        # What browsers ask for on pages that name no icon: the docs, RQ's dashboard.
        return RedirectResponse("/favicon.svg")

    # One description for everything: the two root paths stand beside those below /api.
    api.openapi()["paths"] |= described
    api.openapi()["components"].setdefault("schemas", {}).update(
        outer.openapi()["components"].get("schemas", {})
    )
    return outer
