"""The judged questions: the demo world's gold questions and public collections, each in one frozen form.

Held-out questions are measured and never tuned on: ``development_questions`` does not even read them into memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retrieval.schemas import Lang

WORLD_FILE = Path(__file__).parent / "datasets" / "world.jsonl"
NOT_ANSWERABLE = "not-answerable"


@dataclass(frozen=True, slots=True)
class GoldQuestion:
    """A question with the vendor records that answer it, as (source type, vendor id); none when it has no answer."""

    id: str
    lang: Lang
    kind: str
    scope: Literal["project", "portfolio"]
    project: str
    question: str
    held_out: bool
    evidence: frozenset[tuple[str, str]]

    @property
    def answerable(self) -> bool:
        """Whether the world holds an answer."""
        return self.kind != NOT_ANSWERABLE


@dataclass(frozen=True, slots=True)
class JudgedCollection:
    """A public collection: documents and queries by id with their language, relevant documents by query."""

    name: str
    documents: dict[str, tuple[Lang, str]]
    queries: dict[str, tuple[Lang, str]]
    relevant: dict[str, frozenset[str]]

    def first(self, pages: int) -> JudgedCollection:
        """A smaller collection of the first pages in every language, with the queries that it can answer wholly."""
        counts: dict[Lang, int] = {"en": 0, "ru": 0}
        documents: dict[str, tuple[Lang, str]] = {}
        for key, (lang, text) in self.documents.items():
            counts[lang] += 1
            if counts[lang] <= pages:
                documents[key] = (lang, text)
        relevant = {key: found for key, found in self.relevant.items() if found <= documents.keys()}
        queries = {key: value for key, value in self.queries.items() if key in relevant}
        return JudgedCollection(f"{self.name}-{pages}", documents, queries, relevant)


def all_questions(path: Path = WORLD_FILE) -> list[GoldQuestion]:
    """Every gold question, for measuring."""
    return [_question(row) for row in _rows(path)]


def development_questions(path: Path = WORLD_FILE) -> list[GoldQuestion]:
    """The questions that parameters may be chosen on."""
    return [_question(row) for row in _rows(path) if row["held_out"] is False]


def is_held_out(query_id: str) -> bool:
    """Which half of a public collection a query belongs to, by its id: page and language go along, so twins stay together.

    ``title-en-0001`` and ``title-ru-0001`` ask for the same page, and what is tuned on one would be tuned on the other.
    """
    page = query_id.replace("-en-", "-").replace("-ru-", "-")
    return hashlib.sha256(page.encode()).digest()[0] % 2 == 1


def load_collection(folder: Path) -> JudgedCollection:
    """A collection of ``corpus.jsonl``, ``queries.jsonl`` and ``qrels.tsv`` (a heading line and lines of relevance 0 are passed over).

    Raises FileNotFoundError.
    """
    documents = {row["id"]: (row["lang"], row["text"]) for row in _rows(folder / "corpus.jsonl")}
    queries = {row["id"]: (row["lang"], row["text"]) for row in _rows(folder / "queries.jsonl")}
    relevant: dict[str, set[str]] = {}
    for line in (folder / "qrels.tsv").read_text().splitlines():
        query_id, document_id, relevance = line.split("\t")
        if relevance.isdigit() and int(relevance) > 0:
            relevant.setdefault(query_id, set()).add(document_id)
    return JudgedCollection(
        folder.name, documents, queries, {key: frozenset(found) for key, found in relevant.items()}
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _question(row: dict[str, Any]) -> GoldQuestion:
    return GoldQuestion(
        id=row["id"],
        lang=row["lang"],
        kind=row["kind"],
        scope=row["scope"],
        project=row["project"],
        question=row["question"],
        held_out=row["held_out"],
        evidence=frozenset((item["source_type"], str(item["vendor_id"])) for item in row["evidence"]),
    )
