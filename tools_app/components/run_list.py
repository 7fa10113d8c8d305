"""Recent runs of jobs: what ran, how it ended, how long it took, what it moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, SECONDARY, classes, relative_time
from tools_app.components.status_chip import Chip, status_chip
from tools_app.components.status_chip import present as present_chip
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.views import RunRow


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run ready to be shown."""

    id: str
    name: str
    subject: str
    chip: Chip
    started_iso: str
    duration: str
    counts: str
    error: str
    asked_by: str


def present(row: RunRow, locale: str) -> RunLine:
    """A run in the reader's language."""
    return RunLine(
        id=row.run_id,
        name=text_or(locale, f"job.{row.job}", row.job),
        subject=text_or(locale, f"connector.{row.subject}", "") if row.subject else "",
        chip=present_chip(row.status, locale),
        started_iso=row.started_at.isoformat() if row.started_at else "",
        duration=formats.seconds(locale, row.duration_s),
        counts=_counts(row, locale),
        error=_error(row.error_code, locale) if row.error_code else "",
        asked_by=text_or(locale, f"requested_by.{row.requested_by}", row.requested_by),
    )


def _counts(row: RunRow, locale: str) -> str:
    names = (
        *("written", "embedded", "unchanged", "deleted", "resolved", "missing", "extra", "stale", "unknown"),
        *("failed", "waiting"),
    )
    parts = [(name, int(getattr(row, name))) for name in names]
    shown = [
        text(locale, f"run.{name}", value=formats.number(locale, count)) for name, count in parts if count
    ]
    if row.status in {"queued", "running"}:
        return " · ".join(shown)
    return " · ".join(shown) or text(locale, "run.no_difference" if row.job == "reconcile" else "run.nothing")


def _error(code: str, locale: str) -> str:
    """Why a run failed: in its own words, else in those of the connector's error that its code names."""
    kind = code.removeprefix("connector_")
    return text_or(locale, f"run_error.{code}", text_or(locale, f"connector_error.{kind}", code))


def run_list(lines: Annotated[Any, list[RunLine]], more: rx.Var[bool], unfold: Any) -> rx.Component:
    """Draw the runs, newest first; `unfold` is the event that shows older ones, offered while there are `more`."""
    return rx.el.section(
        rx.el.h2(t("jobs.runs"), class_name="px-4 pt-4 pb-2 text-sm font-semibold"),
        rx.cond(
            lines.length() > 0,
            rx.el.ul(rx.foreach(lines, _line), class_name="divide-y divide-line"),
            rx.el.p(t("jobs.no_runs"), class_name="px-4 pb-4 text-sm text-ink-2"),
        ),
        rx.cond(
            more,
            rx.el.div(
                rx.el.button(t("list.more"), type="button", class_name=SECONDARY, on_click=unfold),
                class_name="flex justify-end border-t border-line px-4 py-2.5",
            ),
        ),
        class_name=CARD,
        aria_label=t("jobs.runs"),
    )


def _line(line: Annotated[Any, RunLine]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.span(line.name, class_name="font-medium text-ink"),
            rx.cond(line.subject != "", rx.el.span(line.subject, class_name="text-ink-2")),
            class_name="flex min-w-0 flex-1 items-baseline gap-2 truncate sm:basis-52",
        ),
        rx.el.div(status_chip(line.chip), class_name="sm:w-32"),
        rx.el.span(
            rx.cond(line.error != "", line.error, line.counts),
            class_name=classes(
                "tabular min-w-0 flex-1 text-xs max-sm:basis-full sm:basis-56",
                rx.cond(line.error != "", "text-bad", "text-ink-2"),
            ),
        ),
        rx.el.span(line.asked_by, class_name="truncate text-xs text-ink-3 sm:w-24"),
        rx.el.span(line.duration, class_name="tabular text-xs text-ink-2 max-sm:ms-auto sm:w-16 sm:text-end"),
        rx.cond(
            line.started_iso != "",
            relative_time(line.started_iso, "text-end text-xs text-ink-3 sm:w-24"),
            rx.el.span("—", class_name="text-end text-xs text-ink-3 sm:w-24"),
        ),
        class_name="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5 text-sm",
        data_run=line.id,
    )
