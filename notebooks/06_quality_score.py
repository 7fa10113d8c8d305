# %% [markdown]
# # 06 · Does the quality score keep its word: is an answer with a score of 80 right four times of five?
#
# An answer is right when it cites a record that answers the question. The two parameters that turn the blend of the parts into
# a probability are fitted on the development half; the held-out half judges them.

# %% tags=["parameters"]
QUESTIONS: int | None = None
REPORTS = "../reports/notebooks"

# %%
import numpy as np

from retrieval import quality
from retrieval.evaluation import lab, pictures, reliability
from retrieval.profile import Quality

here = lab.open_lab(REPORTS, QUESTIONS)
development = reliability.answer_all(here.world, here.development, here.profile)
held_out = reliability.answer_all(here.world, here.held_out, here.profile)
here.describe()

# %% [markdown]
# ## Three scales
#
# The plain blend of the parts, the profile's scale, and one fitted here on the development half.

# %%
fitted = reliability.calibrate(development)
scales = {"plain blend": Quality(), "the profile's": here.profile.quality, "fitted here": fitted}


def judge(answered, scale: Quality):
    given = [item for item in answered if item.answered]
    scores = [quality.quality_score(item.parts, scale) for item in given]
    return scores, reliability.measure(scores, [item.right for item in given])


measured = {name: judge(held_out, scale) for name, scale in scales.items()}
given = [item for item in held_out if item.answered]
right = sum(item.right for item in given) / max(len(given), 1)
lab.table(
    ["scale", "slope", "intercept", "calibration error", f"answers above {reliability.PROMISED}", "of them right"],
    [
        [name, scales[name].slope, scales[name].intercept, found.error, found.above,
         "none" if found.above_right is None else found.above_right]
        for name, (_, found) in measured.items()
    ],
)  # fmt: skip

# %%
figure, axes = pictures.panels(len(measured), width=12, height=4.4)
for place, (panel, (name, (_scores, found))) in enumerate(zip(axes, measured.items(), strict=True)):
    panel.plot([0, 1], [0, 1], color=pictures.GREY, linestyle=":", label="keeps its word")
    panel.axvspan(reliability.PROMISED / 100, 1, color=pictures.GREEN, alpha=0.08)
    panel.plot(
        [each.score for each in found.bins],
        [each.right for each in found.bins],
        color=pictures.COLOURS[place],
    )
    panel.scatter(
        [each.score for each in found.bins], [each.right for each in found.bins],
        s=[20 + 6 * each.count for each in found.bins], color=pictures.COLOURS[place], zorder=3,
    )  # fmt: skip
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1.04)
    panel.set_title(f"{name}: error {found.error:.3f}")
    panel.set_xlabel("score / 100")
axes[0].set_ylabel("share of answers that are right")
axes[0].legend(loc="upper left")
pictures.show(figure, here.folder, "06-reliability")

# %% [markdown]
# ## Which part tells right answers from wrong ones?
#
# For each part the chance that a right answer has more of it than a wrong one (area under the ROC curve; a half: it tells
# nothing). Both halves together, as nothing is chosen by it.

# %%
answers = [item for item in (*development, *held_out) if item.answered]
good = [item for item in answers if item.right]
bad = [item for item in answers if not item.right]


def area(part: str) -> float:
    ours = np.array([item.parts[part] for item in good])[:, None]
    theirs = np.array([item.parts[part] for item in bad])[None, :]
    return float(((ours > theirs) + 0.5 * (ours == theirs)).mean()) if good and bad else 0.5


areas = {part: area(part) for part in quality.WEIGHTS}
figure, (panel,) = pictures.panels(height=3.4)
ordered = sorted(areas, key=areas.__getitem__)
if good and bad:
    panel.barh(ordered, [areas[part] - 0.5 for part in ordered], left=0.5, color=pictures.BLUE)
    panel.axvline(0.5, color=pictures.BLACK, linewidth=1)
    panel.set_xlim(0, 1)
    panel.grid(visible=False, axis="y")
    panel.set_xlabel("chance that a right answer has more of it")
else:
    pictures.nothing(panel, "right and wrong answers are needed, and one sort is missing")
panel.set_title(f"What tells {len(good)} right answers from {len(bad)} wrong ones")
pictures.show(figure, here.folder, "06-parts")

# %%
ours, plain = measured["the profile's"][1], measured["plain blend"][1]
promise = reliability.PROMISED
strongest = max(areas, key=areas.__getitem__)
kept = ours.above_right is not None and ours.above_right >= promise / 100
lab.verdict(
    f"Of {len(given)} held-out answers {right:.0%} are right. The profile's score is off by {ours.error:.3f} on average"
    f" (plain blend {plain.error:.3f}, fitted here {measured['fitted here'][1].error:.3f}).",
    "No answer scores above the promise, so there is nothing to keep."
    if ours.above_right is None
    else f"Above {promise} stand {ours.above} answers, {ours.above_right:.0%} of them right:"
    f" the promise is {'kept' if kept else 'broken'}.",
    f"The part that tells most is {strongest} ({areas[strongest]:.2f})."
    if good and bad
    else "Without both right and wrong answers no part can be judged.",
)
