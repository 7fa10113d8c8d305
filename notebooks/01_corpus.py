# %% [markdown]
# # 01 · What is in the corpus: who wrote what, when, in which language, and is there anything to tell apart?
#
# Retrieval can only be as good as what it searches. Here is the index as it is: its records, their languages, their
# lengths, and how their vectors lie.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"

# %%
from collections import Counter

import numpy as np

from models.infra.database import reading
from models.infra.settings import get_settings
from retrieval.embedding import embedding_model
from retrieval.evaluation import lab, pictures
from retrieval.evaluation.passages import projected, read_passages

here = lab.open_lab(REPORTS, QUESTIONS)
with reading() as session:
    passages, vectors = read_passages(session, here.everything, embedding_model(get_settings()).spec)
name_of = {project_id: slug for slug, project_id in here.world.projects.items()}
here.describe()

# %% [markdown]
# ## Records of every client

# %%
kinds = list(dict.fromkeys(passage.kind for passage in passages))
counted = Counter((name_of[passage.project_id], passage.kind) for passage in passages if passage.part == 0)
slugs = [slug for slug in here.world.projects if any(counted[slug, kind] for kind in kinds)]
lab.table(
    ["client", *kinds, "all"],
    [
        [slug, *(counted[slug, kind] for kind in kinds), sum(counted[slug, kind] for kind in kinds)]
        for slug in slugs
    ],
)

# %%
figure, (left, right) = pictures.panels(2, width=11)
bottom = np.zeros(len(slugs))
for place, kind in enumerate(kinds):
    values = np.array([counted[slug, kind] for slug in slugs])
    left.barh(slugs, values, left=bottom, color=pictures.COLOURS[place], label=kind)
    bottom += values
left.legend(
    loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(kinds), fontsize=8, columnspacing=1, handlelength=1
)
left.set_title("Records of every client, by kind", pad=26)
left.set_xlabel("records")
left.grid(visible=False, axis="y")
months = sorted({f"{passage.written_at:%Y-%m}" for passage in passages if passage.written_at})
for place, lang in enumerate(("en", "ru")):
    by_month = Counter(
        f"{item.written_at:%Y-%m}" for item in passages if item.written_at and item.lang == lang
    )
    right.plot(months, [by_month[month] for month in months], "o-", color=pictures.COLOURS[place], label=lang)
right.legend()
right.set_title("How much was written, by language", pad=26)
right.set_ylabel("chunks a month")
right.tick_params(axis="x", rotation=60)
pictures.show(figure, here.folder, "01-records")

# %% [markdown]
# ## How long the texts are
#
# A chunk is one record, or a part of a long one. Most messages are short: their neighbours are kept as context.

# %%
lengths = np.array([len(passage.body) for passage in passages])
with_context = sum(bool(passage.context) for passage in passages) / len(passages)
records = len({passage.key for passage in passages})
cut = len({passage.key for passage in passages if passage.part > 0}) / records
figure, (axes,) = pictures.panels(height=3.6)
axes.hist(lengths, bins=40, color=pictures.BLUE)
axes.axvline(
    float(np.median(lengths)), color=pictures.RED, label=f"median {np.median(lengths):.0f} characters"
)
axes.legend()
axes.set_title("Lengths of the chunks")
axes.set_xlabel("characters of the body")
axes.set_ylabel("chunks")
pictures.show(figure, here.folder, "01-lengths")

# %% [markdown]
# ## How the vectors lie
#
# The two directions in which the vectors differ most (principal components): a shadow of 384 dimensions. It shows what the
# largest difference is about; which neighbours a chunk really has is counted below. A Russian question has to find English
# evidence, so languages should be apart less than subjects.

# %%
flat = projected(vectors)
figure, (left, right) = pictures.panels(2, width=11, height=4.8)
for place, slug in enumerate(slugs):
    held = np.array([name_of[passage.project_id] == slug for passage in passages])
    left.scatter(
        *flat[held].T, s=5, alpha=0.5, color=pictures.COLOURS[place % len(pictures.COLOURS)], label=slug
    )
for place, lang in enumerate(("en", "ru")):
    held = np.array([passage.lang == lang for passage in passages])
    right.scatter(*flat[held].T, s=5, alpha=0.5, color=pictures.COLOURS[place], label=lang)
left.set_title("By client")
right.set_title("By language")
for axes in (left, right):
    axes.legend(markerscale=3, fontsize=8, loc="best", frameon=True)
    axes.set_xticks([])
    axes.set_yticks([])
pictures.show(figure, here.folder, "01-map")

# %% [markdown]
# The share of a chunk's ten nearest neighbours that are of its own client, and of its own language, beside what chance
# would give.

# %%
picked = np.random.default_rng(7).permutation(len(passages))[:500]
cosines = vectors[picked] @ vectors.T
cosines[np.arange(len(picked)), picked] = -2
nearest = np.argsort(-cosines, axis=1)[:, :10]
client = np.array([passage.project_id.hex for passage in passages])
language = np.array([passage.lang for passage in passages])
same_client = float((client[nearest] == client[picked][:, None]).mean())
same_language = float((language[nearest] == language[picked][:, None]).mean())


def by_chance(values: np.ndarray) -> float:
    return sum((count / len(values)) ** 2 for count in Counter(values.tolist()).values())


chance_client, chance_language = by_chance(client), by_chance(language)
lab.table(
    ["nearest ten are of the same", "seen", "by chance"],
    [["client", same_client, chance_client], ["language", same_language, chance_language]],
)

# %%
lab.verdict(
    f"{records:,} records in {len(passages):,} chunks, {float((language == 'ru').mean()):.0%} of them Russian;"
    f" half of the chunks have under {np.median(lengths):.0f} characters, {with_context:.0%} carry what came before,"
    f" {cut:.1%} of the records are cut.",
    f"Neighbours are of the same client {same_client / chance_client:.1f} times as often as by chance, of the same language"
    f" {same_language / chance_language:.1f} times:",
    "the vectors tell subjects apart more than languages."
    if same_client / chance_client > same_language / chance_language
    else "the vectors tell languages apart more than subjects.",
)
