"""Does the evidence support an answer? Features of a ranking and a logistic model over them.

Pure. A raw cosine says nothing here: its level depends on the question. The model's weights are in the profile, fitted by
`make tune` (`evaluation.calibrate`) on development questions: those with and without an answer, those asked about the wrong
client, and those whose evidence was hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import get_args

from retrieval.chunking import split_sentences
from retrieval.intent import Wanted, asks_for_all_promises, holds, read_offers, read_wanted
from retrieval.language import detect, name_key, stem, words
from retrieval.lexical import LexicalResult
from retrieval.profile import Support, SupportFeature
from retrieval.ranking import RankedChunk
from retrieval.schemas import Lang

FEATURES: tuple[SupportFeature, ...] = get_args(SupportFeature)

# Records looked at for the answer itself, sentences of each, and the place in the ranking that is surely background.
_LOOKED_AT = 10
_NEAREST = 5
_SENTENCES = 12
_BACKGROUND = 20
# What a word is worth in the sentence beside, and in the title or header, compared with the sentence itself.
_BESIDE = 0.6
_ABOVE = 0.5
# Without articles, a question in Russian says the same in fewer words.
_WORDINESS: dict[Lang, float] = {"en": 1.0, "ru": 1.25}
# A question is not answered worse for being terser, nor better for being longer, than this many words.
_USUAL_WORDS = (9, 13)
# What is typed in so few words is a search: it asks nothing that could be missing, only whether the words are there.
_SEARCH_WORDS = 2
_FOUND = 0.6
# A word that less than half an occurrence stands for occurs nowhere.
_OCCURS = 0.5

# Terms of the question by place, and how well each was found, 0..1.
Found = dict[int, float]


def features(
    question: str, ranked: Sequence[RankedChunk], found: LexicalResult
) -> dict[SupportFeature, float]:
    """What the calibration looks at, all finite.

    ``lead``: how far the best score is above that of rank 21. ``similarity``, ``coverage``: the best of the ranking.
    ``missing_kind``: by how much the sentence nearest to the question beats the nearest one that holds the kind of answer
    asked for (a date, an amount, a number, a name). ``unknown``: share of the question's weight in words that occur
    nowhere; ``rarity``: mean weight of its words. ``length``: logarithm of its number of words within usual bounds, a
    common predictor of how well a query can be answered (He and Ounis, SPIRE 2004). ``promised``: whether it asks for a commitment and one
    of the nearest records has one.
    """
    if not ranked:
        return dict.fromkeys(FEATURES, 0.0)
    total = sum(found.rarity) or 1.0
    return {
        "lead": ranked[0].score - ranked[min(_BACKGROUND, len(ranked) - 1)].score,
        "similarity": max(hit.similarity for hit in ranked),
        "coverage": max(hit.coverage for hit in ranked),
        "missing_kind": _missing_kind(question, ranked[:_LOOKED_AT], found),
        "unknown": sum(
            weight for weight, count in zip(found.rarity, found.frequency, strict=True) if count < _OCCURS
        )
        / total,
        "rarity": fmean(found.rarity) if found.rarity else 0.0,
        "length": _length(question),
        "promised": _promised(question, ranked[:_NEAREST]),
    }


def probability(question: str, ranked: Sequence[RankedChunk], found: LexicalResult, model: Support) -> float:
    """The probability, 0..1, that the ranking answers the question; 1 while the profile has no model.

    Three kinds of question are beyond doubt: a search by one or two words that are found, one that names a record by an
    identifier that is found (an issue's key, an address), and one for promises in general when there are some.
    """
    if not model.weights:
        return 1.0
    if ranked and (
        _is_search(question, ranked)
        or _names_record(ranked, found)
        or (asks_for_all_promises(question, len(found.terms)) and _promised(question, ranked[:_NEAREST]))
    ):
        return 1.0
    values = features(question, ranked, found)
    total = model.bias + sum(weight * values[name] for name, weight in model.weights.items())
    return 1.0 / (1.0 + math.exp(-max(-40.0, min(40.0, total))))


def _is_search(question: str, ranked: Sequence[RankedChunk]) -> bool:
    return len(words(question)) <= _SEARCH_WORDS and ranked[0].coverage >= _FOUND


def _names_record(ranked: Sequence[RankedChunk], found: LexicalResult) -> bool:
    identifiers = {place for place, term in enumerate(found.terms) if term.identifier}
    best = ranked[0].chunk.id
    return any(hit.chunk_id == best and not identifiers.isdisjoint(hit.terms) for hit in found.hits)


def _promised(question: str, nearest: Sequence[RankedChunk]) -> float:
    if read_wanted(question) != "promise":
        return 0.0
    return max(read_offers(hit.chunk.body).promise for hit in nearest)


def _length(question: str) -> float:
    shortest, longest = _USUAL_WORDS
    count = len(words(question)) * _WORDINESS[detect(question)]
    return math.log1p(min(max(count, shortest), longest))


def _missing_kind(question: str, ranked: Sequence[RankedChunk], found: LexicalResult) -> float:
    wanted = read_wanted(question)
    if wanted == "any":
        return 0.0
    typed = frozenset(name_key(word) for word in words(question))
    meaning = _meaning(found)
    best = holding = 0.0
    for hit in ranked:
        near, with_kind = _best_sentences(hit, meaning, found.rarity, wanted, typed)
        best, holding = max(best, near), max(holding, with_kind)
    return best - holding


def _best_sentences(
    hit: RankedChunk,
    meaning: Mapping[str, Found],
    rarity: Sequence[float],
    wanted: Wanted,
    typed: frozenset[str],
) -> tuple[float, float]:
    """How near the record's best sentence is to the question, and its best that holds what is wanted.

    Near: the record's cosine and the share of the question that the sentence, its neighbours and its titles cover.
    """
    chunk = hit.chunk
    above = _found(f"{chunk.title} {chunk.header} {chunk.context}", meaning, _ABOVE)
    sentences = split_sentences(chunk.body)[:_SENTENCES]
    inside = [_found(sentence, meaning, 1.0) for sentence in sentences]
    total = sum(rarity) or 1.0
    best = holding = 0.0
    for place, sentence in enumerate(sentences):
        seen = dict(above)
        for other, worth in ((place, 1.0), (place - 1, _BESIDE), (place + 1, _BESIDE)):
            if 0 <= other < len(inside):
                for term, strength in inside[other].items():
                    seen[term] = max(seen.get(term, 0.0), worth * strength)
        near = hit.similarity + sum(rarity[term] * strength for term, strength in seen.items()) / total
        best = max(best, near)
        if near > holding and holds(wanted, sentence, typed):
            holding = near
    return best, holding


def _meaning(found: LexicalResult) -> dict[str, Found]:
    """By stem, the terms of the question that it stands for, and how well, 0..1."""
    meaning: dict[str, Found] = {}
    for place, term in enumerate(found.terms):
        for alternative in term.alternatives:
            for word in words(alternative.text):
                stands_for = meaning.setdefault(stem(word), {})
                stands_for[place] = max(stands_for.get(place, 0.0), alternative.weight)
    return meaning


def _found(text: str, meaning: Mapping[str, Found], worth: float) -> Found:
    seen: Found = {}
    for word in words(text):
        for term, strength in meaning.get(stem(word), {}).items():
            seen[term] = max(seen.get(term, 0.0), worth * strength)
    return seen
