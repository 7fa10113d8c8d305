"""The app object: pages, API, lifespan tasks, nothing else. Served by granian as `tools_app.tools_app:app`."""

from __future__ import annotations

import reflex as rx

from tools_app.api.app import create_api, with_gate
from tools_app.i18n.catalogue import DEFAULT_LOCALE
from tools_app.i18n.locale_state import page_title
from tools_app.live import lifespan, warm_up
from tools_app.pages import (
    dashboard,
    jobs,
    login,
    questions,
    questions_page,
    records,
    search,
    search_page,
    security,
    system,
)
from tools_app.pages.event_limit import EventLimit
from tools_app.pages.faults import on_fault
from tools_app.pages.session_guard import SessionGuard
from tools_app.pages.shell_state import ShellState
from tools_app.static_headers import with_static_headers
from tools_app.upkeep import upkeep
from tools_app.websocket_origin import with_websocket_origin

app = rx.App(
    api_transformer=[with_websocket_origin, with_static_headers, create_api(), with_gate],
    head_components=[
        rx.el.script(src="/boot.js"),
        rx.el.script(src="/tower.js", defer=True),
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
    ],
    stylesheets=["/theme.css"],
    html_lang=DEFAULT_LOCALE,
    # Toasts and the connection notice are ours (`pages.frame`): the default overlay brings a second toast library.
    toaster=None,
    app_wraps={},
    backend_exception_handler=on_fault,
)
# First: nothing may answer an event before it is known whose the pages' data are.
app.add_middleware(SessionGuard(), index=0)
app.add_middleware(EventLimit(), index=1)


def _add(view: object, route: str, section: str, *on_load: object) -> None:
    app.add_page(view, route=route, title=page_title(section), on_load=list(on_load))  # pyright: ignore[reportArgumentType]


_add(login.page, login.ROUTE, "login")
_add(dashboard.page, dashboard.ROUTE, "dashboard", ShellState.enter, dashboard.DashboardState.load)
_add(search_page.page, search.ROUTE, "search", ShellState.enter, search.SearchState.load)
_add(questions_page.page, questions.ROUTE, "questions", ShellState.enter, questions.QuestionsState.load)
_add(jobs.page, jobs.ROUTE, "jobs", ShellState.enter, jobs.JobsState.load)
# The look at the parts first: it says what is away while the shell still waits for it.
_add(system.page, system.ROUTE, "system", system.SystemState.load, ShellState.enter)
_add(security.page, security.ROUTE, "security", ShellState.enter, security.SecurityState.load)
_add(records.page, records.ROUTE, "records", ShellState.enter, records.RecordsState.load)

app.register_lifespan_task(lifespan(app))
app.register_lifespan_task(warm_up)
app.register_lifespan_task(upkeep)
