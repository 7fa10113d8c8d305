"""The trust bar: how fresh, from where, how complete, what failed. It says "not measured yet" and never guesses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import choose, classes, icon, page_link, relative_time
from tools_app.components.status_chip import Chip
from tools_app.components.status_chip import present as present_chip
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.views import TrustView

# So many streams are named where completeness is low; the bar is one line.
_NAMED = 2


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source: its name, its state, its rows in words."""

    name: str
    chip: Chip
    rows: str


@dataclass(frozen=True, slots=True)
class Trust:
    """The trust bar ready to be shown. `updated_iso` is empty before the first successful sync, `known_iso` unless
    completeness is unknown and was known before.
    """

    updated_iso: str = ""
    sources: tuple[SourceLine, ...] = ()
    completeness: str = ""
    known_iso: str = ""
    # Streams that are less complete than they must be, by name; empty when there are none.
    low: str = ""
    errors: str = ""
    has_errors: bool = False
    href: str = "/jobs"
    completeness_href: str = "/jobs#completeness"


def present(view: TrustView, locale: str, project: str) -> Trust:
    """The trust bar in the reader's language."""
    measured = view.completeness_pct is not None
    return Trust(
        updated_iso=view.updated_at.isoformat() if view.updated_at else "",
        sources=tuple(
            SourceLine(
                text_or(locale, f"connector.{source.connector}", source.connector),
                present_chip(source.state, locale),
                text(locale, "trust.rows", count=source.rows, count_text=formats.number(locale, source.rows)),
            )
            for source in view.sources
        ),
        completeness=formats.percent(locale, view.completeness_pct)
        if measured
        else text(locale, "unit.unknown" if view.is_unknown else "unit.not_measured"),
        known_iso=view.known_at.isoformat() if view.is_unknown and view.known_at else "",
        low=_low_words(view, locale),
        errors=text(
            locale,
            "trust.errors",
            count=view.error_count,
            count_text=formats.number(locale, view.error_count),
        ),
        has_errors=view.error_count > 0,
        href=f"/jobs?project={project}",
        completeness_href=f"/jobs?project={project}#completeness",
    )


def _low_words(view: TrustView, locale: str) -> str:
    """The least complete streams by name and figure; the rest as a number."""
    names = [
        f"{text_or(locale, f'connector.{each.connector}', each.connector)}, "
        f"{text_or(locale, f'stream.{each.stream}', each.stream)} {formats.percent(locale, each.pct)}"
        for each in view.low[:_NAMED]
    ]
    more = len(view.low) - len(names)
    return "; ".join(names) + (f" (+{formats.number(locale, more)})" if more > 0 else "")


def trust_bar(trust: Annotated[Any, Trust]) -> rx.Component:
    """Draw the trust bar; it leads to the connectors."""
    return rx.el.section(
        rx.el.div(
            icon("clock", 14, "text-ink-3"),
            rx.cond(
                trust.updated_iso != "",
                rx.el.span(t("trust.updated"), " ", relative_time(trust.updated_iso, "font-medium text-ink")),
                rx.el.span(t("trust.never")),
            ),
            class_name="flex items-center gap-1.5",
        ),
        rx.el.ul(
            rx.foreach(trust.sources, _source), class_name="flex flex-wrap items-center gap-x-4 gap-y-1"
        ),
        page_link(
            icon("scale", 14, "text-ink-3"),
            rx.el.span(
                t("trust.completeness"),
                " ",
                rx.el.span(trust.completeness, class_name="font-medium text-ink", data_figure=True),
            ),
            rx.cond(
                trust.known_iso != "",
                rx.el.span("· ", t("completeness.last_figure"), " ", relative_time(trust.known_iso)),
            ),
            rx.cond(
                trust.low != "",
                rx.el.span(
                    icon("triangle-alert", 14),
                    t("trust.low"),
                    " ",
                    trust.low,
                    class_name="inline-flex flex-wrap items-center gap-1 font-medium text-warn",
                    data_low=True,
                ),
            ),
            to=trust.completeness_href,
            class_name="flex flex-wrap items-center gap-1.5 rounded hover:underline",
        ),
        page_link(
            rx.cond(trust.has_errors, icon("triangle-alert", 14, "text-warn"), icon("check", 14, "text-ok")),
            trust.errors,
            to=trust.href,
            class_name="flex items-center gap-1.5 rounded hover:underline md:ms-auto",
        ),
        class_name="flex flex-wrap items-center gap-x-6 gap-y-2 rounded-card border border-line bg-surface px-4 py-2.5 text-xs text-ink-2",
        aria_label=t("trust.label"),
        data_trust=True,
    )


def _source(source: Annotated[Any, SourceLine]) -> rx.Component:
    return rx.el.li(
        rx.el.span(
            class_name=classes(
                "size-1.5 rounded-full",
                choose(
                    source.chip.tone,
                    ("ok", "bg-ok"),
                    ("info", "bg-info"),
                    ("warn", "bg-warn"),
                    ("bad", "bg-bad"),
                    otherwise="bg-ink-3",
                ),
            ),
            aria_hidden="true",
        ),
        rx.el.span(source.name, class_name="font-medium text-ink"),
        rx.el.span(source.rows, class_name="tabular"),
        rx.cond(source.chip.tone != "ok", rx.el.span(source.chip.label)),
        class_name="flex items-center gap-1.5",
    )
