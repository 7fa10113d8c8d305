"""The per-project table: one line a project, every figure a link to its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, classes, page_link, relative_time
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t
from tools_app.services.views import Figure, ProjectRow

COLUMNS = ("messages_7d", "waiting", "reply_hours", "open_issues", "overdue_issues", "open_deals", "pipeline")
# Figures above zero here ask for attention; a plain colour of ink, never a status alone.
_ATTENTION = {"waiting", "overdue_issues"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure: its text, where it leads, whether it asks for attention. `label` names it for readers of a phone."""

    text: str
    href: str
    attention: bool
    label: str


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """One project ready to be shown."""

    slug: str
    name: str
    href: str
    cells: tuple[Cell, ...]
    active_iso: str


def present(row: ProjectRow, locale: str) -> ProjectLine:
    """A line in the reader's language."""
    return ProjectLine(
        slug=row.slug,
        name=text(locale, "nav.unassigned") if row.is_unassigned else row.name,
        href=f"/?project={row.slug}",
        cells=tuple(_cell(name, getattr(row, name), locale) for name in COLUMNS),
        active_iso=row.last_activity_at.isoformat() if row.last_activity_at else "",
    )


def _cell(name: str, figure: Figure, locale: str) -> Cell:
    return Cell(
        text=formats.quantity(locale, figure.value, figure.unit, figure.currency),
        href=f"/records?{figure.records_query}" if figure.records_query else "",
        attention=name in _ATTENTION and bool(figure.value),
        label=text(locale, f"table.{name}"),
    )


def project_table(lines: Annotated[Any, list[ProjectLine]]) -> rx.Component:
    """Draw the table; on a phone each project becomes a block of labelled figures."""
    head = "px-3 py-2 text-end text-xs font-medium text-ink-3 whitespace-nowrap"
    return rx.el.section(
        rx.el.h2(t("table.title"), class_name="px-4 pt-4 pb-2 text-sm font-semibold"),
        rx.el.div(
            rx.el.table(
                rx.el.thead(
                    rx.el.tr(
                        rx.el.th(t("table.project"), scope="col", class_name=f"{head} ps-4 !text-start"),
                        *[rx.el.th(t(f"table.{name}"), scope="col", class_name=head) for name in COLUMNS],
                        rx.el.th(t("table.active"), scope="col", class_name=f"{head} pe-4"),
                    ),
                    class_name="border-b border-line",
                ),
                rx.el.tbody(rx.foreach(lines, _line), class_name="divide-y divide-line"),
                class_name="w-full text-sm",
            ),
            class_name="hidden overflow-x-auto md:block",
        ),
        rx.el.ul(rx.foreach(lines, _block), class_name="divide-y divide-line md:hidden"),
        class_name=CARD,
        aria_label=t("table.title"),
    )


def _line(line: Annotated[Any, ProjectLine]) -> rx.Component:
    return rx.el.tr(
        rx.el.th(
            page_link(line.name, to=line.href, class_name="rounded hover:text-accent-ink hover:underline"),
            scope="row",
            class_name="max-w-48 truncate py-2.5 ps-4 pe-3 text-start font-medium text-ink",
        ),
        rx.foreach(
            line.cells, lambda cell: rx.el.td(_figure(cell), class_name="tabular px-3 py-2.5 text-end")
        ),
        rx.el.td(
            rx.cond(line.active_iso != "", relative_time(line.active_iso), "—"),
            class_name="px-3 py-2.5 pe-4 text-end text-xs text-ink-3 whitespace-nowrap",
        ),
        class_name="hover:bg-canvas",
        data_project_row=line.slug,
    )


def _figure(cell: Annotated[Any, Cell]) -> rx.Component:
    return rx.cond(
        cell.href != "",
        page_link(
            cell.text,
            to=cell.href,
            class_name=classes(
                "rounded whitespace-nowrap hover:text-accent-ink hover:underline",
                rx.cond(cell.attention, "font-semibold text-ink", "text-ink-2"),
            ),
        ),
        rx.el.span(cell.text, class_name="text-ink-3"),
    )


def _block(line: Annotated[Any, ProjectLine]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            page_link(line.name, to=line.href, class_name="font-medium text-ink"),
            rx.cond(line.active_iso != "", relative_time(line.active_iso, "text-xs text-ink-3")),
            class_name="mb-2 flex items-baseline justify-between gap-3",
        ),
        rx.el.dl(
            rx.foreach(
                line.cells,
                lambda cell: rx.el.div(
                    rx.el.dt(cell.label, class_name="text-2xs leading-4 text-ink-3"),
                    rx.el.dd(_figure(cell), class_name="tabular text-sm"),
                ),
            ),
            class_name="grid grid-cols-3 gap-x-3 gap-y-2",
        ),
        class_name="px-4 py-3.5",
    )
