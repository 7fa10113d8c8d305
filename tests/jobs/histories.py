"""What may happen in a history of a vendor and its copy: changes, silent ones, faults, time, syncs and their deaths."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from jobs.sandbox.changes import CHANGES
from jobs.sandbox.serving.fault_kinds import kinds_of
from jobs.sandbox.tenant import Tenant

# Waiting for a hung connection costs real time; it fails like a reset one.
FAULTS = {
    name: sorted(k.name for k in kinds_of(name) if not k.delivery and k.name not in ("timeout", "slow"))
    for name in ("chatwoot", "linear", "attio")
}
NAMES = {name: sorted(change for owner, change in CHANGES if owner == name) for name in FAULTS}


@dataclass(frozen=True)
class Change:
    """A change of some record: `which` and `other` choose among those there are."""

    name: str
    which: int
    other: int


@dataclass(frozen=True)
class Silent:
    """An edit that leaves no trace: no time of change moves, in no list of changes it shows."""

    which: int
    other: int


@dataclass(frozen=True)
class Fault:
    """A fault for any request of the vendor."""

    kind: str
    skip: int
    times: int
    probability: float


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: int


@dataclass(frozen=True)
class Sync:
    """A sync; so many requests, pages or unfinished transactions in, changes happen, or the process is killed."""

    meanwhile: tuple[tuple[int, Change], ...]
    killed_after: int | None


def steps(connector: str) -> st.SearchStrategy[list[Any]]:
    """Up to eight steps of a history."""
    numbers = st.integers(0, 40)
    changes = st.builds(Change, st.sampled_from(NAMES[connector]), numbers, numbers)
    faults = st.builds(
        Fault,
        st.sampled_from(FAULTS[connector]),
        st.integers(0, 8),
        st.integers(1, 6),
        st.sampled_from([1.0, 0.3]),
    )
    waits = st.builds(Wait, st.sampled_from([1, 90, 400, 3_600, 30_000, 700_000]))
    syncs = st.builds(
        Sync,
        st.lists(st.tuples(st.integers(0, 20), changes), max_size=3).map(tuple),
        st.none() | st.integers(0, 45),
    )
    silent = st.builds(Silent, numbers, numbers)
    return st.lists(st.one_of(changes, changes, silent, faults, waits, syncs, syncs), max_size=8)


def fields_of(change: Change, tenant: Tenant) -> dict[str, Any] | None:
    """The fields of a change, its records chosen among the living; None when there is none to choose."""
    account, tables, records = tenant.account, tenant.linear.tables, tenant.attio.records
    which, other = change.which, change.other

    told = f"said {which} {other}"
    conversation, contact = _one(account.conversations, which), _one(account.contacts, which)
    message = _one(account.message_home, which * 41 + other)
    issue, second = _one(tables["issues"], which), _one(tables["issues"], other)
    comment = _one(tables["comments"], which)
    company, mate = _one(records["companies"], which), _one(records["companies"], other)
    blocks = _one(((r["issue"]["id"], r["relatedIssue"]["id"]) for r in tables["relations"].values()), which)
    state = ("Todo", "In Progress", "Done", "Canceled")[other % 4]
    fields: dict[str, dict[str, Any]] = {
        "contact": {"name": told, "email": f"new-{which}@acme.example" if other % 2 else ""},
        "conversation": {"contact": contact, "inbox": _one(account.inboxes, other), "text": told},
        "message": {"conversation": conversation, "text": told, "reply": other % 2},
        "edit_message": {"message": message, "text": told},
        "delete_message": {"message": message},
        "status": {"conversation": conversation, "status": ("open", "resolved", "pending")[other % 3]},
        "label": {"conversation": conversation, "label": ("vip", "later")[other % 2]},
        "rename_contact": {"contact": contact, "name": told},
        "delete_conversation": {"conversation": conversation},
        "merge_contacts": {"base": contact, "mergee": _one(account.contacts, other)},
        "issue": {"team": ("ACM", "BET")[other % 2], "title": told},
        "edit_issue": {"issue": issue, "title": told},
        "move_issue": {"issue": issue, "state": state},
        "trash_issue": {"issue": issue},
        "delete_issue": {"issue": issue},
        "comment": {"issue": issue, "text": told},
        "document_comment": {"text": told},
        "edit_comment": {"comment": comment, "text": told},
        "delete_comment": {"comment": comment},
        "block": {"blocker": issue, "blocked": second},
        "unblock": {"blocker": blocks and blocks[0], "blocked": blocks and blocks[1]},
        "company": {"name": told, "domain_name": f"made-{which}.example"},
        "person": {"first": "New", "last": told, "company": company},
        "rename_company": {"company": company, "name": told},
        "stage": {"deal": _one(records["deals"], which), "stage": ("Lead", "Proposal", "Lost")[other % 3]},
        "delete": {"object_slug": ("companies", "people", "deals")[other % 3], "record": None},
        "merge_companies": {"primary": company, "secondary": mate},
        "note": {"object_slug": "companies", "record": company, "body": told},
        "delete_note": {"note": _one(tenant.attio.notes, which)},
        "list": {"company": company, "list_slug": _one(tenant.attio.lists, other)},
    }
    chosen = fields[change.name]
    if change.name == "delete":
        chosen["record"] = _one(records[chosen["object_slug"]], which)
    return None if None in chosen.values() else chosen


def edit_silently(step: Silent, connector: str, tenant: Tenant) -> str | None:
    """Change the content of one record and nothing else at the vendor; returns its vendor id, None without records."""
    told = f"whispered {step.which} {step.other}"
    if connector == "chatwoot":
        return _whisper_in_chatwoot(step, tenant, told)
    if connector == "linear":
        field = ("title", "body")[step.other % 2]
        table = tenant.linear.tables[{"title": "issues", "body": "comments"}[field]]
        chosen = _one(table, step.which)
        if chosen is not None:
            table[chosen][field] = told
        return chosen
    note = _one(tenant.attio.notes, step.which)
    if note is not None:
        tenant.attio.notes[note].text = told
    return note


def _whisper_in_chatwoot(step: Silent, tenant: Tenant, told: str) -> str | None:
    account = tenant.account
    if step.other % 2:
        conversation = _one(account.conversations, step.which)
        if conversation is not None:
            account.conversations[conversation].labels.append(told)
        return None if conversation is None else str(conversation)
    message = _one(account.message_home, step.which * 41 + step.other)
    if message is None:
        return None
    _, found = account.find_message(message)
    if not found.deleted:
        found.content = told
    return str(message)


def _one(rows: Any, number: int) -> Any:
    kept = sorted(rows)
    return kept[number % len(kept)] if kept else None
