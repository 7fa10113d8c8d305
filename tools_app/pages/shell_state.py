"""The State of the shell: user, projects, the chosen one, toasts. Pages' own data live in the pages' States."""

from __future__ import annotations

from urllib.parse import quote

import reflex as rx
from reflex.event import EventSpec

from models.infra.clock import utcnow
from models.infra.errors import AppError, NotFound, Unauthenticated
from models.infra.ids import new_id
from models.infra.logging import get_logger
from tools_app.components.navigation import ProjectEntry
from tools_app.components.toast import SHOWN, Toast
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import LocaleState
from tools_app.pages.access import Access, open_access
from tools_app.services.projects import ALL

log = get_logger(__name__)

_MAX_TOASTS = 3


class ShellState(rx.State):
    """What the frame around every page shows."""

    user: rx.Field[str] = rx.field("")
    project: rx.Field[str] = rx.field(ALL)
    project_name: rx.Field[str] = rx.field("")
    projects: rx.Field[list[ProjectEntry]] = rx.field(default_factory=list)
    toasts: rx.Field[list[Toast]] = rx.field(default_factory=list)
    # The language of the toasts: after a switch they would be left over in the other one.
    spoken: rx.Field[str] = rx.field("")
    # Why the page has no data, in words: shown where they would be.
    problem: rx.Field[str] = rx.field("")

    @rx.event
    async def enter(self):
        """First on every page's load: who is here, in which project."""
        now = utcnow()
        self.problem = ""
        locale = (await self.get_state(LocaleState)).locale
        self.toasts = [each for each in self.toasts if each.until > now and self.spoken == locale]
        self.spoken = locale
        try:
            self.show(await open_access(self))
        except AppError as error:
            return await self.report(error)
        return None

    def show(self, access: Access) -> None:
        """Take over user and projects of an access."""
        self.user = access.session.user
        self.project = access.project
        option = access.project_option()
        self.project_name = option.name if option and not option.is_unassigned else ""
        self.projects = [ProjectEntry(ALL, "", "")] + [
            ProjectEntry(each.slug, each.name, each.name[:1].upper(), each.is_unassigned)
            for each in access.projects
        ]

    def say(self, message: str, tone: str = "info") -> None:
        """Show a toast."""
        now = utcnow()
        others = [each for each in self.toasts if each.until > now and each.message != message]
        self.toasts = [*others, Toast(str(new_id()), message, tone, now + SHOWN)][-_MAX_TOASTS:]

    async def report(self, error: AppError) -> EventSpec | None:
        """Say what went wrong: to the login without a session, to all projects for an unknown one, else a toast."""
        if isinstance(error, Unauthenticated):
            here = self.router.url
            return rx.redirect(
                f"/login?next={quote(f'{here.path}?{here.query}' if here.query else here.path)}"
            )
        locale = (await self.get_state(LocaleState)).locale
        if isinstance(error, NotFound) and self.router.url.query_parameters.get("project", ALL) != ALL:
            self.say(text(locale, "error.unknown_project"), "bad")
            return rx.redirect(f"{self.router.url.path}?project={ALL}")
        log.warning("page handler refused", code=error.code, message=error.message)
        self._tell(locale, error.code)
        return None

    async def tell(self, code: str) -> None:
        """Say what the code of an error means; a page without data shows it in their place."""
        self._tell((await self.get_state(LocaleState)).locale, code)

    @rx.event
    async def show_fault(self, code: str):
        """Say what an exception that no handler caught means (`pages.faults`)."""
        await self.tell(code)

    def _tell(self, locale: str, code: str) -> None:
        self.problem = text_or(locale, f"error.{code}", text(locale, "error.unexpected"))
        self.say(self.problem, "bad")


async def report(state: rx.State, error: AppError) -> EventSpec | None:
    """Report an error from any State through the shell."""
    return await (await state.get_state(ShellState)).report(error)
