"""The one chart card: a question as title, marks drawn from server-made geometry, tooltips by hover and by keyboard."""

from __future__ import annotations

from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, choose, classes, icon, inline_style, page_link
from tools_app.components.plots import Band, LegendEntry, Plot, Tick, Tip, Trace

# Drawn height of a plot; an empty chart and a skeleton keep it, so nothing jumps when data arrives.
_HEIGHT = "h-44"


def chart_card(plot: Annotated[Any, Plot]) -> rx.Component:
    """Draw a chart in its card."""
    return rx.el.section(
        rx.el.header(
            rx.el.h3(plot.title, class_name="text-sm font-semibold text-ink"),
            rx.el.div(
                rx.el.p(plot.note, class_name="text-xs text-ink-3"),
                rx.el.ul(rx.foreach(plot.legend, _legend_entry), class_name="flex flex-wrap gap-x-3 gap-y-1"),
                class_name="flex flex-wrap items-center justify-between gap-x-4 gap-y-1",
            ),
            class_name="mb-4 space-y-0.5",
        ),
        rx.cond(plot.is_empty, _empty(plot), rx.cond(plot.is_rows, _rows(plot), _columns(plot))),
        class_name=f"{CARD} flex min-w-0 flex-col p-4",
        aria_label=plot.title,
        data_chart=plot.key,
    )


def chart_skeleton() -> rx.Component:
    """The room of a chart that is being loaded."""
    return rx.el.div(
        rx.el.div(class_name="skeleton h-4 w-56"),
        rx.el.div(class_name="skeleton h-3 w-32"),
        rx.el.div(class_name=f"skeleton mt-3 w-full {_HEIGHT}"),
        class_name=f"{CARD} flex h-[18.5rem] flex-col gap-2 p-4",
    )


def _legend_entry(entry: Annotated[Any, LegendEntry]) -> rx.Component:
    return rx.el.li(
        _swatch(entry.colour), entry.name, class_name="flex items-center gap-1.5 text-xs text-ink-2"
    )


def _swatch(colour: rx.Var[str]) -> rx.Component:
    return rx.el.span(
        class_name="size-2 shrink-0 rounded-[3px]",
        custom_attrs=inline_style(background=colour),
        aria_hidden="true",
    )


def _empty(plot: Annotated[Any, Plot]) -> rx.Component:
    return rx.el.div(
        icon("chart-no-axes-column", 20, "text-ink-3"),
        rx.el.p(plot.empty, class_name="max-w-xs text-center text-sm text-ink-2"),
        class_name=f"flex {_HEIGHT} flex-col items-center justify-center gap-2 rounded-lg bg-canvas",
    )


def _columns(plot: Annotated[Any, Plot]) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.foreach(plot.y_ticks, _y_tick),
            rx.el.svg(
                rx.foreach(plot.traces, _trace),
                view_box="0 0 100 100",
                preserve_aspect_ratio="none",
                class_name="pointer-events-none absolute inset-0 size-full",
                aria_hidden="true",
            ),
            rx.el.div(rx.foreach(plot.bands, _band), class_name="absolute inset-0", data_bands=True),
            class_name=f"plot relative {_HEIGHT}",
            custom_attrs=inline_style(marginInlineStart=plot.gutter),
        ),
        rx.el.div(
            rx.foreach(plot.x_ticks, _x_tick),
            class_name="relative mt-1.5 h-5",
            custom_attrs=inline_style(marginInlineStart=plot.gutter),
            aria_hidden="true",
        ),
    )


def _y_tick(tick: Annotated[Any, Tick]) -> rx.Component:
    return rx.el.div(
        rx.el.span(
            tick.label,
            class_name="tabular absolute -translate-y-1/2 whitespace-nowrap text-2xs text-ink-3 end-[calc(100%+8px)]",
        ),
        class_name="absolute inset-x-0 border-t border-line",
        custom_attrs=inline_style(top=tick.at),
        aria_hidden="true",
    )


def _x_tick(tick: Annotated[Any, Tick]) -> rx.Component:
    return rx.el.span(
        tick.label,
        class_name=classes(
            "tabular absolute max-w-24 -translate-x-1/2 truncate text-2xs text-ink-3",
            rx.cond(tick.always, "", "max-sm:hidden"),
        ),
        custom_attrs=inline_style(left=tick.at),
    )


def _trace(trace: Annotated[Any, Trace]) -> rx.Component:
    return rx.el.path(
        d=trace.d, custom_attrs={"stroke": trace.stroke, "fill": trace.fill, "strokeWidth": trace.weight}
    )


def _band(band: Annotated[Any, Band]) -> rx.Component:
    return rx.el.div(
        page_link(to=band.href, aria_label=band.label, tab_index=band.tab_index, class_name="hit"),
        rx.el.div(
            rx.el.div(
                rx.el.p(band.title, class_name="mb-1 font-medium text-ink"),
                rx.foreach(band.tips, _tip),
                class_name="rounded-lg border border-line bg-raised px-2.5 py-2 text-xs shadow-pop",
            ),
            class_name=classes(
                "tip w-max max-w-60 pb-2",
                choose(band.align, ("start", "at-start"), ("end", "at-end"), otherwise="at-centre"),
            ),
        ),
        class_name="band",
        custom_attrs=inline_style(left=band.left, width=band.width),
    )


def _tip(tip: Annotated[Any, Tip]) -> rx.Component:
    return page_link(
        _swatch(tip.colour),
        rx.el.span(tip.name, class_name="text-ink-2"),
        rx.el.span(tip.value, class_name="tabular ms-auto ps-3 font-medium text-ink"),
        to=tip.href,
        tab_index=tip.tab_index,
        class_name="flex items-center gap-1.5 rounded px-1 -mx-1 hover:bg-sunken",
    )


def _rows(plot: Annotated[Any, Plot]) -> rx.Component:
    return rx.el.div(
        rx.foreach(plot.bands, _row),
        class_name="flex min-h-44 flex-col gap-1.5 pt-1",
        data_bands=True,
    )


def _row(band: Annotated[Any, Band]) -> rx.Component:
    return page_link(
        rx.el.span(band.title, class_name="w-32 shrink-0 truncate text-xs text-ink-2"),
        rx.el.span(
            rx.el.span(
                class_name="block h-full rounded-sm",
                custom_attrs=inline_style(width=band.width, background=band.colour),
            ),
            class_name="h-3.5 flex-1",
        ),
        rx.el.span(band.value, class_name="tabular w-10 shrink-0 text-end text-xs font-medium text-ink"),
        to=band.href,
        title=band.label,
        aria_label=band.label,
        tab_index=band.tab_index,
        class_name="hit flex items-center gap-2 rounded px-1 py-0.5 hover:bg-sunken",
    )
