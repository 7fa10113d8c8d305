"""Which entities a text names: people, companies, projects, issues and deals, in either alphabet and any case form.

Pure given the entities, which ``graph_store`` reads. No language model: full names and titles are looked for word by word
under their ``language.name_key``; an issue's key, an e-mail address or a domain counts as written. One word of a
person's name counts where nobody else in the project bears it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from retrieval.language import name_key
from retrieval.stopwords import STOPWORDS

EntityKind = Literal["person", "company", "project", "issue", "deal"]

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_IDENTIFIER = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+\w|\b[A-Za-z][A-Za-z0-9]{1,6}-\d+\b|\b(?:[\w-]+\.)+[a-z]{2,}\b"
)
# A word of fewer letters tells nobody apart.
_TELLING_FROM = 4
# Words that may stand between those of a name ("Harbor and Pine").
_GAP = 1


@dataclass(frozen=True, slots=True)
class KnownEntity:
    """An entity by its name and its other names; an issue's key, addresses and domains are aliases too."""

    id: UUID
    project_id: UUID
    kind: EntityKind
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Phrase:
    keys: tuple[str, ...]
    entity: UUID
    project: UUID


@dataclass(frozen=True, slots=True)
class EntityIndex:
    """Entities by the words of their names."""

    phrases: Mapping[str, tuple[_Phrase, ...]]
    single: Mapping[str, tuple[UUID, ...]]
    identifiers: Mapping[str, tuple[UUID, ...]]

    @classmethod
    def of(cls, entities: Iterable[KnownEntity]) -> EntityIndex:
        """The index of these entities."""
        phrases: defaultdict[str, list[_Phrase]] = defaultdict(list)
        identifiers: defaultdict[str, list[UUID]] = defaultdict(list)
        bearers: defaultdict[tuple[UUID, str], set[tuple[str, ...]]] = defaultdict(set)
        of_key: defaultdict[tuple[UUID, str], list[UUID]] = defaultdict(list)
        for entity in entities:
            for written in (entity.name, *entity.aliases):
                if _IDENTIFIER.fullmatch(written):
                    identifiers[written.lower()].append(entity.id)
                    continue
                # An issue is called by its key: its title is a sentence like any other.
                keys = () if entity.kind == "issue" else name_keys(written)
                if keys:
                    phrases[keys[0]].append(_Phrase(keys, entity.id, entity.project_id))
                if entity.kind == "person":
                    for word in _WORD.findall(written):
                        key = name_key(word.lower())
                        if len(word) >= _TELLING_FROM and key in keys:
                            bearers[entity.project_id, key].add(tuple(sorted(keys)))
                            of_key[entity.project_id, key].append(entity.id)
        single: defaultdict[str, list[UUID]] = defaultdict(list)
        for (project, key), names in bearers.items():
            if len(names) == 1:
                single[key] += of_key[project, key]
        return cls(
            {key: tuple(found) for key, found in phrases.items()},
            {key: tuple(found) for key, found in single.items()},
            {key: tuple(found) for key, found in identifiers.items()},
        )

    def named_in(self, text: str, *, typed: bool = False) -> dict[UUID, int]:
        """The entities that a text names and how often. ``typed``: by somebody who may leave capitals out, as in a question."""
        found: Counter[UUID] = Counter()
        for match in _IDENTIFIER.finditer(text):
            found.update(self.identifiers.get(match.group(0).lower(), ()))
        words = [(match.group(0), match.group(0).lower()) for match in _WORD.finditer(text)]
        spoken = [
            (name_key(lower), written[0].isupper() or typed)
            for written, lower in words
            if lower not in STOPWORDS and len(lower) > 1
        ]
        keys = [key for key, _ in spoken]
        for place, (key, capital) in enumerate(spoken):
            if not capital:
                continue
            for phrase in self.phrases.get(key, ()):
                if _stands_at(phrase.keys, keys, place):
                    found[phrase.entity] += 1
            for entity in self.single.get(key, ()):
                found[entity] += 1
        return dict(found)


def name_keys(name: str) -> tuple[str, ...]:
    """The keys of a name's words in order, without stop words and single letters."""
    lower = (match.group(0).lower() for match in _WORD.finditer(name))
    return tuple(dict.fromkeys(name_key(word) for word in lower if len(word) > 1 and word not in STOPWORDS))


def _stands_at(wanted: Sequence[str], keys: Sequence[str], place: int) -> bool:
    """Whether all the keys stand near ``place``, where the first one does; surname and name may change places."""
    size = len(wanted) + _GAP
    around = keys[max(place - size + 1, 0) : place + size] if len(wanted) == 2 else keys[place : place + size]
    return set(wanted) <= set(around)
