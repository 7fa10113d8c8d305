"""/system: how the installation does, part by part. What is away is shown as such; the page itself never fails for it."""

from __future__ import annotations

import asyncio

import reflex as rx
from sqlalchemy.exc import SQLAlchemyError

from models.infra.errors import AppError
from tools_app.components.elements import CARD, PRIMARY, icon, relative_time
from tools_app.components.empty_state import lines_skeleton
from tools_app.components.system_parts import PartCard, part_card, present
from tools_app.i18n.locale_state import LocaleState, t
from tools_app.pages.access import open_access
from tools_app.pages.frame import frame, until_ready
from tools_app.pages.shell_state import report
from tools_app.services.system import WAIT_S
from tools_app.services.system_parts import system_view

ROUTE = "/system"


class SystemState(rx.State):
    """The parts, ready to be drawn."""

    ready: rx.Field[bool] = rx.field(False)
    parts: rx.Field[list[PartCard]] = rx.field(default_factory=list)
    checked_iso: rx.Field[str] = rx.field("")

    @rx.event
    async def load(self):
        """Look at every part."""
        try:
            await self.refresh()
        except AppError as error:
            return await report(self, error)
        return None

    async def refresh(self) -> None:
        """Look again. Raises AppError, Unauthenticated without a session.

        While the database cannot say whose session it is, states and hints are shown, which /health tells anybody.
        """
        # At once, and both to their end: one after the other would take twice as long where the database hangs.
        view, access = await asyncio.gather(
            system_view(), asyncio.wait_for(open_access(self), WAIT_S), return_exceptions=True
        )
        if isinstance(view, BaseException):
            raise view
        if isinstance(access, SQLAlchemyError | TimeoutError):
            view = view.without_details()
        elif isinstance(access, BaseException):
            raise access
        self.parts = present(view, (await self.get_state(LocaleState)).locale)
        self.checked_iso = view.checked_at.isoformat()
        self.ready = True


def page() -> rx.Component:
    """The system."""
    return frame(
        "system",
        ROUTE,
        rx.cond(SystemState.ready, _content(), until_ready(_skeleton())),
        action=rx.el.button(
            icon("refresh-cw", 15),
            rx.el.span(t("system.check"), class_name="hidden sm:inline"),
            type="button",
            class_name=PRIMARY,
            aria_label=t("system.check"),
            on_click=SystemState.load,
            data_check=True,
        ),
    )


def _content() -> rx.Component:
    return rx.el.div(
        rx.el.p(
            t("system.checked"),
            " ",
            relative_time(SystemState.checked_iso),
            class_name="text-xs text-ink-2",
            role="status",
        ),
        rx.el.div(
            rx.foreach(SystemState.parts, part_card),
            class_name="grid items-start gap-4 md:grid-cols-2 xl:grid-cols-3",
        ),
        class_name="space-y-4",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        *[rx.el.div(lines_skeleton(4), class_name=f"{CARD} h-64 p-4") for _ in range(6)],
        class_name="grid gap-4 md:grid-cols-2 xl:grid-cols-3",
        aria_busy="true",
    )
