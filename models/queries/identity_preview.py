"""Stores what a preview of an account scope found: new pairs, changed ones, and those that hold no more.

What a person decided about is never touched. Nothing here commits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId

# Rows a statement: each checks several references, and a statement has its time limit.
_ROWS_AT_ONCE = 5_000
_STAGE = text("""
CREATE TEMP TABLE identity_stage (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text, left_id uuid, right_id uuid, confidence numeric,
    features jsonb
) ON COMMIT DROP
""")
# The records as they are now: one that moved since it was compared is taken with its new project, one that is gone is not.
# Looked up one by one: without statistics, as after a first sync, any other plan may compare all with all.
_UPSERT = text("""
INSERT INTO identity_suggestions AS s (account_scope_id, project_id, other_project_id, kind, contact_id, account_id,
    person_id, company_id, confidence, features)
SELECT :scope, l.project_id, r.project_id, t.kind, l.contact_id, l.account_id, r.person_id, r.company_id, t.confidence,
       t.features
FROM identity_stage t
CROSS JOIN LATERAL (
    SELECT c.project_id, c.id AS contact_id, NULL::uuid AS account_id FROM cw_contacts c
    WHERE c.id = t.left_id AND c.account_scope_id = :scope AND c.deleted_at IS NULL AND t.kind LIKE 'contact%'
    UNION ALL SELECT a.project_id, NULL, a.id FROM crm_accounts a
    WHERE a.id = t.left_id AND a.account_scope_id = :scope AND a.deleted_at IS NULL AND t.kind = 'account_company'
    UNION ALL SELECT j.id, NULL, NULL FROM projects j
    WHERE j.id = t.left_id AND j.account_scope_id = :scope AND t.kind = 'project_company'
) l
CROSS JOIN LATERAL (
    SELECT p.project_id, p.id AS person_id, NULL::uuid AS company_id FROM attio_people p
    WHERE p.id = t.right_id AND p.account_scope_id = :scope AND p.deleted_at IS NULL AND t.kind = 'contact_person'
    UNION ALL SELECT m.project_id, NULL, m.id FROM attio_companies m
    WHERE m.id = t.right_id AND m.account_scope_id = :scope AND m.deleted_at IS NULL AND t.kind LIKE '%company'
) r
WHERE t.n > :after AND t.n <= :upto
ON CONFLICT (account_scope_id, kind, left_id, right_id) DO UPDATE
    SET confidence = excluded.confidence, features = excluded.features, updated_at = now()
    WHERE s.status = 'proposed' AND (s.confidence, s.features) IS DISTINCT FROM (excluded.confidence, excluded.features)
RETURNING s.xmax = 0 AS is_new
""")
_WITHDRAW = text("""
DELETE FROM identity_suggestions s WHERE s.account_scope_id = :scope AND s.status = 'proposed' AND NOT EXISTS (
    SELECT FROM identity_stage t WHERE t.kind = s.kind AND t.left_id = s.left_id AND t.right_id = s.right_id)
""")
_COUNT = text(
    "SELECT count(*)::int FROM identity_suggestions WHERE account_scope_id = :scope AND status = 'proposed'"
)
_DIGEST = text("""
SELECT count(*) || ':' || coalesce(sum(hashtextextended(concat_ws(' ', id, status, confidence, features), 0)), 0)
FROM identity_suggestions WHERE account_scope_id = :scope
""")
_LAST_DIGEST = text("""
SELECT counts ->> 'digest' FROM job_runs
WHERE job = 'identity' AND subject = :scope AND status = 'succeeded' ORDER BY finished_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class FoundPair:
    """A pair that a preview found."""

    kind: str
    left_id: UUID
    right_id: UUID
    confidence: Decimal
    features: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows that storing inserted, changed and withdrew; none when nothing differed."""

    new: int
    changed: int
    withdrawn: int


def open_stage(session: Session) -> None:
    """Make room in the transaction for what a preview finds."""
    session.execute(_STAGE)


def stage(session: Session, pairs: Iterable[FoundPair]) -> None:
    """Note pairs; each is noted once."""
    driver: Any = session.connection().connection.driver_connection
    statement = "COPY identity_stage (kind, left_id, right_id, confidence, features) FROM STDIN"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for each in pairs:
            features = json.dumps(each.features, ensure_ascii=False)
            copy.write_row([each.kind, each.left_id, each.right_id, each.confidence, features])


def store(session: Session, account_scope_id: AccountScopeId) -> Stored:
    """Make the account scope's proposed pairs those that were noted, writing only what differs."""
    session.execute(text("ANALYZE identity_stage"))
    last = session.execute(text("SELECT coalesce(max(n), 0) FROM identity_stage")).scalar_one()
    new = changed = 0
    for after in range(0, last, _ROWS_AT_ONCE):
        bound = {"scope": account_scope_id, "after": after, "upto": after + _ROWS_AT_ONCE}
        written = session.execute(_UPSERT, bound).all()
        inserted = sum(row.is_new for row in written)
        new, changed = new + inserted, changed + len(written) - inserted
    gone: Any = session.execute(_WITHDRAW, {"scope": account_scope_id})
    return Stored(new, changed, gone.rowcount)


def count_proposed(session: Session, account_scope_id: AccountScopeId) -> int:
    """Pairs of the account scope that wait for a decision."""
    return session.execute(_COUNT, {"scope": account_scope_id}).scalar_one()


def suggestions_digest(session: Session, account_scope_id: AccountScopeId) -> str:
    """A text that stays the same as long as no suggestion of the account scope changes."""
    return session.execute(_DIGEST, {"scope": account_scope_id}).scalar_one()


def last_digest(session: Session, account_scope_id: AccountScopeId) -> str | None:
    """What the last preview of the account scope left as the digest of what it saw and wrote."""
    return session.execute(_LAST_DIGEST, {"scope": str(account_scope_id)}).scalar()
