"""The same fact told again elsewhere: which candidates share rare words with the best ones of other threads.

Pure. A promise made in a mail comes back in the issue and in the note of the call; numbers, names and product words tie them
together even where the wording shares nothing with the question. This finds the second and third witness of an answer
once the first is found, like pseudo-relevance feedback (Rocchio), but between records instead of into the query.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from uuid import UUID

from retrieval.language import stem, words
from retrieval.stopwords import STOPWORDS
from retrieval.store import StoredChunk

# Looked at as witnesses, and looked at as what they may tie to.
_WITNESSES = 8
_POOL = 150
# A word is rare when at most this share of the candidates has it (two always count as rare).
_RARE_SHARE = 0.03
# Beyond this much shared rarity two texts are copies; more proves nothing.
_ENOUGH = 20.0
_UNIT = 10.0
# Scores are in units of the cosine: a tenth below the best halves a witness's say.
_SHARPNESS = 7.0


def restated(chunks: Mapping[UUID, StoredChunk], scores: Mapping[UUID, float]) -> dict[UUID, float]:
    """How much of a witness each candidate restates, from 0 to 2; a witness counts less the further it is from the best.

    Witnesses are the candidates with the best ``scores``. Only records of other threads of the same project are compared.
    """
    order = sorted(scores, key=lambda key: -scores[key])
    if not order:
        return {}
    stems = {key: _stems(chunks[key].title, chunks[key].body) for key in order}
    spread = Counter(root for roots in stems.values() for root in roots)
    most = max(2.0, _RARE_SHARE * len(order))
    rarity = {root: math.log(len(order) / count) for root, count in spread.items() if count <= most}
    best = scores[order[0]]
    witnesses = [
        (
            key,
            math.exp(_SHARPNESS * (scores[key] - best)),
            rarity.keys() & stems[key],
        )
        for key in order[:_WITNESSES]
    ]
    found = dict.fromkeys(order, 0.0)
    for key in order[:_POOL]:
        chunk = chunks[key]
        for witness_key, weight, rare in witnesses:
            witness = chunks[witness_key]
            if witness.thread_id == chunk.thread_id or witness.project_id != chunk.project_id:
                continue
            shared = sum(rarity[root] for root in rare & stems[key])
            found[key] = max(found[key], weight * min(shared, _ENOUGH) / _UNIT)
    return found


@lru_cache(maxsize=8192)
def _stems(title: str, body: str) -> frozenset[str]:
    return frozenset(
        stem(word) for word in set(words(f"{title} {body}")) if word not in STOPWORDS and len(word) > 1
    )
