"""/security: one's signed-in browsers and the API keys of programs. A new key's token is shown once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import reflex as rx

from models.infra.database import in_db
from models.infra.errors import AppError, NotFound
from tools_app.components import key_list, session_list
from tools_app.components.elements import CARD
from tools_app.components.empty_state import lines_skeleton
from tools_app.components.key_list import KeyLine
from tools_app.components.session_list import SessionLine
from tools_app.i18n.catalogue import text
from tools_app.pages.access import Access, open_access
from tools_app.pages.frame import frame, until_ready
from tools_app.pages.shell_state import ShellState, report
from tools_app.services import api_keys, sessions

ROUTE = "/security"
_PROJECT = "project-"


class SecurityState(rx.State):
    """What the page shows. `token` is a new key's, until the page is opened anew or told to forget it."""

    ready: rx.Field[bool] = rx.field(False)
    sessions: rx.Field[list[SessionLine]] = rx.field(default_factory=list)
    keys: rx.Field[list[KeyLine]] = rx.field(default_factory=list)
    token: rx.Field[str] = rx.field("")
    # The key whose button waits for a second click.
    asked: rx.Field[str] = rx.field("")

    @rx.event
    async def load(self):
        """Fill the page."""
        self.token = self.asked = ""
        try:
            await self._refresh(await open_access(self))
        except AppError as error:
            return await report(self, error)
        return None

    @rx.event
    async def end(self, session_id: str):
        """End another browser's session."""
        try:
            access = await open_access(self)
            await in_db(sessions.end_session, access.session, _an_id(session_id))
            await self._refresh(access)
        except AppError as error:
            return await report(self, error)
        return await self._say(access, "security.ended")

    @rx.event
    async def end_others(self):
        """End all sessions but this one."""
        try:
            access = await open_access(self)
            await in_db(sessions.end_others, access.session)
            await self._refresh(access)
        except AppError as error:
            return await report(self, error)
        return await self._say(access, "security.ended")

    @rx.event
    async def create_key(self, form: dict[str, Any]):
        """Make a key as the form says."""
        chosen = [
            name.removeprefix(_PROJECT) for name in form if str(name).startswith(_PROJECT) and form[name]
        ]
        try:
            access = await open_access(self)
            made = await in_db(
                api_keys.create,
                access.session,
                str(form.get("name", "")),
                read_only=form.get("access") != "write",
                project_names=chosen or None,
                days=_days(form.get("days")),
            )
            await self._refresh(access)
        except AppError as error:
            return await report(self, error)
        self.token = made.token
        return None

    @rx.event
    async def ask_revoke(self, key_id: str):
        """Ask for a second click before a key ends."""
        try:
            await open_access(self)
        except AppError as error:
            return await report(self, error)
        self.asked = key_id if any(key_id == each.id for each in self.keys) else ""
        return None

    @rx.event
    async def revoke(self, key_id: str):
        """End a key for good."""
        try:
            access = await open_access(self)
            await in_db(api_keys.revoke, access.session, _an_id(key_id))
            await self._refresh(access)
        except AppError as error:
            return await report(self, error)
        return await self._say(access, "security.revoked")

    @rx.event
    async def forget(self):
        """Take a new token off the screen."""
        self.token = ""

    async def _refresh(self, access: Access) -> None:
        signed_in = await in_db(sessions.list_sessions, access.session)
        keys = await in_db(api_keys.list_keys, access.session)
        self.sessions = [session_list.present(each, access.locale) for each in signed_in]
        self.keys = [key_list.present(each, access.locale) for each in keys]
        self.asked = ""
        self.ready = True

    async def _say(self, access: Access, key: str) -> None:
        (await self.get_state(ShellState)).say(text(access.locale, key), "ok")


def _an_id(value: object) -> str:
    """The value as an id. Raises NotFound: an event may carry anything."""
    try:
        return str(UUID(str(value)))
    except ValueError as fault:
        raise NotFound("There is no such id.") from fault


def _days(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 5 else 0


def page() -> rx.Component:
    """Sessions and keys."""
    return frame("security", ROUTE, rx.cond(SecurityState.ready, _content(), until_ready(_skeleton())))


def _content() -> rx.Component:
    return rx.el.div(
        rx.cond(SecurityState.token != "", key_list.new_token(SecurityState.token, SecurityState.forget)),
        key_list.key_list(
            SecurityState.keys,
            SecurityState.asked,
            SecurityState.ask_revoke,
            SecurityState.revoke,
            key_list.key_form(ShellState.projects, SecurityState.create_key),
        ),
        session_list.session_list(SecurityState.sessions, SecurityState.end, SecurityState.end_others),
        class_name="space-y-4",
    )


def _skeleton() -> rx.Component:
    return rx.el.div(
        *[rx.el.div(lines_skeleton(3), class_name=f"{CARD} p-4") for _ in range(2)],
        class_name="space-y-4",
        aria_busy="true",
    )
