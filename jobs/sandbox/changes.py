"""Changes that a person at a vendor makes to any record by its id: what tests and paging faults let happen.

`apply_change` is a table of small functions, one per vendor and name. Their keyword arguments are the fields a caller
gives; what a field means is its name.
"""

import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

from jobs.sandbox.attio.workspace import Listed, Note, domain, personal_name, reference, text
from jobs.sandbox.chatwoot.account import INCOMING, OUTGOING, Contact, Conversation, Message
from jobs.sandbox.tenant import Tenant
from jobs.sandbox.world.identifiers import vendor_uuid

_STATUSES: Final = ("open", "resolved", "pending", "snoozed")
_MAX_TEXT: Final = 10_000


class ChangeRefused(ValueError):
    """A change that cannot happen: unknown, with wrong fields, or of a record that is not there."""


def apply_change(
    tenant: Tenant, vendor: str, name: str, fields: Mapping[str, Any], at: datetime, tag: str
) -> str:
    """Let a change happen; answers the id of the record it made or touched. `tag` makes new ids. Raises ChangeRefused."""
    change = CHANGES.get((vendor, name))
    if change is None:
        known = ", ".join(n for v, n in CHANGES if v == vendor) or "none"
        raise ChangeRefused(f"{vendor} has no change {name!r}; known are {known}")
    given = _fields(change, fields)
    tenant.timeline.lenient = True  # what is scheduled for a record that goes now does not happen later
    try:
        return str(change(tenant, at, tag, **given))
    except KeyError as error:
        raise ChangeRefused(f"{name}: {error} is not there") from error


def _fields(change: Callable[..., Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    wanted = _parameters(change)
    unknown = sorted(fields.keys() - wanted.keys())
    absent = [n for n, p in wanted.items() if p.default is p.empty and n not in fields]
    if unknown or absent:
        raise ChangeRefused(
            f"expected the fields {', '.join(wanted)}; wrong or absent: {', '.join(unknown + absent)}"
        )
    for name, value in fields.items():
        kind = wanted[name].annotation
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ChangeRefused(f"{name} must be {'a whole number' if kind is int else 'a text'}")
        if isinstance(value, str) and len(value) > _MAX_TEXT:
            raise ChangeRefused(f"{name} has over {_MAX_TEXT} characters")
    return dict(fields)


@cache
def _parameters(change: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    given = inspect.signature(change).parameters.values()
    return {p.name: p for p in given if p.kind is p.KEYWORD_ONLY}


def _chatwoot_contact(tenant: Tenant, at: datetime, _: str, *, name: str, email: str = "") -> int:
    contact = Contact(0, name, email or None, None, None, None, None, created_at=at)
    return tenant.account.add_contact(contact).id


def _chatwoot_conversation(
    tenant: Tenant, at: datetime, tag: str, *, contact: int, inbox: int, text: str
) -> int:
    account = tenant.account
    contact_id, inbox_id = account.contacts[contact].id, account.inboxes[inbox].id
    uuid = vendor_uuid(tenant.studio.slug, "conversation", tag)
    opened = account.open_conversation(Conversation(0, uuid, inbox_id, contact_id, "en", None, at, at, at))
    said = Message(0, text, INCOMING, private=False, sender=("contact", contact_id), created_at=at)
    account.add_message(opened, said)
    return opened.id


def _chatwoot_message(
    tenant: Tenant, at: datetime, _: str, *, conversation: int, text: str, reply: int = 0
) -> int:
    account = tenant.account
    home = account.conversations[conversation]
    agent = next(iter(account.agents))
    said = Message(
        0,
        text,
        OUTGOING if reply else INCOMING,
        private=False,
        sender=("user", agent) if reply else ("contact", home.contact_id),
        created_at=at,
    )
    return account.add_message(home, said).id


def _chatwoot_edit_message(tenant: Tenant, at: datetime, _: str, *, message: int, text: str) -> int:
    tenant.account.edit_message(message, text, at)
    return message


def _chatwoot_delete_message(tenant: Tenant, at: datetime, _: str, *, message: int) -> int:
    tenant.account.delete_message(message, at)
    return message


def _chatwoot_status(tenant: Tenant, at: datetime, _: str, *, conversation: int, status: str) -> int:
    if status not in _STATUSES:
        raise ChangeRefused(f"status must be one of {', '.join(_STATUSES)}")
    account = tenant.account
    account.set_status(
        account.conversations[conversation], status, next(iter(account.agents.values())).name, at
    )
    return conversation


def _chatwoot_label(tenant: Tenant, at: datetime, _: str, *, conversation: int, label: str) -> int:
    home = tenant.account.conversations[conversation]
    home.labels = [*(each for each in home.labels if each != label), label]
    home.updated_at = at
    tenant.account.labels.setdefault(label, "")
    return conversation


def _chatwoot_rename(tenant: Tenant, _: datetime, __: str, *, contact: int, name: str) -> int:
    tenant.account.contacts[contact].name = name
    return contact


def _chatwoot_delete(tenant: Tenant, _: datetime, __: str, *, conversation: int) -> int:
    tenant.account.delete_conversation(conversation)
    return conversation


def _chatwoot_merge(tenant: Tenant, at: datetime, _: str, *, base: int, mergee: int) -> int:
    account, known = tenant.account, tenant.chatwoot_seed.contacts
    if base == mergee:
        raise ChangeRefused("a contact is not merged with itself")
    if base not in account.contacts:
        raise KeyError(base)
    account.merge_contacts(base, mergee, at)
    known.update({key: base for key, contact in known.items() if contact == mergee})
    return base


def _linear_issue(tenant: Tenant, at: datetime, tag: str, *, team: str, title: str) -> str:
    linear = tenant.linear
    home = linear.tables["teams"][linear.id("team", team)]
    issue = linear.add_issue(
        linear.id("issue", tag),
        home,
        title,
        at,
        priority=0.0,
        priorityLabel="No priority",
        state=linear.state(team, "Todo"),
        labelIds=[],
    )
    return str(issue["id"])


def _linear_edit(tenant: Tenant, at: datetime, _: str, *, issue: str, title: str) -> str:
    tenant.linear.tables["issues"][issue].update(title=title, updatedAt=at)
    return issue


def _linear_move(tenant: Tenant, at: datetime, _: str, *, issue: str, state: str) -> str:
    tenant.linear.move_issue(tenant.linear.tables["issues"][issue], state, at)
    return issue


def _linear_trash(tenant: Tenant, at: datetime, _: str, *, issue: str) -> str:
    tenant.linear.trash_issue(tenant.linear.tables["issues"][issue], at)
    return issue


def _linear_delete(tenant: Tenant, _: datetime, __: str, *, issue: str) -> str:
    tenant.linear.delete_issue(tenant.linear.tables["issues"][issue])
    return issue


def _linear_comment(tenant: Tenant, at: datetime, tag: str, *, issue: str, text: str) -> str:
    linear = tenant.linear
    comment_id = linear.id("comment", tag)
    linear.add_comment(comment_id, linear.tables["issues"][issue], linear.viewer, text, at)
    return comment_id


def _linear_document_comment(tenant: Tenant, at: datetime, tag: str, *, text: str) -> str:
    linear = tenant.linear
    comment_id = linear.id("comment", tag)
    linear.add_document_comment(comment_id, linear.viewer, text, at)
    return comment_id


def _linear_edit_comment(tenant: Tenant, at: datetime, _: str, *, comment: str, text: str) -> str:
    tenant.linear.tables["comments"][comment].update(body=text, updatedAt=at, editedAt=at)
    return comment


def _linear_delete_comment(tenant: Tenant, _: datetime, __: str, *, comment: str) -> str:
    gone = tenant.linear.tables["comments"].pop(comment)
    if gone["issue"] is not None:
        gone["issue"]["comments"].remove(gone)
    return comment


def _linear_block(tenant: Tenant, at: datetime, _: str, *, blocker: str, blocked: str) -> str:
    linear, issues = tenant.linear, tenant.linear.tables["issues"]
    relation_id = linear.id("relation", blocker, blocked)
    if relation_id not in linear.tables["relations"]:
        linear.add_blocking(relation_id, issues[blocker], issues[blocked], at)
    return relation_id


def _linear_unblock(tenant: Tenant, _: datetime, __: str, *, blocker: str, blocked: str) -> str:
    relation_id = tenant.linear.id("relation", blocker, blocked)
    tenant.linear.delete_relation(tenant.linear.tables["relations"][relation_id])
    return relation_id


def _attio_company(tenant: Tenant, at: datetime, tag: str, *, name: str, domain_name: str = "") -> str:
    attio, actor = tenant.attio, _actor(tenant)
    entry = attio.add("companies", attio.ids.of("company", tag), actor, at)
    attio.set(entry, "name", [text(name)], at, actor)
    if domain_name:
        attio.set(entry, "domains", [domain(domain_name)], at, actor)
    return entry.id


def _attio_person(tenant: Tenant, at: datetime, tag: str, *, first: str, last: str, company: str = "") -> str:
    attio, actor = tenant.attio, _actor(tenant)
    entry = attio.add("people", attio.ids.of("person", tag), actor, at)
    attio.set(entry, "name", [personal_name(first, last)], at, actor)
    if company:
        attio.set(entry, "company", [reference("companies", company)], at, actor)
    return entry.id


def _attio_rename(tenant: Tenant, at: datetime, _: str, *, company: str, name: str) -> str:
    entry = tenant.attio.records["companies"][company]
    tenant.attio.set(entry, "name", [text(name)], at, _actor(tenant))
    return company


def _attio_stage(tenant: Tenant, at: datetime, _: str, *, deal: str, stage: str) -> str:
    attio = tenant.attio
    status = {"attribute_type": "status", "status": attio.ids.status_shape(stage)}
    attio.set(attio.records["deals"][deal], "stage", [status], at, _actor(tenant))
    return deal


def _attio_delete(tenant: Tenant, _: datetime, __: str, *, object_slug: str, record: str) -> str:
    tenant.attio.delete(object_slug, record)
    return record


def _attio_merge(tenant: Tenant, at: datetime, _: str, *, primary: str, secondary: str) -> str:
    if primary == secondary:
        raise ChangeRefused("a company is not merged with itself")
    if missing := {primary, secondary} - tenant.attio.records["companies"].keys():
        raise KeyError(missing.pop())
    merged = tenant.attio.merge_companies(primary, secondary, at)
    known = tenant.attio_seed.companies
    known.update({key: merged for key, company in known.items() if company in (primary, secondary)})
    return merged


def _attio_note(tenant: Tenant, at: datetime, tag: str, *, object_slug: str, record: str, body: str) -> str:
    attio = tenant.attio
    parent = attio.records[object_slug][record]
    note = Note(attio.ids.of("note", tag), object_slug, parent.id, "Note", body, _actor(tenant), at)
    attio.notes[note.id] = note
    return note.id


def _attio_delete_note(tenant: Tenant, _: datetime, __: str, *, note: str) -> str:
    return tenant.attio.notes.pop(note).id


def _attio_list(tenant: Tenant, at: datetime, tag: str, *, company: str, list_slug: str) -> str:
    attio = tenant.attio
    if list_slug not in attio.lists:
        raise KeyError(list_slug)
    listed = Listed(attio.ids.of("entry", tag), list_slug, attio.records["companies"][company].id, at)
    attio.listed[listed.id] = listed
    return listed.id


def _actor(tenant: Tenant) -> dict[str, Any]:
    return {"type": "workspace-member", "id": next(iter(tenant.attio.members))}


CHANGES: Final[dict[tuple[str, str], Callable[..., Any]]] = {
    ("chatwoot", "contact"): _chatwoot_contact,
    ("chatwoot", "conversation"): _chatwoot_conversation,
    ("chatwoot", "message"): _chatwoot_message,
    ("chatwoot", "edit_message"): _chatwoot_edit_message,
    ("chatwoot", "delete_message"): _chatwoot_delete_message,
    ("chatwoot", "status"): _chatwoot_status,
    ("chatwoot", "label"): _chatwoot_label,
    ("chatwoot", "rename_contact"): _chatwoot_rename,
    ("chatwoot", "delete_conversation"): _chatwoot_delete,
    ("chatwoot", "merge_contacts"): _chatwoot_merge,
    ("linear", "issue"): _linear_issue,
    ("linear", "edit_issue"): _linear_edit,
    ("linear", "move_issue"): _linear_move,
    ("linear", "trash_issue"): _linear_trash,
    ("linear", "delete_issue"): _linear_delete,
    ("linear", "comment"): _linear_comment,
    ("linear", "document_comment"): _linear_document_comment,
    ("linear", "edit_comment"): _linear_edit_comment,
    ("linear", "delete_comment"): _linear_delete_comment,
    ("linear", "block"): _linear_block,
    ("linear", "unblock"): _linear_unblock,
    ("attio", "company"): _attio_company,
    ("attio", "person"): _attio_person,
    ("attio", "rename_company"): _attio_rename,
    ("attio", "stage"): _attio_stage,
    ("attio", "delete"): _attio_delete,
    ("attio", "merge_companies"): _attio_merge,
    ("attio", "note"): _attio_note,
    ("attio", "delete_note"): _attio_delete_note,
    ("attio", "list"): _attio_list,
}
