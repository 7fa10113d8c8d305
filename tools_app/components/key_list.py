"""API keys: the form that makes one, the new token shown once, the list with the way to revoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import reflex as rx

from tools_app.components.elements import CARD, FIELD, PRIMARY, QUIET, SECONDARY, address, icon, relative_time
from tools_app.components.navigation import ProjectEntry
from tools_app.components.status_chip import Chip, status_chip
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t
from tools_app.services.api_keys import ApiKeyView

_TONES = {"live": "ok", "expired": "neutral", "revoked": "neutral"}
LIVES = (30, 90, 365)
_LABEL = "mb-1 block text-xs font-medium text-ink-2"


@dataclass(frozen=True, slots=True)
class KeyLine:
    """A key ready to be shown."""

    id: str
    name: str
    hint: str
    scope: str
    chip: Chip
    live: bool
    made_iso: str
    used_iso: str
    ends_iso: str


def present(view: ApiKeyView, locale: str) -> KeyLine:
    """A key in the reader's language."""
    access = text(locale, "security.reads" if view.read_only else "security.writes")
    where = text(locale, "nav.all_projects") if view.projects is None else ", ".join(view.projects)
    return KeyLine(
        id=view.id,
        name=view.name,
        hint=f"{view.hint}…",
        scope=f"{access} · {where}",
        chip=Chip(text(locale, f"security.state.{view.state}"), _TONES[view.state]),
        live=view.state == "live",
        made_iso=view.created_at.isoformat(),
        used_iso=view.last_used_at.isoformat() if view.last_used_at else "",
        ends_iso=view.expires_at.isoformat(),
    )


def new_token(token: rx.Var[str], forget: Any) -> rx.Component:
    """The token of a key that was made just now, and the button that takes it off the screen for good."""
    return rx.el.div(
        rx.el.p(t("security.shown_once"), class_name="text-sm font-medium text-ink"),
        rx.el.code(
            token,
            class_name="block rounded-lg bg-sunken px-3 py-2 font-mono text-sm break-all text-ink select-all",
            data_new_token=True,
        ),
        rx.el.button(
            t("security.forget"), type="button", class_name=SECONDARY, on_click=forget, data_forget=True
        ),
        class_name=f"{CARD} space-y-3 border-accent p-4",
        role="status",
    )


def key_form(projects: Annotated[Any, list[ProjectEntry]], create: Any) -> rx.Component:
    """The form of a new key: name, what it may do, how long, and the projects it is limited to (none: all)."""
    return rx.el.form(
        rx.el.div(
            rx.el.label(t("security.name"), html_for="key-name", class_name=_LABEL),
            rx.el.input(
                id="key-name",
                name="name",
                required=True,
                max_length=100,
                auto_complete="off",
                placeholder=t("security.name_example"),
                class_name=f"{FIELD} h-9",
            ),
            class_name="min-w-0 flex-1 basis-48",
        ),
        _select(
            "access", "security.access", [("read", t("security.reads")), ("write", t("security.writes"))]
        ),
        _select("days", "security.life", [(str(days), t(f"security.days_{days}")) for days in LIVES]),
        rx.el.fieldset(
            rx.el.legend(t("security.projects"), class_name=_LABEL),
            rx.el.div(
                rx.foreach(projects, _project_box),
                class_name="flex flex-wrap gap-x-4 gap-y-1.5",
            ),
            rx.el.p(t("security.projects_note"), class_name="mt-1 text-xs text-ink-3"),
            class_name="basis-full",
        ),
        rx.el.button(icon("key-round", 15), t("security.create"), type="submit", class_name=PRIMARY),
        on_submit=create,
        reset_on_submit=True,
        class_name="flex flex-wrap items-end gap-3 border-t border-line p-4",
        data_key_form=True,
    )


def _select(name: str, label: str, options: list[tuple[str, rx.Var[str]]]) -> rx.Component:
    return rx.el.div(
        rx.el.label(t(label), html_for=f"key-{name}", class_name=_LABEL),
        rx.el.select(
            *[rx.el.option(words, value=value) for value, words in options],
            id=f"key-{name}",
            name=name,
            class_name=f"{FIELD} h-9",
        ),
        class_name="basis-36",
    )


def _project_box(entry: Annotated[Any, ProjectEntry]) -> rx.Component:
    return rx.cond(
        entry.slug == "all",
        rx.fragment(),
        rx.el.label(
            rx.el.input(
                type="checkbox", name=address("project-", entry.slug), class_name="size-4 accent-accent"
            ),
            rx.cond(entry.is_unassigned, t("nav.unassigned"), entry.name),
            class_name="flex items-center gap-1.5 text-sm text-ink",
        ),
    )


def key_list(
    lines: Annotated[Any, list[KeyLine]], asked: rx.Var[str], ask: Any, revoke: Any, form: rx.Component
) -> rx.Component:
    """Draw the keys and the form; `ask` and `revoke` take an id, `asked` is the key that waits for a second click."""
    return rx.el.section(
        rx.el.h2(t("security.keys"), class_name="px-4 pt-4 text-sm font-semibold"),
        rx.el.p(t("security.keys_note"), class_name="px-4 pb-2 text-xs text-ink-2"),
        rx.cond(
            lines.length() > 0,
            rx.el.ul(
                rx.foreach(lines, lambda line: _line(line, asked, ask, revoke)),
                class_name="divide-y divide-line",
            ),
            rx.el.p(t("security.no_keys"), class_name="px-4 pb-4 text-sm text-ink-2"),
        ),
        form,
        class_name=CARD,
        aria_label=t("security.keys"),
    )


def _line(line: Annotated[Any, KeyLine], asked: rx.Var[str], ask: Any, revoke: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(
            rx.el.p(
                rx.el.span(line.name, class_name="truncate font-medium text-ink"),
                rx.el.code(line.hint, class_name="font-mono text-xs text-ink-3"),
                status_chip(line.chip),
                class_name="flex flex-wrap items-center gap-2",
            ),
            rx.el.p(
                line.scope,
                " · ",
                t("security.made"),
                " ",
                relative_time(line.made_iso),
                " · ",
                rx.cond(
                    line.used_iso != "",
                    rx.fragment(t("security.used"), " ", relative_time(line.used_iso)),
                    t("security.never_used"),
                ),
                " · ",
                t("security.ends"),
                " ",
                relative_time(line.ends_iso),
                class_name="text-xs text-ink-2",
            ),
            class_name="min-w-0 flex-1 space-y-0.5",
        ),
        rx.cond(
            line.live,
            rx.cond(
                asked == line.id,
                rx.el.button(
                    t("security.really_revoke"),
                    type="button",
                    class_name=f"{SECONDARY} !border-bad !text-bad",
                    on_click=revoke(line.id),
                    data_revoke_now=line.id,
                ),
                rx.el.button(
                    t("security.revoke"),
                    type="button",
                    class_name=QUIET,
                    on_click=ask(line.id),
                    data_revoke=line.id,
                ),
            ),
        ),
        class_name="flex items-center gap-3 px-4 py-2.5 text-sm",
        data_key=line.id,
    )
