"""Keys of creating requests: who asked for what under which key, and what was answered."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId

KEPT = dt.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a key belongs to, and the hash of the request that was made under it."""

    account_scope_id: AccountScopeId
    username: str
    route: str
    key: str
    request_hash: str

    def values(self) -> dict[str, object]:
        """Named values of the statements."""
        return {
            "scope": self.account_scope_id,
            "username": self.username,
            "route": self.route,
            "key": self.key,
            "hash": self.request_hash,
        }


def claim(session: Session, key: RequestKey, now: dt.datetime) -> bool:
    """Take the key in the caller's transaction; False when it is taken by a request of the last 24 hours.

    A request that is being made under the same key is waited for: the unique key makes the second insert wait until the
    first transaction ends. If that one fails, its key is free again.
    """
    row = session.execute(
        text(
            """
            INSERT INTO idempotency_keys AS held
                (account_scope_id, username, route, key, request_hash, created_at)
            VALUES (:scope, :username, :route, :key, :hash, :now)
            ON CONFLICT (account_scope_id, username, route, key) DO UPDATE
                SET request_hash = excluded.request_hash, answer = '{}', created_at = excluded.created_at
                WHERE held.created_at < :expired
            RETURNING key
            """
        ),
        {**key.values(), "now": now, "expired": now - KEPT},
    ).one_or_none()
    return row is not None


def keep_answer(session: Session, key: RequestKey, answer: dict[str, Any]) -> None:
    """Store what a claimed key's request was answered."""
    session.execute(
        text(
            "UPDATE idempotency_keys SET answer = CAST(:answer AS jsonb) WHERE account_scope_id = :scope"
            " AND username = :username AND route = :route AND key = :key"
        ),
        {**key.values(), "answer": json.dumps(answer)},
    )


def kept_answer(session: Session, key: RequestKey) -> tuple[str, dict[str, Any]]:
    """The hash of the request that took the key, and its answer. Raises NoResultFound when nobody did."""
    row = session.execute(
        text(
            "SELECT request_hash, answer FROM idempotency_keys WHERE account_scope_id = :scope"
            " AND username = :username AND route = :route AND key = :key"
        ),
        key.values(),
    ).one()
    return row.request_hash, row.answer


def forget_old(session: Session, now: dt.datetime, *, limit: int = 10_000) -> int:
    """Delete keys that no longer protect anything, `limit` at most; how many."""
    found = session.execute(
        text(
            "DELETE FROM idempotency_keys WHERE ctid IN (SELECT ctid FROM idempotency_keys"
            " WHERE created_at < :expired LIMIT :limit) RETURNING key"
        ),
        {"expired": now - KEPT, "limit": limit},
    )
    return len(found.all())
