"""The *global* half of LightRAG: what a project's or a portfolio's records are about, as themes with evidence.

Themes are made by indexing (``themes``); a question chooses among them and among the evidence of each. Nothing is written by
a language model: a theme is called by the words that tell it from the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from sqlmodel import Session

from retrieval import store
from retrieval.embedding import RoleEmbedding
from retrieval.filters import Filters
from retrieval.ranking import RankedChunk
from retrieval.retrievers import query_vector
from retrieval.schemas import Lang
from retrieval.theme_store import ThemeHit, search_themes

MOST_THEMES = 6
# What a theme's size counts beside the nearness of its best evidence; by nearness alone when something specific is asked.
_SIZE = 0.15

_ASKS_THEMES = re.compile(
    r"\b(?:themes?|topics?|in general|overall|main (?:issues|problems|concerns|complaints)|what do (?:our )?(?:clients|customers|people)"
    r"|summari[sz]e|overview|most (?:often|common|frequent))\b"
    r"|\b(?:тем[аы]|темах|в целом|в общем|основны\w+ (?:проблем|вопрос|претензи|жалоб)\w*|на что (?:чаще )?жалуются|о чём чаще"
    r"|чаще всего|обзор|что (?:обычно )?(?:говорят|пишут|волнует))\b",
    re.IGNORECASE,
)
_ASKS_COMPLAINTS = re.compile(
    r"\b(?:complain\w*|unhappy|dissatisf\w+|annoy\w*|concern\w*|worr(?:y|ied)|pain points?)\b"
    r"|\b(?:жал(?:ую|об|оват)\w*|недовол\w+|претензи\w+|раздража\w+|беспоко\w+|волну\w+)\b",
    re.IGNORECASE,
)
_CLIENTS = re.compile(r"\b(?:clients?|customers?)\b|\b(?:клиент\w*|заказчик\w*)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Theme:
    """A theme of an answer: its words by language, how many chunks it has, and its evidence, best first."""

    labels: dict[Lang, list[str]]
    size: int
    hits: tuple[RankedChunk, ...]


def asks_for_themes(question: str) -> bool:
    """Whether a question is about what there is in general."""
    return bool(_ASKS_THEMES.search(question))


def find_themes(session: Session, filters: Filters, model: RoleEmbedding, question: str) -> list[Theme]:
    """The themes that answer a question, best first, at most ``MOST_THEMES``; each with live chunks of the filtered scope."""
    vector = query_vector(model, question)
    clients = bool(_ASKS_COMPLAINTS.search(question) or _CLIENTS.search(question))
    found = search_themes(session, filters, model.spec, vector, from_clients=clients)
    best = sorted(found, key=lambda theme: (-_worth(theme, found), str(theme.id)))[:MOST_THEMES]
    chunks = store.load_chunks(session, filters, [key for theme in best for key, _ in theme.chunks])
    return [
        Theme(
            theme.labels,
            theme.size,
            tuple(RankedChunk(chunks[key], near, near, 0.0) for key, near in theme.chunks if key in chunks),
        )
        for theme in best
    ]


def _worth(theme: ThemeHit, among: Sequence[ThemeHit]) -> float:
    largest = max(each.size for each in among)
    return fmean(near for _, near in theme.chunks) + _SIZE * math.log1p(theme.size) / math.log1p(largest)
