"""Chart geometry, pure: values in, SVG paths and percentages out. Knows no colours, languages or components.

Everything is drawn in a 100 by 100 box that the page stretches, y downwards; strokes do not scale with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

BAR_SHARE = 0.62
Values = Sequence[float | None]


def nice_ceiling(highest: float, *, whole: bool = False) -> float:
    """The smallest of 1, 2, 3, 4, 5, 6, 8, 10 times a power of ten that is not below `highest`: its half is round too.

    `whole` asks for a ceiling whose half is a whole number: counts have no halves.
    """
    if highest <= 0:
        return 2.0 if whole else 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    for step in (1, 2, 3, 4, 5, 6, 8, 10):
        candidate = step * power
        if candidate >= highest * 0.999999 and not (whole and candidate % 2):
            return candidate
    return 10 * power


def y_of(value: float, ceiling: float) -> float:
    """The y coordinate of a value, 0 at the top of the box."""
    return round(100 - 100 * value / ceiling, 2)


def centre_of(index: int, count: int) -> float:
    """The x coordinate of the middle of a band."""
    return round((index + 0.5) * 100 / count, 3)


def line_path(values: Values, ceiling: float) -> str:
    """A path through the known values; an unknown value breaks the line."""
    parts: list[str] = []
    pen_down = False
    for index, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{centre_of(index, len(values))} {y_of(value, ceiling)}")
        pen_down = True
    return "".join(parts)


def dots_path(values: Values, ceiling: float) -> str:
    """A path of dots at the known values: strokes of no length, which a round cap turns into dots."""
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    return "".join(f"M{centre_of(i, len(values))} {y_of(value, ceiling)}h0" for i, value in known)


def bars_path(values: Values, ceiling: float, below: Values | None = None) -> str:
    """A path of one bar a value, standing on the values `below` (stacked) or on the ground."""
    count = len(values)
    width = round(100 / count * BAR_SHARE, 3) if count else 0
    parts: list[str] = []
    for index, value in enumerate(values):
        if not value:
            continue
        base = (below[index] if below is not None else None) or 0.0
        left = round(centre_of(index, count) - width / 2, 3)
        top, bottom = y_of(base + value, ceiling), y_of(base, ceiling)
        parts.append(f"M{left} {bottom}V{top}H{round(left + width, 3)}V{bottom}Z")
    return "".join(parts)


def spark_path(values: Sequence[float]) -> str:
    """A small line in a 100 by 24 box; empty for fewer than two values or when nothing moved."""
    if len(values) < 2 or max(values) == min(values):
        return ""
    low, high = min(values), max(values)
    step = 100 / (len(values) - 1)
    points = [
        f"{round(index * step, 1)} {round(22 - 20 * (value - low) / (high - low), 1)}"
        for index, value in enumerate(values)
    ]
    return "M" + "L".join(points)


def span_bars(values: Values, highest: float) -> str:
    """A path of one bar a value in a 100 by 100 box that `highest` fills; none is so low that it is unseen."""
    least = highest * 0.06
    return bars_path([None if value is None else max(value, least) for value in values], highest)


def trend_path(points: Sequence[tuple[float, float | None]], floor: float) -> str:
    """A stepped line in a 100 by 24 box: each point (position, percentage) holds until the next position.

    The upper edge is 100 %, the lower one `floor` or the lowest value. A gap is where the value is unknown; fewer than
    two positions give no line.
    """
    if len({at for at, _ in points}) < 2:
        return ""
    first, last = points[0][0], points[-1][0]
    low = min([floor, *(value for _, value in points if value is not None)])
    parts: list[str] = []
    before: float | None = None
    for at, value in points:
        x = round(100 * (at - first) / (last - first), 1)
        if before is not None:
            parts.append(f"H{x}")
        if value is not None:
            y = round(22 - 20 * (value - low) / (100 - low), 1) if low < 100 else 2.0
            parts.append(f"M{x} {y}" if before is None else f"V{y}")
        before = value
    return "".join(parts)


def label_every(count: int, most: int) -> int:
    """Every how many bands a label is shown so that at most `most` are."""
    return max(1, math.ceil(count / most))
