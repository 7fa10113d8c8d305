"""Signed-in browsers. Tokens never come here, only their SHA-256; ended and expired sessions are not found."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text, update
from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, ProjectId, SessionId
from models.tables.platform import UserSession


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A live session. `expires_at` is its absolute end, `last_seen_at` the last use that was written."""

    id: SessionId
    username: str
    csrf_token: str
    account_scope_id: AccountScopeId
    active_project_id: ProjectId | None
    last_seen_at: dt.datetime
    expires_at: dt.datetime


def start_session(
    session: Session,
    *,
    token_hash: str,
    csrf_token: str,
    username: str,
    account_scope_id: AccountScopeId,
    now: dt.datetime,
    expires_at: dt.datetime,
    ip: str,
    user_agent: str,
) -> SessionFacts:
    """Store a new session and return it."""
    row = UserSession(
        token_hash=token_hash,
        csrf_token=csrf_token,
        username=username,
        account_scope_id=account_scope_id,
        ip=ip[:64],
        user_agent=user_agent[:256],
        created_at=now,
        last_seen_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return _facts(row)


def find_session(
    session: Session, token_hash: str, *, now: dt.datetime, idle: dt.timedelta
) -> SessionFacts | None:
    """The session of a token hash, unless it ended, expired or was idle for longer than `idle`."""
    row = session.exec(
        select(UserSession).where(
            UserSession.token_hash == token_hash,
            col(UserSession.ended_at).is_(None),
            col(UserSession.expires_at) > now,
            col(UserSession.last_seen_at) > now - idle,
        )
    ).first()
    return None if row is None else _facts(row)


def touch_sessions(session: Session, seen: Mapping[SessionId, dt.datetime]) -> None:
    """Write when sessions were used last, all in one statement; a later instant that is written already stays."""
    session.execute(
        text(
            "UPDATE sessions s SET last_seen_at = v.at FROM unnest(CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[]))"
            " AS v(id, at) WHERE s.id = v.id AND s.last_seen_at < v.at"
        ),
        {"ids": list(seen), "ats": list(seen.values())},
    )


def token_hash_of(session: Session, session_id: SessionId) -> str | None:
    """The token hash of a session, None when there is none of that id."""
    return session.exec(select(UserSession.token_hash).where(UserSession.id == session_id)).first()


def end_session(session: Session, token_hash: str, now: dt.datetime) -> SessionFacts | None:
    """End a session for good; returns it when it was live."""
    row = session.exec(
        select(UserSession).where(UserSession.token_hash == token_hash, col(UserSession.ended_at).is_(None))
    ).first()
    if row is None:
        return None
    row.ended_at = now
    session.add(row)
    session.flush()
    return _facts(row)


def set_active_project(session: Session, session_id: SessionId, project_id: ProjectId | None) -> None:
    """Make a project the session's default (None: all projects)."""
    session.execute(
        update(UserSession).where(col(UserSession.id) == session_id).values(active_project_id=project_id)
    )


def _facts(row: UserSession) -> SessionFacts:
    active = None if row.active_project_id is None else ProjectId(row.active_project_id)
    return SessionFacts(
        SessionId(row.id),
        row.username,
        row.csrf_token,
        AccountScopeId(row.account_scope_id),
        active,
        row.last_seen_at,
        row.expires_at,
    )
