"""The system page's cards: one a part, its state in a chip, what is known of it, and what to do where it is not well."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Annotated, Any

import reflex as rx

from jobs.enqueue import QueueState, WorkerState
from tools_app.components.elements import CARD, choose, classes, icon, relative_time
from tools_app.components.status_chip import Chip, status_chip
from tools_app.components.status_chip import present as present_chip
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.services.system import Fact, Part, SystemView

_STATUS = {"ok": "working", "warn": "attention", "bad": "broken"}


@dataclass(frozen=True, slots=True)
class FactLine:
    """One fact in words, or an instant."""

    name: str
    value: str
    iso: str = ""


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One worker or queue: its name, what it does, when a worker was heard of last."""

    name: str
    detail: str
    state: str
    iso: str = ""


@dataclass(frozen=True, slots=True)
class PartCard:
    """One part ready to be shown; `hint` is empty where all is well."""

    code: str
    title: str
    chip: Chip
    facts: tuple[FactLine, ...]
    hint: str
    members: tuple[MemberLine, ...] = field(default=())


def present(view: SystemView, locale: str) -> list[PartCard]:
    """The parts in the reader's language."""
    members = {
        "workers": tuple(_worker(each, locale) for each in view.workers),
        "queues": tuple(_queue(each, locale) for each in view.queues),
    }
    return [_card(part, members.get(part.code, ()), locale) for part in view.parts]


def _card(part: Part, members: tuple[MemberLine, ...], locale: str) -> PartCard:
    return PartCard(
        code=part.code,
        title=text(locale, f"system.part.{part.code}"),
        chip=present_chip(_STATUS[part.state], locale),
        facts=tuple(_fact(each, locale) for each in part.facts),
        hint=text(locale, f"system.hint.{part.hint}") if part.hint else "",
        members=members,
    )


def _fact(fact: Fact, locale: str) -> FactLine:
    name, value = text_or(locale, f"system.fact.{fact.code}", fact.code), fact.value
    if isinstance(value, dt.datetime):
        return FactLine(name, "", value.isoformat())
    if isinstance(value, str) or value is None:
        return FactLine(name, value or formats.UNKNOWN)
    shown = {"bytes": formats.size, "percent": formats.percent}.get(fact.unit, formats.number)
    return FactLine(name, shown(locale, value))


def _worker(worker: WorkerState, locale: str) -> MemberLine:
    listens = ", ".join(text_or(locale, f"queue.{each}", each) for each in worker.queues)
    return MemberLine(
        name=worker.name,
        detail=listens,
        state=text_or(locale, f"system.worker.{worker.state}", worker.state),
        iso=worker.last_heartbeat.isoformat() if worker.last_heartbeat else "",
    )


def _queue(queue: QueueState, locale: str) -> MemberLine:
    counts = [
        text(locale, f"system.queue.{name}", value=formats.number(locale, getattr(queue, name)))
        for name in ("waiting", "running", "failed")
    ]
    return MemberLine(
        name=text_or(locale, f"queue.{queue.name}", queue.name),
        detail=" · ".join(counts),
        state=text(
            locale, "queue_workers", count=queue.workers, count_text=formats.number(locale, queue.workers)
        ),
    )


def part_card(card: Annotated[Any, PartCard]) -> rx.Component:
    """Draw a part."""
    return rx.el.section(
        rx.el.header(
            rx.el.h2(card.title, class_name="text-sm font-semibold"),
            status_chip(card.chip, "ms-auto"),
            class_name="flex items-center gap-3",
        ),
        rx.cond(
            card.hint != "",
            rx.el.p(
                icon("wrench", 14, "mt-0.5"),
                card.hint,
                class_name=classes(
                    "flex gap-2 rounded-lg px-3 py-2 text-sm",
                    choose(
                        card.chip.tone, ("bad", "bg-bad-soft text-bad"), otherwise="bg-warn-soft text-warn"
                    ),
                ),
                role="alert",
            ),
        ),
        rx.cond(
            card.facts.length() > 0,
            rx.el.dl(rx.foreach(card.facts, _fact_line), class_name="divide-y divide-line text-sm"),
        ),
        rx.cond(
            card.members.length() > 0,
            rx.el.ul(
                rx.foreach(card.members, _member_line),
                class_name="divide-y divide-line border-t border-line text-sm",
            ),
        ),
        class_name=f"{CARD} flex min-w-0 flex-col gap-3 p-4",
        data_part=card.code,
    )


def _fact_line(fact: Annotated[Any, FactLine]) -> rx.Component:
    return rx.el.div(
        rx.el.dt(fact.name, class_name="text-ink-2"),
        rx.el.dd(
            rx.cond(fact.iso != "", relative_time(fact.iso), fact.value),
            class_name="tabular ms-auto min-w-0 text-end font-medium break-words text-ink",
        ),
        class_name="flex items-baseline gap-3 py-1.5",
    )


def _member_line(member: Annotated[Any, MemberLine]) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.p(member.name, class_name="truncate font-medium text-ink"),
            rx.el.p(member.detail, class_name="tabular text-xs text-ink-2"),
            class_name="min-w-0 flex-1",
        ),
        rx.el.div(
            rx.el.p(member.state, class_name="tabular whitespace-nowrap text-ink"),
            rx.cond(member.iso != "", relative_time(member.iso, "text-xs text-ink-3")),
            class_name="text-end",
        ),
        class_name="flex items-center gap-3 py-1.5",
    )
