"""Themes: chunks whose vectors lie together, and the words that tell each group from the rest, in both languages.

Pure and deterministic: the same vectors give the same themes. Spherical k-means (Dhillon, Modha 2001) from centres chosen
far apart (Gonzalez 1985); labels by class-based TF-IDF (Grootendorst: BERTopic, 2022), one list a language.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from retrieval.language import stem, words
from retrieval.schemas import Lang
from retrieval.stopwords import STOPWORDS

LANGS: tuple[Lang, ...] = get_args(Lang)
MIN_CHUNKS = 12
MIN_THEMES, MAX_THEMES = 2, 12
LABEL_WORDS = 4
_CHUNKS_PER_THEME = 12
_ROUNDS = 25

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Places of its members in the input, nearest to the centre first, with their cosines; the centre has unit length."""

    members: tuple[int, ...]
    similarities: tuple[float, ...]
    centre: Vectors


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of a theme and its language."""

    lang: Lang
    text: str


def cluster(vectors: Vectors) -> list[Cluster]:
    """The themes of unit vectors (rows), largest first; none for fewer than ``MIN_CHUNKS``."""
    if len(vectors) < MIN_CHUNKS:
        return []
    number = round(math.sqrt(len(vectors) / _CHUNKS_PER_THEME)) + 1
    centres = _spread(vectors, min(max(number, MIN_THEMES), MAX_THEMES))
    chosen = np.argmax(vectors @ centres.T, axis=1)
    for _ in range(_ROUNDS):
        centres = np.stack(
            [_centre(vectors[chosen == place], centres[place]) for place in range(len(centres))]
        )
        again = np.argmax(vectors @ centres.T, axis=1)
        if np.array_equal(again, chosen):
            break
        chosen = again
    found: list[Cluster] = []
    for place, centre in enumerate(centres):
        members = np.flatnonzero(chosen == place)
        if not len(members):
            continue
        near = vectors[members] @ centre
        order = np.argsort(-near, kind="stable")
        found.append(Cluster(tuple(members[order].tolist()), tuple(near[order].tolist()), centre))
    return sorted(found, key=lambda item: (-len(item.members), item.members))


def _spread(vectors: Vectors, number: int) -> Vectors:
    """Starting centres: the vector nearest to the mean, then each time the one farthest from those chosen."""
    first = int(np.argmax(vectors @ vectors.mean(axis=0)))
    picked = [first]
    nearest = vectors @ vectors[first]
    while len(picked) < number:
        following = int(np.argmin(nearest))
        if following in picked:
            break
        picked.append(following)
        nearest = np.maximum(nearest, vectors @ vectors[following])
    return vectors[picked]


def _centre(members: Vectors, before: Vectors) -> Vectors:
    if not len(members):
        return before
    mean = members.mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def label(themes: Sequence[Sequence[Passage]], ignored: Collection[str] = ()) -> list[dict[Lang, list[str]]]:
    """For each theme the words that tell it from the others, best first, by language; a language without text gives none.

    ``ignored`` are stems that never label anything: names of people and clients.
    """
    made: list[dict[Lang, list[str]]] = [{} for _ in themes]
    for lang in LANGS:
        spelled: defaultdict[str, Counter[str]] = defaultdict(Counter)
        counts = [_stems(passages, lang, spelled, ignored) for passages in themes]
        overall: Counter[str] = Counter()
        for each in counts:
            overall.update(each)
        mean = sum(overall.values()) / max(len(themes), 1)
        for place, each in enumerate(counts):
            total = sum(each.values()) or 1
            weights = {
                root: number / total * math.log(1 + mean / overall[root])
                for root, number in each.items()
                if number > 1
            }
            best = sorted(weights, key=lambda root: (-weights[root], root))[:LABEL_WORDS]
            made[place][lang] = [_usual(spelled[root]) for root in best]
    return made


def _stems(
    passages: Sequence[Passage], lang: Lang, spelled: Mapping[str, Counter[str]], ignored: Collection[str]
) -> Counter[str]:
    found: Counter[str] = Counter()
    for passage in passages:
        if passage.lang != lang:
            continue
        for word in words(passage.text):
            root = stem(word)
            if len(word) < 4 or word in STOPWORDS or root in ignored or any(c.isdigit() for c in word):
                continue
            found[root] += 1
            spelled[root][word] += 1
    return found


def _usual(forms: Counter[str]) -> str:
    return min(forms, key=lambda form: (-forms[form], form))
