"""Suggestions between records of one account scope without comparing all with all. Pure and deterministic.

The right side (people, companies) is put into blocks by what it shares with a left record that may be the same: an address, a
number, a domain, a name, a word of a name. A left record is compared with its own blocks only. A block that many
records are in tells nobody apart and is passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from jobs.identity.features import Feature, compare
from jobs.identity.traits import NameForms, Traits

# A pair is suggested from this confidence on.
SUGGEST_FROM = Decimal("0.5")
# A block of more right records is passed over.
BLOCK_AT_MOST = 50
# Of one left record and kind, so many best suggestions.
EACH_AT_MOST = 5
# Blocks of one record; what has more names and addresses than that is no person.
_KEYS_AT_MOST = 64

_WORD_FROM = 3

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A pair worth a look: its records, how confident we are, and why."""

    kind: str
    left_id: UUID
    right_id: UUID
    confidence: Decimal
    features: tuple[Feature, ...]


class Blocks:
    """Right records by their keys. The order in which they come makes no difference."""

    def __init__(self, records: Iterable[Traits]) -> None:
        self._records: dict[UUID, Traits] = {}
        held: defaultdict[Key, list[UUID]] = defaultdict(list)
        for record in records:
            self._records[record.id] = record
            for key in keys_of(record):
                held[key].append(record.id)
        self._held: Mapping[Key, tuple[UUID, ...]] = {
            key: tuple(ids) for key, ids in held.items() if len(ids) <= BLOCK_AT_MOST
        }

    def candidates(self, record: Traits) -> list[Traits]:
        """The right records that share a block with a left one, by id; at most 64 blocks of 50."""
        found = {each for key in keys_of(record) for each in self._held.get(key, ())}
        return [self._records[each] for each in sorted(found)]


def suggest(record: Traits, blocks: Blocks) -> list[Suggestion]:
    """The suggestions of a left record, of each kind the most confident ones first."""
    found: defaultdict[str, list[Suggestion]] = defaultdict(list)
    for other in blocks.candidates(record):
        compared = compare(record, other)
        if compared is not None and (confidence := compared.confidence) >= SUGGEST_FROM:
            found[compared.kind].append(
                Suggestion(compared.kind, compared.left.id, compared.right.id, confidence, compared.features)
            )
    return [
        each
        for kind in sorted(found)
        for each in sorted(found[kind], key=lambda each: (-each.confidence, each.right_id))[:EACH_AT_MOST]
    ]


def keys_of(record: Traits) -> tuple[Key, ...]:
    """The blocks a record is in, or is looked for in, in a fixed order."""
    keys: set[Key] = set()
    if record.kind in ("contact", "person"):
        keys |= {("email", each) for each in record.emails}
        keys |= {("phone", each) for each in record.phones}
        keys |= set(_name_keys("person", (each for each in record.names if len(each.keys) > 1)))
    if record.kind != "person":
        keys |= {("domain", each) for each in record.domains}
        names = record.companies if record.kind == "contact" else record.names
        keys |= set(_name_keys("company", names))
    return tuple(sorted(keys)[:_KEYS_AT_MOST])


def _name_keys(what: str, names: Iterable[NameForms]) -> Iterator[Key]:
    for name in names:
        yield f"{what} name", name.joined
        for key in name.keys:
            # Numbers and scraps are in names of many.
            if len(key) >= _WORD_FROM and key.isalpha():
                yield f"{what} word", key
