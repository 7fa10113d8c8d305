"""The kinds of faults: what each one plays, and which vendors can have it."""

from dataclasses import dataclass
from typing import Final

VENDORS: Final = ("chatwoot", "linear", "attio")


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind; `effect` is a line for people. `delivery` kinds hit webhook deliveries, the others requests.

    `seconds` is the default duration of kinds that last, null for the others.
    """

    name: str
    effect: str
    vendors: tuple[str, ...] = VENDORS
    delivery: bool = False
    seconds: float | None = None


_ALL: Final = (
    FaultKind("429", "the vendor asks for a pause in its own words (Linear says it with HTTP 400)"),
    FaultKind("500", "the vendor's server fails"),
    FaultKind("503", "the vendor's server is overloaded"),
    FaultKind("404", "the record or the route is not there"),
    FaultKind("wrong_token", "the token is refused with 401"),
    FaultKind("one_inbox", "the token sees the first of its inboxes only", ("chatwoot",)),
    FaultKind("slow", "the answer takes so many seconds longer", seconds=2.0),
    FaultKind("timeout", "no answer for so many seconds, then the connection is cut", seconds=60.0),
    FaultKind("reset", "the connection is cut at once"),
    FaultKind("truncated", "half of the JSON, announced as the whole"),
    FaultKind("errors_200", "HTTP 200 with errors and no data", ("linear",)),
    FaultKind("partial_200", "HTTP 200 with errors beside partial data", ("linear",)),
    FaultKind("stuck_cursor", "every page is the first one, and promises more"),
    FaultKind("schema_change", "the answer lacks the field that held the records (Linear refuses the query)"),
    FaultKind("bad_record", "the first record's creation time is no time"),
    FaultKind(
        "page_shift",
        "while paging, a record of the last page moves to the first (Attio: a page after the first begins a row late)",
    ),
    FaultKind("delete_while_paging", "right after the answer a record of the first page is deleted"),
    FaultKind(
        "merge_while_paging",
        "right after the answer the two oldest records are merged",
        ("chatwoot", "attio"),
    ),
    FaultKind("webhook_duplicate", "the same delivery twice, with the same delivery id", delivery=True),
    FaultKind("webhook_reordered", "the delivery comes after the next one", delivery=True),
    FaultKind("webhook_bad_signature", "signed with another secret", delivery=True),
    FaultKind("webhook_unsigned", "no signature, like servers before it was added", delivery=True),
    FaultKind(
        "webhook_stale",
        "well signed, but ten minutes old (Attio signs no time)",
        ("chatwoot", "linear"),
        delivery=True,
    ),
)
KINDS: Final = {kind.name: kind for kind in _ALL}


def kinds_of(vendor: str) -> tuple[FaultKind, ...]:
    """The kinds a vendor can have, in the order of the list above."""
    return tuple(kind for kind in _ALL if vendor in kind.vendors)
