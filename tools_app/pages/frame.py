"""The frame of every page behind the login: navigation, header, dialogs, toasts, the notice of a lost connection."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex_components_core.core.banner import has_connection_errors

from tools_app.components.elements import CARD, ICON_BUTTON, icon
from tools_app.components.empty_state import empty_state
from tools_app.components.navigation import project_sheet, rail, sidebar, tab_bar
from tools_app.components.palette import command_palette, shortcuts_dialog
from tools_app.components.toast import toaster
from tools_app.i18n.locale_state import LocaleState, t
from tools_app.pages.shell_state import ShellState


def frame(name: str, route: str, *content: Any, action: rx.Component | None = None) -> rx.Component:
    """A page: `name` is its section and text key, `route` where project links lead, `action` its one primary action."""
    return rx.el.div(
        rx.el.a(t("app.skip"), href="#content", class_name="skip-link"),
        rail(name, ShellState.project),
        sidebar(route, ShellState.project, ShellState.projects, ShellState.user),
        rx.el.div(
            _header(name, action),
            rx.cond(has_connection_errors, _connection_lost()),
            rx.el.main(
                *content,
                id="content",
                tab_index=-1,
                class_name="mx-auto w-full max-w-[76rem] space-y-5 px-4 pt-5 pb-28 outline-none md:px-8 md:pb-12",
            ),
            class_name="md:ps-16 lg:ps-72",
        ),
        tab_bar(name, ShellState.project),
        project_sheet(route, ShellState.project, ShellState.projects),
        command_palette(route, ShellState.project, ShellState.projects),
        shortcuts_dialog(),
        toaster(ShellState.toasts),
        class_name="min-h-dvh bg-canvas text-ink",
        data_locale_root=LocaleState.locale,
    )


def until_ready(skeleton: rx.Component) -> rx.Component:
    """What stands in for a page's data: the room they will take, or the reason why they do not come."""
    return rx.cond(ShellState.problem != "", problem(), skeleton)


def problem() -> rx.Component:
    """Why there are no data."""
    return rx.el.div(
        empty_state("circle-alert", t("error.title"), ShellState.problem, []),
        class_name=CARD,
        role="alert",
        data_problem=True,
    )


def _header(name: str, action: rx.Component | None) -> rx.Component:
    return rx.el.header(
        rx.el.div(
            rx.el.h1(
                t(f"nav.{name}.title"), class_name="truncate text-lg font-semibold tracking-tight md:text-xl"
            ),
            rx.el.button(
                rx.el.span(_project_words(), class_name="truncate"),
                icon("chevrons-up-down", 13, "lg:hidden"),
                type="button",
                class_name="flex max-w-full items-center gap-1 truncate text-xs text-ink-2 lg:hidden",
                data_open_dialog="project-sheet",
            ),
            rx.el.p(_project_words(), class_name="hidden truncate text-xs text-ink-2 lg:block"),
            class_name="min-w-0 flex-1",
        ),
        rx.el.button(
            icon("search", 15),
            rx.el.span(t("palette.open"), class_name="text-ink-3"),
            rx.el.kbd(
                "Ctrl K",
                class_name="ms-4 rounded border border-line bg-sunken px-1 font-mono text-2xs text-ink-2",
            ),
            type="button",
            class_name="hidden h-9 items-center gap-2 rounded-lg border border-line bg-surface px-3 text-sm hover:border-line-strong xl:flex",
            data_open_dialog="palette",
        ),
        locale_switch(),
        theme_toggle(),
        action if action is not None else rx.fragment(),
        class_name="sticky top-0 z-10 flex h-16 items-center gap-2 border-b border-line bg-canvas/90 px-4 backdrop-blur md:px-8",
    )


def _project_words() -> rx.Var[str]:
    return rx.cond(
        ShellState.project == "all",
        t("nav.all_projects"),
        rx.cond(ShellState.project_name != "", ShellState.project_name, t("nav.unassigned")),
    )


def locale_switch() -> rx.Component:
    """The language switch: names the language it leads to."""
    return rx.el.button(
        t("palette.other_locale_name"),
        type="button",
        class_name=f"{ICON_BUTTON} text-xs font-semibold",
        aria_label=t("palette.language"),
        title=t("palette.language"),
        data_set_locale=t("palette.other_locale"),
    )


def theme_toggle() -> rx.Component:
    """Light or dark; the browser remembers."""
    return rx.el.button(
        icon("moon", 17, "dark:hidden"),
        icon("sun", 17, "hidden dark:block"),
        type="button",
        id="theme-toggle",
        class_name=ICON_BUTTON,
        aria_label=t("palette.theme"),
        title=t("palette.theme"),
        on_click=rx.toggle_color_mode,
    )


def _connection_lost() -> rx.Component:
    return rx.el.div(
        icon("wifi-off", 14),
        t("app.connection_lost"),
        class_name="flex items-center gap-2 bg-warn-soft px-4 py-2 text-sm text-warn md:px-8",
        role="alert",
    )
