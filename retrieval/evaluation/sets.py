"""Judged questions in the one form that everything here measures: a case, and a named set of cases.

A case is a question in a scope with the keys of the records that answer it. Gold questions of the demo world, office help
pages and votes of users (``feedback``) all become cases; what is measured does not know where they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from models.infra.scope import Scope
from retrieval.evaluation.datasets import GoldQuestion, JudgedCollection, is_held_out
from retrieval.ranking import RankedChunk
from retrieval.schemas import Lang

# What a relevant record is called: by its vendor's id, or by our own where several vendor accounts may be asked.
KeyKind = Literal["vendor", "record"]
# Which documents of a bilingual collection are in the index: the question's language, the other one, both.
Task = Literal["mono", "cross", "mix"]
TASKS: tuple[Task, ...] = ("mono", "cross", "mix")
LANGS: tuple[Lang, ...] = ("en", "ru")


@dataclass(frozen=True, slots=True)
class Case:
    """One judged question; ``relevant`` is empty when nothing answers it. Held-out cases are never tuned on."""

    id: str
    lang: Lang
    text: str
    scope: Scope
    relevant: frozenset[str]
    held_out: bool

    @property
    def answerable(self) -> bool:
        """Whether any record answers it."""
        return bool(self.relevant)


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """Cases that are reported together. ``about`` says in a sentence what they are."""

    name: str
    about: str
    keys: KeyKind
    cases: tuple[Case, ...]

    def half(self, *, held_out: bool) -> JudgedSet:
        """The held-out half, or the one for development."""
        cases = tuple(case for case in self.cases if case.held_out is held_out)
        return JudgedSet(self.name, self.about, self.keys, cases)

    def first(self, count: int) -> JudgedSet:
        """At most ``count`` cases of each language, the same ones every time."""
        kept = [case for lang in LANGS for case in [item for item in self.cases if item.lang == lang][:count]]
        return JudgedSet(self.name, self.about, self.keys, tuple(kept))


def key_of(hit: RankedChunk, keys: KeyKind) -> str:
    """What a hit's record is called in a set."""
    chunk = hit.chunk
    return f"{chunk.kind}:{chunk.vendor_id}" if keys == "vendor" else chunk.evidence_id


def world_set(questions: Sequence[GoldQuestion], scope_of: Callable[[GoldQuestion], Scope]) -> JudgedSet:
    """The demo world's gold questions."""
    cases = [
        Case(
            question.id,
            question.lang,
            question.question,
            scope_of(question),
            frozenset(f"{kind}:{vendor_id}" for kind, vendor_id in question.evidence),
            question.held_out,
        )
        for question in questions
    ]
    return JudgedSet("world", "gold questions of the demo world", "vendor", tuple(cases))


def collection_set(
    collection: JudgedCollection, task: Task, scope_of: Callable[[str], Scope], kind: str
) -> JudgedSet:
    """One task of a collection whose documents are records of ``kind``; ``scope_of`` gives the scope of an index part.

    Index parts are ``en``, ``ru`` and ``mix``. Questions without a relevant document in the index are left out.
    """
    cases: list[Case] = []
    for query_id, (lang, text) in sorted(collection.queries.items(), key=lambda item: _spread(item[0])):
        part = index_part(task, lang)
        relevant = {
            document
            for document in collection.relevant.get(query_id, frozenset())
            if document in collection.documents
            and (part == "mix" or collection.documents[document][0] == part)
        }
        if relevant:
            keys = frozenset(f"{kind}:{document}" for document in relevant)
            cases.append(Case(query_id, lang, text, scope_of(part), keys, is_held_out(query_id)))
    about = {
        "mono": "index in the question's language",
        "cross": "index in the other language",
        "mix": "index in both languages",
    }
    return JudgedSet(f"{collection.name}-{task}", f"{collection.name}, {about[task]}", "vendor", tuple(cases))


def index_part(task: Task, lang: Lang) -> str:
    """The part of a bilingual collection's index that a task asks a question of this language."""
    if task == "mix":
        return "mix"
    other: Lang = "ru" if lang == "en" else "en"
    return lang if task == "mono" else other


def _spread(query_id: str) -> str:
    # Kinds and pages follow each other in the file: any first part of this order is a fair sample.
    return sha256(f"order:{query_id}".encode()).hexdigest()
