"""An answer: sentences with citations that jump to their evidence, or an honest refusal; and how good it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, address, icon, inline_style, relative_time
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.services.answer_views import AnswerSource, AnswerView


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and the numbers of its citations."""

    text: str
    citations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One named part of the quality score; `width` is a CSS percentage."""

    name: str
    value: str
    width: str


@dataclass(frozen=True, slots=True)
class Source:
    """A copy that the answer rests on: how complete in words, and since when it is up to date.

    `known_iso`: when completeness was known last; empty unless it is unknown now. `synced_iso` is empty before a sync.
    """

    words: str
    synced_iso: str
    known_iso: str


@dataclass(frozen=True, slots=True)
class AnswerText:
    """An answer ready to be shown."""

    query_run_id: str = ""
    answerable: bool = False
    sentences: tuple[Sentence, ...] = ()
    reason: str = ""
    quality: str = ""
    parts: tuple[Part, ...] = ()
    facts: str = ""
    sources: tuple[Source, ...] = ()


def present(view: AnswerView, locale: str) -> AnswerText:
    """An answer in the reader's language; its sentences stay in the language of the evidence."""
    counts = [
        text(
            locale,
            f"answer.stats.{each.source}",
            count=each.count,
            count_text=formats.number(locale, each.count),
        )
        for each in view.stats
        if each.count
    ]
    timing = (
        text(locale, "answer.cached") if view.cached else text(locale, "answer.took", ms=str(view.took_ms))
    )
    return AnswerText(
        query_run_id=view.query_run_id,
        answerable=view.answerable,
        sentences=tuple(
            Sentence(each.text, tuple(str(number) for number in each.citations)) for each in view.sentences
        ),
        reason="" if view.answerable else _reason(view, locale),
        quality=formats.number(locale, round(view.quality_score)),
        parts=tuple(
            Part(
                text_or(locale, f"score.{part.code}", part.code),
                formats.number(locale, round(part.value)),
                f"{min(max(part.value, 0), 100):.0f}%",
            )
            for part in view.quality_parts
        ),
        facts=" · ".join([*counts, text_or(locale, f"mode.{view.mode}", view.mode), timing]),
        sources=tuple(_source(each, locale) for each in view.sources),
    )


def _source(source: AnswerSource, locale: str) -> Source:
    value = (
        text(locale, "unit.unknown" if source.is_unknown else "unit.not_measured")
        if source.pct is None
        else formats.percent(locale, source.pct)
    )
    name = text_or(locale, f"connector.{source.connector}", source.connector)
    return Source(
        text(locale, "answer.source", connector=name, value=value),
        source.synced_at.isoformat() if source.synced_at else "",
        source.known_at.isoformat() if source.is_unknown and source.known_at else "",
    )


def _reason(view: AnswerView, locale: str) -> str:
    code = view.code.removeprefix("answer.")
    searched = [
        (name.partition(".")[2], float(count))
        for name, count in view.params.items()
        if name.startswith("searched.")
    ]
    places = ", ".join(
        f"{text_or(locale, f'source_group.{group}', group)} ({formats.number(locale, count)})"
        for group, count in searched
    )
    words = text_or(locale, f"refusal.{code}", text(locale, "refusal.not_enough_evidence"))
    return f"{words} {text(locale, 'refusal.searched', places=places)}" if places else words


def answer_panel(answer: Annotated[Any, AnswerText], feedback: rx.Component) -> rx.Component:
    """Draw an answer with its quality and a place for feedback."""
    return rx.el.section(
        rx.cond(
            answer.answerable,
            rx.el.div(
                rx.foreach(answer.sentences, _sentence), class_name="space-y-2", data_answer="answered"
            ),
            rx.el.div(
                icon("search-x", 18, "mt-0.5 text-ink-3"),
                rx.el.div(
                    rx.el.h2(t("refusal.title"), class_name="text-base font-semibold"),
                    rx.el.p(answer.reason, class_name="mt-1 text-sm text-ink-2"),
                    rx.cond(
                        answer.sentences.length() > 0,
                        rx.el.div(
                            rx.el.h3(t("refusal.closest"), class_name="text-sm font-semibold"),
                            rx.foreach(answer.sentences, _sentence),
                            class_name="mt-3 space-y-2",
                            data_closest=True,
                        ),
                    ),
                ),
                class_name="flex gap-3",
                data_answer="refused",
            ),
        ),
        rx.el.div(
            rx.el.span(answer.facts, class_name="tabular"),
            rx.foreach(answer.sources, _source_line),
            class_name="mt-4 flex flex-wrap gap-x-4 gap-y-1 text-xs text-ink-3",
        ),
        rx.el.div(
            rx.cond(answer.answerable, _quality(answer)),
            feedback,
            class_name="mt-3 flex flex-wrap items-start justify-between gap-x-6 gap-y-3 border-t border-line pt-3",
        ),
        class_name=f"{CARD} p-5",
        aria_label=t("answer.label"),
        aria_live="polite",
    )


def _source_line(source: Annotated[Any, Source]) -> rx.Component:
    return rx.el.span(
        source.words,
        rx.cond(
            source.known_iso != "",
            rx.el.span(" · ", t("completeness.last_figure"), " ", relative_time(source.known_iso)),
        ),
        rx.cond(
            source.synced_iso != "",
            rx.el.span(" · ", t("answer.synced"), " ", relative_time(source.synced_iso)),
        ),
        data_answer_source=True,
    )


def _sentence(sentence: Annotated[Any, Sentence]) -> rx.Component:
    return rx.el.p(
        sentence.text,
        " ",
        rx.foreach(
            sentence.citations,
            lambda number: rx.el.a(
                number,
                href=address("#evidence-", number),
                class_name="tabular ms-0.5 inline-flex h-[1.125rem] min-w-[1.125rem] items-center justify-center rounded-md bg-accent-soft px-1 align-text-bottom text-2xs font-semibold text-accent-ink hover:bg-accent hover:text-on-accent",
                aria_label=address(t("answer.citation"), " ", number),
                data_jump=address("evidence-", number),
            ),
        ),
        class_name="text-[0.9375rem] leading-6 text-ink [overflow-wrap:anywhere]",
    )


def _quality(answer: Annotated[Any, AnswerText]) -> rx.Component:
    return rx.el.details(
        rx.el.summary(
            t("answer.quality"),
            rx.el.span(answer.quality, class_name="tabular ms-1.5 font-semibold text-ink"),
            rx.el.span("/100"),
            icon("chevron-down", 13, "ms-1 transition-transform group-open:rotate-180"),
            class_name="flex h-8 list-none items-center rounded text-xs text-ink-2",
        ),
        rx.el.dl(
            rx.foreach(
                answer.parts,
                lambda part: rx.el.div(
                    rx.el.dt(part.name, class_name="text-xs text-ink-2"),
                    rx.el.dd(
                        rx.el.span(
                            rx.el.span(
                                class_name="block h-full rounded-full bg-s1",
                                custom_attrs=inline_style(width=part.width),
                            ),
                            class_name="h-1 w-20 overflow-hidden rounded-full bg-sunken",
                        ),
                        rx.el.span(part.value, class_name="tabular w-7 text-end text-xs text-ink"),
                        class_name="flex items-center gap-2",
                    ),
                    class_name="flex items-center justify-between gap-6",
                ),
            ),
            class_name="mt-1 space-y-1",
        ),
        class_name="group",
    )
