"""Who asks and what for: every State event handler starts here, because prerendered pages protect nothing.

The session is read from the cookie of the websocket's handshake on every event, the project from the page's URL.
"""

from __future__ import annotations

from dataclasses import dataclass

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import Unauthenticated
from models.infra.scope import Scope
from tools_app.i18n.locale_state import LocaleState
from tools_app.services import auth, projects
from tools_app.services.projects import ALL
from tools_app.services.views import ProjectOption, SessionView


@dataclass(frozen=True, slots=True)
class Access:
    """What a handler may read. `project` is a slug or `all`; `projects` are all of the account scope."""

    session: SessionView
    scope: Scope
    project: str
    projects: tuple[ProjectOption, ...]
    locale: str

    def project_option(self) -> ProjectOption | None:
        """The one project of the page, None for all projects."""
        return next((each for each in self.projects if each.slug == self.project), None)


async def open_access(state: rx.State) -> Access:
    """The access of the page that `state` belongs to.

    Raises Unauthenticated without a live session, NotFound for a project outside the account scope.
    """
    locale = (await state.get_state(LocaleState)).locale
    wanted = state.router.url.query_parameters.get("project")
    return await in_db(_open, state.router.headers.cookie, wanted, locale)


def _open(cookies: str, wanted: str | None, locale: str) -> Access:
    session = auth.session_of_cookies(cookies)
    if session is None:
        raise Unauthenticated("There is no session.")
    options = projects.list_projects(session)
    chosen = wanted or _active(session, options)
    scope = projects.resolve_scope(session, chosen)
    return Access(session, scope, chosen, options, locale)


def _active(session: SessionView, options: tuple[ProjectOption, ...]) -> str:
    return next((each.slug for each in options if each.id == session.active_project_id), ALL)
