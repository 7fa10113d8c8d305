"""Signed-in browsers: which one, from where, since when; the way to end each and all the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, QUIET, SECONDARY, icon, relative_time
from tools_app.components.status_chip import Chip, status_chip
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t
from tools_app.services.sessions import SignedInView

# Order matters: every browser says that it is also one of the later ones.
_BROWSERS = (
    ("Edge", r"Edg"),
    ("Opera", r"OPR/"),
    ("Firefox", r"Firefox/"),
    ("Chrome", r"(Headless)?Chrom(e|ium)/"),
    ("Safari", r"Safari/"),
    ("curl", r"^curl/"),
    ("Python", r"^python"),
)
_SYSTEMS = (
    ("Android", r"Android"),
    ("iOS", r"iPhone|iPad"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS"),
    ("Linux", r"Linux"),
)


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session ready to be shown."""

    id: str
    name: str
    ip: str
    current: bool
    chip: Chip
    since_iso: str
    seen_iso: str
    ends_iso: str


def present(view: SignedInView, locale: str) -> SessionLine:
    """A session in the reader's language."""
    return SessionLine(
        id=view.id,
        name=browser_name(view.browser) or text(locale, "security.unknown_browser"),
        ip=view.ip,
        current=view.current,
        chip=Chip(text(locale, "security.this_one") if view.current else "", "ok"),
        since_iso=view.created_at.isoformat(),
        seen_iso=view.last_seen_at.isoformat(),
        ends_iso=view.expires_at.isoformat(),
    )


def browser_name(user_agent: str) -> str:
    """`Firefox · Linux`, as far as a user agent says; empty when it says neither."""
    names = (
        next((name for name, sign in table if re.search(sign, user_agent, re.IGNORECASE)), "")
        for table in (_BROWSERS, _SYSTEMS)
    )
    return " · ".join(name for name in names if name)


def session_list(lines: Annotated[Any, list[SessionLine]], end: Any, end_others: Any) -> rx.Component:
    """Draw the sessions; `end` takes an id."""
    return rx.el.section(
        rx.el.div(
            rx.el.h2(t("security.sessions"), class_name="text-sm font-semibold"),
            rx.cond(
                lines.length() > 1,
                rx.el.button(
                    t("security.end_others"),
                    type="button",
                    class_name=SECONDARY,
                    on_click=end_others,
                    data_end_others=True,
                ),
            ),
            class_name="flex min-h-9 items-center justify-between gap-3 px-4 pt-3",
        ),
        rx.el.p(t("security.sessions_note"), class_name="px-4 pb-2 text-xs text-ink-2"),
        rx.el.ul(rx.foreach(lines, lambda line: _line(line, end)), class_name="divide-y divide-line"),
        class_name=CARD,
        aria_label=t("security.sessions"),
    )


def _line(line: Annotated[Any, SessionLine], end: Any) -> rx.Component:
    return rx.el.li(
        icon("monitor", 16, "text-ink-3"),
        rx.el.div(
            rx.el.p(line.name, class_name="truncate font-medium text-ink"),
            rx.el.p(
                rx.el.span(line.ip, class_name="tabular"),
                " · ",
                t("security.since"),
                " ",
                relative_time(line.since_iso),
                " · ",
                t("security.seen"),
                " ",
                relative_time(line.seen_iso),
                " · ",
                t("security.ends"),
                " ",
                relative_time(line.ends_iso),
                class_name="text-xs text-ink-2",
            ),
            class_name="min-w-0 flex-1",
        ),
        rx.cond(
            line.current,
            status_chip(line.chip),
            rx.el.button(
                t("security.end"),
                type="button",
                class_name=QUIET,
                on_click=end(line.id),
                data_end=line.id,
            ),
        ),
        class_name="flex items-center gap-3 px-4 py-2.5 text-sm",
        data_session=line.id,
    )
