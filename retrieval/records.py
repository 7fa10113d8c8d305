"""Source records as retrieval sees them: what indexing reads from the raw tables and chunking turns into chunks.

A *thread* is the unit that is rebuilt together: a conversation with its messages, an issue with its comments, a deal, a
company with its people, a note. Frozen and free of SQL so that chunking stays pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thread lives: its scope, project, the connection it came by and the project's name."""

    account_scope_id: UUID
    project_id: UUID
    connection_id: UUID
    project_name: str


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """One message of a conversation; ``private`` marks a note between agents."""

    id: UUID
    vendor_id: str
    author: str
    text: str
    at: datetime | None
    from_contact: bool
    private: bool = False
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Party:
    """Who somebody outside the studio is: name, job and company as far as the records tell.

    ``about`` says in a few words what the company is and where ("law firm, Bristol"): people ask for "the law firm".
    """

    name: str
    job: str | None = None
    company: str | None = None
    about: str | None = None


@dataclass(frozen=True, slots=True)
class ConversationThread:
    """A conversation and its live messages in order of time."""

    id: UUID
    place: Place
    channel: str
    contact: Party
    subject: str | None
    messages: tuple[MessageRecord, ...]


@dataclass(frozen=True, slots=True)
class CommentRecord:
    """One comment of an issue."""

    id: UUID
    vendor_id: str
    author: str
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class IssueThread:
    """An issue with its present state and its comments in order of time."""

    id: UUID
    vendor_id: str
    place: Place
    identifier: str
    title: str
    description: str
    state: str
    priority: int | None
    assignee: str | None
    workstream: str | None
    labels: tuple[str, ...]
    blocked_by: tuple[str, ...]
    due: date | None
    created_at: datetime | None
    updated_at: datetime | None
    completed_at: datetime | None
    comments: tuple[CommentRecord, ...]


@dataclass(frozen=True, slots=True)
class NoteThread:
    """One note, a thread of its own; ``about`` names what it hangs on (deal, company or person)."""

    id: UUID
    vendor_id: str
    title: str
    text: str
    author: str | None
    at: datetime | None
    about: str
    place: Place


@dataclass(frozen=True, slots=True)
class StageChange:
    """A deal entered this stage at that moment."""

    stage: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class DealThread:
    """A deal with its stage history."""

    id: UUID
    vendor_id: str
    place: Place
    name: str
    company: str | None
    people: tuple[str, ...]
    owner: str | None
    stage: str
    history: tuple[StageChange, ...]
    value: Decimal | None
    currency: str | None
    next_step: str | None
    close_date: date | None
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class CompanyThread:
    """A company and the people known there (name, job title)."""

    id: UUID
    vendor_id: str
    place: Place
    name: str
    description: str | None
    domains: tuple[str, ...]
    location: str | None
    categories: tuple[str, ...]
    people: tuple[tuple[str, str | None], ...]
    updated_at: datetime | None


Thread = ConversationThread | IssueThread | DealThread | CompanyThread | NoteThread
