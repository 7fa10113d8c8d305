"""Faults that are switched on per vendor and route, and used up by the requests they hit."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

FaultKind = Literal[
    "429", "500", "503", "404", "timeout", "reset", "truncated", "errors_200", "partial_200", "stuck_cursor"
]
FAULT_KINDS: Final[tuple[str, ...]] = get_args(FaultKind)
VENDORS: Final = ("chatwoot", "linear", "attio")
_MAX_FAULTS: Final = 200


@dataclass(slots=True)
class Fault:
    """A fault waiting for requests of one vendor whose path starts with `route_prefix`.

    `contains` narrows it to requests whose body holds that text (GraphQL has a single path);
    `skip` lets so many matching requests pass first.
    """

    vendor: str
    route_prefix: str
    kind: str
    times: int
    contains: str = ""
    skip: int = 0
    seconds: float = 60.0


class FaultSwitch:
    """The faults in force, oldest first; at most 200."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Switch a fault on. Raises ValueError on an unknown vendor or kind, or when there are too many."""
        if fault.vendor not in VENDORS:
            raise ValueError(f"vendor must be one of {', '.join(VENDORS)}")
        if fault.kind not in FAULT_KINDS:
            raise ValueError(f"kind must be one of {', '.join(FAULT_KINDS)}")
        if fault.times < 1 or not 0 < fault.seconds <= 120:
            raise ValueError("times must be at least 1, seconds above 0 and at most 120")
        if len(self._waiting) >= _MAX_FAULTS:
            raise ValueError(f"at most {_MAX_FAULTS} faults at a time; clear them first")
        self._waiting.append(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        self._waiting.clear()

    def needs_body(self, vendor: str) -> bool:
        """Whether a fault of this vendor looks at bodies."""
        return any(fault.vendor == vendor and fault.contains for fault in self._waiting)

    def take(self, vendor: str, path: str, body: str) -> Fault | None:
        """The first fault that hits a request; it is used up by one."""
        for fault in self._waiting:
            if (
                fault.vendor != vendor
                or not path.startswith(fault.route_prefix)
                or fault.contains not in body
            ):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._waiting.remove(fault)
            return fault
        return None

    def waiting(self) -> list[Fault]:
        """The faults still in force."""
        return list(self._waiting)
