"""A thumbs-down to be completed: what was asked, said and shown, and the records that would have been right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import (
    CARD,
    FIELD,
    PRIMARY,
    SECONDARY,
    classes,
    icon,
    relative_time,
    vendor_link,
)
from tools_app.components.evidence_card import VENDOR_OF
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.feedback_cases import CaseRecord, CaseView


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A record ready to be shown; `facts` is who, when and where, empty when it is gone."""

    id: str
    is_gone: bool
    kind: str
    title: str
    snippet: str
    facts: str
    url: str
    open_label: str


@dataclass(frozen=True, slots=True)
class CaseText:
    """A case ready to be shown; `id` is empty where there is none."""

    id: str = ""
    is_open: bool = True
    question: str = ""
    comment: str = ""
    voted_iso: str = ""
    facts: str = ""
    answer: str = ""


def present(view: CaseView, locale: str) -> CaseText:
    """A case in the reader's language."""
    outcome = text(locale, "cases.answered" if view.answerable else "cases.refused")
    return CaseText(
        id=str(view.query_run_id),
        is_open=view.status == "open",
        question=view.question,
        comment=view.comment or "",
        voted_iso=view.voted_at.isoformat(),
        facts=" · ".join([text_or(locale, f"mode.{view.mode}", view.mode), outcome]),
        answer=view.answer or "",
    )


def present_record(record: CaseRecord, locale: str) -> RecordLine:
    """A record in the reader's language."""
    vendor = VENDOR_OF.get(record.source_type, "")
    day = formats.full_day(locale, record.created_at) if record.created_at else ""
    return RecordLine(
        id=record.id,
        is_gone=record.is_gone,
        kind=text_or(locale, f"source_type.{record.source_type}", record.source_type),
        title=record.title,
        snippet=record.snippet,
        facts=" · ".join(each for each in (record.author, day, record.project) if each),
        url=record.url,
        open_label=text(locale, "evidence.open", vendor=text_or(locale, f"connector.{vendor}", vendor)),
    )


def case_head(case: Annotated[Any, CaseText], back: rx.Component) -> rx.Component:
    """Draw question, comment and the answer that was given."""
    return rx.el.section(
        back,
        rx.el.h2(case.question, class_name="mt-2 text-lg font-semibold [overflow-wrap:anywhere]"),
        rx.el.p(case.facts, " · ", relative_time(case.voted_iso), class_name="mt-1 text-xs text-ink-3"),
        rx.cond(
            case.comment != "",
            rx.el.blockquote(
                icon("thumbs-down", 14, "mt-0.5 text-bad"),
                rx.el.span(case.comment, class_name="min-w-0 [overflow-wrap:anywhere]"),
                class_name="mt-3 flex gap-2 rounded-lg bg-sunken px-3 py-2 text-sm text-ink",
                data_comment=True,
            ),
        ),
        rx.el.h3(t("cases.answer"), class_name="mt-4 text-sm font-semibold"),
        rx.cond(
            case.answer != "",
            rx.el.p(
                case.answer,
                class_name="mt-1 text-sm whitespace-pre-line text-ink-2 [overflow-wrap:anywhere]",
            ),
            rx.el.p(t("cases.answer_gone"), class_name="mt-1 text-sm text-ink-3", data_redacted=True),
        ),
        class_name=f"{CARD} p-4",
        data_case=case.id,
    )


def record_choice(
    title: rx.Var[str],
    lines: Annotated[Any, list[RecordLine]],
    chosen: Annotated[Any, list[str]],
    toggle: Any,
    part: str,
) -> rx.Component:
    """Draw records, each with a button that takes it as right or not; nothing where there are none."""
    return rx.cond(
        lines.length() > 0,
        rx.el.section(
            rx.el.h3(title, class_name="px-4 pt-4 pb-1 text-sm font-semibold"),
            rx.el.ul(
                rx.foreach(lines, lambda line: _record(line, chosen.contains(line.id), toggle)),
                class_name="divide-y divide-line",
            ),
            class_name=CARD,
            data_records=part,
        ),
    )


def _record(line: Annotated[Any, RecordLine], is_right: Any, toggle: Any) -> rx.Component:
    return rx.el.li(
        rx.cond(
            line.is_gone,
            rx.el.p(t("cases.gone"), class_name="min-w-0 flex-1 text-sm text-ink-3", data_gone=True),
            rx.el.div(
                rx.el.p(
                    rx.el.span(line.kind, class_name="text-xs text-ink-3"),
                    " ",
                    rx.el.span(line.title, class_name="font-medium text-ink"),
                    class_name="text-sm [overflow-wrap:anywhere]",
                ),
                rx.el.p(
                    line.snippet, class_name="mt-0.5 line-clamp-4 text-sm text-ink-2 [overflow-wrap:anywhere]"
                ),
                rx.el.p(
                    line.facts,
                    rx.cond(
                        line.url != "",
                        vendor_link(
                            line.open_label, to=line.url, class_name="ms-2 text-accent-ink underline"
                        ),
                    ),
                    class_name="mt-1 text-xs text-ink-3",
                ),
                class_name="min-w-0 flex-1",
            ),
        ),
        rx.cond(
            ~line.is_gone | is_right,
            rx.el.button(
                rx.cond(is_right, icon("check", 15), icon("plus", 15)),
                rx.cond(is_right, t("cases.is_right"), t("cases.take")),
                type="button",
                class_name=classes(
                    SECONDARY, rx.cond(is_right, "!border-accent !bg-accent-soft text-accent-ink", "")
                ),
                aria_pressed=rx.cond(is_right, "true", "false"),
                on_click=toggle(line.id),
            ),
        ),
        class_name="flex items-start gap-3 px-4 py-3 max-sm:flex-col",
        data_record_choice=line.id,
    )


def case_search(submit: Any) -> rx.Component:
    """Draw the search for right records."""
    return rx.el.form(
        rx.el.label(t("cases.look"), html_for="case-words", class_name="text-sm font-semibold"),
        rx.el.div(
            rx.el.input(
                id="case-words",
                name="words",
                type="search",
                required=True,
                max_length=400,
                placeholder=t("cases.look_hint"),
                class_name=f"{FIELD} h-9 min-w-0 flex-1",
            ),
            rx.el.button(icon("search", 15), t("cases.find"), type="submit", class_name=SECONDARY),
            class_name="mt-2 flex gap-2",
        ),
        on_submit=submit,
        class_name=f"{CARD} p-4",
        role="search",
    )


def case_actions(count: rx.Var[int], is_open: rx.Var[bool], save: Any, none_answers: Any) -> rx.Component:
    """Draw the two ways to complete a case."""
    return rx.el.div(
        rx.cond(
            is_open,
            rx.el.span(t("cases.open"), class_name="text-xs text-ink-3"),
            rx.el.span(t("cases.completed"), class_name="text-xs text-ok"),
        ),
        rx.el.button(
            t("cases.none_answers"), type="button", class_name=f"{SECONDARY} ms-auto", on_click=none_answers
        ),
        rx.el.button(t("cases.save"), type="button", class_name=PRIMARY, disabled=count == 0, on_click=save),
        class_name=f"{CARD} flex flex-wrap items-center gap-2 p-3",
    )
