"""Sync now: the same action on every page that offers it, and the progress of running syncs."""

from __future__ import annotations

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError
from tools_app.components.elements import icon
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t
from tools_app.pages.access import open_access
from tools_app.pages.shell_state import ShellState
from tools_app.services import connectors


class SyncState(rx.State):
    """Which syncs run now (by run id), and which were asked for here; push keeps it current (`tools_app.live`)."""

    running: rx.Field[list[str]] = rx.field(default_factory=list)
    asked: rx.Field[list[str]] = rx.field(default_factory=list)

    @rx.event
    async def sync_now(self, connector: str):
        """Ask for a sync of one connector, or of all with an empty name."""
        shell = await self.get_state(ShellState)
        try:
            access = await open_access(self)
            runs = await in_db(connectors.sync_now, access.session, connector or None)
        except AppError as error:
            yield await shell.report(error)
            return
        self.running = sorted({*self.running, *(run.run_id for run in runs)})
        self.asked = sorted({*self.asked, *(run.run_id for run in runs)})
        shell.say(text(access.locale, "sync.asked", count=len(runs)), "info")

    def finish(self, run_id: str) -> None:
        """Forget a run that ended."""
        self.running = [each for each in self.running if each != run_id]
        self.asked = [each for each in self.asked if each != run_id]


def sync_button(
    style: str,
    connector: rx.Var[str] | str = "",
    *,
    label: str = "sync.now",
    busy: rx.Var[bool] | None = None,
) -> rx.Component:
    """The button; it says when a sync runs (`busy`, else any) and can be pressed again: a running sync is joined."""
    busy = SyncState.running.length() > 0 if busy is None else busy
    return rx.el.button(
        icon("refresh-cw", 15, rx.cond(busy, "animate-spin", "")),
        rx.el.span(rx.cond(busy, t("sync.running"), t(label)), class_name="hidden sm:inline"),
        type="button",
        class_name=style,
        aria_label=t(label),
        on_click=SyncState.sync_now(connector),
        data_sync=connector,
    )
