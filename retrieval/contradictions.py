"""Do the records that an answer quotes name different days or amounts for what was asked? Then the answer says so, newest first.

Pure. Only what the question waits for is compared (a day, an amount), only where a quote names exactly one, and only quotes
of different records of one project that speak of the same thing in rare words of the question: two clients' days differ
without contradicting each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar
from uuid import UUID

from retrieval.answer import Quote
from retrieval.figures import read_amounts, read_days
from retrieval.intent import wanted_kinds
from retrieval.language import stem, words
from retrieval.lexical import LexicalResult

FigureKind = Literal["date", "amount"]

# Two quotes speak of the same thing when each holds this share of the question's weight, itself or in its title.
_ABOUT = 0.35
_EVER = datetime.min.replace(tzinfo=UTC)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Differing:
    """What the records name, newest first: places in the given quotes, and the words that stand there."""

    kind: FigureKind
    places: tuple[int, ...]
    values: tuple[str, ...]


def find(question: str, quotes: Sequence[Quote], found: LexicalResult) -> Differing | None:
    """The figures on which the quotes differ; None when they agree or do not compare."""
    kinds = wanted_kinds(question)
    kind: FigureKind | None = (
        "date" if "date" in kinds or "promise" in kinds else "amount" if "amount" in kinds else None
    )
    if kind is None:
        return None
    named: dict[UUID, list[tuple[int, object, str]]] = {}
    for place, quote in enumerate(quotes):
        if _about(quote, found) < _ABOUT:
            continue
        value = _only_day(quote.text) if kind == "date" else _only_amount(quote.text)
        if value is not None:
            named.setdefault(quote.project_id, []).append((place, *value))
    # The project that was found first of those whose records differ.
    differing = next((each for each in named.values() if len({value for _, value, _ in each}) > 1), None)
    if differing is None:
        return None
    differing.sort(key=lambda item: quotes[item[0]].at or _EVER, reverse=True)
    return Differing(
        kind, tuple(place for place, _, _ in differing), tuple(written for _, _, written in differing)
    )


def newest_first(quotes: Sequence[Quote], differing: Differing) -> list[Quote]:
    """The quotes that differ, newest first, then the others as they were."""
    rest = [quote for place, quote in enumerate(quotes) if place not in differing.places]
    return [*(quotes[place] for place in differing.places), *rest]


def _only_day(text: str) -> tuple[object, str] | None:
    days = {(day.month, day.day): day.written for day in read_days(text)}
    return next(iter(days.items())) if len(days) == 1 else None


def _only_amount(text: str) -> tuple[object, str] | None:
    amounts = {
        (amount.value, amount.currency): amount.written for amount in read_amounts(text) if amount.currency
    }
    return next(iter(amounts.items())) if len(amounts) == 1 else None


def _about(quote: Quote, found: LexicalResult) -> float:
    said = {stem(word) for word in words(f"{quote.title} {quote.text}")}
    total = sum(found.rarity) or 1.0
    held = 0.0
    for term, rarity in zip(found.terms, found.rarity, strict=True):
        best = 0.0
        for alternative in term.alternatives:
            roots = {stem(word) for word in words(alternative.text)}
            if roots and roots <= said:
                best = max(best, alternative.weight)
        held += rarity * best
    return held / total
