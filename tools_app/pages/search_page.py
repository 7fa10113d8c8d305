"""The view of /search; its State is `search`."""

from __future__ import annotations

from typing import Any

import reflex as rx

from tools_app.components.answer_panel import answer_panel
from tools_app.components.chart_card import chart_card
from tools_app.components.elements import (
    CARD,
    FIELD,
    PRIMARY,
    QUIET,
    address,
    icon,
    page_link,
    relative_time,
)
from tools_app.components.empty_state import lines_skeleton
from tools_app.components.evidence_card import evidence_card
from tools_app.components.navigation import QUESTIONS
from tools_app.i18n.locale_state import t
from tools_app.pages.feedback import feedback
from tools_app.pages.frame import frame, problem
from tools_app.pages.search import MODES, ROUTE, SOURCES, SearchState
from tools_app.pages.shell_state import ShellState

_LINE = "flex items-center gap-2.5 px-4 py-2.5 text-sm text-ink hover:bg-canvas"


def page() -> rx.Component:
    """Search."""
    return frame(
        "search",
        ROUTE,
        rx.el.div(
            _form(),
            rx.cond(
                SearchState.busy,
                _skeleton(),
                rx.cond(
                    SearchState.answer.query_run_id != "",
                    _result(),
                    rx.cond(ShellState.problem != "", problem(), rx.cond(SearchState.ready, _around())),
                ),
            ),
            class_name="mx-auto max-w-[56rem] space-y-5",
        ),
    )


def _form() -> rx.Component:
    return rx.el.form(
        rx.el.label(t("search.label"), html_for="question", class_name="sr-only"),
        rx.el.textarea(
            id="question",
            name="question",
            default_value=SearchState.question,
            placeholder=t("search.placeholder"),
            rows=1,
            max_length=4000,
            required=True,
            class_name=f"{FIELD} min-h-12 resize-none border-0 [field-sizing:content] !bg-transparent px-4 pt-3.5 pb-1 text-lg focus:outline-none",
            data_submit_on_enter=True,
        ),
        rx.el.div(
            rx.el.fieldset(
                rx.el.legend(t("search.sources"), class_name="sr-only"),
                *[_source(name) for name in SOURCES],
                class_name="flex flex-wrap gap-1.5",
            ),
            rx.el.label(t("search.mode"), html_for="mode", class_name="sr-only"),
            rx.el.select(
                *[rx.el.option(t(f"mode.{mode}"), value=mode) for mode in MODES],
                id="mode",
                name="mode",
                default_value=SearchState.mode,
                class_name="h-8 rounded-lg border border-line bg-surface px-2 text-xs text-ink-2",
            ),
            rx.el.button(
                icon("corner-down-left", 15),
                t("search.ask"),
                type="submit",
                class_name=f"{PRIMARY} ms-auto",
                disabled=SearchState.busy,
            ),
            class_name="flex flex-wrap items-center gap-2 px-3 pt-1 pb-3",
        ),
        rx.cond(
            SearchState.hint != "",
            rx.el.p(SearchState.hint, class_name="px-4 pb-3 text-sm text-bad", role="alert", data_hint=True),
        ),
        on_submit=SearchState.submit,
        key=SearchState.form_key,
        class_name=f"{CARD} focus-within:border-accent",
        role="search",
    )


def _source(name: str) -> rx.Component:
    return rx.el.label(
        rx.el.input(
            type="checkbox",
            name=f"source_{name}",
            default_checked=SearchState.sources.contains(name),
            class_name="peer sr-only",
        ),
        rx.el.span(
            icon("check", 13, "hidden"),
            t(f"source_group.{name}"),
            class_name="inline-flex h-8 cursor-pointer items-center gap-1.5 rounded-lg border border-line px-2.5 text-xs text-ink-3 peer-checked:border-accent peer-checked:bg-accent-soft peer-checked:font-medium peer-checked:text-accent-ink peer-focus-visible:outline-2 peer-focus-visible:outline-offset-2 peer-focus-visible:outline-accent",
        ),
    )


def _result() -> rx.Component:
    return rx.el.div(
        answer_panel(SearchState.answer, feedback()),
        rx.el.div(_keep(), class_name="!mt-2 flex justify-end"),
        rx.cond(
            SearchState.evidence.length() > 0,
            rx.el.section(
                rx.el.h2(
                    rx.cond(SearchState.answer.answerable, t("evidence.title"), t("evidence.closest")),
                    class_name="mb-2 text-sm font-semibold",
                ),
                rx.el.div(rx.foreach(SearchState.evidence, evidence_card), class_name="space-y-3"),
            ),
        ),
        class_name="space-y-5",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        rx.el.div(lines_skeleton(2), class_name=f"{CARD} px-5 py-2"),
        rx.el.div(lines_skeleton(4), class_name=f"{CARD} px-4"),
        class_name="space-y-5",
        aria_busy="true",
        role="status",
        aria_label=t("search.busy"),
    )


def _keep() -> rx.Component:
    kept = SearchState.kept_id != ""
    return rx.el.button(
        rx.cond(kept, icon("bookmark-check", 15), icon("bookmark", 15)),
        rx.cond(kept, t("search.kept"), t("search.keep")),
        type="button",
        class_name=QUIET,
        aria_pressed=rx.cond(kept, "true", "false"),
        on_click=SearchState.keep,
        data_keep=True,
    )


def _around() -> rx.Component:
    return rx.el.div(
        _questions(
            "search.suggested",
            SearchState.suggested,
            lambda each: page_link(
                icon("sparkles", 14, "text-ink-3"),
                rx.el.span(each[0], class_name="min-w-0 flex-1"),
                icon("arrow-right", 14, "text-ink-3 opacity-0 group-hover:opacity-100"),
                to=each[1],
                class_name=f"group {_LINE}",
                data_suggested=True,
            ),
        ),
        rx.cond(
            SearchState.saved.length() > 0,
            _questions(
                "search.saved",
                SearchState.saved,
                lambda each: page_link(
                    icon("bookmark", 14, "text-ink-3"),
                    rx.el.span(each[0], class_name="min-w-0 flex-1 truncate"),
                    to=each[1],
                    class_name=_LINE,
                    data_saved=True,
                ),
            ),
        ),
        rx.cond(
            SearchState.recent.length() > 0,
            _questions(
                "search.recent",
                SearchState.recent,
                lambda each: page_link(
                    icon("history", 14, "text-ink-3"),
                    rx.el.span(each[0], class_name="min-w-0 flex-1 truncate"),
                    relative_time(each[2], "text-xs text-ink-3"),
                    to=each[1],
                    class_name=_LINE,
                ),
            ),
        ),
        rx.el.div(
            rx.foreach(SearchState.votes, chart_card),
            page_link(
                t("search.all_questions"),
                icon("arrow-right", 14),
                to=address(QUESTIONS, "?project=", ShellState.project),
                class_name="inline-flex items-center gap-1.5 rounded text-sm text-accent-ink hover:underline",
                data_questions=True,
            ),
            class_name="space-y-2",
        ),
        class_name="space-y-5",
    )


def _questions(title: str, lines: Any, line: Any) -> rx.Component:
    return rx.el.section(
        rx.el.h2(t(title), class_name="mb-2 text-sm font-semibold"),
        rx.el.ul(
            rx.foreach(lines, lambda each: rx.el.li(line(each))),
            class_name=f"{CARD} divide-y divide-line overflow-hidden",
        ),
    )
