"""Sessions as their owner sees them: which browsers are signed in, and the end of one or of all the others."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, SessionId
from models.tables.platform import UserSession


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session and where it came from. `token_hash` names its cached copy; it opens nothing."""

    id: SessionId
    token_hash: str
    account_scope_id: AccountScopeId
    ip: str
    user_agent: str
    created_at: dt.datetime
    last_seen_at: dt.datetime
    expires_at: dt.datetime


def list_live(
    session: Session, username: str, *, now: dt.datetime, idle: dt.timedelta, limit: int = 200
) -> list[SignedIn]:
    """A user's live sessions in every account scope, the last used first."""
    rows = session.exec(
        _live(username, now, idle)
        .order_by(col(UserSession.last_seen_at).desc(), col(UserSession.id))
        .limit(limit)
    )
    return [_signed_in(each) for each in rows]


def end_one(
    session: Session, username: str, session_id: UUID, *, now: dt.datetime, idle: dt.timedelta
) -> SignedIn | None:
    """End one of a user's live sessions; None when there is no such one."""
    found = session.exec(
        _live(username, now, idle).where(UserSession.id == session_id).with_for_update()
    ).first()
    return None if found is None else _end(session, found, now)


def end_others(
    session: Session, username: str, kept: UUID, *, now: dt.datetime, idle: dt.timedelta
) -> list[SignedIn]:
    """End a user's live sessions but one; returns those that were ended."""
    found = session.exec(_live(username, now, idle).where(UserSession.id != kept).with_for_update()).all()
    return [_end(session, each, now) for each in found]


def _live(username: str, now: dt.datetime, idle: dt.timedelta):
    return select(UserSession).where(
        UserSession.username == username,
        col(UserSession.ended_at).is_(None),
        col(UserSession.expires_at) > now,
        col(UserSession.last_seen_at) > now - idle,
    )


def _end(session: Session, row: UserSession, now: dt.datetime) -> SignedIn:
    row.ended_at = now
    session.add(row)
    session.flush()
    return _signed_in(row)


def _signed_in(row: UserSession) -> SignedIn:
    return SignedIn(
        SessionId(row.id),
        row.token_hash,
        AccountScopeId(row.account_scope_id),
        row.ip or "",
        row.user_agent or "",
        row.created_at,
        row.last_seen_at,
        row.expires_at,
    )
