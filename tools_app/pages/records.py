"""/records : the records that one number was computed from. The number, its set and its parameters are in the URL."""

from __future__ import annotations

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError
from tools_app.components import record_list
from tools_app.components.elements import CARD, SECONDARY, address, icon, page_link
from tools_app.components.empty_state import empty_state, lines_skeleton
from tools_app.components.record_list import RecordLine
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import t
from tools_app.pages.access import Access, open_access
from tools_app.pages.frame import frame, until_ready
from tools_app.pages.shell_state import ShellState, report
from tools_app.services import records as service
from tools_app.services.projects import ALL
from tools_app.services.views import RecordsView

ROUTE = "/records"


class RecordsState(rx.State):
    """The list, page by page, and the figure above it."""

    ready: rx.Field[bool] = rx.field(False)
    title: rx.Field[str] = rx.field("")
    narrowed: rx.Field[list[str]] = rx.field(default_factory=list)
    figure: rx.Field[str] = rx.field("")
    total: rx.Field[str] = rx.field("")
    lines: rx.Field[list[RecordLine]] = rx.field(default_factory=list)
    next_cursor: rx.Field[str] = rx.field("")

    @rx.event
    async def load(self):
        """Show the first page of the set that the URL names."""
        self.reset()
        yield
        try:
            access = await open_access(self)
            self.show(await in_db(_page, access, self.router.url.query, None), access)
        except AppError as error:
            yield await report(self, error)

    @rx.event
    async def more(self):
        """Show the next page below."""
        if not self.next_cursor:
            return None
        try:
            access = await open_access(self)
            self.show(await in_db(_page, access, self.router.url.query, self.next_cursor), access)
        except AppError as error:
            return await report(self, error)
        return None

    def show(self, view: RecordsView, access: Access) -> None:
        """Take over a page of records."""
        locale = access.locale
        self.title = text_or(locale, f"records.{view.set_code}.title", view.set_code)
        self.narrowed = [
            _narrowed(name, value, locale) for name, value in view.params.items() if name != "connection"
        ]
        figure = view.figure
        # A plain count says no more than the number of records beside it.
        self.figure = (
            ""
            if figure.unit == "count"
            else formats.quantity(locale, figure.value, figure.unit, figure.currency, compact=False)
        )
        self.total = text(
            locale, "records.total", count=view.total, count_text=formats.number(locale, view.total)
        )
        lines = [
            record_list.present(each, locale, view.set_code, with_project=access.project == ALL)
            for each in view.items
        ]
        self.lines = [*self.lines, *lines]
        self.next_cursor = view.next_cursor or ""
        self.ready = True


def _page(access: Access, query: str, cursor: str | None) -> RecordsView:
    code, _, where = service.parse_records_query(query)
    return service.list_records(access.scope, code, where, cursor=cursor)


def _narrowed(name: str, value: str, locale: str) -> str:
    if name == "week":
        return text(locale, "records.param.week", value=formats.full_day(locale, formats.parse_day(value)))
    value = text_or(locale, f"records.value.{value}", value)
    return text_or(locale, f"records.param.{name}", value, value=value)


def page() -> rx.Component:
    """The records behind a number."""
    return frame("records", "/", rx.cond(RecordsState.ready, _content(), until_ready(_skeleton())))


def _content() -> rx.Component:
    return rx.el.section(
        rx.el.header(
            page_link(
                icon("arrow-left", 15),
                t("records.back"),
                to=address("/?project=", ShellState.project),
                class_name="inline-flex items-center gap-1.5 rounded text-xs text-ink-2 hover:text-ink",
                data_back=True,
            ),
            rx.el.div(
                rx.el.h2(RecordsState.title, class_name="text-lg font-semibold"),
                rx.cond(
                    RecordsState.figure != "",
                    rx.el.span(
                        RecordsState.figure,
                        class_name="tabular text-lg font-semibold text-ink",
                        data_figure=True,
                    ),
                ),
                class_name="mt-2 flex flex-wrap items-baseline justify-between gap-x-4",
            ),
            rx.el.p(
                rx.el.span(RecordsState.total, class_name="tabular", data_total=True),
                rx.foreach(
                    RecordsState.narrowed,
                    lambda words: rx.el.span(words, class_name="rounded-full bg-sunken px-2 py-0.5 text-xs"),
                ),
                class_name="mt-1 flex flex-wrap items-center gap-2 text-sm text-ink-2",
            ),
            class_name="border-b border-line px-4 py-4",
        ),
        rx.cond(
            RecordsState.lines.length() > 0,
            record_list.record_list(RecordsState.lines),
            empty_state("inbox", t("records.empty.title"), t("records.empty.reason"), []),
        ),
        rx.cond(
            RecordsState.next_cursor != "",
            rx.el.div(
                rx.el.button(
                    t("records.more"), type="button", class_name=SECONDARY, on_click=RecordsState.more
                ),
                class_name="flex justify-center border-t border-line p-3",
            ),
        ),
        class_name=CARD,
    )


def _skeleton() -> rx.Component:
    return rx.el.div(lines_skeleton(8), class_name=f"{CARD} px-4 py-2", aria_busy="true")
