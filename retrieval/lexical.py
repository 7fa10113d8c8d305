"""Lexical search: the question's words, weighed by how rare they are, in both languages at once.

Postgres' ``russian`` configuration stems Russian and English, so one tsvector serves both. A question becomes *terms*; a
term is one thing asked about with its alternatives (the word, other spellings of a name, a translation). A chunk's
score is the share of the question's weight that it covers, 0..1: sum over terms of rarity times the best place the term
stands in (own words, title, header, context). Rarity is the inverse document frequency of BM25 (Robertson, Spärck Jones).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from retrieval.filters import Filters
from retrieval.language import stem, words
from retrieval.profile import Lexical
from retrieval.stopwords import STOPWORDS

MAX_TERMS = 32
MAX_ALTERNATIVES = 10
_GLOSSARY_FILE = Path(__file__).parent / "data" / "glossary.tsv"

_IDENTIFIERS = re.compile(
    r"""
    [\w.+-]+@[\w-]+\.[\w.-]+\w          # e-mail address
    | \b[A-Z][A-Z0-9]{1,6}-\d+\b        # issue key
    | \bv?\d+(?:\.\d+){1,3}\b           # version
    | \b\d{1,3}(?:[ \u00a0\u202f,.]\d{3})+\b  # amount with thousands separators
    | \b(?:[\w-]+\.)+(?:example|com|org|net|io|ru|eu)\b  # host name
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way a term may be written, and what finding it so is worth, 0..1."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Term:
    """One thing asked about."""

    alternatives: tuple[Alternative, ...]
    identifier: bool = False

    @property
    def text(self) -> str:
        """The term as typed."""
        return self.alternatives[0].text


@dataclass(frozen=True, slots=True)
class LexicalHit:
    """A chunk, the share of the question it covers (0..1), and the terms found in it (positions in the question)."""

    chunk_id: UUID
    coverage: float
    terms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LexicalResult:
    """Hits by falling coverage, and per term its rarity and in how many chunks of the scope it occurs."""

    hits: tuple[LexicalHit, ...] = ()
    terms: tuple[Term, ...] = ()
    rarity: tuple[float, ...] = ()
    frequency: tuple[int, ...] = ()


def build_terms(
    question: str, spellings: Mapping[str, tuple[str, ...]], translation: float
) -> tuple[Term, ...]:
    """The terms of a question, identifiers first, stop words left out, each stem once.

    ``spellings`` are other ways to write a word (names); ``translation`` is the weight of a glossary synonym.
    """
    terms: list[Term] = []
    rest = question
    for match in _IDENTIFIERS.finditer(question):
        terms.append(Term((Alternative(match.group(0), 1.0),), identifier=True))
        rest = rest.replace(match.group(0), " ", 1)
    seen: set[str] = set()
    tokens = [word for word in words(rest) if word not in STOPWORDS and (len(word) > 1 or word.isdigit())]
    glossary = _glossary()
    for index, word in enumerate(tokens):
        root = stem(word)
        if root in seen:
            continue
        seen.add(root)
        alternatives = {word: 1.0}
        for other in spellings.get(word, ()):
            alternatives.setdefault(other, 0.95)
        pair = (root, stem(tokens[index + 1])) if index + 1 < len(tokens) else ()
        for synonym in (*glossary.get((root,), ()), *glossary.get(pair, ())):
            if stem(synonym) != root:
                alternatives.setdefault(synonym, translation)
        kept = [Alternative(written, weight) for written, weight in alternatives.items()][:MAX_ALTERNATIVES]
        terms.append(Term(tuple(kept)))
    return tuple(terms[:MAX_TERMS])


_SEARCH = """
WITH alternatives AS (
    SELECT a.term, a.weight, phraseto_tsquery('russian', a.written) AS asked
    FROM unnest(CAST(:terms AS int[]), CAST(:weights AS float8[]), CAST(:written AS text[])) AS a(term, weight, written)
),
found AS MATERIALIZED (
    SELECT c.id, a.term,
           -- ts_rank of one occurrence of weight 1 is 6/pi^2; more occurrences saturate above it.
           max(a.weight * least(1.0, ts_rank(CAST(:places AS float4[]), c.tsv, a.asked) / 0.6079271)) AS strength
    FROM alternatives a JOIN rag_chunks c ON c.tsv @@ a.asked
    WHERE numnode(a.asked) > 0 AND {where}
    GROUP BY c.id, a.term
),
size AS (SELECT greatest(count(*), 1) AS chunks FROM rag_chunks c WHERE {where}),
asked_for AS (
    SELECT DISTINCT term FROM alternatives WHERE numnode(asked) > 0
),
rarity AS (
    SELECT t.term, count(f.id) AS frequency,
           ln(1 + (s.chunks - count(f.id) + 0.5) / (count(f.id) + 0.5)) AS weight
    FROM asked_for t CROSS JOIN size s LEFT JOIN found f USING (term)
    GROUP BY t.term, s.chunks
),
total AS (SELECT greatest(sum(weight), 1e-9) AS weight FROM rarity),
covered AS (
    SELECT f.id, sum(r.weight * f.strength) / max(t.weight) AS coverage, array_agg(f.term ORDER BY f.term) AS terms
    FROM found f JOIN rarity r USING (term) CROSS JOIN total t
    GROUP BY f.id
    ORDER BY coverage DESC, f.id
    LIMIT :pool
)
SELECT NULL::uuid AS id, 0.0 AS coverage, ARRAY[term] AS terms, frequency, weight FROM rarity
UNION ALL
SELECT v.id, v.coverage * (1 - :length + :length * least(1.0, 400.0 / greatest(length(c.body), 1))), v.terms, 0, 0
FROM covered v JOIN rag_chunks c ON c.id = v.id
"""


def search(
    session: Session, terms: tuple[Term, ...], filters: Filters, parameters: Lexical, limit: int
) -> LexicalResult:
    """The chunks of the filtered scope that cover most of the terms' weight; at most ``limit``."""
    if not terms or filters.sees_nothing:
        return LexicalResult()
    rows = [(position, alt) for position, term in enumerate(terms) for alt in term.alternatives]
    condition, values = filters.sql()
    values |= {
        "terms": [position for position, _ in rows],
        "weights": [alt.weight for _, alt in rows],
        "written": [alt.text for _, alt in rows],
        # Postgres orders the weights D, C, B, A.
        "places": [parameters.context, parameters.header, parameters.title, parameters.body],
        "length": parameters.length,
        "pool": limit,
    }
    result: Iterable[Any] = session.connection().execute(text(_SEARCH.format(where=condition)), values)
    rarity = [0.0] * len(terms)
    frequency = [0] * len(terms)
    hits: list[LexicalHit] = []
    for row in result:
        if row.id is None:
            rarity[row.terms[0]], frequency[row.terms[0]] = float(row.weight), int(row.frequency)
        else:
            hits.append(LexicalHit(row.id, float(row.coverage), tuple(row.terms)))
    hits.sort(key=lambda hit: -hit.coverage)
    return LexicalResult(tuple(hits), terms, tuple(rarity), tuple(frequency))


@lru_cache(maxsize=1)
def _glossary() -> dict[tuple[str, ...], tuple[str, ...]]:
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for line in _GLOSSARY_FILE.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        entries = [entry.strip() for side in line.split("\t") for entry in side.split(",")]
        for entry in entries:
            roots = tuple(stem(word) for word in words(entry))
            found.setdefault(roots, {}).update(dict.fromkeys(other for other in entries if other != entry))
    return {roots: tuple(others) for roots, others in found.items()}
