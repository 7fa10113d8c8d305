"""What endpoints ask for: the caller, proof against CSRF, the scope a request may read, the client's address.

A caller is a browser's session or a program's API key. `Caller` reads, `Asker` sends a body and changes no business
data, `Changer` changes, `Owner` is a person: keys never manage keys, sessions or secrets. A key that is limited to
projects meets only endpoints that say which project they are about (`project_id`); all others act on the account scope.
"""

from ipaddress import ip_address, ip_network
from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from models.infra.database import in_db
from models.infra.errors import Forbidden, Unauthenticated
from models.infra.logging import origin
from models.infra.rate_limit import limiter
from models.infra.scope import Scope
from models.infra.settings import get_settings
from tools_app.services import api_keys, auth, limits, projects
from tools_app.services.idempotency import OnceKey
from tools_app.services.views import SessionView

CSRF_HEADER = "x-csrf-token"
PRIVATE_NETWORKS = [
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
    "169.254.0.0/16",
]


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
    headers = request.headers
    return auth.Browser(client_address(request), headers.get("user-agent", ""), headers.get("cookie", ""))


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


def bearer_token(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def caller(request: Request) -> SessionView:
    """The live session or key of the request. Raises Unauthenticated (401), TooManyRequests (429), Forbidden (403)."""
    key = bearer_token(request)
    # A header that names a key decides: a request never falls back from a wrong key to a cookie.
    if key is None:
        found = await auth.live_session(session_token(request))
    else:
        found = await in_db(api_keys.session_of_key, key)
    if found is None:
        await limiter.check(limits.anonymous(), client_address(request))
        raise Unauthenticated("Log in first." if key is None else "This key is unknown, revoked or expired.")
    if found.key_id is not None:
        await limiter.check(limits.keys(), found.key_id)
        _check_limited(request, found)
    elif request.method in ("GET", "HEAD"):
        await limiter.check(limits.reads(), found.session_id)
    return found


def _check_limited(request: Request, session: SessionView) -> None:
    """Raises Forbidden when a key that is limited to projects asks what is not about a project."""
    if session.limited_to is None:
        return
    route = request.scope["route"]
    if route.path not in _OF_EVERY_KEY and not _names_project(route.dependant):
        raise Forbidden(
            "This key is limited to projects; this is about the account scope.", code="key_is_limited"
        )


def _names_project(dependant: Dependant) -> bool:
    """Whether an endpoint takes projects, as a parameter or in its body: then a service resolves them for the caller."""
    return (
        any(each.alias in ("project_id", "project_ids") for each in dependant.query_params)
        or any(
            "project_id" in getattr(each.field_info.annotation, "model_fields", {})
            for each in dependant.body_params
        )
        or any(_names_project(each) for each in dependant.dependencies)
    )


# They answer from the projects that the key may see.
_OF_EVERY_KEY = frozenset({"/auth/me", "/projects"})

Caller = Annotated[SessionView, Depends(caller)]


async def asker(request: Request, session: Caller) -> SessionView:
    """The caller of a POST that changes no business data: same origin and the session's CSRF token, or a key.

    Raises Forbidden (403).
    """
    # A key comes in a header that no other site can make a browser send.
    if session.key_id is None:
        check_origin(request)
        auth.check_csrf(session, request.headers.get(CSRF_HEADER))
    return session


Asker = Annotated[SessionView, Depends(asker)]


async def changer(request: Request, session: Asker) -> SessionView:
    """The caller of a mutation. Raises Forbidden (403), also for a key that only reads."""
    if session.read_only or (session.limited_to is not None and request.scope["route"].path in _OF_EVERY_KEY):
        raise Forbidden("This key may not change this.", code="key_is_read_only")
    return session


Changer = Annotated[SessionView, Depends(changer)]


async def owner(session: Caller) -> SessionView:
    """The session of a person. Raises Forbidden (403) for a key."""
    if session.key_id is not None:
        raise Forbidden("Keys cannot do this: it takes a session.", code="session_required")
    return session


Owner = Annotated[SessionView, Depends(owner)]


async def owner_changing(session: Asker) -> SessionView:
    """The session of a person, with its CSRF token. Raises Forbidden (403)."""
    return await owner(session)


OwnerChanging = Annotated[SessionView, Depends(owner_changing)]

ProjectParameter = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=64,
        description="Id or slug of a project, or `all`; left out: the session's active project.",
    ),
]


async def read_scope(session: Caller, project_id: ProjectParameter = None) -> Scope:
    """What the request may read. Raises NotFound (404) for a project outside the account scope."""
    if projects.are_held(session):
        return projects.resolve_scope(session, project_id)
    return await in_db(projects.resolve_scope, session, project_id)


ReadScope = Annotated[Scope, Depends(read_scope)]

Limit = Annotated[int, Query(ge=1, le=200, description="Items a page.")]
Cursor = Annotated[str | None, Query(max_length=256, description="`next_cursor` of the page before.")]

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body again, within 24 hours, gets the first answer and creates nothing.",
    ),
]


def once_key(request: Request, key: str | None, body: BaseModel) -> OnceKey | None:
    """What makes a creating request happen once: its key, its route and its body."""
    if key is None:
        return None
    return OnceKey(key, f"{request.method} {request.url.path}", body.model_dump_json())


def tell_replay(response: Response, *, replayed: bool) -> None:
    """Say in a header that the answer is that of an earlier request."""
    if replayed:
        response.headers["idempotency-replayed"] = "true"
