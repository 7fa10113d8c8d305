"""What signals are detected in beside messages: records whose state or date may tell one.

Reads of one account scope, bounded: at most STATES_AT_MOST of a kind, the oldest first.
"""

# ruff: noqa: S608 - statements are put together from constants of this module; values are bound.

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId, ProjectId
from models.queries.moment import Moment

STATES_AT_MOST = 5_000
# Of a message or title no more is read; of an issue's blockers no more are shown.
_CHARS = 20_000
_BLOCKERS_AT_MOST = 5

_OPEN_ISSUE = """i.account_scope_id = :scope AND i.deleted_at IS NULL AND NOT i.trashed AND i.archived_at IS NULL
  AND i.state_type NOT IN ('completed', 'canceled', 'duplicate')"""
# A blocker of another project counts as unfinished and is not shown: nothing about that project is told here.
_ISSUES = text(f"""
SELECT i.id, i.project_id, left(i.identifier || ' ' || i.title, 500) AS title, i.due_date, i.priority,
       coalesce(i.source_updated_at, i.synced_at) AS updated_at, b.is_blocked, b.blockers
FROM linear_issues i
CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(NOT coalesce(x.is_finished, false)), false) AS is_blocked,
           coalesce(jsonb_agg(jsonb_build_array(x.id, x.title) ORDER BY x.id)
               FILTER (WHERE x.id IS NOT NULL AND NOT x.is_finished), '[]') AS blockers
    FROM unnest(i.blocked_by) AS named(identifier)
    LEFT JOIN LATERAL (
        SELECT o.id, left(o.identifier || ' ' || o.title, 500) AS title,
               o.state_type IN ('completed', 'canceled', 'duplicate') OR o.trashed OR o.deleted_at IS NOT NULL
                   AS is_finished
        FROM linear_issues o
        WHERE o.connection_id = i.connection_id AND o.project_id = i.project_id AND o.identifier = named.identifier
        ORDER BY o.id LIMIT 1
    ) x ON true
) b
WHERE {_OPEN_ISSUE} AND (i.due_date < :today OR (cardinality(i.blocked_by) > 0 AND b.is_blocked))
ORDER BY i.due_date NULLS LAST, i.id LIMIT :limit
""")
_TALK = "m.deleted_at IS NULL AND NOT m.private AND m.message_type"
_WAITING = text(f"""
SELECT c.id, c.project_id, f.id AS first_id, left(f.body, {_CHARS}) AS first_body, f.sent_at, n.unanswered
FROM cw_conversations c
CROSS JOIN LATERAL (
    SELECT max(m.sent_at) AS at FROM cw_messages m WHERE m.conversation_id = c.id AND {_TALK} = 1
) answered
CROSS JOIN LATERAL (
    SELECT m.id, m.body, m.sent_at FROM cw_messages m
    WHERE m.conversation_id = c.id AND {_TALK} = 0 AND m.sent_at > coalesce(answered.at, '-infinity')
    ORDER BY m.sent_at, m.id LIMIT 1
) f
CROSS JOIN LATERAL (
    SELECT count(*) AS unanswered FROM cw_messages m
    WHERE m.conversation_id = c.id AND {_TALK} = 0 AND m.sent_at >= f.sent_at
) n
WHERE c.account_scope_id = :scope AND c.status = 'open' AND c.deleted_at IS NULL AND f.sent_at <= :before
ORDER BY f.sent_at, c.id LIMIT :limit
""")
_SILENT = text(f"""
SELECT p.id AS project_id, l.conversation_id, l.id AS last_id, left(l.body, {_CHARS}) AS last_body, l.sent_at,
       (SELECT count(*) FROM (
            SELECT FROM cw_messages m
            WHERE m.project_id = p.id AND {_TALK} = 0 AND m.sent_at > l.sent_at - CAST(:within AS interval)
            LIMIT :enough) regular) AS messages_before
FROM projects p
CROSS JOIN LATERAL (
    SELECT m.id, m.conversation_id, m.body, m.sent_at FROM cw_messages m
    WHERE m.project_id = p.id AND m.account_scope_id = :scope AND {_TALK} = 0
    ORDER BY m.sent_at DESC, m.id DESC LIMIT 1
) l
WHERE p.account_scope_id = :scope AND p.kind = 'client' AND p.archived_at IS NULL AND l.sent_at <= :before
ORDER BY l.sent_at, p.id LIMIT :limit
""")
_DEALS = text("""
SELECT d.id, d.project_id, left(d.name, 500) AS name, coalesce(d.stage, '') AS stage, d.stage_since,
       coalesce(d.source_created_at, d.synced_at) AS created_at, coalesce(d.next_step, '') AS next_step, d.close_date
FROM attio_deals d
WHERE d.account_scope_id = :scope AND d.deleted_at IS NULL
  AND (d.close_date < :today OR coalesce(btrim(d.next_step), '') = '')
ORDER BY d.close_date NULLS LAST, d.id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class NamedIssue:
    """An issue that holds up another one."""

    id: UUID
    title: str


@dataclass(frozen=True, slots=True)
class IssueFacts:
    """An open issue that is past its due day or held up. `title` begins with its identifier."""

    id: UUID
    project_id: ProjectId
    title: str
    due_on: dt.date | None
    priority: int
    updated_at: dt.datetime
    is_blocked: bool
    blockers: tuple[NamedIssue, ...] = ()


@dataclass(frozen=True, slots=True)
class WaitingConversation:
    """An open conversation with its first unanswered message of the client, and how many there are."""

    id: UUID
    project_id: ProjectId
    first_id: UUID
    first_body: str
    since: dt.datetime
    unanswered: int


@dataclass(frozen=True, slots=True)
class SilentProject:
    """A client project with its client's last message, and how many there were in the time before it, that included."""

    project_id: ProjectId
    conversation_id: UUID
    last_id: UUID
    last_body: str
    last_at: dt.datetime
    messages_before: int


@dataclass(frozen=True, slots=True)
class DealFacts:
    """A deal without a next step or past its close date. `stage` is the vendor's word."""

    id: UUID
    project_id: ProjectId
    name: str
    stage: str
    stage_since: dt.datetime | None
    created_at: dt.datetime
    next_step: str
    close_on: dt.date | None


def list_issues(session: Session, account_scope_id: AccountScopeId, moment: Moment) -> list[IssueFacts]:
    """Open issues that are past their due day or held up by an unfinished one, the longest overdue first."""
    rows = _rows(session, _ISSUES, account_scope_id, today=moment.today)
    return [
        IssueFacts(
            row.id,
            ProjectId(row.project_id),
            row.title,
            row.due_date,
            row.priority,
            row.updated_at,
            row.is_blocked,
            tuple(NamedIssue(UUID(name[0]), name[1]) for name in row.blockers[:_BLOCKERS_AT_MOST]),
        )
        for row in rows
    ]


def list_waiting(
    session: Session, account_scope_id: AccountScopeId, before: dt.datetime
) -> list[WaitingConversation]:
    """Open conversations in which the client spoke last and has waited since `before`, the longest wait first."""
    rows = _rows(session, _WAITING, account_scope_id, before=before)
    return [
        WaitingConversation(
            row.id, ProjectId(row.project_id), row.first_id, row.first_body, row.sent_at, row.unanswered
        )
        for row in rows
    ]


def list_silent(
    session: Session,
    account_scope_id: AccountScopeId,
    before: dt.datetime,
    within: dt.timedelta,
    enough: int,
) -> list[SilentProject]:
    """Client projects whose client wrote last before `before`; messages `within` that time are counted up to `enough`."""
    rows = _rows(session, _SILENT, account_scope_id, before=before, within=within, enough=enough)
    return [
        SilentProject(
            ProjectId(row.project_id),
            row.conversation_id,
            row.last_id,
            row.last_body,
            row.sent_at,
            row.messages_before,
        )
        for row in rows
    ]


def list_deals(session: Session, account_scope_id: AccountScopeId, moment: Moment) -> list[DealFacts]:
    """Deals without a next step or past their close date, closed ones too: what a stage means is not known here."""
    rows = _rows(session, _DEALS, account_scope_id, today=moment.today)
    return [
        DealFacts(
            row.id,
            ProjectId(row.project_id),
            row.name,
            row.stage,
            row.stage_since,
            row.created_at,
            row.next_step,
            row.close_date,
        )
        for row in rows
    ]


def _rows(session: Session, statement: Any, account_scope_id: AccountScopeId, **values: Any) -> Sequence[Any]:
    bound = {"scope": account_scope_id, "limit": STATES_AT_MOST, **values}
    return session.execute(statement, bound).all()
