"""/ : the Control Tower dashboard. Highlights, trust bar, charts, projects; one primary action: Sync now."""

from __future__ import annotations

import reflex as rx

from models.infra.errors import AppError
from tools_app.components import chart_card, plots, project_table, stat_tile, trust_bar
from tools_app.components.elements import PRIMARY, icon, page_link
from tools_app.components.plots import Plot
from tools_app.components.project_table import ProjectLine
from tools_app.components.stat_tile import Tile
from tools_app.components.trust_bar import Trust
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text
from tools_app.i18n.locale_state import t
from tools_app.pages.access import open_access
from tools_app.pages.frame import frame, until_ready
from tools_app.pages.shell_state import report
from tools_app.pages.sync_action import SyncState, sync_button
from tools_app.services import portfolio as service
from tools_app.services.views import Figure

ROUTE = "/"


class DashboardState(rx.State):
    """What the dashboard shows, ready to be drawn. Texts and geometry are made here, once per load."""

    ready: rx.Field[bool] = rx.field(False)
    shown_project: rx.Field[str] = rx.field("")
    tiles: rx.Field[list[Tile]] = rx.field(default_factory=list)
    trust: rx.Field[Trust] = rx.field(default_factory=Trust)
    lines: rx.Field[list[ProjectLine]] = rx.field(default_factory=list)
    unconverted: rx.Field[list[tuple[str, str]]] = rx.field(default_factory=list)

    @rx.event
    async def load(self):
        """Fill the page for the project of its URL."""
        if self.router.url.query_parameters.get("project", "all") != self.shown_project:
            self.ready = False
            yield
        try:
            await self.refresh()
        except AppError as error:
            yield await report(self, error)

    async def refresh(self) -> None:
        """Read the dashboard anew. Raises AppError."""
        access = await open_access(self)
        view = await service.tower_view(access.scope)
        locale = access.locale
        self.tiles = [stat_tile.present(each, locale, access.project) for each in view.tiles]
        self.trust = trust_bar.present(view.trust, locale, access.project)
        self.lines = [project_table.present(each, locale) for each in view.projects]
        self.unconverted = [
            (_amount(each, locale), f"/records?{each.records_query}") for each in view.unconverted
        ]
        charts = await self.get_state(ChartsState)
        charts.plots = [plots.present(each, locale) for each in view.charts]
        if all(source.state != "syncing" for source in view.trust.sources):
            (await self.get_state(SyncState)).running = []
        self.shown_project = access.project
        self.ready = True


class ChartsState(rx.State):
    """The charts apart from the rest: another event must not send or draw them again."""

    plots: rx.Field[list[Plot]] = rx.field(default_factory=list)


def _amount(figure: Figure, locale: str) -> str:
    return text(
        locale, "dashboard.unconverted_amount", amount=formats.money(locale, figure.value, figure.currency)
    )


def page() -> rx.Component:
    """The dashboard."""
    return frame(
        "dashboard",
        ROUTE,
        rx.cond(DashboardState.ready, _content(), until_ready(_skeleton())),
        action=sync_button(PRIMARY),
    )


def _content() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.foreach(DashboardState.tiles, stat_tile.stat_tile),
            class_name="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-5",
            data_tiles=True,
        ),
        trust_bar.trust_bar(DashboardState.trust),
        rx.el.div(
            rx.foreach(ChartsState.plots, chart_card.chart_card),
            class_name="grid gap-4 xl:grid-cols-2",
            data_charts=True,
        ),
        rx.cond(
            DashboardState.unconverted.length() > 0,
            rx.el.p(
                icon("coins", 14, "text-ink-3"),
                rx.el.span(t("dashboard.unconverted")),
                rx.foreach(
                    DashboardState.unconverted,
                    lambda each: page_link(
                        each[0], to=each[1], class_name="font-medium text-ink hover:underline"
                    ),
                ),
                class_name="flex flex-wrap items-center gap-x-2 gap-y-1 text-xs text-ink-2",
            ),
        ),
        project_table.project_table(DashboardState.lines),
        class_name="space-y-4",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        rx.el.div(
            *[stat_tile.tile_skeleton() for _ in range(5)],
            class_name="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-5",
        ),
        rx.el.div(class_name="skeleton h-10 w-full"),
        rx.el.div(*[chart_card.chart_skeleton() for _ in range(4)], class_name="grid gap-4 xl:grid-cols-2"),
        class_name="space-y-4",
        aria_busy="true",
    )
