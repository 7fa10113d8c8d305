"""The completeness section: a block a connector, a table of its streams (on a phone a list), what can be done about it."""

from __future__ import annotations

from typing import Annotated, Any

import reflex as rx

from tools_app.components.completeness_lines import COUNTS, Completeness, CompletenessLine, Count
from tools_app.components.elements import (
    CARD,
    SECONDARY,
    Anchor,
    choose,
    classes,
    file_link,
    icon,
    relative_time,
)
from tools_app.i18n.locale_state import t

# What figures of completeness elsewhere lead to.
ANCHOR = "completeness"


def completeness_section(
    blocks: Annotated[Any, list[Completeness]], compare: Any, repair: Any
) -> rx.Component:
    """Draw the section; `compare` and `repair` are events that take a connector's name. Nothing without connectors."""
    return Anchor.create(
        rx.cond(
            blocks.length() > 0,
            rx.el.section(
                rx.el.header(
                    rx.el.h2(t("completeness.title"), class_name="text-sm font-semibold"),
                    rx.el.p(t("completeness.how"), class_name="max-w-3xl text-xs text-ink-2"),
                    class_name="space-y-1 px-4 pt-4 pb-3",
                ),
                rx.foreach(blocks, lambda block: _block(block, compare, repair)),
                class_name=CARD,
                aria_label=t("completeness.title"),
            ),
        ),
        id=ANCHOR,
        class_name="block",
    )


def _block(block: Annotated[Any, Completeness], compare: Any, repair: Any) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h3(block.name, class_name="text-base font-semibold"),
            rx.el.span(
                block.total,
                class_name=classes("tabular text-base font-semibold", _ink(block.tone)),
                data_complete=True,
            ),
            rx.cond(
                block.run_id != "",
                rx.el.span(
                    block.progress,
                    class_name="tabular min-w-0 truncate text-xs text-ink-2",
                    role="status",
                    data_work=True,
                ),
            ),
            rx.el.div(
                _button("completeness.compare", "scale", compare(block.connector), block.job == "reconcile"),
                rx.cond(
                    block.differs,
                    _button("completeness.repair", "wrench", repair(block.connector), block.job == "repair"),
                ),
                class_name="ms-auto flex flex-wrap gap-2",
            ),
            class_name="flex flex-wrap items-center gap-x-3 gap-y-2 px-4 py-3",
        ),
        rx.cond(
            block.lines.length() > 0,
            rx.fragment(_table(block.lines), _list(block.lines)),
            rx.el.p(t("completeness.never"), class_name="px-4 pb-4 text-sm text-ink-2"),
        ),
        class_name="border-t border-line",
        data_completeness=block.connector,
    )


def _button(label: str, icon_name: str, event: Any, busy: rx.Var[bool]) -> rx.Component:
    return rx.el.button(
        icon(icon_name, 15, rx.cond(busy, "animate-pulse", "")),
        t(label),
        type="button",
        class_name=SECONDARY,
        on_click=event,
        data_action=label,
    )


def _table(lines: Annotated[Any, list[CompletenessLine]]) -> rx.Component:
    head = "px-3 py-1.5 text-end text-xs font-medium text-ink-3 whitespace-nowrap"
    columns = ("complete", *COUNTS, "trend", "measured")
    return rx.el.div(
        rx.el.table(
            rx.el.thead(
                rx.el.tr(
                    rx.el.th(t("completeness.stream"), scope="col", class_name=f"{head} ps-4 !text-start"),
                    *[rx.el.th(t(f"completeness.{name}"), scope="col", class_name=head) for name in columns],
                    rx.el.th(t("completeness.ids"), scope="col", class_name=f"{head} pe-4"),
                ),
                class_name="border-y border-line bg-canvas",
            ),
            rx.el.tbody(rx.foreach(lines, _row), class_name="divide-y divide-line"),
            class_name="w-full text-sm",
        ),
        class_name="hidden overflow-x-auto md:block",
    )


def _row(line: Annotated[Any, CompletenessLine]) -> rx.Component:
    cell = "px-3 py-2 text-end"
    return rx.el.tr(
        rx.el.th(
            line.name,
            rx.cond(
                line.note != "", rx.el.span(line.note, class_name="block text-xs font-normal text-ink-3")
            ),
            scope="row",
            class_name="py-2 ps-4 pe-3 text-start font-medium text-ink",
        ),
        rx.el.td(_figure(line), class_name=cell),
        rx.foreach(line.counts, lambda count: rx.el.td(_number(count), class_name=f"{cell} tabular")),
        rx.el.td(_trend(line), class_name=cell),
        rx.el.td(relative_time(line.measured_iso), class_name=f"{cell} text-xs text-ink-3 whitespace-nowrap"),
        rx.el.td(_csv(line), class_name=f"{cell} pe-4"),
        data_stream=line.id,
    )


def _list(lines: Annotated[Any, list[CompletenessLine]]) -> rx.Component:
    return rx.el.ul(
        rx.foreach(lines, _item), class_name="divide-y divide-line border-t border-line md:hidden"
    )


def _item(line: Annotated[Any, CompletenessLine]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(line.name, class_name="font-medium text-ink"),
            rx.el.span(line.note, class_name="text-xs text-ink-3"),
            rx.el.span(_figure(line), class_name="ms-auto text-end"),
            class_name="flex items-baseline gap-2",
        ),
        rx.el.dl(
            rx.foreach(
                line.counts,
                lambda count: rx.el.div(
                    rx.el.dt(count.label, class_name="text-2xs leading-4 text-ink-3"),
                    rx.el.dd(_number(count), class_name="tabular text-sm"),
                ),
            ),
            class_name="grid grid-cols-3 gap-x-3 gap-y-2",
        ),
        rx.el.div(
            rx.cond(line.trend != "", _trend(line)),
            rx.el.span(
                t("completeness.measured"),
                " ",
                relative_time(line.measured_iso),
                class_name="text-xs text-ink-3",
            ),
            rx.cond(line.csv != "", rx.el.span(_csv(line), class_name="ms-auto")),
            class_name="flex items-center gap-3",
        ),
        class_name="space-y-2 px-4 py-3",
    )


def _figure(line: Annotated[Any, CompletenessLine]) -> rx.Component:
    return rx.fragment(
        rx.el.span(line.value, class_name=classes("tabular font-semibold", _ink(line.tone))),
        rx.cond(
            line.why != "",
            rx.el.span(
                line.why,
                " ",
                rx.cond(
                    line.known_iso != "",
                    rx.fragment(t("completeness.last_figure"), " ", relative_time(line.known_iso)),
                    t("completeness.no_figure"),
                ),
                class_name="ms-auto block max-w-64 text-xs text-ink-2",
            ),
        ),
    )


def _ink(tone: Any) -> rx.Var[str]:
    return choose(tone, ("full", "text-ink"), ("part", "text-warn"), otherwise="text-ink-2")


def _number(count: Annotated[Any, Count]) -> rx.Component:
    return rx.el.span(count.value, class_name=rx.cond(count.differs, "font-semibold text-warn", "text-ink-2"))


def _trend(line: Annotated[Any, CompletenessLine]) -> rx.Component:
    return rx.cond(
        line.trend != "",
        rx.el.svg(
            rx.el.path(
                d=line.trend,
                custom_attrs={
                    "fill": "none",
                    "stroke": "var(--s1)",
                    "strokeWidth": "1.5",
                    "vectorEffect": "non-scaling-stroke",
                },
            ),
            rx.el.title(line.trend_words),
            view_box="0 0 100 24",
            preserve_aspect_ratio="none",
            class_name="inline-block h-5 w-20",
            role="img",
            aria_label=line.trend_words,
        ),
        rx.el.span("—", class_name="text-ink-3"),
    )


def _csv(line: Annotated[Any, CompletenessLine]) -> rx.Component:
    return rx.cond(
        line.csv != "",
        file_link(
            icon("download", 14),
            "CSV",
            to=line.csv,
            class_name="inline-flex items-center gap-1 rounded text-xs font-medium text-accent-ink hover:underline",
            aria_label=t("completeness.csv"),
            title=t("completeness.csv"),
            data_csv=True,
        ),
        rx.el.span("—", class_name="text-ink-3"),
    )
