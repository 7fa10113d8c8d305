"""Writes agreements and reads what may settle them; never touches what a person has decided."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId, ProjectId
from models.queries.signals import EvidenceRef
from models.tables.agreements import AgreementStatus, Side

# Of a conversation no more messages after a promise are looked at, and no more of a message is read.
_MESSAGES_AT_MOST = 200
_CHARS = 20_000

_INSERT = text("""
INSERT INTO agreements (account_scope_id, project_id, message_id, promise_key, side, due_on, evidence, status, promised_at)
SELECT :scope, w.project_id, w.message_id, w.promise_key, w.side, w.due_on, w.evidence, 'open', w.promised_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (project_id uuid, message_id uuid, promise_key text, side text,
    due_on date, evidence jsonb, promised_at timestamptz)
ON CONFLICT (message_id, promise_key) DO NOTHING
RETURNING id
""")
_OF_MESSAGES = text("""
SELECT id, message_id, promise_key FROM agreements
WHERE account_scope_id = :scope AND decided_by IS NULL AND message_id = ANY(:ids)
""")
_DELETE = text(
    "DELETE FROM agreements WHERE account_scope_id = :scope AND decided_by IS NULL AND id = ANY(:ids)"
)
# A message that is gone, or became nobody's public words, promises nothing.
_DELETE_GONE = text("""
DELETE FROM agreements a USING cw_messages m JOIN cw_conversations c ON c.id = m.conversation_id
WHERE a.account_scope_id = :scope AND a.decided_by IS NULL AND m.id = a.message_id
  AND (m.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL OR m.private OR m.message_type NOT IN (0, 1))
""")
_UNSETTLED = text("""
SELECT a.id, a.project_id, a.message_id, m.conversation_id, m.connection_id, a.side, a.due_on, a.status, a.promised_at,
       a.evidence
FROM agreements a JOIN cw_messages m ON m.id = a.message_id
WHERE a.account_scope_id = :scope AND a.decided_by IS NULL AND (a.status = 'open' OR a.due_on >= :since)
  AND (CAST(:after AS uuid) IS NULL OR a.id > :after)
ORDER BY a.id LIMIT :limit
""")
_LATER = text(f"""
SELECT w.id AS agreement_id, l.id, l.message_type, l.body, l.sent_at
FROM unnest(CAST(:agreements AS uuid[]), CAST(:conversations AS uuid[]), CAST(:froms AS timestamptz[]),
    CAST(:untils AS timestamptz[])) AS w (id, conversation_id, since, until)
CROSS JOIN LATERAL (
    SELECT m.id, m.message_type, left(m.body, {_CHARS}) AS body, m.sent_at FROM cw_messages m
    WHERE m.conversation_id = w.conversation_id AND m.account_scope_id = :scope AND m.message_type IN (0, 1)
      AND NOT m.private AND m.deleted_at IS NULL AND m.sent_at > w.since AND m.sent_at < w.until
    ORDER BY m.sent_at, m.id LIMIT {_MESSAGES_AT_MOST}
) l
ORDER BY w.id, l.sent_at, l.id
""")  # noqa: S608 - constants of this module
_ISSUES = text("""
SELECT i.id, i.project_id, i.identifier, left(i.title, 500) AS title, i.completed_at
FROM linear_issues i
WHERE i.account_scope_id = :scope AND i.project_id = ANY(:projects) AND i.identifier = ANY(:identifiers)
  AND i.deleted_at IS NULL AND NOT i.trashed
ORDER BY i.id
""")
_SETTLE = text("""
UPDATE agreements a SET status = w.status, evidence = w.evidence, updated_at = clock_timestamp(), version = a.version + 1
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id uuid, status text, evidence jsonb)
WHERE a.id = w.id AND a.account_scope_id = :scope AND a.decided_by IS NULL
  AND (a.status, a.evidence) IS DISTINCT FROM (w.status, w.evidence)
""")


@dataclass(frozen=True, slots=True)
class FoundAgreement:
    """A promise as a message makes it."""

    project_id: ProjectId
    message_id: UUID
    promise_key: str
    side: Side
    due_on: dt.date
    quote: str
    promised_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An agreement that nobody decided, open or due lately; `promise` is its first evidence."""

    id: UUID
    project_id: ProjectId
    conversation_id: UUID
    side: Side
    due_on: dt.date
    promised_at: dt.datetime
    promise: Mapping[str, Any]


def save_agreements(
    session: Session, account_scope_id: AccountScopeId, found: Sequence[FoundAgreement]
) -> int:
    """Add the agreements that are new; how many. Raises IntegrityError when a message moved to another project meanwhile."""
    if not found:
        return 0
    rows = [
        {
            "project_id": str(each.project_id),
            "message_id": str(each.message_id),
            "promise_key": each.promise_key,
            "side": each.side,
            "due_on": each.due_on.isoformat(),
            "evidence": [{"type": "message", "id": str(each.message_id), "quote": each.quote}],
            "promised_at": each.promised_at.isoformat(),
        }
        for each in found
    ]
    return len(session.execute(_INSERT, {"scope": account_scope_id, "rows": json.dumps(rows)}).all())


def undecided_of_messages(
    session: Session, account_scope_id: AccountScopeId, message_ids: Sequence[UUID]
) -> dict[UUID, tuple[UUID, str]]:
    """Message and key of the agreements of these messages that nobody decided, by the agreement's id."""
    rows = session.execute(_OF_MESSAGES, {"scope": account_scope_id, "ids": list(message_ids)})
    return {row.id: (row.message_id, row.promise_key) for row in rows}


def withdraw(session: Session, account_scope_id: AccountScopeId, ids: Sequence[UUID]) -> int:
    """Take back these agreements unless somebody decided meanwhile; how many."""
    return _count(session.execute(_DELETE, {"scope": account_scope_id, "ids": list(ids)})) if ids else 0


def withdraw_gone(session: Session, account_scope_id: AccountScopeId) -> int:
    """Take back undecided agreements whose message is gone; how many."""
    return _count(session.execute(_DELETE_GONE, {"scope": account_scope_id}))


def list_unsettled(
    session: Session, account_scope_id: AccountScopeId, since: dt.date, after: UUID | None, limit: int
) -> list[Unsettled]:
    """Agreements that nobody decided, open or due since a day, by id beyond `after`."""
    bound = {"scope": account_scope_id, "since": since, "after": after, "limit": limit}
    return [
        Unsettled(
            row.id,
            ProjectId(row.project_id),
            row.conversation_id,
            row.side,
            row.due_on,
            row.promised_at,
            row.evidence[0],
        )
        for row in session.execute(_UNSETTLED, bound)
    ]


def later_messages(
    session: Session,
    account_scope_id: AccountScopeId,
    agreements: Sequence[Unsettled],
    untils: Sequence[dt.datetime],
) -> dict[UUID, list[Any]]:
    """What was said in the conversation after each promise until the instant beside it, in order, by the agreement's id."""
    bound = {
        "scope": account_scope_id,
        "agreements": [each.id for each in agreements],
        "conversations": [each.conversation_id for each in agreements],
        "froms": [each.promised_at for each in agreements],
        "untils": list(untils),
    }
    found: dict[UUID, list[Any]] = {}
    for row in session.execute(_LATER, bound):
        found.setdefault(row.agreement_id, []).append(row)
    return found


def issues_named(
    session: Session,
    account_scope_id: AccountScopeId,
    projects: Sequence[ProjectId],
    identifiers: Sequence[str],
) -> dict[tuple[ProjectId, str], Any]:
    """The issues of these identifiers in these projects, by project and identifier."""
    if not identifiers:
        return {}
    bound = {"scope": account_scope_id, "projects": list(projects), "identifiers": list(identifiers)}
    return {(ProjectId(row.project_id), row.identifier): row for row in session.execute(_ISSUES, bound)}


def save_statuses(
    session: Session,
    account_scope_id: AccountScopeId,
    settled: Mapping[UUID, tuple[AgreementStatus, Mapping[str, Any], EvidenceRef | None]],
) -> int:
    """Write status, promise and what settled it where they differ and nobody decided; how many rows changed."""
    rows = [
        {
            "id": str(agreement_id),
            "status": status,
            "evidence": [
                dict(promise),
                *([{"type": by.type, "id": str(by.id), "quote": by.quote}] if by is not None else []),
            ],
        }
        for agreement_id, (status, promise, by) in settled.items()
    ]
    if not rows:
        return 0
    return _count(session.execute(_SETTLE, {"scope": account_scope_id, "rows": json.dumps(rows)}))


def _count(result: Any) -> int:
    return int(result.rowcount)
