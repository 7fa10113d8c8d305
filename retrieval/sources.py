"""Reads raw rows and gives threads: which threads changed since a watermark, and what they hold now.

Reads the vendor tables only; what becomes of a thread is ``chunking``'s. A thread whose record is deleted at the vendor
is simply not returned, and its chunks go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col

from models.infra.ids import AccountScopeId
from models.tables.attio import Company, Deal, Note, Person
from models.tables.base import VendorRecord
from models.tables.chatwoot import Attachment, Contact, Conversation, Message
from models.tables.crm import Opportunity, OpportunityStageEvent
from models.tables.linear import Comment, Issue
from models.tables.platform import Project
from retrieval.parties import Caller, Directory, KnownCompany, KnownPerson
from retrieval.records import (
    CommentRecord,
    CompanyThread,
    ConversationThread,
    DealThread,
    IssueThread,
    MessageRecord,
    NoteThread,
    Place,
    StageChange,
    Thread,
)
from retrieval.schemas import SourceType

ThreadKind = Literal["conversation", "issue", "deal", "company", "note"]
KINDS_OF_THREAD: dict[ThreadKind, tuple[SourceType, ...]] = {
    "conversation": ("message",),
    "issue": ("issue", "comment"),
    "deal": ("deal",),
    "company": ("company",),
    "note": ("note",),
}
# Chatwoot's message types that people wrote: incoming and outgoing. Activity lines and templates are machine text.
_WRITTEN = (0, 1)


@dataclass(frozen=True, slots=True)
class Change:
    """A thread that has to be rebuilt because a row of ``source`` (a raw table) changed at ``synced_at``."""

    kind: ThreadKind
    thread_id: UUID
    source: str
    synced_at: datetime


def _changes_of(
    model: type[VendorRecord],
    owner: Mapped[UUID],
    *joined: tuple[type[VendorRecord], ColumnElement[bool]],
) -> Select[UUID, datetime]:
    statement = select(owner, func.max(col(model.synced_at))).select_from(model)
    for other, condition in joined:
        statement = statement.join(other, condition)
    return statement.group_by(owner).order_by(func.max(col(model.synced_at)), owner)


# Deals and the people that they name.
_NAMED = select(
    col(Deal.id).label("deal_id"),
    col(Deal.connection_id).label("connection_id"),
    func.unnest(col(Deal.people_vendor_ids)).label("person"),
).subquery()
# Per raw table (and part of it): the kind of thread its rows belong to, and the statement that names the threads.
_SOURCES: dict[str, tuple[ThreadKind, type[VendorRecord], Select[UUID, datetime]]] = {
    "cw_conversations": ("conversation", Conversation, _changes_of(Conversation, col(Conversation.id))),
    "cw_messages": ("conversation", Message, _changes_of(Message, col(Message.conversation_id))),
    "cw_contacts": (
        "conversation",
        Contact,
        _changes_of(
            Contact, col(Conversation.id), (Conversation, col(Conversation.contact_id) == col(Contact.id))
        ),
    ),
    "cw_attachments": (
        "conversation",
        Attachment,
        _changes_of(
            Attachment, col(Message.conversation_id), (Message, col(Message.id) == col(Attachment.message_id))
        ),
    ),
    "linear_issues": ("issue", Issue, _changes_of(Issue, col(Issue.id))),
    "linear_comments": ("issue", Comment, _changes_of(Comment, col(Comment.issue_id))),
    "attio_deals": ("deal", Deal, _changes_of(Deal, col(Deal.id))),
    "attio_companies": ("company", Company, _changes_of(Company, col(Company.id))),
    "attio_people": (
        "company",
        Person,
        _changes_of(Person, col(Company.id), (Company, col(Company.id) == col(Person.company_id))),
    ),
    "attio_people.deals": (
        "deal",
        Person,
        select(_NAMED.c.deal_id, func.max(col(Person.synced_at)))
        .join_from(
            Person,
            _NAMED,
            (col(Person.connection_id) == _NAMED.c.connection_id)
            & (col(Person.vendor_id) == _NAMED.c.person),
        )
        .group_by(_NAMED.c.deal_id)
        .order_by(func.max(col(Person.synced_at)), _NAMED.c.deal_id),
    ),
    "attio_notes": ("note", Note, _changes_of(Note, col(Note.id))),
}
SOURCES: tuple[str, ...] = tuple(_SOURCES)


def list_changes(
    session: Session, account_scope_id: AccountScopeId, source: str, after: datetime | None
) -> list[Change]:
    """Threads touched by rows of one raw table whose ``synced_at`` is after the watermark (None: all), oldest first."""
    kind, model, statement = _SOURCES[source]
    statement = statement.where(col(model.account_scope_id) == account_scope_id)
    if after is not None:
        statement = statement.where(col(model.synced_at) > after)
    return [Change(kind, thread_id, source, at) for thread_id, at in session.connection().execute(statement)]


def read_threads(
    session: Session, account_scope_id: AccountScopeId, kind: ThreadKind, ids: Sequence[UUID]
) -> list[Thread]:
    """The live threads of one kind among ``ids``, with everything that chunking needs."""
    projects = _project_names(session, account_scope_id)
    reader = {
        "conversation": _conversations,
        "issue": _issues,
        "deal": _deals,
        "company": _companies,
        "note": _notes,
    }[kind]
    return reader(session, account_scope_id, ids, projects)


def _rows(
    session: Session, model: type[Any], scope: AccountScopeId, *conditions: ColumnElement[bool]
) -> Sequence[Any]:
    statement = select(model).where(
        col(model.account_scope_id) == scope, col(model.deleted_at).is_(None), *conditions
    )
    return session.scalars(statement).all()


def _project_names(session: Session, scope: AccountScopeId) -> dict[UUID, str]:
    rows = session.execute(
        select(col(Project.id), col(Project.name), col(Project.kind)).where(
            col(Project.account_scope_id) == scope
        )
    )
    # What no rule took belongs to no client; its header names none.
    return {project_id: name if kind == "client" else "" for project_id, name, kind in rows}


def _place(row: VendorRecord, projects: dict[UUID, str]) -> Place:
    return Place(row.account_scope_id, row.project_id, row.connection_id, projects.get(row.project_id, ""))


def _conversations(
    session: Session, scope: AccountScopeId, ids: Sequence[UUID], projects: dict[UUID, str]
) -> list[Thread]:
    conversations: Sequence[Conversation] = _rows(session, Conversation, scope, col(Conversation.id).in_(ids))
    messages: Sequence[Message] = _rows(
        session,
        Message,
        scope,
        col(Message.conversation_id).in_(ids),
        col(Message.message_type).in_(_WRITTEN),
    )
    contact_ids = [row.contact_id for row in conversations if row.contact_id]
    contacts: dict[UUID, Contact] = {
        row.id: row for row in _rows(session, Contact, scope, col(Contact.id).in_(contact_ids))
    }
    attachments: defaultdict[UUID, list[str]] = defaultdict(list)
    for file in _rows(
        session, Attachment, scope, col(Attachment.message_id).in_([row.id for row in messages])
    ):
        if file.file_name:
            attachments[file.message_id].append(file.file_name)
    directory = _directory(session, scope, {row.project_id for row in conversations})
    of_conversation: defaultdict[UUID, list[MessageRecord]] = defaultdict(list)
    names = {row.id: _contact_name(row, contacts) for row in conversations}
    for row in sorted(messages, key=lambda row: (row.sent_at, row.vendor_id.zfill(20))):
        from_contact = row.message_type == 0
        author = row.sender_name or (names.get(row.conversation_id, "") if from_contact else "")
        of_conversation[row.conversation_id].append(
            MessageRecord(
                row.id,
                row.vendor_id,
                author,
                row.body,
                row.sent_at,
                from_contact,
                row.private,
                tuple(attachments[row.id]),
            )
        )
    threads: list[Thread] = []
    for row in conversations:
        contact = contacts.get(row.contact_id) if row.contact_id else None
        caller = Caller(
            row.project_id,
            names[row.id],
            contact.email if contact else None,
            contact.phone if contact else None,
            contact.company_name if contact else None,
        )
        threads.append(
            ConversationThread(
                row.id,
                _place(row, projects),
                row.inbox_name or "",
                directory.describe(caller),
                row.subject,
                tuple(of_conversation[row.id]),
            )
        )
    return threads


def _directory(session: Session, scope: AccountScopeId, project_ids: set[UUID]) -> Directory:
    people: Sequence[Person] = _rows(session, Person, scope, col(Person.project_id).in_(project_ids))
    companies: Sequence[Company] = _rows(session, Company, scope, col(Company.project_id).in_(project_ids))
    return Directory(
        (
            KnownPerson(
                row.project_id, row.name, tuple(row.emails), tuple(row.phones), row.job_title, row.company_id
            )
            for row in people
        ),
        (
            KnownCompany(row.id, row.project_id, row.name, tuple(row.domains), row.description, row.city)
            for row in companies
        ),
    )


def _contact_name(row: Conversation, contacts: dict[UUID, Contact]) -> str:
    contact = contacts.get(row.contact_id) if row.contact_id else None
    return (contact.name if contact else None) or row.contact_name or ""


def _issues(
    session: Session, scope: AccountScopeId, ids: Sequence[UUID], projects: dict[UUID, str]
) -> list[Thread]:
    comments: defaultdict[UUID, list[CommentRecord]] = defaultdict(list)
    for row in _rows(session, Comment, scope, col(Comment.issue_id).in_(ids)):
        comments[row.issue_id].append(
            CommentRecord(row.id, row.vendor_id, row.author_name or "", row.body, row.source_created_at)
        )
    threads: list[Thread] = []
    for row in _rows(session, Issue, scope, col(Issue.id).in_(ids)):
        said = sorted(
            comments[row.id], key=lambda comment: (comment.at is None, comment.at, comment.vendor_id)
        )
        threads.append(
            IssueThread(
                row.id,
                row.vendor_id,
                _place(row, projects),
                row.identifier,
                row.title,
                row.description,
                row.state_name,
                row.priority,
                row.assignee_name,
                row.linear_project_name,
                tuple(row.labels),
                tuple(row.blocked_by),
                row.due_date,
                row.source_created_at,
                row.source_updated_at,
                row.completed_at,
                tuple(said),
            )
        )
    return threads


def _deals(
    session: Session, scope: AccountScopeId, ids: Sequence[UUID], projects: dict[UUID, str]
) -> list[Thread]:
    deals: Sequence[Deal] = _rows(session, Deal, scope, col(Deal.id).in_(ids))
    wanted = {vendor_id for row in deals for vendor_id in row.people_vendor_ids}
    people = {
        (row.connection_id, row.vendor_id): row.name
        for row in _rows(session, Person, scope, col(Person.vendor_id).in_(wanted))
    }
    history: defaultdict[UUID, list[StageChange]] = defaultdict(list)
    events = session.execute(
        select(
            col(Opportunity.attio_deal_id),
            col(OpportunityStageEvent.stage),
            col(OpportunityStageEvent.entered_at),
        )
        .join(Opportunity, col(Opportunity.id) == col(OpportunityStageEvent.opportunity_id))
        .where(col(Opportunity.account_scope_id) == scope, col(Opportunity.attio_deal_id).in_(ids))
        .order_by(col(OpportunityStageEvent.entered_at))
    )
    for deal_id, stage, entered_at in events:
        history[deal_id].append(StageChange(stage, entered_at))
    threads: list[Thread] = []
    for row in deals:
        # Without a mirrored history the present stage is all that is known.
        known = history[row.id] or (
            [StageChange(row.stage, row.stage_since)] if row.stage and row.stage_since else []
        )
        names = (people.get((row.connection_id, vendor_id)) for vendor_id in row.people_vendor_ids)
        threads.append(
            DealThread(
                row.id,
                row.vendor_id,
                _place(row, projects),
                row.name,
                row.company_name,
                tuple(name for name in names if name),
                row.owner_name,
                row.stage or "",
                tuple(known),
                row.value,
                row.currency,
                row.next_step,
                row.close_date,
                row.source_created_at,
                row.source_updated_at,
            )
        )
    return threads


def _companies(
    session: Session, scope: AccountScopeId, ids: Sequence[UUID], projects: dict[UUID, str]
) -> list[Thread]:
    people: defaultdict[UUID, list[tuple[str, str | None]]] = defaultdict(list)
    for row in _rows(session, Person, scope, col(Person.company_id).in_(ids)):
        people[row.company_id].append((row.name, row.job_title))
    return [
        CompanyThread(
            row.id,
            row.vendor_id,
            _place(row, projects),
            row.name,
            row.description,
            tuple(row.domains),
            ", ".join(part for part in (row.city, row.country) if part) or None,
            tuple(row.categories),
            tuple(sorted(people[row.id], key=lambda person: person[0])),
            row.source_updated_at or row.source_created_at,
        )
        for row in _rows(session, Company, scope, col(Company.id).in_(ids))
    ]


def _notes(
    session: Session, scope: AccountScopeId, ids: Sequence[UUID], projects: dict[UUID, str]
) -> list[Thread]:
    return [
        NoteThread(
            row.id,
            row.vendor_id,
            row.title,
            row.body,
            row.author_name,
            row.source_created_at,
            row.parent_name or "",
            _place(row, projects),
        )
        for row in _rows(session, Note, scope, col(Note.id).in_(ids))
    ]
