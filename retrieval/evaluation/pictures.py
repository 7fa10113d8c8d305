"""How the notebooks' pictures look: one style, one palette, and one way to show a picture and keep it.

Okabe and Ito's palette, told apart by every kind of colour vision; on white, with the message in the title. A picture is
written to the report's folder and shown from there, so that what is seen in the notebook is what is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot chooses a window system
from IPython.display import Image
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retrieval.evaluation.metrics import Interval

BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#222222", "#999999",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, GREY)
_STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.alpha": 0.25,
    "font.size": 10,
    "legend.frameon": False,
}


def panels(count: int = 1, *, width: float = 9.0, height: float = 4.2) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels side by side; sizes in inches."""
    # For good: titles and legends are styled when they are made, which is later and elsewhere.
    plt.rcParams.update(_STYLE)
    figure, axes = plt.subplots(1, count, figsize=(width, height), layout="constrained", squeeze=False)
    return figure, list(axes[0])


def bars(
    axes: Axes, names: Sequence[str], series: Sequence[tuple[str, Sequence[Interval]]], label: str
) -> None:
    """Lying bars of means with their 95 % intervals, one group a name, one colour a series; the best of each is marked."""
    height = 0.8 / max(len(series), 1)
    for place, (title, values) in enumerate(series):
        at = [index - 0.4 + (place + 0.5) * height for index in range(len(names))]
        means = [value.mean for value in values]
        errors = [
            [value.mean - value.low for value in values],
            [value.high - value.mean for value in values],
        ]
        axes.barh(
            at, means, height * 0.92, color=COLOURS[place], label=title,
            xerr=errors, error_kw={"elinewidth": 1, "ecolor": BLACK},
        )  # fmt: skip
        best = max(means, default=0.0)
        for where, value in zip(at, values, strict=True):
            axes.text(
                0.012, where, f"{value.mean:.3f}", va="center", ha="left", fontsize=9, color="white",
                fontweight="bold" if value.mean == best else "normal",
            )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1)
    axes.set_xlabel(label)
    if len(series) > 1:
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.02), ncols=len(series), borderaxespad=0)


def nothing(axes: Axes, why: str) -> None:
    """An empty panel that says why it is empty."""
    axes.text(0.5, 0.5, why, ha="center", va="center", color=GREY, transform=axes.transAxes)
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])


def show(figure: Figure, folder: Path, name: str) -> Image:
    """Write the picture as ``name.png`` and give it back for the notebook to show."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)
    return Image(filename=str(path), width=int(figure.get_figwidth() * 90))
