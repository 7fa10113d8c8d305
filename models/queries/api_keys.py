"""API keys of an account scope. Tokens never come here, only their SHA-256; revoked and expired keys open nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, update
from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId, ApiKeyId, ProjectId
from models.tables.access import ApiKey


@dataclass(frozen=True, slots=True)
class ApiKeyFacts:
    """A key as it is stored. `project_ids` is None for a key of the whole account scope."""

    id: ApiKeyId
    hint: str
    name: str
    created_by: str
    account_scope_id: AccountScopeId
    project_ids: tuple[ProjectId, ...] | None
    read_only: bool
    created_at: dt.datetime
    expires_at: dt.datetime
    last_used_at: dt.datetime | None
    revoked_at: dt.datetime | None


def add_key(
    session: Session,
    account_scope_id: AccountScopeId,
    *,
    token_hash: str,
    hint: str,
    name: str,
    created_by: str,
    project_ids: Sequence[ProjectId] | None,
    read_only: bool,
    now: dt.datetime,
    expires_at: dt.datetime,
) -> ApiKeyFacts:
    """Store a new key and return it."""
    row = ApiKey(
        token_hash=token_hash,
        hint=hint,
        name=name,
        created_by=created_by,
        account_scope_id=account_scope_id,
        project_ids=None if project_ids is None else [str(each) for each in project_ids],
        read_only=read_only,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return _facts(row)


def find_key(session: Session, token_hash: str, now: dt.datetime) -> ApiKeyFacts | None:
    """The key of a token hash, unless it was revoked or has expired."""
    row = session.exec(
        select(ApiKey).where(
            ApiKey.token_hash == token_hash,
            col(ApiKey.revoked_at).is_(None),
            col(ApiKey.expires_at) > now,
        )
    ).first()
    return None if row is None else _facts(row)


def list_keys(session: Session, account_scope_id: AccountScopeId, limit: int = 200) -> list[ApiKeyFacts]:
    """The newest keys of an account scope, revoked and expired ones too: who used what until when is worth seeing."""
    rows = session.exec(
        select(ApiKey)
        .where(ApiKey.account_scope_id == account_scope_id)
        .order_by(col(ApiKey.created_at).desc(), col(ApiKey.id).desc())
        .limit(limit)
    )
    return [_facts(each) for each in rows]


def count_live(session: Session, account_scope_id: AccountScopeId, now: dt.datetime) -> int:
    """How many keys of an account scope open something now."""
    counted = select(func.count()).where(
        col(ApiKey.account_scope_id) == account_scope_id,
        col(ApiKey.revoked_at).is_(None),
        col(ApiKey.expires_at) > now,
    )
    return session.exec(counted).one()


def revoke_key(
    session: Session, account_scope_id: AccountScopeId, key_id: UUID, now: dt.datetime
) -> ApiKeyFacts | None:
    """Revoke a key for good; None when the account scope has no such key that is not revoked."""
    row = session.exec(
        select(ApiKey)
        .where(
            ApiKey.id == key_id,
            ApiKey.account_scope_id == account_scope_id,
            col(ApiKey.revoked_at).is_(None),
        )
        .with_for_update()
    ).first()
    if row is None:
        return None
    row.revoked_at = now
    session.add(row)
    session.flush()
    return _facts(row)


def touch_key(session: Session, key_id: ApiKeyId, now: dt.datetime) -> None:
    """Write that a key was used."""
    session.execute(update(ApiKey).where(col(ApiKey.id) == key_id).values(last_used_at=now))


def _facts(row: ApiKey) -> ApiKeyFacts:
    projects = None if row.project_ids is None else tuple(ProjectId(UUID(each)) for each in row.project_ids)
    return ApiKeyFacts(
        ApiKeyId(row.id),
        row.hint,
        row.name,
        row.created_by,
        AccountScopeId(row.account_scope_id),
        projects,
        row.read_only,
        row.created_at,
        row.expires_at,
        row.last_used_at,
        row.revoked_at,
    )
