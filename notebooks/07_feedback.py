# %% [markdown]
# # 07 · What did people vote down, and would another profile have answered it?
#
# Every thumbs-down is a case. All of them are asked again of every profile; those that somebody has completed with the right
# records are measured as well.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"

# %%
from models.infra.database import reading
from retrieval import pipeline
from retrieval.evaluation import lab, pictures
from retrieval.evaluation.feedback import feedback_set, read_cases
from retrieval.evaluation.systems import ask_all, systems
from retrieval.profile import changed
from retrieval.schemas import Query

here = lab.open_lab(REPORTS, QUESTIONS)
with reading() as session:
    cases = read_cases(session, here.everything)
completed = feedback_set(cases)
here.describe()

# %% [markdown]
# ## The profiles that are asked
#
# The one that answers now, and the same under other ways of fusion. To replay a profile of your own, add
# `load_profile("its-name")`.

# %%
profiles = {
    here.profile.name: here.profile,
    **{
        f"{here.profile.name}, {method}": changed(
            here.profile, {"fusion.method": method, "fusion.uniform": method}
        )
        for method in ("weighted", "rrf")
    },
}

# %% [markdown]
# ## Every case, asked again
#
# Of what was shown then, the share that a profile shows now (nothing shown then: nothing to compare).

# %%
SHOWN = 10
now = {}
with reading() as session:
    for name, profile in profiles.items():
        for case in cases:
            found = pipeline.search(
                session, Query(text=case.question, scope=case.scope, top_k=SHOWN), profile
            )
            now[name, case.query_run_id] = (
                [item.id for item in found.evidence],
                bool(found.ranked) and found.support >= profile.support.threshold,
            )
lab.table(
    ["question", "comment", "right records named", *(f"{name}: shown as then" for name in profiles)],
    [
        [
            case.question.replace("|", "/"),
            (case.comment or "").replace("|", "/"),
            "not yet" if case.evidence is None else len(case.evidence),
            *(
                f"{len(set(case.shown) & set(now[name, case.query_run_id][0]))} of {len(case.shown)}"
                if case.shown
                else "nothing shown"
                for name in profiles
            ),
        ]
        for case in cases
    ],
)

# %% [markdown]
# ## The completed ones, measured

# %%
runs = {}
with reading() as session:
    for name, profile in profiles.items():
        runs[name] = ask_all(session, completed, systems(profile, ("hybrid",)))["hybrid"]
quality = {name: lab.quality_of(completed, runs[name]) for name in profiles}
figure, (left, right) = pictures.panels(2, width=11, height=3.8)
if completed.cases:
    pictures.bars(left, list(profiles), [("completed", list(quality.values()))], "nDCG@10")
else:
    pictures.nothing(left, "no vote is completed yet")
left.set_title(f"Completed votes ({len(completed.cases)})")
answered = {name: sum(now[name, case.query_run_id][1] for case in cases) for name in profiles}
if cases:
    right.bar(list(profiles), list(answered.values()), color=pictures.GREEN, label="answered")
    right.bar(
        list(profiles), [len(cases) - value for value in answered.values()], bottom=list(answered.values()),
        color=pictures.GREY, label="refused",
    )  # fmt: skip
    right.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0)
    right.tick_params(axis="x", rotation=12)
else:
    pictures.nothing(right, "nobody has voted down yet")
right.set_title(f"All thumbs-down ({len(cases)}), asked again", pad=22)
pictures.show(figure, here.folder, "07-replay")

# %%
best = max(quality, key=lambda name: quality[name].mean)
waiting = sum(case.evidence is None for case in cases)
lab.verdict(
    f"{len(cases)} thumbs-down, {len(completed.cases)} completed, {waiting} waiting for somebody to name the right records.",
    f"On the completed ones `{here.profile.name}` reaches {quality[here.profile.name].mean:.3f};"
    f" best is `{best}` with {quality[best].mean:.3f} ({quality[best].low:.3f}–{quality[best].high:.3f})."
    if completed.cases
    else "With none completed, nothing can be said about profiles yet.",
    f"`{here.profile.name}` answers {answered[here.profile.name]} of all cases now.",
)
