"""Lexical search of a large table: from the rarest words, so that its cost does not grow with the table.

A common word stands in tens of thousands of chunks, and a GIN index visits every one of them. Here only *driving* words
find chunks: the rarest ones, as many as lead to about ``visited`` rows by the planner's own statistics, and pairs of common
words, whose meeting is rare again. The best of what they find is then looked at for all other words. Scores mean the same as
in ``lexical``; rarity comes from the statistics instead of a count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from retrieval.filters import Filters
from retrieval.profile import Lexical
from retrieval.statistics import TableStatistics
from retrieval.terms import LexicalHit, LexicalResult, Term

# A word of like meaning this far from the one that was typed adds rows and next to nothing to a score.
_LEAST_WEIGHT = 0.35
_MOST_PAIRS = 6
# No driving word may bring more rows than this, whatever the statistics say.
_EACH = 1500


@dataclass(frozen=True, slots=True)
class Word:
    """One way to write a term: its place among the terms, its worth 0..1, and in about how many rows of the scope it is."""

    term: int
    text: str
    weight: float
    rows: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What finds chunks (``driving``, ``pairs`` with their gain), what is only looked for in them, and the terms' rarity."""

    driving: tuple[Word, ...]
    checked: tuple[Word, ...]
    pairs: tuple[tuple[str, str, float], ...]
    rarity: tuple[float, ...]
    frequency: tuple[float, ...]


def make_plan(terms: Sequence[Term], known: TableStatistics, filters: Filters, visited: int) -> Plan:
    """Which words drive a search: the rarest, until they lead to ``visited`` rows, then pairs of the words left over."""
    rows = max(known.rows * known.share_of_projects(filters.scope.project_ids), 1.0)
    found = [
        Word(place, alternative.text, alternative.weight, known.share_of(alternative.text) * rows)
        for place, term in enumerate(terms)
        for alternative in term.alternatives
        if alternative.weight >= _LEAST_WEIGHT
    ]
    frequency = [
        min(sum(word.weight * word.rows for word in found if word.term == place), rows)
        for place in range(len(terms))
    ]
    rarity = [math.log(1 + (rows - count + 0.5) / (count + 0.5)) for count in frequency]
    driving: list[Word] = []
    left = float(visited)
    # What is worth little for the rows it brings comes last.
    for word in sorted(found, key=lambda word: word.rows / word.weight):
        if word.rows <= min(left, _EACH):
            driving.append(word)
            left -= word.rows
    drives = set(driving)
    common = [word for word in found if word not in drives]
    typed = sorted((word for word in common if word.weight == 1.0), key=lambda word: word.rows)
    pairs: list[tuple[str, str, float]] = []
    for one, other in combinations(typed, 2):
        if one.term != other.term and len(pairs) < _MOST_PAIRS:
            pairs.append((one.text, other.text, rarity[one.term] + rarity[other.term]))
    return Plan(tuple(driving), tuple(common), tuple(pairs), tuple(rarity), tuple(frequency))


_SEARCH = """
WITH driving AS (
    SELECT a.term, a.weight, phraseto_tsquery('russian', a.written) AS asked
    FROM unnest(CAST(:terms AS int[]), CAST(:weights AS float8[]), CAST(:written AS text[])) AS a(term, weight, written)
),
common AS (
    SELECT a.term, a.weight, phraseto_tsquery('russian', a.written) AS asked
    FROM unnest(CAST(:c_terms AS int[]), CAST(:c_weights AS float8[]), CAST(:c_written AS text[])) AS a(term, weight, written)
),
rarity AS (SELECT * FROM unnest(CAST(:rare_terms AS int[]), CAST(:rarities AS float8[])) AS r(term, weight)),
driven AS MATERIALIZED (
    SELECT m.id, d.term, max(d.weight * m.strength) AS strength
    FROM driving d CROSS JOIN LATERAL (
        SELECT c.id, least(1.0, ts_rank(CAST(:places AS float4[]), c.tsv, d.asked) / 0.6079271) AS strength
        FROM rag_chunks c WHERE c.tsv @@ d.asked AND {where} LIMIT {each}
    ) m
    WHERE numnode(d.asked) > 0
    GROUP BY m.id, d.term
),
paired AS (
    SELECT m.id, max(p.gain) AS gain
    FROM unnest(CAST(:ones AS text[]), CAST(:others AS text[]), CAST(:gains AS float8[])) AS p(one, other, gain)
    CROSS JOIN LATERAL (
        SELECT c.id FROM rag_chunks c
        WHERE c.tsv @@ (phraseto_tsquery('russian', p.one) && phraseto_tsquery('russian', p.other)) AND {where}
        LIMIT {each}
    ) m
    GROUP BY m.id
),
pool AS MATERIALIZED (
    SELECT id FROM (
        SELECT d.id, r.weight * d.strength AS gain FROM driven d JOIN rarity r USING (term)
        UNION ALL SELECT id, gain FROM paired
    ) g GROUP BY id ORDER BY sum(gain) DESC, id LIMIT :checked
),
found AS (
    SELECT d.id, d.term, d.strength FROM driven d JOIN pool USING (id)
    UNION ALL
    SELECT c.id, a.term, a.weight * least(1.0, ts_rank(CAST(:places AS float4[]), c.tsv, a.asked) / 0.6079271)
    FROM pool JOIN rag_chunks c USING (id) JOIN common a ON c.tsv @@ a.asked
),
best AS (SELECT id, term, max(strength) AS strength FROM found GROUP BY id, term),
covered AS (
    SELECT b.id, sum(r.weight * b.strength) / :total AS coverage, array_agg(b.term ORDER BY b.term) AS terms,
           array_agg(b.strength ORDER BY b.term) AS strengths
    FROM best b JOIN rarity r USING (term) GROUP BY b.id ORDER BY coverage DESC, b.id LIMIT :pool
)
SELECT NULL::uuid AS id, sum(strength) AS coverage, ARRAY[term] AS terms, NULL::float8[] AS strengths
FROM driven GROUP BY term
UNION ALL
SELECT v.id, v.coverage * (1 - :length + :length * least(1.0, 400.0 / greatest(length(c.body), 1))), v.terms, v.strengths
FROM covered v JOIN rag_chunks c ON c.id = v.id
"""


def search(
    session: Session,
    terms: tuple[Term, ...],
    filters: Filters,
    parameters: Lexical,
    limit: int,
    known: TableStatistics,
) -> LexicalResult:
    """As ``lexical.search``; the caller has seen to it that there are terms and projects."""
    plan = make_plan(terms, known, filters, parameters.visited)
    condition, values = filters.sql()
    values |= {
        "terms": [word.term for word in plan.driving],
        "weights": [word.weight for word in plan.driving],
        "written": [word.text for word in plan.driving],
        "c_terms": [word.term for word in plan.checked],
        "c_weights": [word.weight for word in plan.checked],
        "c_written": [word.text for word in plan.checked],
        "ones": [one for one, _, _ in plan.pairs],
        "others": [other for _, other, _ in plan.pairs],
        "gains": [gain for _, _, gain in plan.pairs],
        "rare_terms": list(range(len(terms))),
        "rarities": list(plan.rarity),
        "total": max(sum(plan.rarity), 1e-9),
        # Postgres orders the weights D, C, B, A.
        "places": [parameters.context, parameters.header, parameters.title, parameters.body],
        "length": parameters.length,
        "checked": max(parameters.checked, limit),
        "pool": limit,
    }
    statement = _SEARCH.format(where=condition, each=_EACH)
    rows: Sequence[Any] = session.connection().execute(text(statement), values).all()
    seen = {row.terms[0]: float(row.coverage) for row in rows if row.id is None}
    hits = [
        LexicalHit(row.id, float(row.coverage), tuple(row.terms), tuple(row.strengths))
        for row in rows
        if row.id is not None
    ]
    hits.sort(key=lambda hit: -hit.coverage)
    # Of a term that only rare words stand for, the search itself has counted how often it occurs.
    estimated = {word.term for word in plan.checked}
    frequency = tuple(
        plan.frequency[place] if place in estimated else seen.get(place, 0.0) for place in range(len(terms))
    )
    return LexicalResult(tuple(hits), terms, plan.rarity, frequency)
