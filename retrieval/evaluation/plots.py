"""Pictures of a comparison: the quality of every system on every set, and how far hybrid is ahead. On white, as PNG.

matplotlib is a tool of development: this module alone imports it, and only the evaluation imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # before pyplot chooses a window system
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from retrieval.evaluation.comparison import Comparison, K, Row
from retrieval.evaluation.systems import HYBRID, PREDECESSOR

# Okabe and Ito's palette, told apart by every kind of colour vision.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000", "#999999")
_STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "font.size": 10,
}


def draw(comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write the pictures to a folder; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(_STYLE):
        return [_quality(comparisons, folder / "quality.png"), _ahead(comparisons, folder / "ahead.png")]


def _quality(comparisons: Sequence[Comparison], path: Path) -> Path:
    parts = [(item, lang) for item in comparisons for lang in ("en", "ru") if _has(item, lang)]
    names = list(dict.fromkeys(row.system for item in comparisons for row in item.rows))
    figure, axes = plt.subplots(figsize=(max(7.0, 1.7 * len(parts)), 4.6), layout="constrained")
    width = 0.84 / max(len(names), 1)
    for place, name in enumerate(names):
        rows = [
            next((row for row in item.rows if (row.part, row.system) == (part, name)), None)
            for item, part in parts
        ]
        at = [index - 0.42 + (place + 0.5) * width for index in range(len(parts))]
        shown = [(x, row.ndcg) for x, row in zip(at, rows, strict=True) if row is not None]
        axes.bar(
            [x for x, _ in shown],
            [value.mean for _, value in shown],
            width,
            label=name,
            color=_COLOURS[place % len(_COLOURS)],
            yerr=[
                [value.mean - value.low for _, value in shown],
                [value.high - value.mean for _, value in shown],
            ],
            error_kw={"elinewidth": 1, "ecolor": "#333333"},
        )
    axes.set_xticks(range(len(parts)), [f"{item.set}\n{part}" for item, part in parts])
    axes.set_ylabel(f"nDCG@{K}")
    axes.set_ylim(0, 1)
    axes.set_title("Which system ranks the evidence best? (95 % intervals)", loc="left")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return _save(figure, path)


def _ahead(comparisons: Sequence[Comparison], path: Path) -> Path:
    rows: list[tuple[str, Row]] = []
    for item in comparisons:
        for part in dict.fromkeys(row.part for row in item.rows):
            systems = {row.system for row in item.rows if row.part == part}
            if HYBRID not in systems:
                continue
            rivals = [item.best_single(part)] if systems & {"vector", "naive", "lexical"} else []
            rivals += [item.row(part, PREDECESSOR)] if PREDECESSOR in systems else []
            rows += [(f"{item.set}, {part}: to {rival.system}", rival) for rival in rivals]
    figure, axes = plt.subplots(figsize=(8.5, max(2.0, 0.32 * len(rows) + 1.2)), layout="constrained")
    for place, (_, row) in enumerate(rows):
        if row.ahead is None:
            continue
        colour = _COLOURS[5] if row.system == PREDECESSOR else _COLOURS[0]
        axes.plot([row.ahead.low, row.ahead.high], [place, place], color=colour, linewidth=2)
        axes.plot([row.ahead.mean], [place], "o", color=colour)
    axes.axvline(0, color="#333333", linewidth=1)
    axes.axvline(-0.01, color="#999999", linewidth=1, linestyle=":")
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel(f"difference in nDCG@{K}, 95 % interval (dotted: −0.01)")
    axes.set_title("How far is hybrid ahead?", loc="left")
    return _save(figure, path)


def _has(item: Comparison, part: str) -> bool:
    return any(row.part == part for row in item.rows)


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)
    return path
