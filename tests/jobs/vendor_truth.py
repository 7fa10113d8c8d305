"""What a copy of the small studio should hold, read from the vendors' own records and not through their APIs."""

from typing import Any

from sqlalchemy import text

from jobs.sandbox.tenant import Tenant
from models.infra.database import reading
from models.infra.ids import ConnectionId

Rows = dict[str, tuple[Any, ...]]

_LOCAL = {
    "chatwoot": {
        "inboxes": "SELECT vendor_id, name FROM cw_inboxes",
        "conversations": "SELECT vendor_id, status, labels, contact_vendor_id FROM cw_conversations",
        "messages": "SELECT m.vendor_id, m.body, c.vendor_id FROM cw_messages m"
        " JOIN cw_conversations c ON c.id = m.conversation_id",
        "contacts": "SELECT vendor_id, name, email FROM cw_contacts",
    },
    "linear": {
        "issues": "SELECT vendor_id, title, state_name, blocked_by FROM linear_issues",
        "comments": "SELECT c.vendor_id, c.body, i.vendor_id FROM linear_comments c"
        " JOIN linear_issues i ON i.id = c.issue_id",
        "states": "SELECT vendor_id, name FROM linear_states",
    },
    "attio": {
        "companies": "SELECT vendor_id, name, domains FROM attio_companies",
        "people": "SELECT vendor_id, name, company_vendor_id FROM attio_people",
        "deals": "SELECT vendor_id, stage, company_vendor_id FROM attio_deals",
        "notes": "SELECT vendor_id, body, parent_vendor_id FROM attio_notes",
    },
}


def local(connector: str, connection_id: ConnectionId) -> dict[str, Rows]:
    """The live rows of a connection, by stream and vendor id."""
    found: dict[str, Rows] = {}
    with reading() as session:
        for stream, statement in _LOCAL[connector].items():
            alias = {"messages": "m.", "comments": "c."}.get(stream, "")
            rows = session.execute(
                text(f"{statement} WHERE {alias}connection_id = :id AND {alias}deleted_at IS NULL"),
                {"id": connection_id},
            )
            found[stream] = {row[0]: _plain(row[1:]) for row in rows}
    return found


def tolerant(ours: Rows, unlisted: Rows) -> Rows:
    """Contacts without those visitors whose last conversation was deleted: the vendor has them, and shows them nowhere."""
    return {key: values for key, values in ours.items() if key not in unlisted}


def vendor(connector: str, tenant: Tenant) -> dict[str, Rows]:
    """The same of what the vendor has."""
    return {"chatwoot": _chatwoot, "linear": _linear, "attio": _attio}[connector](tenant)


def _chatwoot(tenant: Tenant) -> dict[str, Rows]:
    account = tenant.account
    rows = account.conversations.values()
    met = {c.contact_id for c in rows}
    return {
        "inboxes": {str(i.id): (i.name,) for i in account.inboxes.values()},
        "conversations": {str(c.id): (c.status, tuple(sorted(c.labels)), str(c.contact_id)) for c in rows},
        "messages": {
            str(m.id): (m.content or "", str(c.id)) for c in rows for m in c.messages if not m.deleted
        },
        # Visitors without an address are known only through a conversation of theirs.
        "contacts": {
            str(k.id): (k.name, k.email) for k in account.contacts.values() if k.resolved or k.id in met
        },
        "unlisted": {str(k.id): () for k in account.contacts.values() if not k.resolved and k.id not in met},
    }


def _linear(tenant: Tenant) -> dict[str, Rows]:
    tables = tenant.linear.tables
    return {
        "issues": {
            key: (
                issue["title"],
                issue["state"]["name"],
                tuple(sorted({r["issue"]["identifier"] for r in issue["inverseRelations"]})),
            )
            for key, issue in tables["issues"].items()
            if not issue.get("trashed")
        },
        "comments": {
            key: (c["body"], c["issue"]["id"]) for key, c in tables["comments"].items() if c["issue"]
        },
        "states": {key: (state["name"],) for key, state in tables["states"].items()},
    }


def _attio(tenant: Tenant) -> dict[str, Rows]:
    records = tenant.attio.records
    return {
        "companies": {
            key: (e.first("name", "value"), tuple(sorted(v.body["domain"] for v in e.current("domains"))))
            for key, e in records["companies"].items()
        },
        "people": {
            key: (e.first("name", "full_name"), e.first("company", "target_record_id"))
            for key, e in records["people"].items()
        },
        "deals": {
            key: (e.first("stage", "status")["title"], e.first("associated_company", "target_record_id"))
            for key, e in records["deals"].items()
        },
        "notes": {key: (note.text, note.parent_id) for key, note in tenant.attio.notes.items()},
    }


def _plain(values: Any) -> tuple[Any, ...]:
    return tuple(tuple(sorted(v)) if isinstance(v, list) else v for v in values)
