"""/health for load balancers and people, /metrics for Prometheus; both at the root, both without a session."""

import hmac
import time
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from models.infra.database import in_db
from models.infra.errors import Forbidden
from models.infra.metrics import registry
from models.infra.settings import get_settings
from tools_app.api.deps import PRIVATE_NETWORKS, client_address, is_within
from tools_app.api.schemas import Answer
from tools_app.services.figures import refresh_metrics
from tools_app.services.health import State, check_health

router = APIRouter(tags=["health"])

_STARTED = time.monotonic()


class HealthAnswer(Answer):
    """`down` (503) without the database; `degraded` (200) while Redis, the cache or every worker is away."""

    status: str
    checks: dict[str, State]
    uptime_s: float


@router.get("/health", summary="Does the installation work?", responses={503: {"model": HealthAnswer}})
async def health(response: Response) -> HealthAnswer:
    """Asks database, Redis, cache and workers."""
    found = await in_db(check_health)
    if found.status == "down":
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return HealthAnswer(
        status=found.status, checks=found.checks, uptime_s=round(time.monotonic() - _STARTED, 1)
    )


@router.get("/metrics", summary="Metrics in Prometheus' text format", response_class=Response)
async def metrics(request: Request, authorization: Annotated[str | None, Header()] = None) -> Response:
    """For loopback and private networks, or with METRICS_TOKEN as a bearer token; 403 for others."""
    token = get_settings().metrics_token.get_secret_value()
    proven = bool(token) and hmac.compare_digest((authorization or "").encode(), f"Bearer {token}".encode())
    # A forwarded request that no trusted proxy vouches for comes from somewhere unknown, whoever the peer is.
    peer = request.client.host if request.client is not None else ""
    forwarded = "x-forwarded-for" in request.headers
    vouched = not forwarded or is_within(peer, get_settings().trusted_networks())
    if not proven and not (vouched and is_within(client_address(request), PRIVATE_NETWORKS)):
        raise Forbidden("Metrics are for private networks or a bearer token.")
    await refresh_metrics()
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
