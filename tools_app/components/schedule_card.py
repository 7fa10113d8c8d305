"""The schedule: every job, how often it runs, when its next turn comes, how long its last runs took."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, relative_time
from tools_app.components.geometry import span_bars
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.schedule import ScheduleRow

_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """One job ready to be shown. `ended` and `failed` are the bars of its last runs by how they ended."""

    job: str
    name: str
    every: str
    next_iso: str
    last_iso: str
    ended: str
    failed: str
    words: str


def present(row: ScheduleRow, locale: str) -> ScheduleLine:
    """A job in the reader's language."""
    highest = max((run.duration_s for run in row.runs), default=0.0) or 1.0

    def bars(*, failed: bool) -> str:
        return span_bars(
            [run.duration_s if (run.status == "failed") == failed else None for run in row.runs], highest
        )

    return ScheduleLine(
        job=row.job,
        name=text_or(locale, f"job.{row.job}", row.job),
        every=_every(row, locale),
        next_iso=row.next_run_at.isoformat() if row.next_run_at else "",
        last_iso=row.last_run_at.isoformat() if row.last_run_at else "",
        ended=bars(failed=False),
        failed=bars(failed=True),
        words=_words(row, locale),
    )


def _every(row: ScheduleRow, locale: str) -> str:
    if row.every_s is None:
        return text_or(locale, f"schedule.when.{row.job}", text(locale, "schedule.on_demand"))
    if not row.is_enabled:
        return text(locale, "schedule.paused")
    every = formats.hours(locale, row.every_s / _HOUR_S)
    return text(locale, "schedule.every", every=every)


def _words(row: ScheduleRow, locale: str) -> str:
    if not row.runs:
        return text(locale, "schedule.no_runs")
    durations = [run.duration_s for run in row.runs]
    words = text(
        locale,
        "schedule.runs",
        count=len(durations),
        median=formats.seconds(locale, median(durations)),
        longest=formats.seconds(locale, max(durations)),
    )
    failed = sum(run.status == "failed" for run in row.runs)
    return (
        f"{words} · {text(locale, 'run.failed', value=formats.number(locale, failed))}" if failed else words
    )


def schedule_card(lines: Annotated[Any, list[ScheduleLine]]) -> rx.Component:
    """Draw the schedule."""
    return rx.el.section(
        rx.el.h2(t("schedule.title"), class_name="px-4 pt-4 pb-2 text-sm font-semibold"),
        rx.el.ul(rx.foreach(lines, _line), class_name="divide-y divide-line"),
        class_name=CARD,
        aria_label=t("schedule.title"),
    )


def _line(line: Annotated[Any, ScheduleLine]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.p(line.name, class_name="font-medium text-ink"),
            rx.el.p(line.every, class_name="text-xs text-ink-2"),
            class_name="min-w-0 flex-1 max-sm:basis-full sm:basis-52",
        ),
        _time(t("jobs.next_run"), line.next_iso),
        _time(t("schedule.last"), line.last_iso),
        rx.el.div(
            rx.cond(
                line.last_iso != "",
                rx.el.svg(
                    rx.el.path(d=line.ended, custom_attrs={"fill": "var(--s4)"}),
                    rx.el.path(d=line.failed, custom_attrs={"fill": "var(--bad)"}),
                    view_box="0 0 100 100",
                    preserve_aspect_ratio="none",
                    class_name="h-6 w-28 shrink-0",
                    aria_hidden="true",
                ),
            ),
            rx.el.p(line.words, class_name="tabular text-xs text-ink-2"),
            class_name="flex items-center gap-3 max-sm:basis-full sm:w-[21rem]",
        ),
        class_name="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2.5 text-sm",
        data_schedule=line.job,
    )


def _time(name: rx.Var[str], iso: Any) -> rx.Component:
    return rx.el.div(
        rx.el.p(name, class_name="text-xs text-ink-3"),
        rx.cond(iso != "", relative_time(iso, "text-ink"), rx.el.span("—", class_name="text-ink-3")),
        class_name="w-32",
    )
