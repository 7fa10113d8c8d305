"""The objects, lists and attributes of the demo's Attio workspaces, in the shapes of the schema endpoints."""

from dataclasses import dataclass
from typing import Any, Final

from jobs.sandbox.world.identifiers import vendor_uuid

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an object."""

    slug: str
    title: str
    type: str
    multi: bool = False
    unique: bool = False
    system: bool = True
    targets: tuple[str, ...] = ()


_COMMON: Final = (
    Attribute("record_id", "Record ID", "text", unique=True),
    Attribute("created_at", "Created at", "timestamp"),
    Attribute("created_by", "Created by", "actor-reference"),
)
_CATEGORIES: Final = Attribute("categories", "Categories", "select", multi=True)

# Attio: standard attributes plus what a workspace adds; the studio added next_step and close_date to deals.
OBJECTS: Final[dict[str, tuple[Attribute, ...]]] = {
    "people": (
        *_COMMON,
        Attribute("name", "Name", "personal-name"),
        Attribute("email_addresses", "Email addresses", "email-address", multi=True, unique=True),
        Attribute("phone_numbers", "Phone numbers", "phone-number", multi=True),
        Attribute("company", "Company", "record-reference", targets=("companies",)),
        Attribute("job_title", "Job title", "text"),
        Attribute("description", "Description", "text"),
        Attribute("primary_location", "Primary location", "location"),
        Attribute("associated_deals", "Associated deals", "record-reference", multi=True, targets=("deals",)),
    ),
    "companies": (
        *_COMMON,
        Attribute("name", "Name", "text"),
        Attribute("domains", "Domains", "domain", multi=True, unique=True),
        Attribute("description", "Description", "text"),
        _CATEGORIES,
        Attribute("primary_location", "Primary location", "location"),
        Attribute("team", "Team", "record-reference", multi=True, targets=("people",)),
        Attribute("associated_deals", "Associated deals", "record-reference", multi=True, targets=("deals",)),
    ),
    "deals": (
        *_COMMON,
        Attribute("name", "Deal name", "text"),
        Attribute("stage", "Deal stage", "status"),
        Attribute("owner", "Deal owner", "actor-reference"),
        Attribute("value", "Deal value", "currency"),
        Attribute(
            "associated_people", "Associated people", "record-reference", multi=True, targets=("people",)
        ),
        Attribute("associated_company", "Associated company", "record-reference", targets=("companies",)),
        Attribute("next_step", "Next step", "text", system=False),
        Attribute("close_date", "Close date", "date", system=False),
    ),
}
_NOUNS: Final = {
    "people": ("Person", "People"),
    "companies": ("Company", "Companies"),
    "deals": ("Deal", "Deals"),
}
STAGES: Final = ("Lead", "Qualified", "Proposal", "In Progress", "Won 🎉", "Lost")


class SchemaIds:
    """Ids of schema parts in one workspace; objects may be addressed by slug or UUID."""

    def __init__(self, slug: str) -> None:
        self._slug = slug
        self.workspace_id = self.of("workspace")
        self._by_id = {self.object_id(name): name for name in OBJECTS}

    def of(self, kind: str, *keys: str) -> str:
        """The UUID of anything in this workspace."""
        return vendor_uuid(f"attio:{self._slug}", kind, *keys)

    def object_id(self, name: str) -> str:
        """The UUID of an object."""
        return self.of("object", name)

    def object_slug(self, slug_or_id: str) -> str | None:
        """The slug an object is addressed by, or null when there is no such object."""
        return slug_or_id if slug_or_id in OBJECTS else self._by_id.get(slug_or_id)

    def attribute(self, object_slug: str, slug_or_id: str) -> Attribute | None:
        """An attribute by slug or UUID."""
        for attribute in OBJECTS[object_slug]:
            if slug_or_id in (attribute.slug, self.of("attribute", object_slug, attribute.slug)):
                return attribute
        return None

    def object_shape(self, name: str, created_at: str) -> Json:
        """An object as in `GET /v2/objects`."""
        singular, plural = _NOUNS[name]
        return {
            "id": {"workspace_id": self.workspace_id, "object_id": self.object_id(name)},
            "api_slug": name,
            "singular_noun": singular,
            "plural_noun": plural,
            "created_at": created_at,
        }

    def attribute_shape(self, object_slug: str, attribute: Attribute, created_at: str) -> Json:
        """An attribute as in `GET /v2/objects/{object}/attributes`."""
        return {
            "id": {
                "workspace_id": self.workspace_id,
                "object_id": self.object_id(object_slug),
                "attribute_id": self.of("attribute", object_slug, attribute.slug),
            },
            "title": attribute.title,
            "description": None,
            "api_slug": attribute.slug,
            "type": attribute.type,
            "is_system_attribute": attribute.system,
            "is_writable": attribute.slug not in ("record_id", "created_at", "created_by"),
            "is_required": attribute.slug in ("name", "stage", "owner") and object_slug == "deals",
            "is_unique": attribute.unique,
            "is_multiselect": attribute.multi,
            "is_default_value_enabled": False,
            "is_archived": False,
            "default_value": None,
            "relationship": None,
            "created_at": created_at,
            "config": {
                "currency": {"default_currency_code": "EUR", "display_type": "symbol"}
                if attribute.type == "currency"
                else {"default_currency_code": None, "display_type": None},
                "record_reference": {
                    "allowed_object_ids": [self.object_id(name) for name in attribute.targets] or None
                },
            },
        }

    def option_id(self, attribute_slug: str, title: str) -> Json:
        """The id of a select option of companies."""
        return {
            "workspace_id": self.workspace_id,
            "object_id": self.object_id("companies"),
            "attribute_id": self.of("attribute", "companies", attribute_slug),
            "option_id": self.of("option", attribute_slug, title),
        }

    def status_shape(self, title: str) -> Json:
        """A deal stage as in values and in `.../attributes/stage/statuses`."""
        return {
            "id": {
                "workspace_id": self.workspace_id,
                "object_id": self.object_id("deals"),
                "attribute_id": self.of("attribute", "deals", "stage"),
                "status_id": self.of("status", title),
            },
            "title": title,
            "is_archived": False,
            "celebration_enabled": title.startswith("Won"),
            "target_time_in_status": None,
        }
