"""A highlight: one figure, how it moved, what it leads to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, choose, classes, icon, page_link, relative_time
from tools_app.components.geometry import spark_path
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.views import TileView


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile ready to be shown. `tone` (good, bad, flat) colours the change; `href` leads to the detail. `known_iso` is
    when a figure that is unknown now was known last.
    """

    key: str
    title: str
    value: str
    note: str
    href: str
    known: bool
    change: str = ""
    tone: str = "flat"
    spark: str = ""
    known_iso: str = ""


def present(view: TileView, locale: str, project: str) -> Tile:
    """A tile in the reader's language. `project` is the slug (or `all`) that its page is opened with."""
    figure = view.figure
    known = figure.value is not None
    change, tone = _change(view, locale)
    href = (
        f"/records?{figure.records_query}"
        if figure.records_query
        else f"{view.page or '/'}?project={project}{'#' if view.anchor else ''}{view.anchor}"
    )
    return Tile(
        key=view.key,
        title=text_or(locale, f"tile.{view.key}.title", view.key),
        value=formats.quantity(locale, figure.value, figure.unit, figure.currency)
        if known
        else text(locale, "unit.unknown" if view.is_unknown else "unit.not_measured"),
        note=text_or(locale, f"tile.{view.key}.note", ""),
        href=href,
        known=known,
        change=change,
        tone=tone,
        spark=spark_path(view.trend),
        known_iso=view.known_at.isoformat() if view.is_unknown and view.known_at else "",
    )


def _change(view: TileView, locale: str) -> tuple[str, str]:
    now, before = view.figure.value, view.previous
    if now is None or before is None:
        return "", "flat"
    moved = now - before
    sign = "+" if moved > 0 else "−" if moved < 0 else "±"
    words = text(locale, "tile.change", change=f"{sign}{formats.number(locale, abs(moved))}")
    if view.better == "neutral" or moved == 0:
        return words, "flat"
    return words, "good" if (moved > 0) == (view.better == "up") else "bad"


def stat_tile(tile: Annotated[Any, Tile]) -> rx.Component:
    """Draw a tile; the whole of it is the link."""
    return page_link(
        rx.el.span(
            rx.el.span(tile.title, class_name="text-sm text-ink-2"),
            icon("arrow-up-right", 14, "text-ink-3 opacity-0 transition-opacity group-hover:opacity-100"),
            class_name="flex items-center justify-between gap-2",
        ),
        rx.el.span(
            rx.el.span(
                tile.value,
                class_name=rx.cond(
                    tile.known,
                    "tabular text-2xl font-semibold tracking-tight text-ink",
                    "text-base font-medium text-ink-2 leading-[1.875rem]",
                ),
            ),
            rx.cond(
                tile.spark != "",
                rx.el.svg(
                    rx.el.path(
                        d=tile.spark,
                        custom_attrs={"fill": "none", "stroke": "var(--s1)", "strokeWidth": "1.5"},
                    ),
                    view_box="0 0 100 24",
                    preserve_aspect_ratio="none",
                    class_name="h-6 w-20 max-w-[40%]",
                    aria_hidden="true",
                ),
            ),
            class_name="flex items-end justify-between gap-3",
        ),
        rx.el.span(
            rx.cond(
                tile.change != "",
                rx.el.span(
                    tile.change,
                    class_name=classes(
                        "tabular font-medium",
                        choose(tile.tone, ("good", "text-ok"), ("bad", "text-bad"), otherwise="text-ink-3"),
                    ),
                ),
            ),
            rx.cond(
                tile.known_iso != "",
                rx.el.span(t("completeness.last_figure"), " ", relative_time(tile.known_iso)),
                rx.el.span(tile.note),
            ),
            class_name="flex flex-wrap gap-x-1.5 text-xs text-ink-3",
        ),
        to=tile.href,
        class_name=f"{CARD} group flex min-w-0 flex-col gap-1.5 p-4 transition-colors hover:border-line-strong max-md:last:odd:col-span-2",
        data_tile=tile.key,
    )


def tile_skeleton() -> rx.Component:
    """The room of a tile that is being loaded."""
    return rx.el.div(
        rx.el.div(class_name="skeleton h-4 w-24"),
        rx.el.div(class_name="skeleton h-7 w-16"),
        rx.el.div(class_name="skeleton h-3 w-28"),
        class_name=f"{CARD} flex h-[7.25rem] flex-col justify-between p-4",
    )
