"""What a page's State holds belongs to one session: another one, or none, finds it empty.

Reflex keeps the States of a browser tab by the tab's token and sends all of them when the page connects (`hydrate`).
The token proves nothing, so this stands before every event: whoever comes with another session than the one that filled
the pages, or connects without a live one, meets pages that hold nothing.
"""

from __future__ import annotations

import hashlib

import reflex as rx
from reflex.event import Event
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState
from reflex_base.constants import CompileVars
from reflex_base.utils.format import format_event_handler
from sqlalchemy.exc import SQLAlchemyError

from models.infra.ids import new_id
from models.infra.logging import get_logger, origin, request_id
from tools_app.services import auth

log = get_logger(__name__)

# What the browser itself keeps (the language) lies elsewhere and stays.
_HELD_BY = "tools_app.pages."
CONNECTS = frozenset(
    format_event_handler(rx.State.event_handlers[name])
    for name in (CompileVars.HYDRATE, CompileVars.HYDRATE_AND_LOAD)
)


class OwnerState(rx.State):
    """Whose the pages' data are: the SHA-256 of a session's token, empty for nobody. Never sent to the browser."""

    _owner: str = ""


class SessionGuard(Middleware):
    """Empties the pages' States before an event of a session that they do not belong to."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> None:  # noqa: ARG002 - its signature
        """Compare owner and visitor; a connecting page's session must be live too.

        Also gives the event a request id of its own: what the handler logs, asks and enqueues carries it.
        """
        request_id.set(str(new_id()))
        origin.set(f"page:{event.name.rpartition('.')[2]}")
        cookies = state.router.headers.cookie
        visitor = _fingerprint(cookies)
        if visitor and event.name in CONNECTS and not await _is_live(cookies):
            visitor = ""
        owner = await state.get_state(OwnerState)
        if visitor and visitor == owner._owner:  # noqa: SLF001 - the underscore keeps it on the server
            return
        # Nobody owns pages without a session, so without one they are emptied each time.
        for each in state._get_root_state().substates.values():  # noqa: SLF001 - there is no public way up
            if type(each).__module__.startswith(_HELD_BY):
                each.reset()
        owner._owner = visitor  # noqa: SLF001


def _fingerprint(cookies: str) -> str:
    token = auth.token_of_cookies(cookies)
    return "" if token is None else hashlib.sha256(token.encode()).hexdigest()


async def _is_live(cookies: str) -> bool:
    try:
        return await auth.live_session(auth.token_of_cookies(cookies)) is not None
    except SQLAlchemyError as error:
        # Not knowing is no permission; the page's own load says that the database is away.
        log.warning("session not checked", error=type(error).__name__)
        return False
