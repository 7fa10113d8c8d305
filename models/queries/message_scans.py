"""Messages in the order in which they were written to the copy, and how far each reader of them has come."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.ids import AccountScopeId, ProjectId
from models.tables.agreements import MessageReader, MessageScan

# Of a message no more is read.
_CHARS = 20_000
# Whose words a message is: nobody's when it is gone, private, a bot's, a template or a note of what happened.
_MESSAGES = text(f"""
SELECT m.id, m.project_id, left(m.body, {_CHARS}) AS body, m.sent_at, m.synced_at,
       CASE WHEN m.private OR m.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL THEN ''
            WHEN m.message_type = 0 AND coalesce(m.sender_type, 'contact') = 'contact' THEN 'client'
            WHEN m.message_type = 1 AND coalesce(m.sender_type, 'user') = 'user' THEN 'studio'
            ELSE '' END AS side
FROM cw_messages m JOIN cw_conversations c ON c.id = m.conversation_id
WHERE m.account_scope_id = :scope AND m.sent_at >= :since
  AND (CAST(:after AS timestamptz) IS NULL OR (m.synced_at, m.id) > (:after, CAST(:after_id AS uuid)))
ORDER BY m.synced_at, m.id LIMIT :limit
""")  # noqa: S608 - a constant of this module


@dataclass(frozen=True, slots=True)
class MessageText:
    """A message; `side` says whose public words it is, "" when nobody's. Ordered by (`synced_at`, `id`)."""

    id: UUID
    project_id: ProjectId
    body: str
    sent_at: dt.datetime
    synced_at: dt.datetime
    side: Literal["client", "studio", ""]


def read_messages(
    session: Session,
    account_scope_id: AccountScopeId,
    since: dt.datetime,
    after: tuple[dt.datetime, UUID] | None,
    limit: int,
) -> list[MessageText]:
    """Messages sent since, in the order in which they were written to the copy, beyond `after`."""
    written, last = after or (None, None)
    bound = {"scope": account_scope_id, "since": since, "after": written, "after_id": last, "limit": limit}
    return [
        MessageText(row.id, ProjectId(row.project_id), row.body, row.sent_at, row.synced_at, row.side)
        for row in session.execute(_MESSAGES, bound)
    ]


def scan_state(
    session: Session, account_scope_id: AccountScopeId, reader: MessageReader
) -> MessageScan | None:
    """How far a reader has come; None before its first run."""
    return session.get(MessageScan, (account_scope_id, reader))


def save_scan(
    session: Session,
    account_scope_id: AccountScopeId,
    reader: MessageReader,
    rules: str,
    reached: tuple[dt.datetime, UUID],
) -> None:
    """Note that messages are read up to this row by these rules."""
    session.execute(
        text(
            "INSERT INTO message_scans AS t (account_scope_id, reader, rules, read_to, read_to_id)"
            " VALUES (:scope, :reader, :rules, :read_to, :last) ON CONFLICT (account_scope_id, reader) DO UPDATE"
            " SET rules = excluded.rules, read_to = excluded.read_to, read_to_id = excluded.read_to_id"
            " WHERE (t.rules, t.read_to, t.read_to_id) IS DISTINCT FROM"
            " (excluded.rules, excluded.read_to, excluded.read_to_id)"
        ),
        {
            "scope": account_scope_id,
            "reader": reader,
            "rules": rules,
            "read_to": reached[0],
            "last": reached[1],
        },
    )
