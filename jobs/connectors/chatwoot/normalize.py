"""Chatwoot JSON → records. Pure: no clock, no network, no database.

Facts of the API that shape this: REST times are epoch seconds and 0 means null; a conversation's ``id`` is the
per-account display id; message types are integers; an inbox may carry mailbox passwords for admin tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from jobs.connectors.base import Fact, Record, parse_epoch
from jobs.connectors.errors import BadRecord

_INBOX_FIELDS = ("id", "name", "channel_type", "website_url", "phone_number", "email")
_CONTACT_FIELDS = (
    "id",
    "name",
    "email",
    "phone_number",
    "identifier",
    "blocked",
    "custom_attributes",
    "additional_attributes",
    "created_at",
    "last_activity_at",
)
_STATUSES = ("open", "resolved", "pending", "snoozed")


def inbox(item: dict[str, Any]) -> Record:
    """Return the record of an inbox; only listed fields are kept, because the rest can hold secrets."""
    return Record(
        stream="inboxes",
        vendor_id=str(item["id"]),
        fields={"name": item["name"], "channel_type": item.get("channel_type")},
        payload=inbox_payload(item),
        facts=inbox_facts(item["id"], item["name"]),
    )


def inbox_payload(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be kept of an inbox as it came."""
    return {key: item[key] for key in _INBOX_FIELDS if key in item}


def contact(item: dict[str, Any], *, account_url: str, conversation_id: str | None = None) -> Record:
    """Return the record of a contact; it follows its conversation where it was met there."""
    extra = item.get("additional_attributes") or {}
    email = item.get("email") or None
    return Record(
        stream="contacts",
        vendor_id=str(item["id"]),
        fields={
            "name": item.get("name"),
            "email": email,
            "phone": item.get("phone_number") or None,
            "identifier": item.get("identifier") or None,
            "company_name": extra.get("company_name"),
            "last_activity_at": parse_epoch(item.get("last_activity_at")),
        },
        payload={key: item[key] for key in _CONTACT_FIELDS if key in item},
        url=f"{account_url}/contacts/{item['id']}",
        created_at=parse_epoch(item.get("created_at")),
        facts=domain_facts(email),
        follows=("conversations", conversation_id) if conversation_id else None,
    )


def conversation(item: dict[str, Any], *, account_url: str, inbox_names: dict[str, str]) -> Record:
    """Return the record of a conversation. Raises BadRecord for a status we do not know."""
    if item["status"] not in _STATUSES:
        raise BadRecord(str(item["id"]), f"unknown status {item['status']!r}")
    meta = item.get("meta") or {}
    sender = meta.get("sender") or {}
    inbox_id = str(item["inbox_id"])
    labels = [str(label) for label in item.get("labels") or []]
    facts = inbox_facts(inbox_id, inbox_names.get(inbox_id)) | domain_facts(sender.get("email"))
    return Record(
        stream="conversations",
        vendor_id=str(item["id"]),
        fields={
            "uuid": item.get("uuid"),
            "inbox_vendor_id": inbox_id,
            "inbox_name": inbox_names.get(inbox_id),
            "contact_vendor_id": str(sender["id"]) if sender.get("id") else None,
            "contact_name": sender.get("name"),
            "status": item["status"],
            "priority": item.get("priority"),
            "labels": labels,
            "assignee_name": (meta.get("assignee") or {}).get("name"),
            "subject": (item.get("additional_attributes") or {}).get("mail_subject"),
            "last_activity_at": parse_epoch(item.get("last_activity_at")),
            "waiting_since": parse_epoch(item.get("waiting_since")),
            "first_reply_at": parse_epoch(item.get("first_reply_created_at")),
        },
        payload=item,
        url=f"{account_url}/conversations/{item['id']}",
        created_at=parse_epoch(item.get("created_at")),
        updated_at=parse_epoch(item.get("updated_at") or item.get("last_activity_at")),
        facts=facts | {("label", label.lower()) for label in labels},
        last_message_id=_last_message_id(item),
    )


def _last_message_id(item: dict[str, Any]) -> int:
    shown = item.get("messages") or [{}]
    last = str(shown[0].get("id")) if isinstance(shown, list) and isinstance(shown[0], dict) else ""
    return int(last) if last.isdigit() else 0


def message(item: dict[str, Any], *, account_url: str) -> tuple[Record, ...]:
    """Return the record of a message and those of its attachments. A deleted message is a tombstone, without any."""
    conversation_id = str(item["conversation_id"])
    vendor_id = str(item["id"])
    sent_at = parse_epoch(item["created_at"])
    if sent_at is None:
        raise BadRecord(vendor_id, "no created_at")
    sender = item.get("sender") or {}
    url = f"{account_url}/conversations/{conversation_id}?messageId={vendor_id}"
    main = Record(
        stream="messages",
        vendor_id=vendor_id,
        fields={
            "message_type": int(item["message_type"]),
            "private": bool(item.get("private")),
            "body": item.get("content") or "",
            "content_type": item.get("content_type"),
            "sender_type": sender.get("type") or None,
            "sender_vendor_id": str(sender["id"]) if sender.get("id") else None,
            "sender_name": sender.get("name"),
            "sent_at": sent_at,
        },
        payload=item,
        url=url,
        created_at=sent_at,
        deleted=bool((item.get("content_attributes") or {}).get("deleted")),
        parent=conversation_id,
    )
    if main.deleted:
        return (main,)
    files = tuple(_attachment(entry, vendor_id, url) for entry in item.get("attachments") or [])
    return (main, *files)


def is_hidden_from_list(item: dict[str, Any]) -> bool:
    """Whether the contact list leaves this contact out: it shows only those with e-mail, phone or identifier."""
    return not (item.get("email") or item.get("phone_number") or item.get("identifier"))


def inbox_facts(inbox_id: object, name: object) -> frozenset[Fact]:
    """Return what inbox rules look at: the id and the name."""
    facts = {("inbox", str(inbox_id).lower())}
    if name:
        facts.add(("inbox", str(name).lower()))
    return frozenset(facts)


def domain_facts(email: object) -> frozenset[Fact]:
    """Return what company-domain rules look at."""
    if not isinstance(email, str) or "@" not in email:
        return frozenset()
    return frozenset({("company_domain", email.rpartition("@")[2].strip().lower())})


def _attachment(entry: dict[str, Any], message_id: str, url: str) -> Record:
    name = unquote(urlsplit(entry.get("data_url") or "").path.rpartition("/")[2]) or None
    return Record(
        stream="attachments",
        vendor_id=str(entry["id"]),
        fields={"file_type": entry.get("file_type"), "file_name": name, "file_size": entry.get("file_size")},
        payload=entry,
        url=url,
        parent=message_id,
    )
