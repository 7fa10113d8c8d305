"""Writes signals and their next best actions: proposes, renews and withdraws; never touches what a person has decided.

A signal is known by kind, record and occurrence, so that finding it again writes nothing. All writes are of one account
scope; the references of a row are checked by the database against the project of its record.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId, ProjectId
from models.tables.signals import ActionCode, SignalKind, SubjectType


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """A record that shows a signal, and its words: `quote` is taken from the record as it stands."""

    type: SubjectType
    id: UUID
    quote: str


@dataclass(frozen=True, slots=True)
class Detected:
    """A signal as the records tell it. `severity` 1..5, `confidence` 0..1, `evidence` is never empty."""

    project_id: ProjectId
    kind: SignalKind
    subject_type: SubjectType
    subject_id: UUID
    severity: int
    confidence: float
    evidence: tuple[EvidenceRef, ...]
    occurred_at: dt.datetime
    occurrence: str = ""
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> tuple[str, UUID, str]:
        """What makes it the same signal when it is found again."""
        return self.kind, self.subject_id, self.occurrence


@dataclass(frozen=True, slots=True)
class ProposedAction:
    """What to do about a signal, by which day in the account scope's zone."""

    code: ActionCode
    due_on: dt.date
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A signal that an upsert made or renewed."""

    id: UUID
    key: tuple[str, UUID, str]
    is_new: bool


# Numbers are compared as they are stored: a signal that is found again as it is writes nothing.
_UPSERT = text("""
INSERT INTO signals AS s (account_scope_id, project_id, kind, message_id, conversation_id, issue_id, deal_id, occurrence,
    severity, confidence, params, evidence, status, occurred_at)
SELECT :scope, w.project_id, w.kind, w.message_id, w.conversation_id, w.issue_id, w.deal_id, w.occurrence,
    w.severity, w.confidence, w.params, w.evidence, 'proposed', w.occurred_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (project_id uuid, kind text, message_id uuid, conversation_id uuid,
    issue_id uuid, deal_id uuid, occurrence text, severity int, confidence float8, params jsonb, evidence jsonb,
    occurred_at timestamptz)
ON CONFLICT (kind, subject_id, occurrence) DO UPDATE SET
    severity = excluded.severity, confidence = excluded.confidence, params = excluded.params,
    evidence = excluded.evidence, occurred_at = excluded.occurred_at, updated_at = clock_timestamp(),
    version = s.version + 1
WHERE s.status = 'proposed'
  AND (s.severity, s.confidence, s.params, s.evidence, s.occurred_at) IS DISTINCT FROM
      (excluded.severity, excluded.confidence, excluded.params, excluded.evidence, excluded.occurred_at)
RETURNING s.id, s.kind, s.subject_id, s.occurrence, xmax = 0 AS is_new
""")
_SUGGEST = text("""
INSERT INTO next_best_actions (account_scope_id, project_id, signal_id, action, params, due_on, status)
SELECT s.account_scope_id, s.project_id, s.id, w.action, w.params, w.due_on, 'open'
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (signal_id uuid, action text, params jsonb, due_on date)
JOIN signals s ON s.id = w.signal_id AND s.account_scope_id = :scope
ON CONFLICT (signal_id, action) DO NOTHING
""")
# A signal whose action somebody has done or dismissed counts as decided.
_UNDECIDED = """s.account_scope_id = :scope AND s.status = 'proposed'
  AND NOT EXISTS (SELECT FROM next_best_actions a WHERE a.signal_id = s.id AND a.status <> 'open')"""
_PROPOSED_OF_MESSAGES = text(
    f"SELECT s.id, s.kind, s.subject_id, s.occurrence FROM signals s WHERE {_UNDECIDED} AND s.message_id = ANY(:ids)"  # noqa: S608 - constants of this module
)
_PROPOSED_OF_KINDS = text(
    f"SELECT s.id, s.kind, s.subject_id, s.occurrence FROM signals s WHERE {_UNDECIDED} AND s.kind = ANY(:kinds)"  # noqa: S608
)
_WITHDRAW = text(f"DELETE FROM signals s WHERE {_UNDECIDED} AND s.id = ANY(:ids)")  # noqa: S608
# What a message said is news for a while only, and nothing once the message or its conversation is gone.
_WITHDRAW_PAST = text(f"""
DELETE FROM signals s USING cw_messages m JOIN cw_conversations c ON c.id = m.conversation_id
WHERE {_UNDECIDED} AND m.id = s.message_id
  AND (m.sent_at < :since OR m.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL OR m.private OR m.message_type <> 0)
""")  # noqa: S608


def save_signals(
    session: Session, account_scope_id: AccountScopeId, found: Sequence[Detected]
) -> list[Written]:
    """Propose what is new and renew what is proposed and differs; return both. What is decided stays as it was decided.

    Raises IntegrityError when a record went to another project meanwhile.
    """
    if not found:
        return []
    rows = json.dumps([_row(each) for each in found])
    done = session.execute(_UPSERT, {"scope": account_scope_id, "rows": rows})
    return [Written(row.id, (row.kind, row.subject_id, row.occurrence), row.is_new) for row in done]


def suggest_actions(
    session: Session, account_scope_id: AccountScopeId, actions: Mapping[UUID, ProposedAction]
) -> None:
    """Add the next best actions of these signals, by the signal's id; what is there stays."""
    rows = [
        {
            "signal_id": str(signal_id),
            "action": each.code,
            "params": dict(each.params),
            "due_on": each.due_on.isoformat(),
        }
        for signal_id, each in actions.items()
    ]
    if rows:
        session.execute(_SUGGEST, {"scope": account_scope_id, "rows": json.dumps(rows)})


def undecided_of_messages(
    session: Session, account_scope_id: AccountScopeId, message_ids: Sequence[UUID]
) -> dict[UUID, tuple[str, UUID, str]]:
    """The keys of the undecided signals of these messages, by the signal's id."""
    return _keys(
        session.execute(_PROPOSED_OF_MESSAGES, {"scope": account_scope_id, "ids": list(message_ids)})
    )


def undecided_of_kinds(
    session: Session, account_scope_id: AccountScopeId, kinds: Sequence[SignalKind]
) -> dict[UUID, tuple[str, UUID, str]]:
    """The keys of the undecided signals of these kinds, by the signal's id."""
    return _keys(session.execute(_PROPOSED_OF_KINDS, {"scope": account_scope_id, "kinds": list(kinds)}))


def withdraw(session: Session, account_scope_id: AccountScopeId, signal_ids: Sequence[UUID]) -> int:
    """Take back these signals with their actions, unless somebody decided meanwhile; how many."""
    if not signal_ids:
        return 0
    return _count(session.execute(_WITHDRAW, {"scope": account_scope_id, "ids": list(signal_ids)}))


def withdraw_past(session: Session, account_scope_id: AccountScopeId, since: dt.datetime) -> int:
    """Take back the undecided signals of messages that are older than `since`, gone, or no client's words; how many."""
    return _count(session.execute(_WITHDRAW_PAST, {"scope": account_scope_id, "since": since}))


def _row(found: Detected) -> dict[str, Any]:
    return {
        "project_id": str(found.project_id),
        "kind": found.kind,
        f"{found.subject_type}_id": str(found.subject_id),
        "occurrence": found.occurrence,
        "severity": found.severity,
        "confidence": round(found.confidence, 2),
        "params": dict(found.params),
        "evidence": [{"type": each.type, "id": str(each.id), "quote": each.quote} for each in found.evidence],
        "occurred_at": found.occurred_at.isoformat(),
    }


def _keys(rows: Any) -> dict[UUID, tuple[str, UUID, str]]:
    return {row.id: (row.kind, row.subject_id, row.occurrence) for row in rows}


def _count(result: Any) -> int:
    return int(result.rowcount)
