"""Lists of contacts, conversations and messages, newest or alphabetical, a page at a time by keyset cursors.

One statement a page, each served from an index in the list's own order; a cursor is the last row's key.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from models.infra.errors import InvalidInput
from models.infra.scope import Scope

Item = TypeVar("Item")
# Conditions are put in by name; values only ever as bound parameters.
# Who a contact is comes from accepted links to live records of projects that the scope holds.
_CONTACTS = """
SELECT id, project_id, name, coalesce(email, ''), coalesce(phone, ''), coalesce(company_name, ''), last_activity_at,
       coalesce(url, ''),
       ARRAY(SELECT p.id FROM identity_links l JOIN attio_people p ON p.id = l.person_id AND p.deleted_at IS NULL
             WHERE l.contact_id = cw_contacts.id AND l.other_project_id = ANY(:projects) ORDER BY l.id),
       ARRAY(SELECT m.id FROM identity_links l JOIN attio_companies m ON m.id = l.company_id AND m.deleted_at IS NULL
             WHERE l.contact_id = cw_contacts.id AND l.other_project_id = ANY(:projects) ORDER BY l.id)
FROM cw_contacts
WHERE account_scope_id = :scope AND project_id = ANY(:projects) AND deleted_at IS NULL {where}
ORDER BY name, id LIMIT :limit
"""
_CONVERSATIONS = """
SELECT id, project_id, coalesce(subject, ''), contact_id, coalesce(contact_name, ''), coalesce(inbox_name, ''), status,
       coalesce(assignee_name, ''), last_activity_at, coalesce(url, '')
FROM cw_conversations
WHERE account_scope_id = :scope AND project_id = ANY(:projects) AND deleted_at IS NULL {where}
ORDER BY last_activity_at DESC, id DESC LIMIT :limit
"""
_MESSAGES = """
SELECT id, project_id, conversation_id, CASE WHEN message_type = 0 THEN 'incoming' ELSE 'outgoing' END,
       coalesce(sender_name, ''), left(body, 400), sent_at, coalesce(url, '')
FROM cw_messages
WHERE account_scope_id = :scope AND project_id = ANY(:projects) AND deleted_at IS NULL {where}
ORDER BY sent_at DESC, id DESC LIMIT :limit
"""
_SPECIAL = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """A customer as Chatwoot knows them, and the people and companies of Attio that accepted links say they are."""

    id: UUID
    project_id: UUID
    name: str | None
    email: str
    phone: str
    company_name: str
    last_activity_at: dt.datetime | None
    url: str
    linked_people: Sequence[UUID]
    linked_companies: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """A conversation; `status` is the vendor's word: open, pending, resolved, snoozed."""

    id: UUID
    project_id: UUID
    subject: str
    contact_id: UUID | None
    contact_name: str
    inbox_name: str
    status: str
    assignee_name: str
    last_activity_at: dt.datetime | None
    url: str


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """A message; `direction` is incoming or outgoing, `snippet` at most 400 characters of its text."""

    id: UUID
    project_id: UUID
    conversation_id: UUID
    direction: str
    sender_name: str
    snippet: str
    sent_at: dt.datetime
    url: str


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """At most `limit` items and the cursor of the next page (None: this was the last)."""

    items: tuple[Item, ...]
    next_cursor: str | None


def list_contacts(
    session: Session, scope: Scope, *, words: str = "", cursor: str | None = None, limit: int
) -> Page[ContactFacts]:
    """Contacts by name; `words` are looked for in name, e-mail (one word) and phone (a digit). Raises InvalidInput for a foreign cursor."""
    bound: dict[str, Any] = {**_scope(scope), "limit": limit + 1}
    where = ""
    if words:
        where += f" AND ({' OR '.join(f'{column} ILIKE :words' for column in _columns_with(words))})"
        bound["words"] = f"%{words.translate(_SPECIAL)}%"
    if cursor is not None:
        name, last_id = _read(cursor, 2)
        bound["last_id"] = _id(last_id)
        if name is None:
            where += " AND name IS NULL AND id > CAST(:last_id AS uuid)"
        else:
            # Those without a name come last.
            where += " AND ((name, id) > (:name, CAST(:last_id AS uuid)) OR name IS NULL)"
            bound["name"] = _text(name)
    rows = session.execute(
        text(_CONTACTS.format(where=where)),
        bound,
    ).all()
    items = [ContactFacts(*row) for row in rows]
    return _page(items, limit, lambda each: [each.name, str(each.id)])


def _columns_with(words: str) -> list[str]:
    """The columns of a contact that could hold these words: each that is looked at costs a walk through the index."""
    columns = ["name"]
    if not any(letter.isspace() for letter in words):
        columns.append("email")
    if any(letter.isdigit() for letter in words):
        columns.append("phone")
    return columns


def list_conversations(
    session: Session,
    scope: Scope,
    *,
    status: str = "",
    contact_id: UUID | None = None,
    cursor: str | None = None,
    limit: int,
) -> Page[ConversationFacts]:
    """Conversations, the last active first. Raises InvalidInput for a foreign cursor."""
    bound: dict[str, Any] = {**_scope(scope), "limit": limit + 1}
    where = ""
    if status:
        where += " AND status = :status"
        bound["status"] = status
    if contact_id is not None:
        where += " AND contact_id = :contact_id"
        bound["contact_id"] = contact_id
    where += _before(cursor, "last_activity_at", bound)
    rows = session.execute(
        text(_CONVERSATIONS.format(where=where)),
        bound,
    ).all()
    items = [ConversationFacts(*row) for row in rows]
    return _page(items, limit, lambda each: [_micros(each.last_activity_at), str(each.id)])


def list_messages(
    session: Session,
    scope: Scope,
    *,
    conversation_id: UUID | None = None,
    direction: str = "",
    cursor: str | None = None,
    limit: int,
) -> Page[MessageFacts]:
    """What clients and studio wrote each other, newest first: no private notes. Raises InvalidInput for a foreign cursor."""
    bound: dict[str, Any] = {**_scope(scope), "limit": limit + 1}
    where = " AND NOT private AND message_type IN (0, 1)"
    if conversation_id is not None:
        where += " AND conversation_id = :conversation_id"
        bound["conversation_id"] = conversation_id
    if direction:
        where += " AND message_type = :kind"
        bound["kind"] = 0 if direction == "incoming" else 1
    where += _before(cursor, "sent_at", bound)
    rows = session.execute(
        text(_MESSAGES.format(where=where)),
        bound,
    ).all()
    items = [MessageFacts(*row) for row in rows]
    return _page(items, limit, lambda each: [_micros(each.sent_at), str(each.id)])


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _scope(scope: Scope) -> dict[str, Any]:
    return {"scope": scope.account_scope_id, "projects": list(scope.project_ids)}


def _before(cursor: str | None, instant: str, bound: dict[str, Any]) -> str:
    if cursor is None:
        return ""
    micros, last_id = _read(cursor, 2)
    bound["last_id"] = _id(last_id)
    if micros is None:
        # Rows without an instant come first, as the index has them.
        return f" AND (({instant} IS NULL AND id < CAST(:last_id AS uuid)) OR {instant} IS NOT NULL)"
    try:
        bound["at"] = _EPOCH + dt.timedelta(microseconds=int(micros))
    except (TypeError, ValueError, OverflowError) as fault:
        raise _foreign() from fault
    return f" AND ({instant}, id) < (CAST(:at AS timestamptz), CAST(:last_id AS uuid))"


def _page(items: Sequence[Item], limit: int, key: Callable[[Item], list[Any]]) -> Page[Item]:
    shown = tuple(items[:limit])
    more = len(items) > limit
    cursor = (
        base64.urlsafe_b64encode(json.dumps(key(shown[-1])).encode()).decode().rstrip("=") if more else None
    )
    return Page(shown, cursor)


def _micros(instant: dt.datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // dt.timedelta(microseconds=1)


def _read(cursor: str, parts: int) -> list[Any]:
    try:
        read = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as fault:
        raise _foreign() from fault
    if not isinstance(read, list) or len(read) != parts:
        raise _foreign()
    return read


def _id(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as fault:
        raise _foreign() from fault


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise _foreign()
    return value


def _foreign() -> InvalidInput:
    return InvalidInput("The cursor is not one of ours.", code="invalid_cursor")
