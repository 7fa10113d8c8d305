"""The view of /questions; its States are `questions` and `case`."""

from __future__ import annotations

from typing import Annotated, Any

import reflex as rx

from tools_app.components import case_panel
from tools_app.components.chart_card import chart_card, chart_skeleton
from tools_app.components.elements import CARD, SECONDARY, address, classes, icon, page_link, relative_time
from tools_app.components.empty_state import empty_state, lines_skeleton
from tools_app.i18n.locale_state import t
from tools_app.pages.case import CaseState
from tools_app.pages.frame import frame, until_ready
from tools_app.pages.questions import ROUTE, STATUSES, AskedLine, CaseLine, QuestionsState
from tools_app.pages.shell_state import ShellState

# The votes over the whole width, the others beside each other.
_GRID = "grid gap-4 md:grid-cols-2 md:[&>:first-child]:col-span-2"


def page() -> rx.Component:
    """Questions and their cases."""
    return frame(
        "questions",
        ROUTE,
        rx.cond(
            QuestionsState.ready,
            rx.cond(CaseState.case.id != "", _case(), _overview()),
            until_ready(_skeleton()),
        ),
    )


def _overview() -> rx.Component:
    return rx.el.div(
        _back(address("/search?project=", ShellState.project), "questions.back"),
        _cases(),
        rx.el.div(rx.foreach(QuestionsState.plots, chart_card), class_name=_GRID),
        _modes(),
        class_name="space-y-5",
    )


def _back(to: rx.Var[str], key: str) -> rx.Component:
    return page_link(
        icon("arrow-left", 15),
        t(key),
        to=to,
        class_name="inline-flex items-center gap-1.5 rounded text-xs text-ink-2 hover:text-ink",
        data_back=True,
    )


def _cases() -> rx.Component:
    return rx.el.section(
        rx.el.header(
            rx.el.div(
                rx.el.h2(t("cases.title"), class_name="text-sm font-semibold"),
                rx.el.p(t("cases.about"), class_name="mt-0.5 max-w-prose text-xs text-ink-2"),
                class_name="min-w-0 flex-1 basis-72",
            ),
            rx.el.nav(
                *[_status(name) for name in STATUSES], class_name="flex gap-1.5", aria_label=t("cases.title")
            ),
            class_name="flex flex-wrap items-start gap-3 border-b border-line px-4 py-3",
        ),
        rx.cond(
            QuestionsState.cases.length() > 0,
            rx.el.ul(rx.foreach(QuestionsState.cases, _case_line), class_name="divide-y divide-line"),
            rx.cond(
                QuestionsState.status == "open",
                empty_state("thumbs-up", t("cases.empty_open"), t("cases.empty_open_reason"), []),
                empty_state("inbox", t("cases.empty_completed"), t("cases.empty_completed_reason"), []),
            ),
        ),
        rx.cond(
            QuestionsState.next_cursor != "",
            rx.el.div(
                rx.el.button(
                    t("list.more"), type="button", class_name=SECONDARY, on_click=QuestionsState.more
                ),
                class_name="flex justify-center border-t border-line p-3",
            ),
        ),
        class_name=CARD,
        data_cases=True,
    )


def _status(name: str) -> rx.Component:
    return page_link(
        t(f"cases.status_{name}"),
        to=address(f"{ROUTE}?status={name}&project=", ShellState.project),
        class_name=classes(
            "inline-flex h-8 items-center rounded-lg border px-2.5 text-xs",
            rx.cond(
                QuestionsState.status == name,
                "border-accent bg-accent-soft font-medium text-accent-ink",
                "border-line text-ink-2 hover:bg-sunken",
            ),
        ),
        aria_current=rx.cond(QuestionsState.status == name, "page", "false"),
    )


def _case_line(line: Annotated[Any, CaseLine]) -> rx.Component:
    return rx.el.li(
        page_link(
            rx.el.span(line.question, class_name="block font-medium text-ink [overflow-wrap:anywhere]"),
            rx.cond(
                line.comment != "",
                rx.el.span(line.comment, class_name="mt-0.5 block text-ink-2 [overflow-wrap:anywhere]"),
            ),
            rx.el.span(
                line.facts, " · ", relative_time(line.voted_iso), class_name="mt-1 block text-xs text-ink-3"
            ),
            to=line.href,
            class_name="block px-4 py-3 text-sm hover:bg-canvas",
            data_case_line=True,
        )
    )


def _modes() -> rx.Component:
    heads = ("mode", "questions", "no_answer", "p50", "p95", "votes")
    return rx.el.section(
        rx.el.h2(t("questions.by_mode"), class_name="px-4 pt-3 pb-1 text-sm font-semibold"),
        rx.el.div(
            rx.el.table(
                rx.el.thead(
                    rx.el.tr(
                        *[
                            rx.el.th(
                                t(f"questions.{name}"),
                                scope="col",
                                class_name="px-4 py-2 font-medium whitespace-nowrap "
                                + ("text-start" if name == "mode" else "text-end"),
                            )
                            for name in heads
                        ],
                        class_name="text-xs text-ink-3",
                    )
                ),
                rx.el.tbody(rx.foreach(QuestionsState.modes, _mode_line), class_name="divide-y divide-line"),
                class_name="w-full text-sm",
            ),
            class_name="overflow-x-auto",
            tab_index=0,
            role="region",
            aria_label=t("questions.by_mode"),
        ),
        class_name=CARD,
        data_modes=True,
    )


def _mode_line(line: Annotated[Any, AskedLine]) -> rx.Component:
    figure = "tabular px-4 py-2 text-end text-ink whitespace-nowrap"
    return rx.el.tr(
        rx.el.th(line.name, scope="row", class_name="min-w-40 px-4 py-2 text-start font-normal text-ink-2"),
        rx.el.td(line.questions, class_name=figure),
        rx.el.td(line.no_answer, class_name=figure),
        rx.el.td(line.p50, class_name=figure),
        rx.el.td(line.p95, class_name=figure),
        rx.el.td(line.votes, class_name=figure),
    )


def _case() -> rx.Component:
    chosen, toggle = CaseState.right_ids, CaseState.toggle
    return rx.el.div(
        case_panel.case_head(
            CaseState.case, _back(address(f"{ROUTE}?project=", ShellState.project), "cases.back")
        ),
        case_panel.record_choice(t("cases.right_records"), CaseState.right, chosen, toggle, "right"),
        case_panel.case_actions(
            CaseState.right.length(), CaseState.case.is_open, CaseState.save, CaseState.none_answers
        ),
        case_panel.case_search(CaseState.look),
        rx.cond(
            CaseState.nothing_found,
            rx.el.p(t("cases.nothing_found"), class_name="text-sm text-ink-2", role="status"),
        ),
        case_panel.record_choice(t("cases.found"), CaseState.found, chosen, toggle, "found"),
        case_panel.record_choice(t("cases.shown"), CaseState.shown, chosen, toggle, "shown"),
        class_name="mx-auto max-w-[56rem] space-y-4",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        rx.el.div(lines_skeleton(4), class_name=f"{CARD} px-4"),
        rx.el.div(*[chart_skeleton() for _ in range(3)], class_name=_GRID),
        class_name="space-y-5",
        aria_busy="true",
    )
