"""What endpoints ask for: the caller, proof against CSRF, the scope a request may read, the client's address."""

from ipaddress import ip_address, ip_network
from typing import Annotated

from fastapi import Depends, Query, Request

from models.infra.database import in_db
from models.infra.errors import Forbidden, Unauthenticated
from models.infra.logging import origin
from models.infra.scope import Scope
from models.infra.settings import get_settings
from tools_app.services import auth, projects
from tools_app.services.views import SessionView

CSRF_HEADER = "x-csrf-token"


async def note_route(request: Request) -> None:
    """Remember which route answers: it stands in the comments of the statements that are run for it."""
    template = getattr(request.scope.get("route"), "path", "")
    origin.set(f"{request.scope.get('root_path', '')}{template}")


def is_within(address: str, networks: list[str]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in ip_network(each, strict=False) for each in networks)


def client_address(request: Request) -> str:
    """The address of the client: of the connection, or, behind trusted proxies, the first hop they do not vouch for."""
    peer = request.client.host if request.client is not None else ""
    trusted = get_settings().trusted_networks()
    if not is_within(peer, trusted):
        return peer
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    # From the right: every proxy appends whom it saw, so what a client wrote itself stands further left.
    for hop in reversed(hops):
        if not is_within(hop, trusted):
            return hop
    return hops[0] if hops else peer


def browser_of(request: Request) -> auth.Browser:
    """Where a request comes from."""
    return auth.Browser(client_address(request), request.headers.get("user-agent", ""))


def check_origin(request: Request) -> None:
    """Raises Forbidden when a browser says that the request comes from another site."""
    origin = request.headers.get("origin")
    if origin is None:
        return
    host = request.headers.get("host", "")
    same = {f"http://{host}", f"https://{host}", get_settings().origin()}
    if get_settings().cookie_is_secure():
        same.discard(f"http://{host}")
    if origin not in same:
        raise Forbidden("Requests from other origins are refused.", code="foreign_origin")


def session_token(request: Request) -> str | None:
    """The token of the session cookie, or None."""
    return auth.token_of_cookies(request.headers.get("cookie", ""))


async def caller(request: Request) -> SessionView:
    """The live session of the request. Raises Unauthenticated (401)."""
    session = await in_db(auth.current_session, session_token(request))
    if session is None:
        raise Unauthenticated("Log in first.")
    return session


Caller = Annotated[SessionView, Depends(caller)]


async def changer(request: Request, session: Caller) -> SessionView:
    """The caller of a mutation: same origin and the session's CSRF token. Raises Forbidden (403)."""
    check_origin(request)
    auth.check_csrf(session, request.headers.get(CSRF_HEADER))
    return session


Changer = Annotated[SessionView, Depends(changer)]

ProjectParameter = Annotated[
    str | None,
    Query(
        max_length=64,
        description="Id or slug of a project, or `all`; left out: the session's active project.",
    ),
]


async def read_scope(session: Caller, project_id: ProjectParameter = None) -> Scope:
    """What the request may read. Raises NotFound (404) for a project outside the account scope."""
    return await in_db(projects.resolve_scope, session, project_id)


ReadScope = Annotated[Scope, Depends(read_scope)]

Limit = Annotated[int, Query(ge=1, le=200, description="Items a page.")]
Cursor = Annotated[str | None, Query(max_length=256, description="`next_cursor` of the page before.")]
