"""The command palette and the list of shortcuts: native dialogs that `assets/tower.js` opens, filters and walks."""

from __future__ import annotations

from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import ICON_BUTTON, address, icon, page_link
from tools_app.components.navigation import QUESTIONS, SECTIONS, SECURITY, ProjectEntry
from tools_app.i18n.locale_state import t

_ENTRY = (
    "flex w-full items-center gap-2.5 rounded-lg px-3 py-2 text-sm text-ink text-start "
    "aria-selected:bg-accent-soft aria-selected:text-accent-ink hover:bg-sunken"
)
# Keys and the text that says what they do.
_SHORTCUTS = (
    ("Ctrl K", "palette"),
    ("/", "ask"),
    ("g d", "dashboard"),
    ("g s", "search"),
    ("g j", "jobs"),
    ("g y", "system"),
    ("t", "theme"),
    ("← →", "chart"),
    ("?", "help"),
)


def command_palette(
    route: str, project: rx.Var[str], projects: Annotated[Any, list[ProjectEntry]]
) -> rx.Component:
    """Everything that can be gone to or done, one search away."""
    return rx.el.dialog(
        rx.el.div(
            icon("search", 16, "text-ink-3"),
            rx.el.input(
                type="text",
                placeholder=t("palette.placeholder"),
                aria_label=t("palette.placeholder"),
                auto_complete="off",
                class_name="h-12 flex-1 bg-transparent text-base outline-none placeholder:text-ink-3",
            ),
            rx.el.kbd("Esc", class_name=_KBD),
            class_name="flex items-center gap-2.5 border-b border-line px-4",
        ),
        rx.el.div(
            *[
                page_link(
                    icon(icon_name, 16),
                    t(f"nav.{name}.title"),
                    to=address(target, "?project=", project),
                    class_name=_ENTRY,
                    data_entry=True,
                )
                for name, target, icon_name in SECTIONS
            ],
            page_link(
                icon("thumbs-down", 16),
                t("nav.questions.title"),
                to=address(QUESTIONS, "?project=", project),
                class_name=_ENTRY,
                data_entry=True,
            ),
            page_link(
                icon("key-round", 16),
                t("nav.security.title"),
                to=address(SECURITY, "?project=", project),
                class_name=_ENTRY,
                data_entry=True,
            ),
            rx.foreach(projects, lambda entry: _project_entry(entry, route)),
            rx.el.button(
                icon("sun-moon", 16),
                t("palette.theme"),
                type="button",
                class_name=_ENTRY,
                data_entry=True,
                data_press="theme-toggle",
            ),
            rx.el.button(
                icon("languages", 16),
                t("palette.language"),
                type="button",
                class_name=_ENTRY,
                data_entry=True,
                data_set_locale=t("palette.other_locale"),
            ),
            rx.el.button(
                icon("keyboard", 16),
                t("shortcuts.title"),
                type="button",
                class_name=_ENTRY,
                data_entry=True,
                data_open_dialog="shortcuts",
            ),
            rx.el.button(
                icon("log-out", 16),
                t("nav.logout"),
                type="button",
                class_name=_ENTRY,
                data_entry=True,
                data_logout=True,
            ),
            rx.el.p(
                t("palette.empty"),
                class_name="px-3 py-6 text-center text-sm text-ink-2",
                hidden=True,
                data_palette_empty=True,
            ),
            class_name="max-h-[50vh] overflow-y-auto p-2",
        ),
        id="palette",
        class_name="palette w-[min(36rem,calc(100vw-2rem))] rounded-card p-0",
        aria_label=t("palette.title"),
    )


_KBD = "rounded border border-line-strong bg-sunken px-1.5 py-0.5 font-mono text-2xs text-ink-2"


def _project_entry(entry: Annotated[Any, ProjectEntry], route: str) -> rx.Component:
    return page_link(
        icon("folder", 16),
        rx.el.span(t("palette.project"), class_name="text-ink-3"),
        rx.cond(
            entry.slug == "all",
            t("nav.all_projects"),
            rx.cond(entry.is_unassigned, t("nav.unassigned"), entry.name),
        ),
        to=address(route, "?project=", entry.slug),
        class_name=_ENTRY,
        data_entry=True,
    )


def shortcuts_dialog() -> rx.Component:
    """What the keys do."""
    return rx.el.dialog(
        rx.el.div(
            rx.el.h2(t("shortcuts.title"), class_name="text-lg font-semibold"),
            rx.el.button(
                icon("x", 18),
                type="button",
                class_name=ICON_BUTTON,
                aria_label=t("nav.close"),
                data_close=True,
            ),
            class_name="mb-3 flex items-center justify-between",
        ),
        rx.el.dl(
            *[
                rx.el.div(
                    rx.el.dt(t(f"shortcuts.{name}"), class_name="text-sm text-ink-2"),
                    rx.el.dd(rx.el.kbd(keys, class_name=_KBD)),
                    class_name="flex items-center justify-between gap-8 py-1.5",
                )
                for keys, name in _SHORTCUTS
            ],
            class_name="divide-y divide-line",
        ),
        id="shortcuts",
        class_name="w-[min(26rem,calc(100vw-2rem))] rounded-card p-5",
        aria_label=t("shortcuts.title"),
    )
