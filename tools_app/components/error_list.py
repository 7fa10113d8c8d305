"""Failed units of work: what could not be read, how often it was tried, when it is tried next, what the vendor sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, QUIET, SECONDARY, classes, icon, relative_time
from tools_app.components.status_chip import Chip, status_chip
from tools_app.components.status_chip import present as present_chip
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.error_payload import ErrorPayload
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
    since_iso: str
    is_dead: bool


@dataclass(frozen=True, slots=True)
class OpenPayload:
    """The payload that is shown: of which unit, its text, and what is said below it. Nothing is shown without an id."""

    error_id: str = ""
    text: str = ""
    note: str = ""


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
        unit=place if row.unit == "stream" else f"{place} · {_named(row.unit, locale)}",
        reason=text_or(locale, f"connector_error.{row.kind}", row.kind),
        detail=row.message,
        chip=present_chip(row.status, locale),
        attempts=text(
            locale, "errors.attempts", count=row.attempt, count_text=formats.number(locale, row.attempt)
        ),
        next_iso=row.next_retry_at.isoformat() if row.next_retry_at else "",
        since_iso=row.failed_at.isoformat() if row.failed_at else "",
        is_dead=row.status == "dead_letter",
    )


def _named(unit: str, locale: str) -> str:
    """A part of a stream in the reader's language (`page:2`, `conversation:17`); a record's id as it is."""
    kind, _, key = unit.partition(":")
    return text(locale, f"errors.{kind}", key=key) if kind in ("page", "conversation") and key else unit


def present_payload(error_id: str, payload: ErrorPayload, locale: str) -> OpenPayload:
    """A payload in the reader's language; the vendor's own words stay as they are."""
    note = ""
    if not payload.text:
        note = text(locale, "errors.no_payload")
    elif payload.cut:
        note = text(locale, "errors.cut", count=payload.cut, count_text=formats.number(locale, payload.cut))
    return OpenPayload(error_id, payload.text, note)


def error_list(
    lines: Annotated[Any, list[ErrorLine]],
    payload: Any,
    retry: Any,
    show: Any,
    *,
    retry_shown: Any,
    more: rx.Var[str],
    unfold: Any,
    dead: rx.Var[str],
    only_dead: rx.Var[bool],
    choose_dead: Any,
) -> rx.Component:
    """Draw the failed units; `retry` and `show` are events that take the id of one, `retry_shown` is about all that
    are shown. Nothing where nothing failed.

    `payload` is the OpenPayload of the one that is shown. `more` says how many are not shown, `unfold` shows more of
    them; `dead` says how many were given up (empty: none), `choose_dead` shows those alone, or all again.
    """
    return rx.cond(
        (lines.length() > 0) | only_dead,
        rx.el.section(
            rx.el.div(
                rx.el.h2(t("errors.title"), class_name="text-sm font-semibold"),
                _actions(lines, retry_shown, dead, only_dead, choose_dead),
                class_name="flex flex-wrap items-center justify-between gap-2 px-4 pt-3 pb-1",
            ),
            rx.el.ul(
                rx.foreach(lines, lambda line: _line(line, payload, retry, show)),
                class_name="divide-y divide-line",
            ),
            rx.cond(
                lines.length() == 0,
                rx.el.p(t("errors.none_dead"), class_name="px-4 pb-4 text-sm text-ink-2"),
            ),
            rx.cond(
                more != "",
                rx.el.div(
                    rx.el.p(more, class_name="text-xs text-ink-2"),
                    rx.el.button(t("list.more"), type="button", class_name=SECONDARY, on_click=unfold),
                    class_name="flex flex-wrap items-center justify-between gap-3 border-t border-line px-4 py-2.5",
                ),
            ),
            class_name=CARD,
            aria_label=t("errors.title"),
        ),
    )


def _actions(
    lines: Annotated[Any, list[ErrorLine]],
    retry_shown: Any,
    dead: rx.Var[str],
    only_dead: rx.Var[bool],
    choose_dead: Any,
) -> rx.Component:
    return rx.el.div(
        rx.cond(
            (dead != "") | only_dead,
            rx.el.button(
                icon("archive-x", 15),
                rx.cond(only_dead, t("errors.show_all"), dead),
                type="button",
                class_name=QUIET,
                on_click=choose_dead,
                aria_pressed=rx.cond(only_dead, "true", "false"),
                data_dead=True,
            ),
        ),
        # One error has its own button.
        rx.cond(
            lines.length() > 1,
            rx.el.button(
                icon("rotate-cw", 15),
                t("errors.retry_shown"),
                type="button",
                class_name=QUIET,
                on_click=retry_shown,
                data_retry_shown=True,
            ),
        ),
        class_name="flex flex-wrap gap-2",
    )


def _line(line: Annotated[Any, ErrorLine], payload: Any, retry: Any, show: Any) -> rx.Component:
    is_open = payload.error_id == line.id
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
            rx.cond(
                line.next_iso != "",
                rx.el.span(t("errors.next"), " ", relative_time(line.next_iso)),
                t("errors.given_up"),
            ),
            rx.cond(
                line.since_iso != "",
                rx.el.p(t("errors.since"), " ", relative_time(line.since_iso), class_name="text-ink-3"),
            ),
            class_name="text-xs text-ink-2 sm:w-44",
        ),
        rx.el.button(
            icon("braces", 15),
            t("errors.payload"),
            type="button",
            class_name=QUIET,
            on_click=show(line.id),
            aria_expanded=rx.cond(is_open, "true", "false"),
        ),
        rx.el.button(t("errors.retry"), type="button", class_name=SECONDARY, on_click=retry(line.id)),
        rx.cond(
            is_open,
            rx.el.div(
                rx.cond(
                    payload.text != "",
                    rx.el.pre(
                        payload.text,
                        class_name="max-h-80 overflow-auto rounded-lg bg-sunken p-3 font-mono text-xs whitespace-pre-wrap break-words text-ink",
                        tab_index=0,
                        dir="ltr",
                        aria_label=t("errors.payload"),
                        data_payload=True,
                    ),
                ),
                rx.cond(payload.note != "", rx.el.p(payload.note, class_name="mt-1 text-xs text-ink-2")),
                class_name="basis-full",
            ),
        ),
        class_name=classes(
            "flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5 text-sm",
            # A line at the edge, so that what nobody tries any more is found in a long list.
            rx.cond(line.is_dead, "border-s-2 border-s-bad", ""),
        ),
        data_error=line.id,
    )
