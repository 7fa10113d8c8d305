"""What happened at a vendor between two looks, told as the vendor's webhook events.

A look keeps the shape of every record that the vendor has events for; the difference of two looks is the news. A record
that changed twice in between is told of once, with its last shape: receivers take deliveries as hints.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jobs.sandbox.chatwoot.shapes import contact_shape, conversation_shape, inbox_shape, message_shape
from jobs.sandbox.linear.execution import iso
from jobs.sandbox.tenant import Tenant

Json = dict[str, Any]
Look = dict[tuple[str, str], Json]
_MESSAGE_TYPES: Final = ("incoming", "outgoing", "activity", "template")


@dataclass(frozen=True, slots=True)
class Happened:
    """One event: its name at the vendor (Linear: `Type.action`), the record's id, and what the body says of it."""

    vendor: str
    event: str
    key: str
    body: Json
    at: datetime


def look(vendor: str, tenant: Tenant) -> Look:
    """The shapes of a vendor's records by kind and id, in the order of the ids a vendor gave them."""
    return dict(_LOOKS[vendor](tenant))


def news(vendor: str, tenant: Tenant, before: Look, after: Look, at: datetime) -> list[Happened]:
    """The events between two looks: what is new, then what changed, then what is gone."""
    told = _TOLD[vendor]
    found: list[Happened] = []
    pairs = [(key, None, shape) for key, shape in after.items() if key not in before]
    pairs += [(key, before[key], shape) for key, shape in after.items() if before.get(key, shape) != shape]
    pairs += [(key, shape, None) for key, shape in before.items() if key not in after]
    for (kind, key), old, new in pairs:
        for name, body in told(tenant, kind, key, old, new):
            found.append(Happened(vendor, name, key, body, at))
    return found


def _look_chatwoot(tenant: Tenant) -> Iterator[tuple[tuple[str, str], Json]]:
    account = tenant.account
    for contact in account.contacts.values():
        yield ("contact", str(contact.id)), contact_shape(account, contact, with_inboxes=False)
    for conversation in account.conversations.values():
        yield ("conversation", str(conversation.id)), conversation_shape(account, conversation, "")
        for message in conversation.messages:
            yield ("message", str(message.id)), message_shape(account, conversation, message, "")


def _tell_chatwoot(
    tenant: Tenant, kind: str, _: str, old: Json | None, new: Json | None
) -> Iterator[tuple[str, Json]]:
    account = tenant.account
    if new is None:  # Chatwoot: no event tells of a delete or a merge
        return
    body = {**new, "account": {"id": account.id, "name": account.name}}
    if kind == "message":
        conversation = account.conversations[new["conversation_id"]]
        # Chatwoot: unlike in REST the type is a word and the time a text; what surrounds a message is embedded.
        sent = next(m.created_at for m in conversation.messages if m.id == new["id"])
        body |= {
            "message_type": _MESSAGE_TYPES[new["message_type"]],
            "created_at": iso(sent),
            "conversation": conversation_shape(account, conversation, ""),
            "inbox": {
                k: v for k, v in inbox_shape(account.inboxes[new["inbox_id"]]).items() if k in ("id", "name")
            },
        }
    if old is None:
        yield f"{kind}_created", body
        return
    changed = [
        {name: {"previous_value": old.get(name), "current_value": new.get(name)}}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if kind != "message":
        body["changed_attributes"] = changed
    yield f"{kind}_updated", body
    if kind == "conversation" and old["status"] != new["status"]:
        yield "conversation_status_changed", body


def _look_linear(tenant: Tenant) -> Iterator[tuple[tuple[str, str], Json]]:
    for kind, name in (("issues", "Issue"), ("comments", "Comment"), ("projects", "Project")):
        for key, record in tenant.linear.tables[kind].items():
            yield (name, key), {field: _flat(value) for field, value in record.items()}


def _flat(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict):
        return {name: value[name] for name in ("id", "name", "key", "type") if name in value}
    if isinstance(value, list):
        return [_flat(each) for each in value]
    return value


def _tell_linear(
    tenant: Tenant, kind: str, _: str, old: Json | None, new: Json | None
) -> Iterator[tuple[str, Json]]:
    shape = new or old or {}
    data = dict(shape)
    for name in ("state", "team", "assignee", "project", "cycle", "issue", "user"):
        # Linear: `data` has flat ids beside small objects.
        if isinstance(shape.get(name), dict):
            data[f"{name}Id"] = shape[name]["id"]
    viewer = tenant.linear.viewer
    body: Json = {
        "actor": {"id": viewer["id"], "type": "user", "name": viewer["name"]},
        "data": data,
        "url": shape.get("url"),
        "organizationId": tenant.linear.organization["id"],
    }
    if old is not None and new is not None:
        body["updatedFrom"] = {name: old.get(name) for name in new if old.get(name) != new[name]}
    yield f"{kind}.{'create' if old is None else 'remove' if new is None else 'update'}", body


def _look_attio(tenant: Tenant) -> Iterator[tuple[tuple[str, str], Json]]:
    attio = tenant.attio
    for slug, records in attio.records.items():
        for key, entry in records.items():
            yield (f"record:{slug}", key), attio.record_shape(entry)
    for key, note in attio.notes.items():
        yield ("note", key), attio.note_shape(note)
    for key, listed in attio.listed.items():
        yield ("list-entry", key), {"list": listed.list_slug, "record": listed.record_id}


def _tell_attio(
    tenant: Tenant, kind: str, key: str, old: Json | None, new: Json | None
) -> Iterator[tuple[str, Json]]:
    attio = tenant.attio
    noun, _, slug = kind.partition(":")
    ids: Json = {"workspace_id": attio.ids.workspace_id}
    if slug:
        # Attio: the object is a UUID in events; ids only, no values.
        ids |= {"object_id": attio.ids.object_id(slug), "record_id": key}
    elif noun == "note":
        ids["note_id"] = key
    else:
        listed = (new or old or {})["list"]
        ids |= {"list_id": attio.ids.of("list", listed), "entry_id": key}
    actor = {"type": "workspace-member", "id": next(iter(attio.members))}
    action = "created" if old is None else "deleted" if new is None else "updated"
    if slug and new is None and key in attio.merged:
        # Attio: a merge fires an event for each of the two originals, under the id of the new record.
        ids["record_id"] = attio.merged[key]
        original = {"duplicate_object_id": ids["object_id"], "duplicate_record_id": key}
        yield "record.merged", {"id": ids, **original, "actor": actor}
        return
    if slug and old is None and key in attio.merged.values():
        return
    if slug and old is not None and new is not None:
        for name, value in new["values"].items():
            if value != old["values"].get(name):
                named = {"attribute_id": attio.ids.of("attribute", slug, name)}
                yield f"{noun}.{action}", {"id": {**ids, **named}, "actor": actor}
        return
    yield f"{noun}.{action}", {"id": ids, "actor": actor}


_LOOKS: Final[dict[str, Callable[[Tenant], Iterator[tuple[tuple[str, str], Json]]]]] = {
    "chatwoot": _look_chatwoot,
    "linear": _look_linear,
    "attio": _look_attio,
}
_TOLD: Final[
    dict[str, Callable[[Tenant, str, str, Json | None, Json | None], Iterator[tuple[str, Json]]]]
] = {"chatwoot": _tell_chatwoot, "linear": _tell_linear, "attio": _tell_attio}
