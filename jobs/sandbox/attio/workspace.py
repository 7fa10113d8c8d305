"""The records of one Attio workspace with the history of their values, and the ways they change."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from jobs.sandbox.attio.schema import OBJECTS, Json, SchemaIds

SYSTEM_ACTOR: Final[Json] = {"type": "system", "id": None}
_KINDS: Final = {"people": "person", "companies": "company", "deals": "deal"}


def nano(at: datetime) -> str:
    """Attio: ISO 8601 with nine digits."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


@dataclass(slots=True)
class Value:
    """One value of an attribute; `until` is null while it holds."""

    body: Json
    since: datetime
    until: datetime | None
    actor: Json


@dataclass(slots=True)
class Entry:
    """A record of an object; `values` keeps past values too, newest first."""

    object: str
    id: str
    created_at: datetime
    actor: Json
    values: dict[str, list[Value]] = field(default_factory=dict[str, list[Value]])

    def current(self, slug: str) -> list[Value]:
        """The values that hold now."""
        return [value for value in self.values.get(slug, ()) if value.until is None]

    def first(self, slug: str, key: str) -> Any:
        """A property of the first current value, or null."""
        held = self.current(slug)
        return held[0].body.get(key) if held else None


@dataclass(slots=True)
class Note:
    """A note on a record."""

    id: str
    parent_object: str
    parent_id: str
    title: str
    text: str
    actor: Json
    created_at: datetime


@dataclass(slots=True)
class Listed:
    """A company's entry in a list."""

    id: str
    list_slug: str
    record_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A workspace member."""

    id: str
    first: str
    last: str
    email: str
    admin: bool


class Workspace:
    """One workspace: records by object and id, notes, list entries, members."""

    def __init__(self, slug: str, name: str, origin: str, created_at: datetime) -> None:
        self.slug = slug
        self.name = name
        self.origin = origin
        self.created_at = created_at
        self.ids = SchemaIds(slug)
        self.members: dict[str, Member] = {}
        self.records: dict[str, dict[str, Entry]] = {name: {} for name in OBJECTS}
        self.notes: dict[str, Note] = {}
        # Where merged records went: old id to new id.
        self.merged: dict[str, str] = {}
        self.lists: dict[str, str] = {}
        self.listed: dict[str, Listed] = {}
        self._referrers: dict[tuple[str, str], dict[str, list[Entry]]] = {}

    def add(self, object_slug: str, record_id: str, actor: Json, at: datetime) -> Entry:
        """A new record without values."""
        entry = Entry(object_slug, record_id, at, actor)
        self.records[object_slug][record_id] = entry
        return entry

    def set(self, entry: Entry, slug: str, bodies: Iterable[Json], at: datetime, actor: Json) -> None:
        """Replace an attribute's current values; the old ones become history."""
        self._referrers.clear()
        past = entry.values.get(slug, [])
        for value in past:
            if value.until is None:
                value.until = at
        entry.values[slug] = [Value(body, at, None, actor) for body in bodies] + past

    def merge_companies(self, primary_id: str, secondary_id: str, at: datetime) -> str:
        """Attio: a merge makes a record with a **new** id; both old ids answer 404 from then on."""
        primary = self.records["companies"].pop(primary_id)
        secondary = self.records["companies"].pop(secondary_id)
        merged = self.add("companies", self.ids.of("merged", primary_id, secondary_id), primary.actor, at)
        merged.created_at = primary.created_at
        for attribute in OBJECTS["companies"]:
            kept = [value.body for value in primary.current(attribute.slug)]
            other = [value.body for value in secondary.current(attribute.slug)]
            bodies = (
                [*kept, *(body for body in other if body not in kept)] if attribute.multi else kept or other
            )
            if bodies:
                self.set(merged, attribute.slug, bodies, at, SYSTEM_ACTOR)
        gone = (primary_id, secondary_id)
        self.merged.update(dict.fromkeys(gone, merged.id))
        for object_slug, slug in (("people", "company"), ("deals", "associated_company")):
            for entry in self.records[object_slug].values():
                if entry.first(slug, "target_record_id") in gone:
                    self.set(entry, slug, [reference("companies", merged.id)], at, SYSTEM_ACTOR)
        for note in self.notes.values():
            if note.parent_id in gone:
                note.parent_id = merged.id
        for listed in [item for item in self.listed.values() if item.record_id in gone]:
            if listed.record_id == secondary_id:
                del self.listed[listed.id]
            listed.record_id = merged.id
        return merged.id

    def delete(self, object_slug: str, record_id: str) -> None:
        """Remove a record with its notes and list entries; references to it end."""
        del self.records[object_slug][record_id]
        self._referrers.clear()
        for owner, slug in (
            ("people", "company"),
            ("deals", "associated_company"),
            ("deals", "associated_people"),
        ):
            for entry in self.records[owner].values():
                entry.values[slug] = [
                    value
                    for value in entry.values.get(slug, ())
                    if value.body["target_record_id"] != record_id
                ]
        for note in [n for n in self.notes.values() if n.parent_id == record_id]:
            del self.notes[note.id]
        for listed in [item for item in self.listed.values() if item.record_id == record_id]:
            del self.listed[listed.id]

    def referrers(self, object_slug: str, slug: str, record_id: str) -> list[Entry]:
        """Records of an object whose reference attribute points at a record."""
        index = self._referrers.get((object_slug, slug))
        if index is None:
            index = self._referrers[object_slug, slug] = {}
            for entry in self.records[object_slug].values():
                for value in entry.current(slug):
                    index.setdefault(value.body["target_record_id"], []).append(entry)
        return index.get(record_id, [])

    def web_url(self, entry: Entry) -> str:
        """The page of a record."""
        return f"{self.origin}/{self.slug}/{_KINDS[entry.object]}/{entry.id}"

    def by_page(self, kind: str, record_id: str) -> Entry | None:
        """The record a page's address names."""
        object_slug = next((name for name, noun in _KINDS.items() if noun == kind), None)
        return self.records[object_slug].get(record_id) if object_slug else None

    def values_of(self, entry: Entry, slug: str) -> list[Value]:
        """All values of an attribute, historic ones included; the inverse and common ones are derived."""
        actor = entry.actor
        match (entry.object, slug):
            case (_, "record_id"):
                return [
                    Value({"attribute_type": "text", "value": entry.id}, entry.created_at, None, SYSTEM_ACTOR)
                ]
            case (_, "created_at"):
                body = {"attribute_type": "timestamp", "value": nano(entry.created_at)}
                return [Value(body, entry.created_at, None, SYSTEM_ACTOR)]
            case (_, "created_by"):
                return [Value(actor_reference(actor), entry.created_at, None, SYSTEM_ACTOR)]
            case ("companies", "team"):
                return self._inverse(self.referrers("people", "company", entry.id), actor)
            case ("companies", "associated_deals"):
                return self._inverse(self.referrers("deals", "associated_company", entry.id), actor)
            case ("people", "associated_deals"):
                return self._inverse(self.referrers("deals", "associated_people", entry.id), actor)
            case _:
                return entry.values.get(slug, [])

    @staticmethod
    def _inverse(entries: list[Entry], actor: Json) -> list[Value]:
        return [Value(reference(e.object, e.id), e.created_at, None, actor) for e in entries]

    def record_shape(self, entry: Entry) -> Json:
        """Attio: every attribute is an array, single-value ones too; empty is []."""
        return {
            "id": {
                "workspace_id": self.ids.workspace_id,
                "object_id": self.ids.object_id(entry.object),
                "record_id": entry.id,
            },
            "created_at": nano(entry.created_at),
            "web_url": self.web_url(entry),
            "values": {
                attribute.slug: [
                    value_shape(value)
                    for value in self.values_of(entry, attribute.slug)
                    if value.until is None
                ]
                for attribute in OBJECTS[entry.object]
            },
        }

    def note_shape(self, note: Note) -> Json:
        """A note. Attio: there is no updated_at."""
        return {
            "id": {"workspace_id": self.ids.workspace_id, "note_id": note.id},
            "parent_object": note.parent_object,
            "parent_record_id": note.parent_id,
            "title": note.title,
            "meeting_id": None,
            "content_plaintext": note.text,
            "content_markdown": note.text,
            "tags": [],
            "created_by_actor": note.actor,
            "created_at": nano(note.created_at),
        }


def value_shape(value: Value) -> Json:
    """A value with its period and author."""
    return {
        "active_from": nano(value.since),
        "active_until": nano(value.until) if value.until else None,
        "created_by_actor": value.actor,
        **value.body,
    }


def text(value: str) -> Json:
    """A text value."""
    return {"attribute_type": "text", "value": value}


def day(value: date) -> Json:
    """A date value."""
    return {"attribute_type": "date", "value": value.isoformat()}


def personal_name(first: str, last: str) -> Json:
    """A person's name."""
    full = f"{first} {last}".strip()
    return {"attribute_type": "personal-name", "first_name": first, "last_name": last, "full_name": full}


def email_address(address: str) -> Json:
    """An e-mail address with its parts."""
    local, _, domain = address.lower().rpartition("@")
    return {
        "attribute_type": "email-address",
        "original_email_address": address,
        "email_address": address.lower(),
        "email_domain": domain,
        "email_root_domain": root_domain(domain),
        "email_local_specifier": local,
    }


def phone_number(original: str, country: str) -> Json:
    """A phone number in E.164 beside the way it was typed."""
    digits = "".join(c for c in original if c.isdigit())
    return {
        "attribute_type": "phone-number",
        "original_phone_number": original,
        "country_code": country or None,
        "phone_number": f"+{digits}",
    }


def domain(value: str) -> Json:
    """A domain with its registrable part."""
    return {"attribute_type": "domain", "domain": value, "root_domain": root_domain(value)}


def location(city: str, country: str) -> Json:
    """A location of which only city and country are known."""
    empty = dict.fromkeys(
        ("line_1", "line_2", "line_3", "line_4", "region", "postcode", "latitude", "longitude")
    )
    return {"attribute_type": "location", **empty, "locality": city or None, "country_code": country or None}


def currency(amount: float, code: str) -> Json:
    """An amount of money."""
    return {"attribute_type": "currency", "currency_value": amount, "currency_code": code}


def reference(object_slug: str, record_id: str) -> Json:
    """A reference to another record."""
    return {"attribute_type": "record-reference", "target_object": object_slug, "target_record_id": record_id}


def actor_reference(actor: Json) -> Json:
    """A reference to a member or another actor."""
    return {
        "attribute_type": "actor-reference",
        "referenced_actor_type": actor["type"],
        "referenced_actor_id": actor["id"],
    }


def root_domain(value: str) -> str:
    """The last two labels of a domain."""
    return ".".join(value.split(".")[-2:])
