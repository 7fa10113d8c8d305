"""RQ's own dashboard at /rq, behind the login: who may see it, who may change something, and what is audited.

A page without a session leads to the login, data is refused with 401, and keys open nothing here. Whatever is no GET
must come from this origin with the session's CSRF token, and is written to the audit trail in the transaction around it.
"""

import asyncio
import contextvars
import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request, Response
from redis.exceptions import RedisError
from starlette.responses import HTMLResponse, RedirectResponse

from jobs import enqueue
from models.infra.database import transaction
from models.infra.errors import Forbidden, NotFound, Unauthenticated, Unavailable
from models.infra.ids import AccountScopeId
from models.infra.logging import get_logger
from tools_app.api.deps import CSRF_HEADER, caller, check_origin, owner
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import COOKIE, negotiate
from tools_app.services import auth
from tools_app.services.audit_trail import Entity, record_event
from tools_app.services.views import SessionView

if TYPE_CHECKING:
    from jobs.enqueue import QueueDashboard

PREFIX = "/rq"
# The dashboard's pages have inline scripts and handlers, so they get a policy of their own. Nothing comes from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# All the changes it can make: method, path below the prefix, entity, verb. What is not listed is refused.
_CHANGES = (
    ("DELETE", re.compile(r"/job/([^/]{1,200})"), "queue_job", "delete"),
    ("POST", re.compile(r"/job/([^/]{1,200})/requeue"), "queue_job", "requeue"),
    ("DELETE", re.compile(r"/queues/([^/]{1,200})"), "queue", "empty"),
    ("POST", re.compile(r"/queues/([^/]{1,200})/cleanup-stale"), "queue", "cleanup"),
)

log = get_logger(__name__)
router = APIRouter(include_in_schema=False)


@router.api_route(PREFIX, methods=["GET"])
@router.api_route(PREFIX + "/{path:path}", methods=["GET", "POST", "DELETE"])
async def queue_dashboard(request: Request) -> Response:
    """Answer for the dashboard, after asking who wants to know."""
    _refuse_other_sites(request)
    try:
        session = await owner(await caller(request))
        change = None if request.method == "GET" else _checked_change(request, session)
        answer = await _in_thread(session, change, request)
    except Unauthenticated:
        if not _wants_page(request):
            raise
        return RedirectResponse(f"/login?next={quote(PREFIX)}/", status_code=303)
    except (RedisError, Unavailable) as error:
        log.warning("queue away", error=str(error))
        if not _wants_page(request):
            raise Unavailable("The queue (Redis) does not answer.", code="queue_away") from error
        return _away_page(request)
    response = Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers[name.decode()] = value.decode()
    if not request.url.path.startswith(f"{PREFIX}/static/"):
        response.headers["cache-control"] = "no-store"
    response.headers["content-security-policy"] = _POLICY
    return response


def _refuse_other_sites(request: Request) -> None:
    """Raises Forbidden for what another site's page asks for; following a link to here is fine."""
    check_origin(request)
    came_from = request.headers.get("sec-fetch-site", "none")
    is_link = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
    if came_from in ("cross-site", "same-site") and not is_link:
        raise Forbidden("Requests from other origins are refused.", code="foreign_origin")


def _checked_change(request: Request, session: SessionView) -> tuple[str, Entity]:
    """The action and the entity of a change that may be made.

    Raises Forbidden without proof that the dashboard's own page sent it, NotFound for a change it does not know.
    """
    if "origin" not in request.headers and request.headers.get("sec-fetch-site") != "same-origin":
        raise Forbidden("Only the dashboard's own pages may change something.", code="foreign_origin")
    auth.check_csrf(session, request.headers.get(CSRF_HEADER))
    for method, pattern, entity, verb in _CHANGES:
        found = pattern.fullmatch(request.url.path.removeprefix(PREFIX))
        if found is not None and method == request.method:
            return f"{entity}.{verb}", Entity(entity, found.group(1))
    raise NotFound("The dashboard cannot do that.")


def _answer(
    session: SessionView, change: tuple[str, Entity] | None, request: Request
) -> enqueue.DashboardAnswer:
    asked = (request.method, request.url.path, request.url.query.encode(), request.headers.raw)
    if change is None:
        return _dashboard().answer(*asked, session.csrf_token)
    action, entity = change
    with transaction() as database:
        record_event(
            database,
            actor=session.user,
            action=action,
            entity=entity,
            account_scope_id=AccountScopeId(UUID(session.account_scope_id)),
        )
        answer = _dashboard().answer(*asked, session.csrf_token)
        if answer.status >= 400:
            # Nothing was changed, so nothing is written.
            database.rollback()
    return answer


async def _in_thread(
    session: SessionView, change: tuple[str, Entity] | None, request: Request
) -> enqueue.DashboardAnswer:
    # Not the database's threads: a look at a long queue takes Redis a while.
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), lambda: context.run(_answer, session, change, request))


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="rq-dashboard")


@lru_cache(maxsize=1)
def _dashboard() -> "QueueDashboard":
    return enqueue.queue_dashboard(PREFIX)


def _wants_page(request: Request) -> bool:
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def _away_page(request: Request) -> Response:
    """Say in the reader's language that the queue is away and where its state is explained."""
    locale = negotiate(request.cookies.get(COOKIE, ""), request.headers.get("accept-language", ""))
    words = {
        key: escape(text(locale, f"queue_dashboard.{key}")) for key in ("title", "reason", "system", "back")
    }
    return HTMLResponse(
        f"""<!doctype html><html lang="{locale}"><meta charset="utf-8"><title>{words["title"]}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<body style="font: 1rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto; padding: 0 1rem">
<h1 style="font-size: 1.25rem">{words["title"]}</h1><p>{words["reason"]}</p>
<p><a href="/system">{words["system"]}</a> · <a href="/jobs">{words["back"]}</a></p>""",
        status_code=503,
        headers={"content-security-policy": _POLICY, "cache-control": "no-store", "retry-after": "5"},
    )
