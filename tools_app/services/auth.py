"""Login, sessions and CSRF: who is asking, proven by a cookie whose token is stored only as its SHA-256.

A session ends 14 days after login, after 24 idle hours, or at logout, whichever comes first; every login makes a new
token and ends the browser's former one. Pages and API ask `current_session` on every request and event.
"""

import datetime as dt
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.database import in_db, transaction
from models.infra.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated, Unavailable
from models.infra.logging import get_logger
from models.infra.settings import get_settings
from models.infra.shared_lookups import SharedLookups
from models.queries import projects, sessions
from tools_app.services import audit_trail, devices, session_cache
from tools_app.services.credentials import verify_password
from tools_app.services.login_throttle import count_attempt, forget_attempts
from tools_app.services.views import SessionView

log = get_logger(__name__)

IDLE = dt.timedelta(hours=24)
ABSOLUTE = dt.timedelta(days=14)
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A fresh session and the token for its cookie; the token exists nowhere else.

    `device` is what the browser is to keep as a known device (None: it has one, or none can be signed).
    """

    session: SessionView
    token: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from: client address (behind trusted proxies the forwarded one), user agent, cookies."""

    address: str
    user_agent: str = ""
    cookies: str = ""


def cookie_name() -> str:
    """The session cookie's name. `__Host-` makes browsers insist on Secure, path / and no domain."""
    return "__Host-ct_session" if get_settings().cookie_is_secure() else "ct_session"


def token_of_cookies(header: str) -> str | None:
    """The session token in a Cookie header, or None."""
    try:
        morsel = SimpleCookie(header).get(cookie_name())
    except CookieError:
        return None
    return morsel.value if morsel is not None and 20 <= len(morsel.value) <= 128 else None


def login(
    username: str,
    password: str,
    browser: Browser,
    *,
    former_token: str | None = None,
    account_scope: str | None = None,
) -> LoggedIn:
    """Check name and password and open a session in an account scope (its slug; the oldest one if None).

    Raises Unauthenticated for a wrong pair, TooManyRequests for too many attempts, NotFound for an unknown scope,
    Unavailable when no credentials or no scope are configured.
    """
    credentials = get_settings().credentials()
    if credentials is None:
        metrics.login_failures.labels("not_configured").inc()
        raise Unavailable("No login is configured: set AUTH_CREDENTIALS.", code="login_not_configured")
    device = devices.known_device(browser.cookies, username)
    try:
        count_attempt(browser.address, username, device)
    except TooManyRequests:
        metrics.login_failures.labels("throttled").inc()
        raise
    if not verify_password(credentials, username, password):
        metrics.login_failures.labels("wrong_credentials").inc()
        log.warning("login failed", address=browser.address, known_device=device is not None)
        raise Unauthenticated("Name or password is wrong.", code="wrong_credentials")
    forget_attempts(browser.address, username, device)

    token, csrf_token, now = (
        secrets.token_urlsafe(_TOKEN_BYTES),
        secrets.token_urlsafe(_TOKEN_BYTES),
        utcnow(),
    )
    former = _hash(former_token) if former_token else None
    with transaction() as session:
        scope = (
            projects.first_scope(session)
            if account_scope is None
            else projects.scope_by_slug(session, account_scope)
        )
        if scope is None and account_scope is not None:
            raise NotFound("There is no such account scope.", account_scope=account_scope)
        if scope is None:
            raise Unavailable("There is no account scope yet.", code="no_account_scope")
        if former:
            sessions.end_session(session, former, now)
        facts = sessions.start_session(
            session,
            token_hash=_hash(token),
            csrf_token=csrf_token,
            username=username,
            account_scope_id=scope.id,
            now=now,
            expires_at=now + ABSOLUTE,
            ip=browser.address,
            user_agent=browser.user_agent,
        )
        audit_trail.record_event(
            session,
            actor=username,
            action="session.login",
            entity=audit_trail.Entity("session", str(facts.id)),
            account_scope_id=scope.id,
            after={"ip": browser.address},
        )
    if former:
        session_cache.forget(former)
    return LoggedIn(_view(facts), token, devices.new_device(username) if device is None else None)


def current_session(token: str | None) -> SessionView | None:
    """The live session of a cookie's token, or None; from the cache when it has it. Notes its use."""
    if not token:
        return None
    return _live_view(session_cache.find(_hash(token), utcnow(), IDLE))


def held_session(token: str | None) -> SessionView | None:
    """The live session if this process holds it in memory, at no cost; None says nothing: ask `current_session`."""
    return _live_view(session_cache.find_held(_hash(token), utcnow(), IDLE)) if token else None


async def live_session(token: str | None) -> SessionView | None:
    """`current_session` for the event loop: no thread while this process holds it, one lookup for a burst of requests."""
    held = held_session(token)
    if held is not None or not token:
        return held
    return await _lookups.run(_hash(token), lambda: in_db(current_session, token))


_lookups = SharedLookups[SessionView | None]()


def _live_view(facts: sessions.SessionFacts | None) -> SessionView | None:
    return None if facts is None or not _is_configured(facts.username) else _view(facts)


def session_of_cookies(header: str) -> SessionView | None:
    """The live session of a Cookie header, or None. What page States call."""
    return current_session(token_of_cookies(header))


def logout(token: str) -> None:
    """End the session of a token, in every process at once; nothing happens when it is not live."""
    with transaction() as session:
        facts = sessions.end_session(session, _hash(token), utcnow())
        if facts is not None:
            audit_trail.record_event(
                session,
                actor=facts.username,
                action="session.logout",
                entity=audit_trail.Entity("session", str(facts.id)),
                account_scope_id=facts.account_scope_id,
            )
    session_cache.forget(_hash(token))


def check_csrf(session: SessionView, given: str | None) -> None:
    """Raises Forbidden unless `given` is the session's CSRF token (compared in constant time); a key has none to give."""
    if not session.csrf_token or not hmac.compare_digest(session.csrf_token.encode(), (given or "").encode()):
        raise Forbidden("The x-csrf-token header is missing or wrong.", code="wrong_csrf_token")


def _is_configured(username: str) -> bool:
    """Whether somebody of that name may log in: a name that was taken out of the settings ends its sessions."""
    credentials = get_settings().credentials()
    return credentials is not None and credentials[0] == username


def _hash(token: str) -> str:
    # 256 random bits need no salt and no slow hash: nobody can guess the preimage.
    return hashlib.sha256(token.encode()).hexdigest()


def _view(facts: sessions.SessionFacts) -> SessionView:
    return SessionView(
        session_id=str(facts.id),
        user=facts.username,
        csrf_token=facts.csrf_token,
        account_scope_id=str(facts.account_scope_id),
        active_project_id=None if facts.active_project_id is None else str(facts.active_project_id),
    )
