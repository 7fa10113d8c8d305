"""Lexical search: the question's words, weighed by how rare they are, in both languages at once.

Postgres' ``russian`` configuration stems Russian and English, so one tsvector serves both. A question becomes *terms*; a
term is one thing asked about with its alternatives (the word, other spellings of a name, words that mean the same). A chunk's
score is the share of the question's weight that it covers, 0..1: sum over terms of rarity times the best place the term
stands in (own words, title, header, context). Rarity is the inverse document frequency of BM25 (Robertson, Spärck Jones).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from retrieval import lexical_large
from retrieval.figures import amount_spellings, day_spellings, read_amounts, read_days
from retrieval.filters import Filters
from retrieval.language import stem, words
from retrieval.lexicon import Neighbour
from retrieval.profile import Lexical
from retrieval.statistics import read_statistics
from retrieval.stopwords import STOPWORDS
from retrieval.terms import Alternative, LexicalHit, LexicalResult, Term

__all__ = ["Alternative", "LexicalHit", "LexicalResult", "Term", "asked_words", "build_terms", "search"]

MAX_TERMS = 24
# Another spelling of a name is nearly as good as the one that was typed.
_SPELLING = 0.95

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


# 1.10 is a day, a version or a number; with a year it is a day.
_MAYBE_VERSION = re.compile(r"\d{1,2}\.\d{2}")


def asked_words(question: str) -> list[str]:
    """The words of a question that ask for something: each stem once, no stop words, identifiers left out."""
    rest = question
    for figure in _figures(question):
        rest = rest.replace(figure.text, " ")
    rest = _IDENTIFIERS.sub(" ", rest)
    kept: dict[str, str] = {}
    for word in words(rest):
        if word not in STOPWORDS and (len(word) > 1 or word.isdigit()):
            kept.setdefault(stem(word), word)
    return list(kept.values())


def _figures(question: str) -> list[Term]:
    """The amounts and days of a question, each one term with its other usual spellings."""
    found: list[Term] = []
    spelled = [
        (day.written, day_spellings(day))
        for day in read_days(question)
        if not _MAYBE_VERSION.fullmatch(day.written)
    ]
    taken = [written for written, _ in spelled]
    spelled += [
        (amount.written, amount_spellings(amount))
        for amount in read_amounts(question)
        if not any(amount.written in written for written in taken)
    ]
    for written, others in spelled:
        alternatives = {written: 1.0} | {other: _SPELLING for other in others if other != written}
        # A number alone names a record no surer than a word does; one with separators was typed from a document.
        exact = bool(_IDENTIFIERS.fullmatch(written))
        found.append(Term(tuple(Alternative(*pair) for pair in alternatives.items()), identifier=exact))
    return found


def build_terms(
    question: str,
    spellings: Mapping[str, tuple[str, ...]],
    neighbours: Mapping[str, tuple[Neighbour, ...]],
    least: float,
) -> tuple[Term, ...]:
    """The terms of a question, identifiers first.

    ``spellings`` are other ways to write a word (names). ``neighbours`` are words of like meaning; one at the similarity
    ``least`` is worth nothing, one at 1 as much as the word itself.
    """
    terms = _figures(question)
    rest = question
    for figure in terms:
        rest = rest.replace(figure.text, " ")
    terms += [
        Term((Alternative(match.group(0), 1.0),), identifier=True) for match in _IDENTIFIERS.finditer(rest)
    ]
    for word in asked_words(question):
        alternatives = {word: 1.0}
        for other in spellings.get(word, ()):
            alternatives.setdefault(other, _SPELLING)
        for near in neighbours.get(word, ()):
            alternatives.setdefault(near.word, max((near.similarity - least) / (1 - least), 0.0))
        terms.append(
            Term(tuple(Alternative(written, weight) for written, weight in alternatives.items() if weight))
        )
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
    -- A chunk that has only a distant alternative counts as a fraction of an occurrence.
    SELECT term, frequency, ln(1 + (chunks - frequency + 0.5) / (frequency + 0.5)) AS weight
    FROM (
        SELECT t.term, s.chunks, coalesce(sum(f.strength), 0) AS frequency
        FROM asked_for t CROSS JOIN size s LEFT JOIN found f USING (term)
        GROUP BY t.term, s.chunks
    ) counted
),
total AS (SELECT greatest(sum(weight), 1e-9) AS weight FROM rarity),
covered AS (
    SELECT f.id, sum(r.weight * f.strength) / max(t.weight) AS coverage, array_agg(f.term ORDER BY f.term) AS terms,
           array_agg(f.strength ORDER BY f.term) AS strengths
    FROM found f JOIN rarity r USING (term) CROSS JOIN total t
    GROUP BY f.id
    ORDER BY coverage DESC, f.id
    LIMIT :pool
)
SELECT NULL::uuid AS id, 0.0 AS coverage, ARRAY[term] AS terms, NULL::float8[] AS strengths, frequency, weight FROM rarity
UNION ALL
SELECT v.id, v.coverage * (1 - :length + :length * least(1.0, 400.0 / greatest(length(c.body), 1))), v.terms,
       v.strengths, 0, 0
FROM covered v JOIN rag_chunks c ON c.id = v.id
"""


def search(
    session: Session, terms: tuple[Term, ...], filters: Filters, parameters: Lexical, limit: int
) -> LexicalResult:
    """The chunks of the filtered scope that cover most of the terms' weight; at most ``limit``."""
    if not terms or filters.sees_nothing:
        return LexicalResult()
    known = read_statistics(session)
    if known.rows > parameters.exact_rows:
        return lexical_large.search(session, terms, filters, parameters, limit, known)
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
    frequency = [0.0] * len(terms)
    hits: list[LexicalHit] = []
    for row in result:
        if row.id is None:
            rarity[row.terms[0]], frequency[row.terms[0]] = float(row.weight), float(row.frequency)
        else:
            hits.append(LexicalHit(row.id, float(row.coverage), tuple(row.terms), tuple(row.strengths)))
    hits.sort(key=lambda hit: -hit.coverage)
    return LexicalResult(tuple(hits), terms, tuple(rarity), tuple(frequency))
