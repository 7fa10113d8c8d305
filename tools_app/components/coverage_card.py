"""Index coverage: how much can be found by words and how much by meaning; and the queues behind the jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, classes, icon, inline_style, outside_link
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.views import IndexCoverage, QueueRow


@dataclass(frozen=True, slots=True)
class QueueLine:
    """One queue in words."""

    name: str
    waiting: str
    workers: str
    idle: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """The index ready to be shown; `width` is the CSS width of the part found by meaning."""

    share: str = ""
    width: str = "0%"
    words: str = ""
    detail: str = ""
    model: str = ""


def present(view: IndexCoverage, locale: str) -> Coverage:
    """Coverage in the reader's language. The share is unknown while there is nothing to index."""
    share = 100 * view.embedded / view.chunks if view.chunks else None
    detail = [
        text(locale, "coverage.pending", count=view.pending, count_text=formats.number(locale, view.pending))
    ]
    if view.failed:
        detail.append(
            text(locale, "coverage.failed", count=view.failed, count_text=formats.number(locale, view.failed))
        )
    return Coverage(
        share=formats.percent(locale, share),
        width=f"{share or 0:.1f}%",
        words=text(
            locale,
            "coverage.words",
            embedded=formats.number(locale, view.embedded),
            count=view.chunks,
            count_text=formats.number(locale, view.chunks),
        ),
        detail=" · ".join(detail),
        model=view.model_key,
    )


def present_queue(row: QueueRow, locale: str) -> QueueLine:
    """A queue in the reader's language."""
    return QueueLine(
        name=text_or(locale, f"queue.{row.name}", row.name),
        waiting=text(
            locale, "queue_waiting", count=row.waiting, count_text=formats.number(locale, row.waiting)
        ),
        workers=text(
            locale, "queue_workers", count=row.workers, count_text=formats.number(locale, row.workers)
        ),
        idle=row.workers == 0,
    )


def coverage_card(
    coverage: Annotated[Any, Coverage], queues: Annotated[Any, list[QueueLine]], online: rx.Var[bool]
) -> rx.Component:
    """Draw coverage and queues side by side."""
    return rx.el.div(
        rx.el.section(
            rx.el.div(
                rx.el.h2(t("coverage.title"), class_name="text-sm font-semibold"),
                rx.el.span(coverage.share, class_name="tabular text-lg font-semibold"),
                class_name="flex items-baseline justify-between",
            ),
            rx.el.div(
                rx.el.div(
                    class_name="h-full rounded-full bg-s1", custom_attrs=inline_style(width=coverage.width)
                ),
                class_name="h-2 overflow-hidden rounded-full bg-sunken",
            ),
            rx.el.p(coverage.words, class_name="text-sm text-ink-2"),
            rx.el.p(
                coverage.detail,
                rx.cond(coverage.model != "", rx.el.span(" · ", coverage.model)),
                class_name="text-xs text-ink-3",
            ),
            class_name=f"{CARD} min-w-0 space-y-2 p-4",
            data_coverage=True,
        ),
        rx.el.section(
            rx.el.div(
                rx.el.h2(t("jobs.queues"), class_name="text-sm font-semibold"),
                outside_link(
                    t("queue_dashboard.open"),
                    to="/rq/",
                    class_name="rounded text-xs font-medium text-accent-ink hover:underline",
                ),
                class_name="flex items-baseline justify-between gap-3",
            ),
            rx.cond(
                online,
                rx.el.ul(rx.foreach(queues, _queue), class_name="mt-1 divide-y divide-line"),
                rx.el.p(
                    icon("triangle-alert", 14),
                    t("jobs.queue_offline"),
                    class_name="mt-2 flex items-center gap-2 rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn",
                ),
            ),
            class_name=f"{CARD} min-w-0 p-4",
        ),
        class_name="grid gap-4 md:grid-cols-2",
    )


def _queue(line: Annotated[Any, QueueLine]) -> rx.Component:
    return rx.el.li(
        rx.el.span(line.name, class_name="text-ink"),
        rx.el.span(line.waiting, class_name="ms-auto whitespace-nowrap text-ink-2"),
        rx.el.span(
            line.workers,
            class_name=classes(
                "whitespace-nowrap",
                "text-end sm:w-28",
                rx.cond(line.idle, "font-medium text-warn", "text-ink-2"),
            ),
        ),
        class_name="tabular flex flex-wrap items-center gap-x-3 py-1.5 text-sm",
    )
