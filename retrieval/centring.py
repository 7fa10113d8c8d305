"""Computes the per-language mean vectors that the local model is centred with: ``python -m retrieval.centring``.

The corpus (``data/centring_corpus.tsv``) is 80 everyday work sentences in English with their Russian translation, written
for this purpose: no test, no evaluation set and no demo text contains them. Being translations of each other, the two
means differ by language and not by subject. The result ships as ``data/e5_small_means.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

from retrieval.embedding import LOCAL_DIMENSION, LOCAL_MODEL_KEY, LocalE5, Role

DATA = Path(__file__).parent / "data"


def corpus() -> dict[str, list[str]]:
    """The sentences by language, in parallel order."""
    rows = [line.split("\t") for line in (DATA / "centring_corpus.tsv").read_text().splitlines() if line]
    return {"en": [row[0] for row in rows], "ru": [row[1] for row in rows]}


def compute() -> dict[str, object]:
    """Mean raw vector of every role and language, rounded to five decimals."""
    model = LocalE5(centred=False)
    texts = corpus()
    roles: tuple[Role, ...] = ("query", "passage")
    means: dict[str, object] = {
        "model": LOCAL_MODEL_KEY,
        "dimension": LOCAL_DIMENSION,
        "sentences": len(texts["en"]),
    }
    for role in roles:
        means[role] = {
            lang: [round(float(value), 5) for value in model.encode(sentences, role).mean(axis=0)]
            for lang, sentences in texts.items()
        }
    return means


if __name__ == "__main__":
    (DATA / "e5_small_means.json").write_text(json.dumps(compute()) + "\n")
