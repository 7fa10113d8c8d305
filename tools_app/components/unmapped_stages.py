"""Deal stages that the product does not know, with how many deals count in no stage because of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from models.queries.crm import UnmappedStage
from tools_app.components.elements import CARD, icon
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t

# Where a title becomes a stage, for whoever is to teach it.
TABLE = "jobs/crm_stages.py"


@dataclass(frozen=True, slots=True)
class StageLine:
    """An unknown stage ready to be shown."""

    title: str
    deals: str
    moves: str


def present(row: UnmappedStage, locale: str) -> StageLine:
    """An unknown stage in the reader's language; its title stays the vendor's."""
    return StageLine(
        row.stage or text(locale, "unmapped.none"),
        text(locale, "unmapped.deals", count=row.deals, count_text=formats.number(locale, row.deals)),
        text(locale, "unmapped.moves", count=row.events, count_text=formats.number(locale, row.events)),
    )


def unmapped_stages(lines: Annotated[Any, list[StageLine]]) -> rx.Component:
    """Draw the unknown stages; nothing where every stage is known."""
    return rx.cond(
        lines.length() > 0,
        rx.el.section(
            rx.el.h2(
                icon("triangle-alert", 15, "text-warn"),
                t("unmapped.title"),
                class_name="flex items-center gap-2 px-4 pt-4 text-sm font-semibold",
            ),
            rx.el.p(
                t("unmapped.about"),
                " ",
                rx.el.code(TABLE, class_name="font-mono"),
                class_name="max-w-prose px-4 pt-1 pb-2 text-xs text-ink-2",
            ),
            rx.el.ul(rx.foreach(lines, _line), class_name="divide-y divide-line"),
            class_name=CARD,
            aria_label=t("unmapped.title"),
            data_unmapped=True,
        ),
    )


def _line(line: Annotated[Any, StageLine]) -> rx.Component:
    return rx.el.li(
        rx.el.span(line.title, class_name="min-w-0 flex-1 truncate text-ink"),
        rx.el.span(line.deals, class_name="tabular text-ink-2"),
        rx.el.span(line.moves, class_name="tabular text-xs text-ink-3 sm:w-40 sm:text-end"),
        class_name="flex flex-wrap items-baseline gap-x-4 gap-y-1 px-4 py-2 text-sm",
    )
