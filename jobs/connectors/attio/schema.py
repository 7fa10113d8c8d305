"""A workspace's schema: its objects, their attributes with types, the stages of deals. Read from the API, kept as JSON.

Workspaces rename and add attributes. What the copy relies on is in `_REQUIRED`; what it reads when it is there, and of
that type, in `_OPTIONAL`; everything else stays in the payload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from jobs.connectors.errors import SchemaChanged
from jobs.connectors.readable import read_each

T = TypeVar("T")

# Object → attribute → type.
_REQUIRED: Final[Mapping[str, Mapping[str, str]]] = {
    "companies": {"name": "text", "domains": "domain"},
    "people": {"name": "personal-name", "email_addresses": "email-address", "company": "record-reference"},
    "deals": {
        "name": "text",
        "stage": "status",
        "value": "currency",
        "associated_company": "record-reference",
    },
}
_OPTIONAL: Final[Mapping[str, Mapping[str, str]]] = {
    "companies": {"description": "text", "primary_location": "location", "categories": "select"},
    "people": {"phone_numbers": "phone-number", "job_title": "text"},
    "deals": {
        "owner": "actor-reference",
        "associated_people": "record-reference",
        "next_step": "text",
        "close_date": "date",
    },
}
OBJECTS: Final = tuple(_REQUIRED)
# What stands in the pattern of an object's pages for the id of a record.
RECORD_ID: Final = "{record_id}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of an object; ``slug`` is what values are filed under, ``id`` stays when it is renamed."""

    id: str
    slug: str
    title: str
    type: str
    is_required: bool = False
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage that a deal may be in, in the workspace's order."""

    id: str
    title: str
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Schema:
    """What a workspace has: slugs of all its objects by id (its own ones too), attributes of those that are copied.

    ``pages`` says by object where a record's page is, RECORD_ID standing for the record's id.
    """

    objects: Mapping[str, str]
    attributes: Mapping[str, tuple[Attribute, ...]]
    stages: tuple[Stage, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict[str, str])

    def check(self, name: str, former: Schema | None = None) -> None:
        """Raise SchemaChanged, naming the attribute, when an object lacks one that the copy relies on.

        ``former`` is the schema that fitted last: by the attribute's id it tells a renamed one from one that is gone.
        An object that is switched off has nothing to check.
        """
        if name not in self.attributes:
            return
        here = {each.slug: each for each in self.attributes[name] if not each.is_archived}
        for slug, kind in _REQUIRED[name].items():
            field = f"{name}.{slug}"
            if slug not in here:
                raise SchemaChanged(field, self._whereabouts(name, slug, former))
            if here[slug].type != kind:
                raise SchemaChanged(field, f"is of type {here[slug].type}, {kind} is needed")

    def unusable(self, name: str) -> frozenset[str]:
        """Return the attributes of an object that the copy knows under this name but of another type."""
        return frozenset(
            each.slug
            for each in self.attributes.get(name, ())
            if _OPTIONAL[name].get(each.slug, each.type) != each.type
        )

    def to_json(self) -> dict[str, Any]:
        """Return the schema as plain JSON, for the connection's row."""
        return {
            "objects": dict(self.objects),
            "attributes": {name: [asdict(each) for each in held] for name, held in self.attributes.items()},
            "stages": [asdict(each) for each in self.stages],
            "pages": dict(self.pages),
        }

    def _whereabouts(self, name: str, slug: str, former: Schema | None) -> str:
        known = {each.slug: each for each in former.attributes.get(name, ())} if former else {}
        for each in self.attributes[name]:
            if slug in known and each.id == known[slug].id:
                return (
                    "the attribute was archived"
                    if each.is_archived
                    else f"the attribute was renamed to {each.slug}"
                )
        return "the attribute is missing"


def from_json(kept: Mapping[str, Any]) -> Schema | None:
    """Return the schema that a connection keeps, None for one that keeps none."""
    if not kept:
        return None
    return Schema(
        dict(kept["objects"]),
        {name: tuple(Attribute(**each) for each in held) for name, held in kept["attributes"].items()},
        tuple(Stage(**each) for each in kept["stages"]),
        dict(kept.get("pages", {})),
    )


def read_schema(get: Callable[[str], list[dict[str, Any]] | None]) -> Schema:
    """Read the schema in at most five requests. ``get`` returns the list at a path, None for what is not there.

    An item that cannot be read is left out. Raises VendorError, SchemaChanged when nothing of a list can be understood.
    """
    objects = dict(_read("objects", get("/v2/objects") or [], _object))
    attributes: dict[str, tuple[Attribute, ...]] = {}
    for name in OBJECTS:
        if name in objects.values():
            listed = get(f"/v2/objects/{name}/attributes?limit=500&show_archived=true")
            if listed is not None:
                attributes[name] = tuple(_read(f"{name}.attributes", listed, _attribute))
    stages: tuple[Stage, ...] = ()
    if any(each.slug == "stage" and each.type == "status" for each in attributes.get("deals", ())):
        found = get("/v2/objects/deals/attributes/stage/statuses") or []
        stages = tuple(_read("deals.stage", found, _stage))
    return Schema(objects, attributes, stages)


def _read(what: str, items: list[dict[str, Any]], read: Callable[[dict[str, Any]], T]) -> list[T]:
    found = read_each(what, items, read)
    if items and not found:
        raise SchemaChanged(what, "the schema cannot be read")
    return found


def _object(item: dict[str, Any]) -> tuple[str, str]:
    return str(item["id"]["object_id"]), str(item["api_slug"])


def _stage(item: dict[str, Any]) -> Stage:
    return Stage(str(item["id"]["status_id"]), str(item["title"]), bool(item.get("is_archived")))


def _attribute(item: dict[str, Any]) -> Attribute:
    return Attribute(
        str(item["id"]["attribute_id"]),
        str(item["api_slug"]),
        str(item["title"]),
        str(item["type"]),
        bool(item.get("is_required")),
        bool(item.get("is_archived")),
    )
