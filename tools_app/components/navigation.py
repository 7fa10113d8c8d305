"""Ways around: rail and project sidebar on a desktop, tab bar and project sheet on a phone.

Every link keeps the project of the page (decision: the project is in the URL), so two tabs never mix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import ICON_BUTTON, address, classes, icon, page_link
from tools_app.i18n.locale_state import t

# Name, route, icon. The name is the text key, the shortcut's target and the test's handle.
SECTIONS = (
    ("dashboard", "/", "layout-dashboard"),
    ("search", "/search", "search"),
    ("jobs", "/jobs", "refresh-cw"),
    ("system", "/system", "server"),
)
# Sessions and API keys: for now and then, so it has no place among the sections.
SECURITY = "/security"
# How questions went and what is to be done about it: reached from the search page.
QUESTIONS = "/questions"


@dataclass(frozen=True, slots=True)
class ProjectEntry:
    """One project of the sidebar; `slug` is `all` for all projects."""

    slug: str
    name: str
    initial: str
    is_unassigned: bool = False


def rail(current: str, project: rx.Var[str]) -> rx.Component:
    """The navigation rail (desktop)."""
    return rx.el.nav(
        page_link(
            rx.el.img(src="/favicon.svg", alt="", class_name="size-8"),
            to=_href("/", project),
            aria_label=t("app.name"),
            class_name="mb-3 rounded-lg",
        ),
        *[_rail_link(name, route, icon_name, current, project) for name, route, icon_name in SECTIONS],
        rx.el.div(
            page_link(
                icon("key-round", 18),
                to=_href(SECURITY, project),
                class_name=ICON_BUTTON,
                aria_label=t("nav.security.title"),
                title=t("nav.security.title"),
                aria_current="page" if current == "security" else "false",
                data_nav="security",
            ),
            rx.el.button(
                icon("keyboard", 18),
                type="button",
                class_name=ICON_BUTTON,
                aria_label=t("shortcuts.title"),
                title=t("shortcuts.title"),
                data_open_dialog="shortcuts",
            ),
            class_name="mt-auto flex flex-col gap-1",
        ),
        class_name="fixed inset-y-0 start-0 z-20 hidden w-16 flex-col items-center gap-1 border-e border-line bg-surface py-3.5 md:flex",
        aria_label=t("nav.sections"),
    )


def _rail_link(name: str, route: str, icon_name: str, current: str, project: rx.Var[str]) -> rx.Component:
    here = name == current
    return page_link(
        icon(icon_name, 18),
        rx.el.span(t(f"nav.{name}.short"), class_name="text-[0.625rem] leading-3 font-medium"),
        to=_href(route, project),
        class_name="flex w-14 flex-col items-center gap-1 rounded-lg py-2 transition-colors "
        + ("bg-accent-soft text-accent-ink" if here else "text-ink-3 hover:bg-sunken hover:text-ink"),
        title=t(f"nav.{name}.title"),
        aria_current="page" if here else "false",
        data_nav=name,
    )


def sidebar(
    route: str, project: rx.Var[str], projects: Annotated[Any, list[ProjectEntry]], user: rx.Var[str]
) -> rx.Component:
    """The project sidebar (desktop)."""
    return rx.el.aside(
        rx.el.div(
            rx.el.span(t("app.name"), class_name="text-base font-semibold tracking-tight text-ink"),
            class_name="flex h-14 items-center px-4",
        ),
        rx.el.nav(
            rx.el.p(t("nav.projects"), class_name="px-2.5 pb-1.5 text-xs font-medium text-ink-3"),
            rx.foreach(projects, lambda entry: _project_link(entry, route, project)),
            class_name="flex-1 space-y-0.5 overflow-y-auto px-2",
            aria_label=t("nav.projects"),
        ),
        rx.el.div(
            rx.el.span(user, class_name="truncate text-sm text-ink-2"),
            rx.el.button(
                icon("log-out", 16),
                type="button",
                class_name=ICON_BUTTON,
                aria_label=t("nav.logout"),
                title=t("nav.logout"),
                data_logout=True,
            ),
            class_name="flex items-center justify-between gap-2 border-t border-line px-4 py-2",
        ),
        class_name="fixed inset-y-0 start-16 z-10 hidden w-56 flex-col border-e border-line bg-surface lg:flex",
    )


def _project_link(entry: Annotated[Any, ProjectEntry], route: str, project: rx.Var[str]) -> rx.Component:
    here = entry.slug == project
    return page_link(
        rx.el.span(
            rx.cond(
                entry.slug == "all",
                icon("layers", 14),
                rx.cond(entry.is_unassigned, icon("inbox", 14), rx.el.span(entry.initial)),
            ),
            class_name=classes(
                "flex size-6 shrink-0 items-center justify-center rounded-md text-2xs font-semibold",
                rx.cond(here, "bg-accent text-on-accent", "bg-sunken text-ink-2"),
            ),
            aria_hidden="true",
        ),
        rx.el.span(
            rx.cond(
                entry.slug == "all",
                t("nav.all_projects"),
                rx.cond(entry.is_unassigned, t("nav.unassigned"), entry.name),
            ),
            class_name="truncate",
        ),
        to=address(route, "?project=", entry.slug),
        class_name=classes(
            "flex items-center gap-2.5 rounded-lg px-2.5 py-1.5 text-sm transition-colors",
            rx.cond(
                here,
                "bg-accent-soft text-accent-ink font-medium",
                "text-ink-2 hover:bg-sunken hover:text-ink",
            ),
        ),
        aria_current=rx.cond(here, "true", "false"),
        data_project=entry.slug,
    )


def tab_bar(current: str, project: rx.Var[str]) -> rx.Component:
    """The bottom tab bar (phone): the sections, and the project sheet."""
    tab = "flex flex-1 flex-col items-center gap-0.5 py-2 text-[0.6875rem] leading-4 font-medium"
    links = [
        page_link(
            icon(icon_name, 20),
            t(f"nav.{name}.short"),
            to=_href(route, project),
            class_name=f"{tab} " + ("text-accent-ink" if name == current else "text-ink-3"),
            aria_current="page" if name == current else "false",
        )
        for name, route, icon_name in SECTIONS
    ]
    return rx.el.nav(
        *links,
        rx.el.button(
            icon("layers", 20),
            t("nav.projects"),
            type="button",
            class_name=f"{tab} text-ink-3",
            data_open_dialog="project-sheet",
        ),
        class_name="fixed inset-x-0 bottom-0 z-30 flex border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] md:hidden",
        aria_label=t("nav.sections"),
    )


def project_sheet(
    route: str, project: rx.Var[str], projects: Annotated[Any, list[ProjectEntry]]
) -> rx.Component:
    """The project sheet (phone and narrow screens), opened from the tab bar or the header."""
    return rx.el.dialog(
        rx.el.div(
            rx.el.div(
                rx.el.h2(t("nav.projects"), class_name="text-lg font-semibold"),
                rx.el.button(
                    icon("x", 18),
                    type="button",
                    class_name=ICON_BUTTON,
                    aria_label=t("nav.close"),
                    data_close=True,
                ),
                class_name="flex items-center justify-between px-2.5 pb-2",
            ),
            rx.foreach(projects, lambda entry: _project_link(entry, route, project)),
            page_link(
                icon("key-round", 16),
                t("nav.security.title"),
                to=_href(SECURITY, project),
                class_name="mt-2 flex w-full items-center gap-2.5 border-t border-line px-3 pt-4 pb-2 text-sm text-ink-2",
            ),
            rx.el.button(
                icon("log-out", 16),
                t("nav.logout"),
                type="button",
                class_name="flex w-full items-center gap-2.5 px-3 py-2 text-sm text-ink-2",
                data_logout=True,
            ),
            class_name="space-y-1 p-4",
        ),
        id="project-sheet",
        class_name="sheet",
        aria_label=t("nav.projects"),
    )


def _href(route: str, project: rx.Var[str]) -> rx.Var[str]:
    return address(route, "?project=", project)
