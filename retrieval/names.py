"""Names people type: which words of a question are a known name, how else it is spelled, and which project it points to.

Pure given a gazetteer, which ``store`` reads from the scope's own records. Spellings meet in ``language.name_key``, so
``Анна Берг`` and ``Anna Berg``, ``Северного Берега`` and ``Severny Bereg`` are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal
from uuid import UUID

from retrieval.language import name_key, stem, words
from retrieval.stopwords import STOPWORDS

NameKind = Literal["project", "company", "person"]

# A typed name may differ in one letter of six; shorter words must fold to the same key.
_FUZZY_FROM = 5
_FUZZY_RATIO = 0.84
_MAX_SPELLINGS = 6
_TELLING_FROM = 4
_JOINTS = frozenset({"&", "+", "and", "и"})
_EVERYDAY = frozenset({"hotel", "hotels", "health", "studio", "group", "company"})
_HINT = 0.5


@dataclass(frozen=True, slots=True)
class Name:
    """A known name and the project whose records carry it."""

    kind: NameKind
    text: str
    project_id: UUID


@dataclass(frozen=True, slots=True)
class NameMatch:
    """What the names of a question point to.

    ``spellings`` maps a word of the question to other spellings of it that occur in names. ``projects`` and ``people``
    map a project, and a person's display name, to how much of the name was typed, 0..1.
    """

    spellings: Mapping[str, tuple[str, ...]]
    projects: Mapping[UUID, float]
    people: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """The names of a scope, indexed by the keys of their words."""

    names: tuple[Name, ...]
    words_of_key: Mapping[str, tuple[str, ...]]
    keys_of_name: tuple[tuple[str, ...], ...]
    names_of_key: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, names: Iterable[Name]) -> Gazetteer:
        """The gazetteer of these names; stop words and single letters inside names are ignored."""
        kept = tuple(dict.fromkeys(names))
        words_of_key: dict[str, dict[str, None]] = {}
        names_of_key: dict[str, list[int]] = {}
        keys_of_name: list[tuple[str, ...]] = []
        for index, name in enumerate(kept):
            keys: dict[str, None] = {}
            for word in words(name.text):
                if len(word) < 2 or word in STOPWORDS:
                    continue
                key = name_key(word)
                keys[key] = None
                words_of_key.setdefault(key, {})[word] = None
            for key in keys:
                names_of_key.setdefault(key, []).append(index)
            keys_of_name.append(tuple(keys))
        return cls(
            kept,
            {key: tuple(spelled) for key, spelled in words_of_key.items()},
            tuple(keys_of_name),
            {key: tuple(found) for key, found in names_of_key.items()},
        )

    def match(self, question: str) -> NameMatch:
        """The names that a question mentions."""
        spellings: dict[str, tuple[str, ...]] = {}
        touched: dict[int, set[str]] = {}
        for word in dict.fromkeys(words(question)):
            if len(word) < 3 or word in STOPWORDS:
                continue
            for key in self._keys_like(word):
                others = [other for other in self.words_of_key[key] if stem(other) != stem(word)]
                if others:
                    spellings[word] = tuple(dict.fromkeys((*spellings.get(word, ()), *others)))[
                        :_MAX_SPELLINGS
                    ]
                for index in self.names_of_key[key]:
                    touched.setdefault(index, set()).add(key)
        projects: dict[UUID, float] = {}
        people: dict[str, float] = {}
        for key in {key for keys in touched.values() for key in keys}:
            # A word that only one project's names contain ("MediSync") points there, though less than the client's name.
            homes = {self.names[index].project_id for index in self.names_of_key[key]}
            if len(homes) == 1 and len(key) >= _TELLING_FROM:
                projects[homes.pop()] = _HINT
        for index, keys in touched.items():
            name, all_keys = self.names[index], self.keys_of_name[index]
            share = len(keys) / len(all_keys)
            if name.kind == "person":
                # One word of a full name is a weak hint (there are namesakes); a first name alone is none.
                people[name.text] = max(people.get(name.text, 0.0), share)
            if share >= (0.5 if name.kind == "project" else 0.99) and (
                name.kind == "project" or len(all_keys) > 1
            ):
                projects[name.project_id] = max(projects.get(name.project_id, 0.0), share)
        return NameMatch(spellings, projects, people)

    def without_projects(self, question: str) -> str:
        """The question without the client's name, for a search that already looks at that client only.

        A name draws the sentence vector to everything that bears it. Too little left (under three words): unchanged.
        """
        tokens = question.split()
        named = [self._projects_named_by(token) for token in tokens]
        kept: list[str] = []
        for place, token in enumerate(tokens):
            beside = {
                index
                for other in (place - 1, place + 1)
                if 0 <= other < len(tokens) and not _is_everyday(tokens[other])
                for index in named[other]
            }
            # A word of everyday use ("Health") is a name only beside the rest of it.
            if not named[place] or (_is_everyday(token) and beside.isdisjoint(named[place])):
                kept.append(token)
        rest = " ".join(token for token in kept if token not in _JOINTS)
        return rest if len(rest.split()) >= 3 else question

    def _projects_named_by(self, token: str) -> frozenset[int]:
        """The project names that every word of the token is part of, by index."""
        found = [
            {
                index
                for index in self.names_of_key.get(name_key(word), ())
                if self.names[index].kind == "project"
            }
            if len(word) >= 3 and word not in STOPWORDS
            else set[int]()
            for word in words(token)
        ]
        return frozenset(set[int].intersection(*found)) if found else frozenset()

    def _keys_like(self, word: str) -> list[str]:
        key = name_key(word)
        found = [key] if key in self.words_of_key else []
        if not found and len(key) >= _FUZZY_FROM:
            close = (
                (SequenceMatcher(None, key, other).ratio(), other)
                for other in self.words_of_key
                if abs(len(other) - len(key)) <= 2 and other[0] == key[0]
            )
            best = max(close, default=(0.0, ""))
            if best[0] >= _FUZZY_RATIO:
                found = [best[1]]
        return found


def _is_everyday(token: str) -> bool:
    return not _EVERYDAY.isdisjoint(words(token))
