"""What people at a vendor do while somebody pages through a list: the choices behind the paging faults.

Each choice depends on the state of the world alone and is remembered like any other change.
"""

from collections.abc import Callable
from typing import Any, Final

from jobs.sandbox.sandbox import MAIN, Sandbox
from jobs.sandbox.tenant import Tenant

Choice = tuple[str, dict[str, Any]]


def meddle(sandbox: Sandbox, vendor: str, kind: str, path: str) -> None:
    """Let the change of a paging fault happen in the main tenant; nothing for other kinds, or without a record for it."""
    choose = _CHOICES.get((vendor, kind))
    chosen = choose(sandbox.tenants[MAIN], path) if choose else None
    if chosen is not None:
        sandbox.change(MAIN, vendor, *chosen)


def _wake_conversation(tenant: Tenant, _: str) -> Choice | None:
    rows = tenant.account.conversations.values()
    quiet = min(rows, key=lambda c: (c.last_activity_at, c.id), default=None)
    return ("message", {"conversation": quiet.id, "text": "Any news?"}) if quiet else None


def _delete_conversation(tenant: Tenant, _: str) -> Choice | None:
    oldest = min(tenant.account.conversations.values(), key=lambda c: (c.created_at, c.id), default=None)
    return ("delete_conversation", {"conversation": oldest.id}) if oldest else None


def _merge_contacts(tenant: Tenant, _: str) -> Choice | None:
    listed = sorted(
        (c for c in tenant.account.contacts.values() if c.resolved), key=lambda c: (c.created_at, c.id)
    )
    return ("merge_contacts", {"base": listed[0].id, "mergee": listed[1].id}) if len(listed) > 1 else None


def _edit_issue(tenant: Tenant, _: str) -> Choice | None:
    issues = tenant.linear.tables["issues"].values()
    quiet = min(issues, key=lambda i: (i["updatedAt"], i["id"]), default=None)
    return (
        ("edit_issue", {"issue": quiet["id"], "title": f"{quiet['title']} (again)"[-200:]}) if quiet else None
    )


def _delete_issue(tenant: Tenant, _: str) -> Choice | None:
    issues = tenant.linear.tables["issues"].values()
    newest = max(issues, key=lambda i: (i["updatedAt"], i["id"]), default=None)
    return ("delete_issue", {"issue": newest["id"]}) if newest else None


def _delete_record(tenant: Tenant, path: str) -> Choice | None:
    attio = tenant.attio
    if path.startswith("/v2/notes"):
        note = min(attio.notes.values(), key=lambda n: (n.created_at, n.id), default=None)
        return ("delete_note", {"note": note.id}) if note else None
    parts = path.split("/")
    slug = attio.ids.object_slug(parts[3]) if path.startswith("/v2/objects/") else None
    records = attio.records.get(slug or "", {}).values()
    oldest = min(records, key=lambda e: (e.created_at, e.id), default=None)
    return ("delete", {"object_slug": oldest.object, "record": oldest.id}) if oldest else None


def _merge_companies(tenant: Tenant, _: str) -> Choice | None:
    rows = sorted(tenant.attio.records["companies"].values(), key=lambda e: (e.created_at, e.id))
    return ("merge_companies", {"primary": rows[0].id, "secondary": rows[1].id}) if len(rows) > 1 else None


_CHOICES: Final[dict[tuple[str, str], Callable[[Tenant, str], Choice | None]]] = {
    ("chatwoot", "page_shift"): _wake_conversation,
    ("chatwoot", "delete_while_paging"): _delete_conversation,
    ("chatwoot", "merge_while_paging"): _merge_contacts,
    ("linear", "page_shift"): _edit_issue,
    ("linear", "delete_while_paging"): _delete_issue,
    ("attio", "delete_while_paging"): _delete_record,
    ("attio", "merge_while_paging"): _merge_companies,
}
