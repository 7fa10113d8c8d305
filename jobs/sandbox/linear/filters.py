"""Linear's filters over records: comparators, nesting, `and`/`or`, relative dates."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from jobs.sandbox.linear.workspace import Record

Filter = Mapping[str, Any]

_DURATION: Final = re.compile(
    r"^(-)?P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$"
)


class FilterError(ValueError):
    """A filter value Linear would refuse as invalid input."""


def instant_of(text: str, now: datetime) -> datetime:
    """Linear: dates accept ISO timestamps and ISO durations relative to now ("-P2W"). Raises FilterError."""
    found = _DURATION.match(text)
    if found is not None and len(text) > 1:
        sign, *parts = found.groups()
        years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts)
        span = timedelta(
            days=365 * years + 30 * months + 7 * weeks + days, hours=hours, minutes=minutes, seconds=seconds
        )
        return now - span if sign else now + span
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise FilterError(f"Expected a date or a duration, found {text!r}") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def matches(record: Record, condition: Filter, now: datetime) -> bool:
    """Whether a record satisfies a filter; all named fields must hold. Raises FilterError."""
    for name, wanted in condition.items():
        if wanted is None:
            continue
        if name == "and":
            held = all(matches(record, part, now) for part in wanted)
        elif name == "or":
            held = any(matches(record, part, now) for part in wanted)
        elif name == "null":
            held = wanted is False
        elif name in _RELATION_FLAGS:
            held = _compare(bool(_RELATION_FLAGS[name](record)), wanted, now)
        elif name == "accessibleTeams":
            held = _holds(record.get("teams"), wanted, now)
        elif name == "id" and "identifier" in record:
            # Linear: IssueIDComparator takes UUIDs and identifiers.
            held = _compare(record["id"], wanted, now) or _compare(record["identifier"], wanted, now)
        else:
            held = _holds(record.get(name), wanted, now)
        if not held:
            return False
    return True


def _blocked_by(record: Record) -> bool:
    return any(relation["type"] == "blocks" for relation in record["inverseRelations"])


def _blocking(record: Record) -> bool:
    return any(relation["type"] == "blocks" for relation in record["relations"])


_RELATION_FLAGS: Final[dict[str, Callable[[Record], bool]]] = {
    "hasBlockedByRelations": _blocked_by,
    "hasBlockingRelations": _blocking,
}


def _holds(own: Any, wanted: Filter, now: datetime) -> bool:
    if isinstance(own, dict):
        return matches(own, wanted, now)
    if isinstance(own, list):
        return _collection(own, wanted, now)
    return _compare(own, wanted, now)


def _collection(own: list[Record], wanted: Filter, now: datetime) -> bool:
    if wanted.get("some") is not None and not any(matches(item, wanted["some"], now) for item in own):
        return False
    if wanted.get("every") is not None and not all(matches(item, wanted["every"], now) for item in own):
        return False
    if wanted.get("length") is not None and not _compare(len(own), wanted["length"], now):
        return False
    rest = {key: value for key, value in wanted.items() if key not in ("some", "every", "length")}
    return not rest or any(matches(item, rest, now) for item in own)


def _compare(own: Any, wanted: Filter, now: datetime) -> bool:
    if own is None:
        # A missing value satisfies only `null: true` and the negative comparisons.
        return bool(wanted) and all(
            value is True if op == "null" else op in ("neq", "nin", "notContains", "neqIgnoreCase")
            for op, value in wanted.items()
            if value is not None
        )
    return all(_operate(own, op, value, now) for op, value in wanted.items() if value is not None)


def _operate(own: Any, op: str, value: Any, now: datetime) -> bool:
    if op == "null":
        return value is False
    if isinstance(own, datetime | date):
        own, value = _dates(own, value, now)
    if isinstance(own, str) and op in _TEXT:
        return _TEXT[op](own, value)
    match op:
        case "eq":
            return bool(own == value)
        case "neq":
            return bool(own != value)
        case "in":
            return own in value
        case "nin":
            return own not in value
        case "lt":
            return bool(own < value)
        case "lte":
            return bool(own <= value)
        case "gt":
            return bool(own > value)
        case "gte":
            return bool(own >= value)
        case _:
            raise FilterError(f"Unsupported comparison {op!r}")


def _dates(own: datetime | date, value: Any, now: datetime) -> tuple[datetime, Any]:
    if not isinstance(own, datetime):
        own = datetime(own.year, own.month, own.day, tzinfo=UTC)
    if isinstance(value, list):
        return own, [instant_of(str(item), now) for item in value]
    # Linear's timestamps have milliseconds, so comparisons see nothing finer.
    return own.replace(microsecond=own.microsecond // 1000 * 1000), instant_of(str(value), now)


_TEXT: Final[dict[str, Callable[[str, str], bool]]] = {
    "eqIgnoreCase": lambda own, value: own.lower() == value.lower(),
    "neqIgnoreCase": lambda own, value: own.lower() != value.lower(),
    "startsWith": lambda own, value: own.startswith(value),
    "notStartsWith": lambda own, value: not own.startswith(value),
    "endsWith": lambda own, value: own.endswith(value),
    "notEndsWith": lambda own, value: not own.endswith(value),
    "contains": lambda own, value: value in own,
    "notContains": lambda own, value: value not in own,
    "containsIgnoreCase": lambda own, value: value.lower() in own.lower(),
    "notContainsIgnoreCase": lambda own, value: value.lower() not in own.lower(),
}
