"""Attio's record queries: filters, sorts and the score they cost."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast

from jobs.sandbox.attio.schema import OBJECTS, Json
from jobs.sandbox.attio.workspace import Entry, Value, Workspace, nano

# The property a comparison means when none is named.
_DEFAULT_PROPERTY: Final = {
    "currency": "currency_value",
    "personal-name": "full_name",
    "email-address": "email_address",
    "phone-number": "phone_number",
    "domain": "domain",
    "location": "locality",
    "record-reference": "target_record_id",
    "actor-reference": "referenced_actor_id",
}


class BadQuery(ValueError):
    """A query Attio answers with 400 `filter_error`."""


def select(workspace: Workspace, object_slug: str, body: Json) -> list[Entry]:
    """Records of an object that match `filter`, in the order of `sorts`. Raises BadQuery."""
    condition = body.get("filter") or {}
    if not isinstance(condition, dict):
        raise BadQuery("filter must be an object")
    rows = [
        e for e in workspace.records[object_slug].values() if matches(workspace, e, cast("Json", condition))
    ]
    sorts = body.get("sorts") or []
    if not isinstance(sorts, list):
        raise BadQuery("sorts must be a list")
    for sort in reversed(cast("list[Any]", sorts)):
        _sort(workspace, rows, object_slug, sort)
    return rows


def score(workspace: Workspace, object_slug: str, body: Json) -> int:
    """What a query costs. Attio: a score from filters, sorts and the record count; the formula is not published."""
    total = len(workspace.records[object_slug])
    sorts = [s for s in body.get("sorts") or [] if isinstance(s, dict) and s.get("attribute") != "created_at"]
    return total * (1 + 2 * _conditions(body.get("filter")) + 3 * len(sorts))


def _conditions(condition: Any) -> int:
    if isinstance(condition, dict):
        parts = cast("Json", condition)
        own = 4 if "path" in parts else 0
        return own + sum(
            1 if not isinstance(value, dict | list) else _conditions(value) for value in parts.values()
        )
    return (
        sum(_conditions(part) for part in cast("list[Any]", condition)) if isinstance(condition, list) else 0
    )


def matches(workspace: Workspace, entry: Entry, condition: Json) -> bool:
    """Whether a record satisfies a filter. Raises BadQuery."""
    if "path" in condition:
        return _by_path(workspace, entry, condition)
    for key, wanted in condition.items():
        if key in ("$and", "$or"):
            if not isinstance(wanted, list):
                raise BadQuery(f"{key} takes a list")
            verdicts = [matches(workspace, entry, part) for part in cast("list[Json]", wanted)]
            held = all(verdicts) if key == "$and" else any(verdicts)
        elif key == "$not":
            held = not matches(workspace, entry, wanted)
        elif key.startswith("$"):
            raise BadQuery(f"Unknown operator {key}")
        else:
            held = _attribute_holds(_current(workspace, entry, key), wanted)
        if not held:
            return False
    return True


def _current(workspace: Workspace, entry: Entry, slug: str) -> list[Value]:
    if all(attribute.slug != slug for attribute in OBJECTS[entry.object]):
        raise BadQuery(f'Unknown attribute slug: "{slug}"')
    return [value for value in workspace.values_of(entry, slug) if value.until is None]


def _by_path(workspace: Workspace, entry: Entry, condition: Json) -> bool:
    # Path form: [[object, reference], …, [object, attribute]] with constraints on the last one.
    path, constraints = condition["path"], condition.get("constraints", {})
    reached = [entry]
    for number, step in enumerate(path):
        object_slug, slug = step
        if any(e.object != object_slug for e in reached):
            raise BadQuery(f"Path does not lead to {object_slug}")
        if number == len(path) - 1:
            return any(_attribute_holds(_current(workspace, e, slug), constraints) for e in reached)
        targets = [value.body for e in reached for value in _current(workspace, e, slug)]
        reached = [
            found
            for body in targets
            if "target_object" in body
            and (found := workspace.records[body["target_object"]].get(body["target_record_id"])) is not None
        ]
    raise BadQuery("path must not be empty")


def _attribute_holds(values: list[Value], wanted: Any) -> bool:
    if isinstance(wanted, dict) and "$not_empty" in wanted:
        return bool(values) is bool(cast("Json", wanted)["$not_empty"])
    return any(_value_holds(value.body, wanted) for value in values)


def _value_holds(body: Json, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return _same(plain(body), wanted)
    for key, value in cast("Json", wanted).items():
        if key.startswith("$"):
            if not _operate(plain(body), key, value):
                return False
        elif key in body:
            if not _property_holds(body[key], value):
                return False
        else:
            raise BadQuery(f'Unknown property "{key}" of {body["attribute_type"]}')
    return True


def _property_holds(own: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return all(_operate(own, key, value) for key, value in cast("Json", wanted).items())
    return _same(own, wanted)


def plain(body: Json) -> Any:
    """The property of a value that comparisons mean by default."""
    kind = body["attribute_type"]
    if kind == "select":
        return body["option"]["title"]
    if kind == "status":
        return body["status"]["title"]
    return body.get(_DEFAULT_PROPERTY.get(kind, "value"))


def _operate(own: Any, operator: str, value: Any) -> bool:
    compare = _OPERATORS.get(operator)
    if compare is None:
        raise BadQuery(f"Unknown operator {operator}")
    if own is None:
        return False
    try:
        return compare(_instant(own), _instant(value))
    except (TypeError, AttributeError) as error:
        raise BadQuery(f"{operator} cannot compare with {value!r}") from error


def _same(own: Any, wanted: Any) -> bool:
    return bool(
        own == wanted or (isinstance(own, str) and isinstance(wanted, str) and own.lower() == wanted.lower())
    )


_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$eq": _same,
    "$in": lambda own, value: own in value,
    "$contains": lambda own, value: value.lower() in own.lower(),
    "$starts_with": lambda own, value: own.lower().startswith(value.lower()),
    "$ends_with": lambda own, value: own.lower().endswith(value.lower()),
    "$lt": lambda own, value: own < value,
    "$lte": lambda own, value: own <= value,
    "$gt": lambda own, value: own > value,
    "$gte": lambda own, value: own >= value,
}


def _instant(value: Any) -> Any:
    # Timestamps come with any number of digits; in one precision their texts compare like the times do.
    if isinstance(value, str) and len(value) >= 19 and value[10:11] == "T":
        try:
            return nano(
                datetime.fromisoformat(value[:26].rstrip("Z") + "+00:00" if value.endswith("Z") else value)
            )
        except ValueError:
            return value
    return value


def _sort(workspace: Workspace, rows: list[Entry], object_slug: str, sort: Any) -> None:
    if not isinstance(sort, dict):
        raise BadQuery("a sort must be an object")
    spec = cast("Json", sort)
    direction = spec.get("direction", "asc")
    path = spec.get("path")
    slug = path[-1][1] if path else spec.get("attribute")
    if direction not in ("asc", "desc") or not isinstance(slug, str):
        raise BadQuery("a sort needs an attribute and a direction asc or desc")
    if all(attribute.slug != slug for attribute in OBJECTS[object_slug]):
        raise BadQuery(f'Unknown attribute slug: "{slug}"')
    named = spec.get("field")

    def key(entry: Entry) -> Any:
        if slug == "created_at":
            return (entry.created_at, entry.id)
        held = _current(workspace, entry, slug)
        found = (held[0].body.get(named) if named else plain(held[0].body)) if held else None
        return found.lower() if isinstance(found, str) else found

    present = [entry for entry in rows if key(entry) is not None]
    absent = [entry for entry in rows if key(entry) is None]
    rows[:] = sorted(present, key=key, reverse=direction == "desc") + absent
