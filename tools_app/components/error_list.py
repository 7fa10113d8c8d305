"""Failed units of work: what could not be read, how often it was tried, when it is tried next, and trying it now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, SECONDARY, relative_time
from tools_app.components.status_chip import Chip, status_chip
from tools_app.components.status_chip import present as present_chip
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.views import ErrorRow


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """A failed unit ready to be shown. `next_iso` is empty for what is no longer tried by itself."""

    id: str
    unit: str
    reason: str
    detail: str
    chip: Chip
    attempts: str
    next_iso: str


def present(row: ErrorRow, locale: str) -> ErrorLine:
    """A failed unit in the reader's language; the vendor's own message stays as it is."""
    place = " · ".join(
        (
            text_or(locale, f"connector.{row.connector}", row.connector),
            text_or(locale, f"stream.{row.stream}", row.stream),
        )
    )
    return ErrorLine(
        id=row.error_id,
        unit=place if row.unit == "stream" else f"{place} · {row.unit}",
        reason=text_or(locale, f"connector_error.{row.kind}", row.kind),
        detail=row.message,
        chip=present_chip(row.status, locale),
        attempts=text(
            locale, "errors.attempts", count=row.attempt, count_text=formats.number(locale, row.attempt)
        ),
        next_iso=row.next_retry_at.isoformat() if row.next_retry_at else "",
    )


def error_list(lines: Annotated[Any, list[ErrorLine]], retry: Any) -> rx.Component:
    """Draw the failed units; `retry` is the event that takes the id of one. Nothing where nothing failed."""
    return rx.cond(
        lines.length() > 0,
        rx.el.section(
            rx.el.h2(t("errors.title"), class_name="px-4 pt-4 pb-2 text-sm font-semibold"),
            rx.el.ul(rx.foreach(lines, lambda line: _line(line, retry)), class_name="divide-y divide-line"),
            class_name=CARD,
            aria_label=t("errors.title"),
        ),
    )


def _line(line: Annotated[Any, ErrorLine], retry: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.p(line.unit, class_name="truncate font-medium text-ink"),
            rx.el.p(line.reason, class_name="text-xs text-ink-2"),
            rx.el.p(line.detail, class_name="truncate text-xs text-ink-3", title=line.detail, dir="ltr"),
            class_name="min-w-0 flex-1 max-sm:basis-full",
        ),
        status_chip(line.chip),
        rx.el.div(
            rx.el.p(line.attempts, class_name="tabular"),
            rx.cond(line.next_iso != "", relative_time(line.next_iso), t("errors.given_up")),
            class_name="text-xs text-ink-2 sm:w-32",
        ),
        rx.el.button(t("errors.retry"), type="button", class_name=SECONDARY, on_click=retry(line.id)),
        class_name="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5 text-sm",
        data_error=line.id,
    )
