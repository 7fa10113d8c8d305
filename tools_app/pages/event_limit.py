"""How many events the pages of a session may send: counted before a handler runs, said in the one toast when it is too many."""

from __future__ import annotations

import reflex as rx
from reflex.event import Event
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState, StateUpdate

from models.infra import metrics
from models.infra.rate_limit import limiter
from tools_app.pages.session_guard import OwnerState
from tools_app.pages.shell_state import ShellState
from tools_app.services import limits


class EventLimit(Middleware):
    """Refuses an event that is one too many. Stands behind `SessionGuard`, which knows whose the pages are."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:  # noqa: ARG002 - its signature
        """None lets the event pass; an update with the toast stands in for it."""
        # Nobody's events are counted for their address: a made-up cookie opens no count of its own.
        owner = (await state.get_state(OwnerState))._owner  # noqa: SLF001 - the underscore keeps it on the server
        subject = owner or f"address {state.router.session.client_ip}"
        limit = limits.events()
        if await limiter.count(limit, subject) <= 0:
            return None
        metrics.rate_limit_hits.labels(limit.name).inc()
        shell = await state.get_state(ShellState)
        # Written here and not by an event of its own, which would be counted too.
        await shell.tell("too_many_requests")
        root = state._get_root_state()  # noqa: SLF001 - there is no public way up
        delta = root.get_delta()
        root._clean()  # noqa: SLF001 - what is sent is no longer dirty, as after every event
        return StateUpdate(delta=delta)
