# %% [markdown]
# # 08 · Which profile should answer?
#
# The profile that answers now against its challengers. Who wins is decided on the development half, and a challenger has to
# be surely better there (lower bound of the paired difference above nothing). The scores that go with the promoted profile
# are measured on everything, held-out parts apart.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"
# Where the promoted profile and its scores are written: `retrieval/profiles` for everybody, `DATA_DIR/profiles` for one
# installation. Empty: nowhere.
PROMOTE_TO: str = ""

# %%
from pathlib import Path

from models.infra.clock import utcnow
from models.infra.database import reading
from retrieval.evaluation import comparison, lab, metrics, pictures
from retrieval.evaluation.promotion import promote, scores_of
from retrieval.evaluation.systems import HYBRID, ask_all, systems
from retrieval.profile import changed, load_profile

here = lab.open_lab(REPORTS, QUESTIONS)
incumbent = here.profile
here.describe()

# %% [markdown]
# ## The profiles
#
# The incumbent, the packaged default when it is another one, and the incumbent under other ways of fusion. Weights that
# `make tune` prints become a challenger as a file of their own: `load_profile("its-name")`.

# %%
default = load_profile("default")
profiles = {incumbent.name: incumbent, default.name: default}
for method, changes in {
    "rrf": {},
    "weighted-light": {"fusion.lexical_weight": 0.4},
    "weighted-even": {"fusion.lexical_weight": 1.0},
}.items():
    kind = method.partition("-")[0]
    name = f"{incumbent.name}-{method}"
    profiles[name] = changed(
        incumbent, {"fusion.method": kind, "fusion.uniform": kind, **changes}
    ).model_copy(update={"name": name})

# %% [markdown]
# ## Measured

# %%
judged = here.judged(here.questions)
runs = {}
with reading() as session:
    for name, profile in profiles.items():
        runs[name] = ask_all(session, judged, systems(profile, (HYBRID,)))[HYBRID]
halves = {"development": False, "held out": True}


def of_half(name: str, held_out: bool) -> list[float]:
    pairs = [
        (case, run) for case, run in zip(judged.cases, runs[name], strict=True) if case.held_out is held_out
    ]
    return comparison.scores([case for case, _ in pairs], [run for _, run in pairs])


values = {(name, half): of_half(name, held) for name in profiles for half, held in halves.items()}
lab.table(
    ["profile", *(f"nDCG@10, {half}" for half in halves)],
    [[name, *(metrics.interval(values[name, half]) for half in halves)] for name in profiles],
)

# %%
figure, (axes,) = pictures.panels(height=4.4)
pictures.bars(
    axes,
    list(profiles),
    [(half, [metrics.interval(values[name, half]) for name in profiles]) for half in halves],
    "nDCG@10",
)
axes.set_title("The profiles on both halves", pad=34)
pictures.show(figure, here.folder, "08-profiles")

# %% [markdown]
# ## The decision, on the development half

# %%
ahead = {
    name: metrics.paired_bootstrap(values[name, "development"], values[incumbent.name, "development"])
    for name in profiles
    if name != incumbent.name
}
sure = [name for name, item in ahead.items() if item.low > 0]
promoted = max(sure, key=lambda name: ahead[name].mean) if sure else incumbent.name
lab.table(
    [f"challenger minus {incumbent.name}", "difference", "95 %", "p"],
    [[name, item.mean, f"{item.low:+.3f} … {item.high:+.3f}", item.p_value] for name, item in ahead.items()],
)

# %% [markdown]
# ## Its scores
#
# Written only where `PROMOTE_TO` says, and only when every question was asked: a promoted profile bears the scores of the
# whole set.

# %%
measured = comparison.compare(judged, {HYBRID: runs[promoted]}, promoted)
scores = scores_of(measured, HYBRID)
written = []
if PROMOTE_TO:
    if QUESTIONS is not None:
        raise ValueError("a profile is promoted with the scores of all questions: leave QUESTIONS empty")
    written = promote(profiles[promoted], scores, utcnow().date(), Path(PROMOTE_TO))
lab.table(
    ["part", "measure", "mean", "95 %", "questions"],
    [
        [item.part, item.measure, item.mean, f"{item.low:.3f}–{item.high:.3f}", item.questions]
        for item in scores
    ],
)

# %%
on_held_out = metrics.interval(values[promoted, "held out"])
lab.verdict(
    f"Promoted: **{promoted}**, nDCG@10 {on_held_out.mean:.3f} ({on_held_out.low:.3f}–{on_held_out.high:.3f}) on"
    f" {on_held_out.count} held-out questions;",
    f"surely better than {incumbent.name} on the development half: {', '.join(sure)}."
    if sure
    else f"none of {len(ahead)} challengers is surely better than {incumbent.name} on the development half.",
    f"Written: {', '.join(path.name for path in written)}." if written else "Nothing was written.",
)
