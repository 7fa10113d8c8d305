"""Faults that are switched on per vendor and route, with a schedule, and used up by what they hit."""

import glob
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from jobs.sandbox.serving.fault_kinds import KINDS, VENDORS

_MAX_FAULTS: Final = 200
_MAX_COUNT: Final = 1_000_000
_MAX_TEXT: Final = 300
_MAX_SECONDS: Final = 120.0
_FIELDS: Final = frozenset(
    {
        "vendor",
        "kind",
        "route",
        "route_prefix",
        "contains",
        "skip",
        "times",
        "probability",
        "seed",
        "seconds",
    }
)


class FaultRefused(ValueError):
    """A fault that cannot be switched on; the message says which field and why."""


@dataclass(slots=True)
class Fault:
    """A fault waiting for requests of one vendor whose path matches `route` (`*` and `?` as in file names).

    `contains` narrows it to requests whose body holds that text (GraphQL has a single path). So many matching
    requests pass first (`skip`); then each one is hit with `probability` (drawn from `seed`), `times` at most, null
    for until it is switched off. Deliveries count as requests to the path of their target.
    """

    vendor: str
    kind: str
    route: str = "*"
    contains: str = ""
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    id: int = 0
    hits: int = 0
    chance: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 (a repeatable choice, no secret)

    def shape(self) -> dict[str, Any]:
        """The fault as JSON."""
        names = ("id", "vendor", "kind", "route", "contains", "skip", "times", "probability", "seed", "hits")
        shown: dict[str, Any] = {name: getattr(self, name) for name in names}
        return shown if KINDS[self.kind].seconds is None else {**shown, "seconds": self.seconds}

    def concerns(self, vendor: str, path: str, body: str) -> bool:
        """Whether a request is one of those the fault counts."""
        return self.vendor == vendor and fnmatchcase(path, self.route) and self.contains in body


class FaultSwitch:
    """The faults in force, oldest first; at most 200."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._added = 0

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on and give it its number. Raises FaultRefused when there are too many."""
        if len(self._waiting) >= _MAX_FAULTS:
            raise FaultRefused(f"at most {_MAX_FAULTS} faults at a time; clear them first")
        self._added += 1
        fault.id = self._added
        self._waiting.append(fault)
        return fault

    def remove(self, fault_id: int) -> bool:
        """Switch one fault off; false when it is not in force."""
        kept = [fault for fault in self._waiting if fault.id != fault_id]
        known = len(kept) < len(self._waiting)
        self._waiting = kept
        return known

    def clear(self) -> None:
        """Switch all faults off."""
        self._waiting.clear()

    def take(self, vendor: str, path: str, body: str, *, delivery: bool = False) -> Fault | None:
        """The first fault that hits a request (or a delivery to that path); it is used up by one."""
        for fault in self._waiting:
            if KINDS[fault.kind].delivery != delivery or not fault.concerns(vendor, path, body):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.probability < 1 and fault.chance.random() >= fault.probability:
                continue
            fault.hits += 1
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self._waiting.remove(fault)
            return fault
        return None

    def waiting(self) -> list[Fault]:
        """The faults still in force."""
        return list(self._waiting)


def read_fault(body: Any) -> Fault:
    """A fault from JSON or from a form's texts (an empty text is the default). Raises FaultRefused."""
    if not isinstance(body, Mapping):
        raise FaultRefused("expected an object with vendor and kind")
    fields: dict[str, Any] = {str(name): value for name, value in body.items() if value != ""}
    unknown = sorted(fields.keys() - _FIELDS)
    if unknown:
        raise FaultRefused(f"unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    vendor, kind = _text(fields, "vendor"), _text(fields, "kind")
    if vendor not in VENDORS:
        raise FaultRefused(f"vendor must be one of {', '.join(VENDORS)}")
    if kind not in KINDS:
        raise FaultRefused(f"kind must be one of {', '.join(KINDS)}")
    known = KINDS[kind]
    if vendor not in known.vendors:
        raise FaultRefused(f"{kind} is a fault of {', '.join(known.vendors)} only")
    if known.seconds is None and "seconds" in fields:
        raise FaultRefused(f"{kind} takes no seconds")
    times = (
        None if "times" in fields and fields["times"] in (None, "forever") else _whole(fields, "times", 1, 1)
    )
    seconds = _number(fields, "seconds", known.seconds or 0.0, _MAX_SECONDS)
    if known.seconds is not None and seconds == 0:
        raise FaultRefused("seconds must be above 0")
    return Fault(
        vendor,
        kind,
        route=_route(fields),
        contains=_text(fields, "contains"),
        skip=_whole(fields, "skip", 0, 0),
        times=times,
        probability=_number(fields, "probability", 1.0, 1.0),
        seed=_whole(fields, "seed", 0, 0),
        seconds=seconds,
    )


def _route(fields: Mapping[str, Any]) -> str:
    if "route" in fields and "route_prefix" in fields:
        raise FaultRefused("give route or route_prefix, not both")
    if "route_prefix" in fields:
        return glob.escape(_text(fields, "route_prefix")) + "*"
    return _text(fields, "route") or "*"


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise FaultRefused(f"{name} must be a text of at most {_MAX_TEXT} characters")
    return value


def _whole(fields: Mapping[str, Any], name: str, default: int, least: int) -> int:
    value = fields.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:10])
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MAX_COUNT:
        raise FaultRefused(f"{name} must be a whole number from {least} to {_MAX_COUNT}")
    return value


def _number(fields: Mapping[str, Any], name: str, default: float, most: float) -> float:
    value = fields.get(name, default)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= most:  # not-a-number is neither
        raise FaultRefused(f"{name} must be a number from 0 to {most:g}")
    return number
