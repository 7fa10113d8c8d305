"""One's own sessions: the list of signed-in browsers, and the end of one or of all but this one."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import NotFound
from models.queries import session_list as queries
from tools_app.services import audit_trail, session_cache
from tools_app.services.auth import IDLE
from tools_app.services.views import SessionView


@dataclass(frozen=True, slots=True)
class SignedInView:
    """A live session. `current` marks the one that asks; `browser` is the user agent as it was sent."""

    id: str
    ip: str
    browser: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    expires_at: dt.datetime
    current: bool


def list_sessions(session: SessionView) -> tuple[SignedInView, ...]:
    """The user's live sessions, the last used first."""
    with reading() as db:
        found = queries.list_live(db, session.user, now=utcnow(), idle=IDLE)
    return tuple(
        SignedInView(
            id=str(each.id),
            ip=each.ip,
            browser=each.user_agent,
            created_at=each.created_at,
            last_seen_at=each.last_seen_at,
            expires_at=each.expires_at,
            current=str(each.id) == session.session_id,
        )
        for each in found
    )


def end_session(session: SessionView, session_id: str) -> None:
    """End one of the user's sessions, this one too. Raises NotFound for one that is not live."""
    with transaction() as db:
        ended = queries.end_one(db, session.user, UUID(session_id), now=utcnow(), idle=IDLE)
        if ended is None:
            raise NotFound("There is no such session.", session_id=session_id)
        _record(db, session, ended)
    session_cache.forget(ended.token_hash)


def end_others(session: SessionView) -> int:
    """End all of the user's sessions but the one that asks; how many there were."""
    with transaction() as db:
        ended = queries.end_others(db, session.user, UUID(session.session_id), now=utcnow(), idle=IDLE)
        for each in ended:
            _record(db, session, each)
    for each in ended:
        session_cache.forget(each.token_hash)
    return len(ended)


def _record(db: Session, session: SessionView, ended: queries.SignedIn) -> None:
    audit_trail.record_event(
        db,
        actor=session.user,
        action="session.end",
        entity=audit_trail.Entity("session", str(ended.id)),
        account_scope_id=ended.account_scope_id,
        before={"ip": ended.ip},
    )
