"""A connector: state, last success, rows by stream, errors, and what it is doing right now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, icon, inline_style, page_link, relative_time
from tools_app.components.status_chip import Chip, status_chip
from tools_app.components.status_chip import present as present_chip
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.views import ConnectorCard, RunProgress


@dataclass(frozen=True, slots=True)
class StreamLine:
    """Rows of one stream."""

    name: str
    rows: str
    errors: str
    href: str


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector ready to be shown. `run_id` and `progress` are empty while nothing runs."""

    id: str
    connector: str
    name: str
    origin: str
    chip: Chip
    success_iso: str
    every: str
    next_iso: str
    streams: tuple[StreamLine, ...]
    error: str
    error_iso: str
    error_count: str
    circuit: str
    is_cut: bool
    run_id: str = ""
    progress: str = ""
    # How full the bar is, as CSS; empty where the vendor does not say how much there is.
    share: str = ""


def present(card: ConnectorCard, locale: str) -> Connector:
    """A connector in the reader's language."""
    code = "circuit_open" if card.circuit_open else card.error_code
    error = text_or(locale, f"connector_error.{code}", code) if code else ""
    return Connector(
        id=card.connection_id,
        connector=card.connector,
        name=text_or(locale, f"connector.{card.connector}", card.connector),
        origin=card.origin,
        chip=present_chip(card.state, locale),
        success_iso=card.last_success_at.isoformat() if card.last_success_at else "",
        every=_every(card, locale),
        next_iso=card.next_run_at.isoformat() if card.next_run_at else "",
        streams=tuple(
            StreamLine(
                text_or(locale, f"stream.{stream.stream}", stream.stream),
                formats.number(locale, stream.rows),
                text(
                    locale,
                    "trust.errors",
                    count=stream.errors,
                    count_text=formats.number(locale, stream.errors),
                )
                if stream.errors
                else "",
                f"/records?{stream.records_query}" if stream.records_query else "",
            )
            for stream in card.streams
        ),
        error=error,
        error_iso=card.error_at.isoformat() if card.error_at else "",
        error_count=text(
            locale,
            "trust.errors",
            count=card.error_count,
            count_text=formats.number(locale, card.error_count),
        ),
        circuit=text(locale, "jobs.circuit_open" if card.circuit_open else "jobs.circuit_closed"),
        is_cut=card.circuit_open,
        run_id=card.running.run_id if card.running else "",
        progress=progress_words(card.running, locale) if card.running else "",
        share=progress_share(card.running) if card.running else "",
    )


def _every(card: ConnectorCard, locale: str) -> str:
    """How often a sync has its turn; nothing while it has none."""
    if card.cadence_s is None:
        return ""
    return text(locale, "schedule.every", every=formats.hours(locale, card.cadence_s / 3_600))


def progress_share(progress: RunProgress) -> str:
    """How much of its stream a run has read, as a CSS width; empty where that is not known."""
    return f"{min(progress.rows / progress.total, 1):.0%}" if progress.total else ""


def progress_words(progress: RunProgress, locale: str) -> str:
    """Where a run stands, in words."""
    if progress.status == "queued" or not progress.stream:
        return text(locale, "sync.queued")
    stream = text_or(locale, f"stream.{progress.stream}", progress.stream)
    rows = formats.number(locale, progress.rows)
    words = text(locale, "sync.progress", stream=stream, count=progress.rows, count_text=rows)
    if progress.eta_s is not None:
        words += text(locale, "sync.eta", eta=formats.seconds(locale, progress.eta_s))
    return words


def connector_card(card: Annotated[Any, Connector], action: rx.Component) -> rx.Component:
    """Draw a connector; `action` syncs it."""
    return rx.el.article(
        rx.el.header(
            rx.el.div(
                rx.el.h3(card.name, class_name="text-base font-semibold"),
                rx.el.p(card.origin, class_name="truncate text-xs text-ink-3"),
                class_name="min-w-0",
            ),
            status_chip(card.chip, "ms-auto"),
            class_name="flex items-start gap-3",
        ),
        # One room for both: a card must not jump when a sync starts.
        rx.el.div(
            rx.cond(card.run_id != "", _running(card), _facts(card)),
            class_name="flex h-11 flex-col justify-center",
            role="status",
        ),
        rx.el.ul(rx.foreach(card.streams, _stream), class_name="divide-y divide-line border-y border-line"),
        rx.cond(card.error != "", _error(card)),
        rx.el.footer(
            rx.el.div(
                rx.el.p(card.error_count, class_name="text-ink-2"),
                rx.el.p(
                    card.circuit,
                    class_name=rx.cond(card.is_cut, "font-medium text-bad", "text-ink-3"),
                    title=t("jobs.circuit_about"),
                    data_circuit=True,
                ),
                class_name="text-xs",
            ),
            action,
            class_name="mt-auto flex items-center justify-between gap-3 pt-1",
        ),
        class_name=f"{CARD} flex min-w-0 flex-col gap-3 p-4",
        data_connector=card.connector,
    )


def _facts(card: Annotated[Any, Connector]) -> rx.Component:
    return rx.el.dl(
        _fact(
            t("jobs.last_success"),
            rx.fragment(
                rx.cond(card.success_iso != "", relative_time(card.success_iso), t("trust.never")),
                # How old it is means little without how often it should be renewed.
                rx.cond(card.every != "", rx.el.span(card.every, class_name="block text-xs text-ink-3")),
            ),
        ),
        _fact(t("jobs.next_run"), rx.cond(card.next_iso != "", relative_time(card.next_iso), "—")),
        class_name="grid grid-cols-2 gap-3 text-sm",
    )


def _fact(name: rx.Var[str], value: rx.Component | rx.Var[str]) -> rx.Component:
    return rx.el.div(rx.el.dt(name, class_name="text-xs text-ink-3"), rx.el.dd(value, class_name="text-ink"))


def _running(card: Annotated[Any, Connector]) -> rx.Component:
    return rx.fragment(
        rx.el.p(card.progress, class_name="tabular mb-1.5 truncate text-xs text-ink-2", data_progress=True),
        rx.el.div(
            rx.cond(
                card.share != "",
                rx.el.div(
                    class_name="h-full rounded-full bg-accent transition-[width]",
                    custom_attrs=inline_style(width=card.share),
                ),
                rx.el.div(class_name="progress-indeterminate size-full"),
            ),
            class_name="h-1 overflow-hidden rounded-full bg-sunken",
        ),
    )


def _stream(stream: Annotated[Any, StreamLine]) -> rx.Component:
    return rx.el.li(
        rx.el.span(stream.name, class_name="text-ink-2"),
        rx.cond(stream.errors != "", rx.el.span(stream.errors, class_name="text-xs text-warn")),
        rx.cond(
            stream.href != "",
            page_link(
                stream.rows,
                to=stream.href,
                class_name="tabular ms-auto rounded font-medium text-ink hover:underline",
            ),
            rx.el.span(stream.rows, class_name="tabular ms-auto font-medium"),
        ),
        class_name="flex items-center gap-2 py-1.5 text-sm",
    )


def _error(card: Annotated[Any, Connector]) -> rx.Component:
    return rx.el.p(
        icon("triangle-alert", 14, "mt-0.5"),
        rx.el.span(card.error, " ", rx.cond(card.error_iso != "", relative_time(card.error_iso))),
        class_name="flex gap-2 rounded-lg bg-bad-soft px-3 py-2 text-xs text-bad",
    )
