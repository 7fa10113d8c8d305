# %% [markdown]
# # 03 · What do words add to vectors, and how should the two lists become one?
#
# Each search alone and together, then every way of fusion over its parameters. Parameters are chosen on the development
# half; the held-out half judges the choice.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"

# %%
from models.infra.database import reading
from models.infra.settings import get_settings
from retrieval import ranking
from retrieval.embedding import embedding_model
from retrieval.evaluation import lab, metrics, pictures
from retrieval.evaluation.sets import key_of
from retrieval.evaluation.systems import ask_all, systems
from retrieval.filters import Filters
from retrieval.profile import changed
from retrieval.retrievers import HybridRetriever

here = lab.open_lab(REPORTS, QUESTIONS)
here.describe()

# %% [markdown]
# ## Each search alone, and together

# %%
judged = here.judged(here.questions)
with reading() as session:
    runs = ask_all(session, judged, systems(here.profile, ("naive", "lexical", "hybrid")))
names = list(runs)
figure, (axes,) = pictures.panels(height=4.4)
pictures.bars(
    axes,
    names,
    [
        (part, [lab.quality_of(judged, runs[name], lang) for name in names])
        for part, lang in (("en", "en"), ("ru", "ru"))
    ],
    "nDCG@10",
)
axes.set_title("Vectors (naive), words (lexical), both (hybrid)", pad=34)
pictures.show(figure, here.folder, "03-searches")

# %% [markdown]
# How often one search finds what the other does not: the best relevant record of each question, by which search has it
# among its first ten.

# %%
found = {"both": 0, "vectors only": 0, "words only": 0, "neither": 0}
for case, near, said in zip(judged.cases, runs["naive"], runs["lexical"], strict=True):
    if case.answerable:
        by_meaning = not case.relevant.isdisjoint(near.ranked[:10])
        by_words = not case.relevant.isdisjoint(said.ranked[:10])
        found[
            "both"
            if by_meaning and by_words
            else "vectors only"
            if by_meaning
            else "words only"
            if by_words
            else "neither"
        ] += 1
answerable = sum(found.values())
lab.table(
    ["evidence among the first ten of", "questions", "share"],
    [[key, n, n / answerable] for key, n in found.items()],
)

# %% [markdown]
# ## Ways of fusion
#
# The candidates of every question are fetched once; ordering them is a pure function of the profile.

# %%
model = embedding_model(get_settings())
with reading() as session:
    candidates = [
        HybridRetriever(session, Filters(case.scope), here.profile, model).candidates(case.text)
        for case in judged.cases
    ]


def scores(profile, held_out: bool) -> list[float]:
    values = []
    for case, held in zip(judged.cases, candidates, strict=True):
        if case.answerable and case.held_out is held_out:
            ranked = ranking.rank(held.chunks, held.signals, held.asked, profile)
            keys = list(dict.fromkeys(key_of(hit, judged.keys) for hit in ranked))
            values.append(metrics.ndcg_at(keys, case.relevant, 10))
    return values


def mean(values: list[float]) -> float:
    return sum(values) / max(len(values), 1)


def fused(method: str, **changes: float):
    parts = {f"fusion.{name}": value for name, value in changes.items()}
    return changed(here.profile, {"fusion.method": method, "fusion.uniform": method, **parts})


weights = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0]
depths = [1, 5, 20, 60, 120]
weighted = {weight: fused("weighted", lexical_weight=weight) for weight in weights}
rrf = {depth: fused("rrf", rrf_k=depth) for depth in depths}
linear = changed(here.profile, {"fusion.method": "linear"})
on_development = {
    "weighted": {weight: mean(scores(profile, False)) for weight, profile in weighted.items()},
    "rrf": {depth: mean(scores(profile, False)) for depth, profile in rrf.items()},
    "linear": mean(scores(linear, False)),
}
figure, (left, right) = pictures.panels(2, width=11)
left.plot(weights, list(on_development["weighted"].values()), "o-", color=pictures.BLUE)
left.set_xlabel("weight of the words (of the vectors: 1)")
left.set_title("Weighted sum")
right.plot(depths, list(on_development["rrf"].values()), "o-", color=pictures.ORANGE)
right.set_xlabel("k of reciprocal rank fusion")
right.set_title("Reciprocal rank fusion")
lowest = min([*on_development["weighted"].values(), *on_development["rrf"].values()])
for axes in (left, right):
    axes.axhline(
        on_development["linear"], color=pictures.GREEN, linestyle="--", label="linear model (the profile's)"
    )
    axes.set_ylim(
        lowest - 0.03, on_development["linear"] + 0.03 if on_development["linear"] > lowest else None
    )
    axes.set_ylabel("nDCG@10, development half")
    axes.legend()
pictures.show(figure, here.folder, "03-fusion")

# %% [markdown]
# ## The choice, judged on the held-out half

# %%
best_weight = max(weights, key=lambda weight: on_development["weighted"][weight])
best_k = max(depths, key=lambda depth: on_development["rrf"][depth])
choices = {
    "linear": linear,
    f"weighted, words {best_weight:g}": weighted[best_weight],
    f"rrf, k {best_k}": rrf[best_k],
    "weighted, no words": weighted[0.0],
}
held_out = {name: scores(profile, True) for name, profile in choices.items()}
ahead = {
    name: metrics.paired_bootstrap(held_out["linear"], values)
    for name, values in held_out.items()
    if name != "linear"
}
lab.table(
    ["fusion", "nDCG@10, held out", "linear minus this, 95 %"],
    [
        [
            name,
            metrics.interval(values),
            f"{ahead[name].low:+.3f} … {ahead[name].high:+.3f}" if name in ahead else "",
        ]
        for name, values in held_out.items()
    ],
)

# %%
winner = max(held_out, key=lambda name: mean(held_out[name]))
sure = [name for name, item in ahead.items() if item.low > 0]
hybrid, naive, lexical = (lab.quality_of(judged, runs[name]).mean for name in ("hybrid", "naive", "lexical"))
lab.verdict(
    f"Together {hybrid:.3f}, vectors alone {naive:.3f}, words alone {lexical:.3f};"
    f" words alone find the evidence of {found['words only'] / answerable:.0%} of the questions, vectors alone of"
    f" {found['vectors only'] / answerable:.0%}.",
    f"Best on the held-out half: **{winner}** ({mean(held_out[winner]):.3f});",
    f"the linear model is surely ahead of {', '.join(sure)}."
    if sure
    else "no difference to the linear model is sure here.",
)
