# %% [markdown]
# # 02 · Which vectors find the evidence: e5-small centred or as it comes, USE, or two of them together?
#
# Exact cosine search, vectors alone: no words, no index. Each model embeds the same text of every chunk. *Centred* takes
# the mean vector of the text's language away; the two halves of a concatenation count alike.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"

# %%
import time

import numpy as np

from models.infra.database import reading
from models.infra.settings import get_settings
from retrieval.chunking import embedding_text
from retrieval.embedding import LocalE5, centre, embedding_model, unit
from retrieval.evaluation import lab, metrics, pictures
from retrieval.evaluation.passages import evidence_languages, mean_where, ndcg_by_vectors, read_passages
from retrieval.lexicon import encode_words

here = lab.open_lab(REPORTS, QUESTIONS)
with reading() as session:
    passages, _ = read_passages(session, here.everything, embedding_model(get_settings()).spec)
here.describe()

# %% [markdown]
# ## The vectors
#
# A sample of what answers nothing keeps the computation short: the evidence of every question stays, and the same sample is
# searched by each model.

# %%
judged = here.judged(here.questions)
wanted = {key for case in judged.cases for key in case.relevant}
others = [place for place, item in enumerate(passages) if item.key not in wanted]
size = 1500 if QUESTIONS is None else 150
kept = set(np.random.default_rng(7).permutation(others)[:size].tolist())
pool = [item for place, item in enumerate(passages) if item.key in wanted or place in kept]
texts = [embedding_text(item.title, item.context, item.author, item.body) for item in pool]
asked = [case.text for case in judged.cases]

started = time.perf_counter()
e5 = LocalE5(centred=False, threads=2)
made = {"e5-small": (e5.encode(asked, "query"), e5.encode(texts, "passage"))}
cost = {"e5-small": (time.perf_counter() - started) * 1000 / len(texts + asked)}
# Centring is a subtraction: the same vectors once more.
PRODUCT = "e5-small, centred"
made[PRODUCT] = (centre(made["e5-small"][0], asked, "query"), centre(made["e5-small"][1], texts, "passage"))
cost[PRODUCT] = cost["e5-small"]
started = time.perf_counter()
made["USE"] = (encode_words(asked), encode_words(texts))
cost["USE"] = (time.perf_counter() - started) * 1000 / len(texts + asked)
both = f"{PRODUCT} + USE"
made[both] = tuple(unit(np.hstack(pair)) for pair in zip(made[PRODUCT], made["USE"], strict=True))
cost[both] = cost[PRODUCT] + cost["USE"]
f"{len(pool)} chunks, {len(asked)} questions"

# %% [markdown]
# ## How well they rank

# %%
scores = {name: ndcg_by_vectors(judged, asks, pool, vectors) for name, (asks, vectors) in made.items()}
spoken = evidence_languages(judged, pool)
parts = {
    "all": lambda _: True,
    "en": lambda case: case.lang == "en",
    "ru": lambda case: case.lang == "ru",
    "evidence in the other language": lambda case: bool(spoken[case.id]) and case.lang not in spoken[case.id],
}
quality = {
    (name, part): mean_where(scores[name], chosen) for name in scores for part, chosen in parts.items()
}
lab.table(
    ["vectors", *parts, "ms a chunk, wall clock"],
    [[name, *(quality[name, part] for part in parts), f"{cost[name]:.1f}"] for name in scores],
)

# %%
figure, (axes,) = pictures.panels(height=5.4)
shown = [part for part in parts if quality[next(iter(scores)), part].count]
pictures.bars(
    axes,
    list(scores),
    [(part, [quality[name, part] for name in scores]) for part in shown],
    "nDCG@10, vectors alone",
)
axes.set_title("Which vectors rank the evidence best? (95 % intervals)", pad=34)
pictures.show(figure, here.folder, "02-embeddings")

# %% [markdown]
# ## Is the difference real?
#
# Paired by question, to what the product uses.

# %%
ahead = {
    name: metrics.paired_bootstrap(
        [value for _, value in scores[PRODUCT]], [value for _, value in scores[name]]
    )
    for name in scores
    if name != PRODUCT
}
lab.table(
    [f"{PRODUCT} minus", "difference", "95 %", "p"],
    [[name, item.mean, f"{item.low:+.3f} … {item.high:+.3f}", item.p_value] for name, item in ahead.items()],
)

# %%
best = max(scores, key=lambda name: quality[name, "all"].mean)
beaten = [name for name, item in ahead.items() if item.low > 0]
better = [name for name, item in ahead.items() if item.high < 0]
plain, centre = quality["e5-small", "all"], quality[PRODUCT, "all"]
lab.verdict(
    f"Best on all questions: **{best}** with nDCG@10 {quality[best, 'all'].mean:.3f};"
    f" {PRODUCT} reaches {centre.mean:.3f}, {centre.mean - plain.mean:+.3f} to the same model uncentred.",
    f"Centred is surely better than: {', '.join(beaten) or 'none'}; surely worse than: {', '.join(better) or 'none'}.",
    f"It costs {cost[PRODUCT]:.1f} ms a chunk here, the best {cost[best]:.1f} ms.",
    "The product's vectors stay." if not better else f"Worth a change of model: {', '.join(better)}.",
)
