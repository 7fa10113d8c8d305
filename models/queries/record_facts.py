"""What a list shows of a vendor record, whatever its kind: title, snippet, author, state, link."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import Session, SQLModel, col, select

from models.infra.scope import Scope
from models.tables.attio import Company, Deal, Note, Person, Task
from models.tables.chatwoot import Contact, Conversation, Inbox, Message
from models.tables.linear import Comment, Issue, LinearCycle, LinearProject, LinearState
from models.tables.platform import Project

_SNIPPET = 280


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """One record. `status` is the vendor's own word; `url` opens it at the vendor ("" when it has no page)."""

    id: UUID
    source_type: str
    project_id: UUID
    title: str
    snippet: str = ""
    author: str = ""
    status: str = ""
    url: str = ""
    due_on: dt.date | None = None
    amount: Decimal | None = None
    currency: str = ""


def _short(text: str | None) -> str:
    flat = " ".join((text or "").split())
    return flat if len(flat) <= _SNIPPET else flat[: _SNIPPET - 1].rstrip() + "…"


def _message(row: Any) -> Mapping[str, Any]:
    status = {0: "incoming", 1: "outgoing", 2: "activity", 3: "template"}.get(row.message_type, "")
    return {
        "title": row.sender_name or "",
        "snippet": _short(row.body),
        "author": row.sender_name or "",
        "status": status,
    }


def _conversation(row: Any) -> Mapping[str, Any]:
    who = row.contact_name or ""
    title = row.subject or who or f"#{row.vendor_id}"
    return {"title": title, "snippet": row.inbox_name or "", "author": who, "status": row.status}


def _issue(row: Any) -> Mapping[str, Any]:
    return {
        "title": f"{row.identifier} {row.title}",
        "snippet": _short(row.description),
        "author": row.assignee_name or "",
        "status": row.state_name,
        "due_on": row.due_date,
    }


def _deal(row: Any) -> Mapping[str, Any]:
    return {
        "title": row.name,
        "snippet": _short(row.next_step),
        "author": row.owner_name or "",
        "status": row.stage or "",
        "due_on": row.close_date,
        "amount": row.value,
        "currency": row.currency or "",
    }


def _note(row: Any) -> Mapping[str, Any]:
    title = row.title or row.parent_name or ""
    return {
        "title": title,
        "snippet": _short(row.body),
        "author": row.author_name or "",
        "status": row.parent_object,
    }


def _task(row: Any) -> Mapping[str, Any]:
    return {
        "title": _short(row.content),
        "author": ", ".join(row.assignee_names),
        "status": "completed" if row.is_completed else "open",
        "due_on": row.deadline_at.date() if row.deadline_at else None,
    }


def _comment(row: Any) -> Mapping[str, Any]:
    return {"title": row.author_name or "", "snippet": _short(row.body), "author": row.author_name or ""}


def _company(row: Any) -> Mapping[str, Any]:
    return {"title": row.name, "snippet": _short(row.description), "status": ", ".join(row.domains)}


def _person(row: Any) -> Mapping[str, Any]:
    return {"title": row.name, "snippet": row.job_title or "", "status": ", ".join(row.emails)}


def _contact(row: Any) -> Mapping[str, Any]:
    return {
        "title": row.name or f"#{row.vendor_id}",
        "snippet": row.company_name or "",
        "status": row.email or row.phone or "",
    }


def _inbox(row: Any) -> Mapping[str, Any]:
    return {"title": row.name, "status": row.channel_type or ""}


def _linear_project(row: Any) -> Mapping[str, Any]:
    return {
        "title": row.name,
        "author": row.lead_name or "",
        "status": row.status_type or "",
        "due_on": row.target_date,
    }


def _state(row: Any) -> Mapping[str, Any]:
    return {"title": row.name, "snippet": row.team_key or "", "status": row.type}


def _cycle(row: Any) -> Mapping[str, Any]:
    return {"title": row.name or f"{row.team_key or ''} {row.number}".strip(), "snippet": row.team_key or ""}


_KINDS: Mapping[str, tuple[type[Any], Callable[[Any], Mapping[str, Any]]]] = {
    "message": (Message, _message),
    "conversation": (Conversation, _conversation),
    "issue": (Issue, _issue),
    "deal": (Deal, _deal),
    "note": (Note, _note),
    "task": (Task, _task),
    "comment": (Comment, _comment),
    "company": (Company, _company),
    "person": (Person, _person),
    "contact": (Contact, _contact),
    "inbox": (Inbox, _inbox),
    "linear_project": (LinearProject, _linear_project),
    "state": (LinearState, _state),
    "cycle": (LinearCycle, _cycle),
}


def read_facts(session: Session, scope: Scope, keys: Sequence[tuple[str, UUID]]) -> dict[UUID, RecordFacts]:
    """What lists show of these records, by id; one query a kind. Records outside the scope are left out."""
    by_kind: dict[str, list[UUID]] = {}
    for kind, record_id in keys:
        by_kind.setdefault(kind, []).append(record_id)
    found: dict[UUID, RecordFacts] = {}
    for kind, ids in by_kind.items():
        if kind == "project":
            found.update(_project_facts(session, scope, ids))
            continue
        model, describe = _KINDS[kind]
        for row in session.exec(_scoped(model, scope, ids)):
            found[row.id] = RecordFacts(row.id, kind, row.project_id, url=row.url or "", **describe(row))
    return found


def _scoped(model: type[SQLModel], scope: Scope, ids: Sequence[UUID]) -> Any:
    table: Any = model
    return select(table).where(
        col(table.id).in_(ids),
        col(table.account_scope_id) == scope.account_scope_id,
        col(table.project_id).in_(scope.project_ids),
    )


def _project_facts(session: Session, scope: Scope, ids: Sequence[UUID]) -> dict[UUID, RecordFacts]:
    rows = session.exec(
        select(Project).where(
            col(Project.id).in_(ids),
            col(Project.id).in_(scope.project_ids),
            Project.account_scope_id == scope.account_scope_id,
        )
    )
    return {row.id: RecordFacts(row.id, "project", row.id, title=row.name, status=row.kind) for row in rows}
