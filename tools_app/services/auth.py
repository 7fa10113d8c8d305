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
from models.infra.database import reading, transaction
from models.infra.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated, Unavailable
from models.infra.logging import get_logger
from models.infra.settings import get_settings
from models.queries import projects, sessions
from tools_app.services import audit_trail
from tools_app.services.credentials import verify_password
from tools_app.services.login_throttle import count_attempt, forget_attempts
from tools_app.services.views import SessionView

log = get_logger(__name__)

IDLE = dt.timedelta(hours=24)
ABSOLUTE = dt.timedelta(days=14)
# Written once a minute at most: "last seen" needs no better, and a read should not cost a write.
_TOUCH_EVERY = dt.timedelta(minutes=1)
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A fresh session and the token for its cookie; the token exists nowhere else."""

    session: SessionView
    token: str


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a request comes from: client address (behind trusted proxies the forwarded one) and user agent."""

    address: str
    user_agent: str = ""


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
    try:
        count_attempt(browser.address, username)
    except TooManyRequests:
        metrics.login_failures.labels("throttled").inc()
        raise
    if not verify_password(credentials, username, password):
        metrics.login_failures.labels("wrong_credentials").inc()
        log.warning("login failed", address=browser.address)
        raise Unauthenticated("Name or password is wrong.", code="wrong_credentials")
    forget_attempts(browser.address, username)

    token, csrf_token, now = (
        secrets.token_urlsafe(_TOKEN_BYTES),
        secrets.token_urlsafe(_TOKEN_BYTES),
        utcnow(),
    )
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
        if former_token:
            sessions.end_session(session, _hash(former_token), now)
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
    return LoggedIn(_view(facts), token)


def current_session(token: str | None) -> SessionView | None:
    """The live session of a cookie's token, or None. Notes its use once a minute."""
    if not token:
        return None
    now = utcnow()
    with reading() as session:
        facts = sessions.find_session(session, _hash(token), now=now, idle=IDLE)
    if facts is None:
        return None
    if now - facts.last_seen_at > _TOUCH_EVERY:
        with transaction() as session:
            sessions.touch_session(session, facts.id, now)
    return _view(facts)


def session_of_cookies(header: str) -> SessionView | None:
    """The live session of a Cookie header, or None. What page States call."""
    return current_session(token_of_cookies(header))


def logout(token: str) -> None:
    """End the session of a token; nothing happens when it is not live."""
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


def check_csrf(session: SessionView, given: str | None) -> None:
    """Raises Forbidden unless `given` is the session's CSRF token (compared in constant time)."""
    if not hmac.compare_digest(session.csrf_token.encode(), (given or "").encode()):
        raise Forbidden("The x-csrf-token header is missing or wrong.", code="wrong_csrf_token")


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
