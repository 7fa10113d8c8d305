"""From a chart's values to what the chart card draws: paths, bands, ticks and words, made once per load.

A chart's colours follow the order of its series (`--s1` …); they are never status colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tools_app.components import geometry
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.services.views import ChartView, SeriesView

_COLOURS = tuple(f"var(--s{number})" for number in range(1, 7))
_X_LABELS = 7
# Width of a character of an axis label.
_CHAR_REM = 0.42


@dataclass(frozen=True, slots=True)
class Tip:
    """One line of a tooltip, a link to the records of its number; `tab_index` is -1 where the band says it all."""

    name: str
    value: str
    colour: str
    href: str
    tab_index: int


@dataclass(frozen=True, slots=True)
class Band:
    """One x position: where it lies (CSS percentages), what it says, where it leads, whether Tab stops here.

    The band itself leads to the records of its first series that has any; each tip leads to its own series'.
    """

    left: str
    width: str
    title: str
    label: str
    href: str
    tips: tuple[Tip, ...]
    align: str
    tab_index: int
    value: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """One drawn path. `stroke` and `fill` are colours or `none`; `weight` is the stroke's width in pixels."""

    d: str
    stroke: str
    fill: str
    weight: str


@dataclass(frozen=True, slots=True)
class Tick:
    """An axis label at a CSS percentage; without `always` it gives way on a narrow screen."""

    label: str
    at: str
    always: bool = True


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A series' name and colour."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart ready to be drawn: bars in rows (`is_rows`) or marks over x. `gutter` is the room of the y labels."""

    key: str
    title: str
    note: str
    is_empty: bool
    empty: str
    is_rows: bool
    bands: tuple[Band, ...] = ()
    traces: tuple[Trace, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    legend: tuple[LegendEntry, ...] = ()
    gutter: str = "0"


def present(view: ChartView, locale: str) -> Plot:
    """A chart in the reader's language, its geometry computed."""
    title = text_or(locale, f"chart.{view.key}.title", view.key)
    note = text_or(locale, f"chart.{view.key}.note", "", currency=view.currency)
    if not view.series or not view.series[0].points:
        empty = text_or(locale, f"chart.{view.key}.empty", text(locale, "chart.empty"))
        return Plot(view.key, title, note, True, empty, False)
    if view.kind == "hbar":
        return Plot(view.key, title, note, False, "", True, bands=_rows(view, locale))
    ceiling = _ceiling(view)
    names = [_series_name(view, each, locale) for each in view.series]
    legend = (
        tuple(LegendEntry(name, _colour(index)) for index, name in enumerate(names)) if len(names) > 1 else ()
    )
    y_ticks = tuple(
        Tick(_quantity(view, locale, ceiling * share) if share else "0", f"{100 - 100 * share:g}%")
        for share in (0, 0.5, 1)
    )
    return Plot(
        *(view.key, title, note, False, "", False),
        bands=_bands(view, locale, names),
        traces=_traces(view, ceiling),
        y_ticks=y_ticks,
        x_ticks=_x_ticks(view, locale),
        legend=legend,
        gutter=f"{max(len(tick.label) for tick in y_ticks) * _CHAR_REM + 0.75:.2f}rem",
    )


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _quantity(view: ChartView, locale: str, value: float | None) -> str:
    return formats.quantity(locale, value, view.unit, view.currency)


def _series_name(view: ChartView, series: SeriesView, locale: str) -> str:
    return series.label or text_or(locale, f"chart.{view.key}.series.{series.key}", series.key)


def _ceiling(view: ChartView) -> float:
    columns = zip(*(series.points for series in view.series), strict=True)
    heights = [[point.value or 0.0 for point in column] for column in columns]
    highest = max((sum(values) if view.kind == "stacked" else max(values)) for values in heights)
    return geometry.nice_ceiling(highest, whole=view.unit == "count")


def _traces(view: ChartView, ceiling: float) -> tuple[Trace, ...]:
    traces: list[Trace] = []
    below: list[float] = [0.0] * len(view.series[0].points)
    for index, series in enumerate(view.series):
        values = [point.value for point in series.points]
        colour = _colour(index)
        if view.kind == "line":
            traces.append(Trace(geometry.line_path(values, ceiling), colour, "none", "2"))
            traces.append(Trace(geometry.dots_path(values, ceiling), colour, "none", "5"))
        else:
            on = below if view.kind == "stacked" else None
            traces.append(Trace(geometry.bars_path(values, ceiling, on), "none", colour, "0"))
            below = [base + (value or 0.0) for base, value in zip(below, values, strict=True)]
    return tuple(traces)


def _bands(view: ChartView, locale: str, names: list[str]) -> tuple[Band, ...]:
    count = len(view.series[0].points)
    bands: list[Band] = []
    for index, column in enumerate(zip(*(series.points for series in view.series), strict=True)):
        tips = tuple(
            Tip(
                *(name, _quantity(view, locale, point.value), _colour(series), _href(point.records_query)),
                tab_index=0 if len(names) > 1 else -1,
            )
            for series, (name, point) in enumerate(zip(names, column, strict=True))
        )
        title = _x_title(view, locale, column[0].x)
        bands.append(
            Band(
                left=f"{100 * index / count:.3f}%",
                width=f"{100 / count:.3f}%",
                title=title,
                label=f"{title}: " + ", ".join(f"{tip.name} {tip.value}" for tip in tips),
                href=next(
                    (tip.href for tip, point in zip(tips, column, strict=True) if point.value), tips[0].href
                ),
                tips=tips,
                align=_align(index, count),
                tab_index=0 if index == 0 else -1,
            )
        )
    return tuple(bands)


def _href(records_query: str) -> str:
    return f"/records?{records_query}" if records_query else ""


def _align(index: int, count: int) -> str:
    share = (index + 0.5) / count
    return "start" if share < 0.3 else "end" if share > 0.7 else "centre"


def _rows(view: ChartView, locale: str) -> tuple[Band, ...]:
    series = view.series[0]
    highest = max((point.value or 0.0 for point in series.points), default=0.0) or 1.0
    name = _series_name(view, series, locale)
    return tuple(
        Band(
            left="0%",
            width=f"{100 * (point.value or 0.0) / highest:.2f}%",
            title=point.x,
            label=f"{point.x}: {name} {_quantity(view, locale, point.value)}",
            href=_href(point.records_query),
            tips=(
                Tip(name, _quantity(view, locale, point.value), _colour(0), _href(point.records_query), -1),
            ),
            align="centre",
            tab_index=0 if index == 0 else -1,
            value=_quantity(view, locale, point.value),
            colour=_colour(0),
        )
        for index, point in enumerate(series.points)
    )


def _x_ticks(view: ChartView, locale: str) -> tuple[Tick, ...]:
    points = view.series[0].points
    every = geometry.label_every(len(points), _X_LABELS) if view.x_kind != "category" else 1
    return tuple(
        Tick(
            _x_label(view, locale, point.x),
            f"{geometry.centre_of(index, len(points))}%",
            always=_fits(view, index, every),
        )
        for index, point in enumerate(points)
        if index % every == 0
    )


def _fits(view: ChartView, index: int, every: int) -> bool:
    # A phone has room for half of the dates; categories are few.
    return view.x_kind == "category" or (index // every) % 2 == 0


def _x_label(view: ChartView, locale: str, x: str) -> str:
    if view.x_kind == "category":
        return text_or(locale, f"chart.{view.key}.x.{x}", x)
    return formats.day(locale, date.fromisoformat(x))


def _x_title(view: ChartView, locale: str, x: str) -> str:
    if view.x_kind == "category":
        return text_or(
            locale, f"chart.{view.key}.x_title", "{label}", label=_x_label(view, locale, x)
        ).replace("{label}", _x_label(view, locale, x))
    return text(locale, f"chart.x.{view.x_kind}", day=formats.full_day(locale, date.fromisoformat(x)))
