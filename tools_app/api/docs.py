"""/api/docs: Swagger UI from the installed package, so that the page works without a CDN and under a strict CSP."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from tools_app.api.schemas import JsonAnswer

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Control Tower API</title>
  <link rel="stylesheet" href="/api/docs/assets/swagger-ui.css">
  <link rel="icon" href="data:,">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="/api/docs/assets/swagger-ui-bundle.js"></script>
  <script src="/api/docs/start.js"></script>
</body>
</html>
"""

# Mutations need the session's CSRF token: the page takes it from the session it runs in.
_START = """
let csrf = null;
window.ui = SwaggerUIBundle({
  url: "/api/docs/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  requestInterceptor: async (request) => {
    const changes = !["GET", "HEAD"].includes((request.method || "GET").toUpperCase());
    if (changes && !request.url.endsWith("/auth/login")) {
      if (!csrf) csrf = (await (await fetch("/api/auth/me")).json()).csrf_token;
      if (csrf) request.headers["x-csrf-token"] = csrf;
    } else if (changes) { csrf = null; }
    return request;
  },
});
"""


def swagger_assets() -> Path:
    """The folder of Swagger UI's files inside the installed package."""
    vendor = Path(str(files("swagger_ui_bundle"))) / "vendor"
    return next(each for each in sorted(vendor.iterdir()) if each.name.startswith("swagger-ui"))


def as_openapi_30(schema: Any) -> Any:
    """The same description in OpenAPI 3.0, which the packaged Swagger UI reads; the API itself publishes 3.1.

    What differs is JSON Schema's null type, numeric exclusive bounds, `const` and `prefixItems`.
    """
    if isinstance(schema, list):
        return [as_openapi_30(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: as_openapi_30(value) for name, value in schema.items()}
    options = found.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        others = [each for each in options if each != {"type": "null"}]
        found.pop("anyOf")
        found |= {"allOf": others} if len(others) == 1 else {"anyOf": others}
        found["nullable"] = True
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(bound), int | float) and not isinstance(found.get(bound), bool):
            found[limit], found[bound] = found[bound], True
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if isinstance(found.get("prefixItems"), list):
        found["items"] = {"anyOf": found.pop("prefixItems")}
    if "openapi" in found:
        found["openapi"] = "3.0.3"
    return found


def install_docs(app: FastAPI) -> None:
    """Serve the docs page and its assets below the app's /docs."""
    router = APIRouter(prefix="/docs", include_in_schema=False)

    @router.get("")
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE)

    @router.get("/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")

    @router.get("/openapi.json")
    async def description(request: Request) -> JsonAnswer:
        return JsonAnswer(as_openapi_30(request.app.openapi()))

    app.mount("/docs/assets", StaticFiles(directory=swagger_assets()), name="docs-assets")
    app.include_router(router)
