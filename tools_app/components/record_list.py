"""The records behind a number, one line each with the way to the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import icon, relative_time, vendor_link
from tools_app.components.evidence_card import VENDOR_OF
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.services.views import RecordRow


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record ready to be shown. `value` is its own part of the figure, where there is one."""

    id: str
    kind: str
    title: str
    snippet: str
    facts: str
    value: str
    occurred_iso: str
    url: str
    open_label: str


def present(row: RecordRow, locale: str, set_code: str, *, with_project: bool) -> RecordLine:
    """A line in the reader's language; the project is named where the list spans several."""
    # What the vendor's API has fixed words for is said in the reader's; names that a team gave stay as they are.
    status = text_or(locale, f"record_status.{row.source_type}.{row.status}", row.status)
    facts = [row.author, status, _project(row, locale) if with_project else ""]
    if row.due_on is not None:
        facts.append(text(locale, "records.due", day=formats.full_day(locale, row.due_on)))
    vendor = VENDOR_OF.get(row.source_type, "")
    return RecordLine(
        id=row.id,
        kind=text_or(locale, f"source_type.{row.source_type}", row.source_type),
        title=row.title,
        snippet=row.snippet,
        facts=" · ".join(fact for fact in facts if fact),
        value=_value(row, locale, set_code),
        occurred_iso=row.occurred_at.isoformat() if row.occurred_at else "",
        url=row.url,
        open_label=text(locale, "evidence.open", vendor=text_or(locale, f"connector.{vendor}", vendor)),
    )


def _project(row: RecordRow, locale: str) -> str:
    return text(locale, "nav.unassigned") if row.project_slug == "unassigned" else row.project_name


def _value(row: RecordRow, locale: str, set_code: str) -> str:
    if row.amount is not None:
        return formats.money(locale, row.amount, row.currency, compact=False)
    if row.value is None:
        return ""
    words = formats.quantity(locale, row.value, row.unit)
    return text_or(locale, f"records.{set_code}.value", words, value=words)


def record_list(lines: Annotated[Any, list[RecordLine]]) -> rx.Component:
    """Draw the list."""
    return rx.el.ul(rx.foreach(lines, _line), class_name="divide-y divide-line")


def _line(line: Annotated[Any, RecordLine]) -> rx.Component:
    return rx.el.li(
        rx.el.span(line.kind, class_name="shrink-0 pt-0.5 text-xs text-ink-3 sm:w-24"),
        rx.el.div(
            rx.cond(
                line.url != "",
                vendor_link(
                    line.title,
                    to=line.url,
                    class_name="rounded font-medium text-ink hover:text-accent-ink hover:underline",
                    data_vendor_link=True,
                ),
                rx.el.span(line.title, class_name="font-medium text-ink"),
            ),
            rx.cond(
                line.snippet != "",
                rx.el.p(line.snippet, class_name="line-clamp-2 text-sm text-ink-2 [overflow-wrap:anywhere]"),
            ),
            rx.el.p(line.facts, class_name="text-xs text-ink-3"),
            class_name="min-w-0 flex-1 space-y-0.5 max-sm:order-last max-sm:basis-full",
        ),
        rx.el.div(
            rx.cond(
                line.value != "", rx.el.span(line.value, class_name="tabular text-sm font-medium text-ink")
            ),
            rx.cond(line.occurred_iso != "", relative_time(line.occurred_iso, "text-xs text-ink-3")),
            class_name="flex shrink-0 items-baseline gap-x-2 gap-y-0.5 whitespace-nowrap max-sm:ms-auto sm:flex-col sm:items-end",
        ),
        rx.cond(
            line.url != "",
            vendor_link(
                icon("external-link", 15),
                to=line.url,
                aria_label=line.open_label,
                title=line.open_label,
                class_name="shrink-0 rounded p-1 text-ink-3 hover:text-accent-ink",
            ),
        ),
        class_name="flex flex-wrap items-start gap-x-3 gap-y-1 px-4 py-3 sm:flex-nowrap",
        data_record=line.id,
    )
