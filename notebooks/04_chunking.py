# %% [markdown]
# # 04 · How should a record be cut, and what should be embedded with it: title, author, what came before, the header?
#
# The same records are cut and dressed in several ways, embedded anew and searched by exact cosine. Vectors alone, so that the
# text's part in it is seen.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"

# %%
from dataclasses import replace
from itertools import groupby

import numpy as np

from models.infra.database import reading
from models.infra.settings import get_settings
from retrieval.chunking import BODY_CHARS, embedding_text
from retrieval.embedding import embedding_model
from retrieval.evaluation import lab, metrics, pictures
from retrieval.evaluation.passages import Passage, ndcg_by_vectors, read_passages

here = lab.open_lab(REPORTS, QUESTIONS)
model = embedding_model(get_settings(), threads=2)
with reading() as session:
    passages, stored = read_passages(session, here.everything, model.spec)
judged = here.judged(here.questions)
wanted = {key for case in judged.cases for key in case.relevant}
size = 600 if QUESTIONS is None else 40
records = [(key, list(parts)) for key, parts in groupby(passages, key=lambda item: item.key)]
others = [place for place, (key, _) in enumerate(records) if key not in wanted]
sample = set(np.random.default_rng(7).permutation(others)[:size].tolist())
records = [(key, parts) for place, (key, parts) in enumerate(records) if key in wanted or place in sample]
asked = model.encode([case.text for case in judged.cases], "query")
here.describe()

# %% [markdown]
# ## What is embedded with a text
#
# The product embeds title, context, author and body, and leaves the header out (client, source, people, date).

# %%
DRESSES = {
    "body alone": lambda item: item.body,
    "title + body": lambda item: embedding_text(item.title, "", None, item.body),
    "title + author + body": lambda item: embedding_text(item.title, "", item.author, item.body),
    "title + context + author + body": lambda item: embedding_text(
        item.title, item.context, item.author, item.body
    ),
    "header + all of it": lambda item: (
        f"{item.header}\n{embedding_text(item.title, item.context, item.author, item.body)}"
    ),
}
PRODUCT = "title + context + author + body"
# A text that is the same in two dresses is embedded once, and the product's are in the index already.
known: dict[str, np.ndarray] = dict(zip(map(DRESSES[PRODUCT], passages), stored, strict=True))


def embed(texts: list[str]) -> np.ndarray:
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(zip(new, model.encode(new, "passage"), strict=True))
    return np.stack([known[text] for text in texts])


def measure(pool: list[Passage], dress) -> list[float]:
    vectors = embed([dress(item) for item in pool])
    return [value for _, value in ndcg_by_vectors(judged, asked, pool, vectors)]


pool = [part for _, parts in records for part in parts]
dressed = {name: measure(pool, dress) for name, dress in DRESSES.items()}
figure, (axes,) = pictures.panels(height=3.8)
pictures.bars(
    axes,
    list(dressed),
    [("all", [metrics.interval(values) for values in dressed.values()])],
    "nDCG@10, vectors alone",
)
axes.set_title(f"What to embed with a text ({len(pool)} chunks)")
pictures.show(figure, here.folder, "04-headers")

# %% [markdown]
# ## How long a chunk may be
#
# Whole records are cut again, between words, into pieces of at most so many characters, dressed as the product does.

# %%
SIZES = (160, 320, BODY_CHARS, 1280)


def recut(parts: list[Passage], most: int) -> list[Passage]:
    words = " ".join(part.body for part in parts).split()
    pieces, line = [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > most:
            pieces.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [replace(parts[0], part=place, body=piece) for place, piece in enumerate([*pieces, line])]


cut = {most: [piece for _, parts in records for piece in recut(parts, most)] for most in SIZES}
by_size = {most: measure(pieces, DRESSES[PRODUCT]) for most, pieces in cut.items()}
figure, (left, right) = pictures.panels(2, width=11, height=3.8)
means = {most: metrics.interval(values) for most, values in by_size.items()}
left.errorbar(
    list(means), [item.mean for item in means.values()],
    yerr=[[item.mean - item.low for item in means.values()], [item.high - item.mean for item in means.values()]],
    fmt="o-", color=pictures.BLUE, capsize=3,
)  # fmt: skip
left.axvline(BODY_CHARS, color=pictures.GREY, linestyle=":", label="the product's")
left.legend()
left.set_xlabel("characters a chunk at most")
left.set_ylabel("nDCG@10, vectors alone")
left.set_title("Quality")
right.plot(list(cut), [len(pieces) for pieces in cut.values()], "o-", color=pictures.ORANGE)
right.set_ylim(0)
right.set_xlabel("characters a chunk at most")
right.set_ylabel("chunks to embed and to search")
right.set_title("Cost")
pictures.show(figure, here.folder, "04-sizes")

# %%
ahead = {
    name: metrics.paired_bootstrap(dressed[PRODUCT], values)
    for name, values in dressed.items()
    if name != PRODUCT
}
sizes_ahead = {
    most: metrics.paired_bootstrap(by_size[BODY_CHARS], values)
    for most, values in by_size.items()
    if most != BODY_CHARS
}
lab.table(
    ["the product's minus", "difference", "95 %", "p"],
    [
        [name, item.mean, f"{item.low:+.3f} … {item.high:+.3f}", item.p_value]
        for name, item in [
            *ahead.items(),
            *((f"{most} characters", item) for most, item in sizes_ahead.items()),
        ]
    ],
)

# %%
best = max(dressed, key=lambda name: metrics.interval(dressed[name]).mean)
best_size = max(means, key=lambda most: means[most].mean)
worse = [name for name, item in ahead.items() if item.low > 0]
better = [name for name, item in ahead.items() if item.high < 0]
sizes_better = [f"{most} characters" for most, item in sizes_ahead.items() if item.high < 0]
lab.verdict(
    f"Best dressed: **{best}** ({metrics.interval(dressed[best]).mean:.3f};"
    f" the product's {metrics.interval(dressed[PRODUCT]).mean:.3f});"
    f" the product's is surely better than {', '.join(worse) or 'none'}, surely worse than {', '.join(better) or 'none'}.",
    f"Best cut: **{best_size} characters** ({means[best_size].mean:.3f}; the product's {BODY_CHARS}:"
    f" {means[BODY_CHARS].mean:.3f}).",
    f"Worth a change: {', '.join([*better, *sizes_better])}."
    if better or sizes_better
    else "Nothing measured here is surely better than what the product does.",
)
