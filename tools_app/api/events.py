"""/events/stream: server-sent events of the caller's account scope, resumable by `Last-Event-ID`.

All streams of a process share one reader (`services.event_hub`); each has room for a few hundred events. A client that
does not read is cut off, by whichever comes first: its room is full, or a write to it does not get through in time.
"""

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from redis.exceptions import RedisError

from models.infra import events, metrics
from models.infra.database import in_db
from models.infra.errors import InvalidInput
from models.infra.events import Event
from models.infra.logging import get_logger
from tools_app.api.deps import Caller, session_token
from tools_app.api.event_response import EventResponse, Slots
from tools_app.services import auth, projects
from tools_app.services.event_hub import Listener, event_hub
from tools_app.services.faults import DATABASE_AWAY
from tools_app.services.views import SessionView

router = APIRouter(prefix="/events", tags=["events"])

HEARTBEAT_S = 30.0
# How long a stream goes on while the database cannot say whether its session still lives.
_UNCHECKED_S = 300.0
# A browser waits this long before it connects again.
_RETRY_MS = 2_000

log = get_logger(__name__)
slots = Slots(per_session=10, in_all=4_000)


def _frame(kind: str, data: object, event_id: str = "") -> str:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


class _LastFrame:
    """The frame of the newest event: a thousand streams send the same one, so it is written once."""

    def __init__(self) -> None:
        self._id, self._text = "", ""

    def of(self, event: Event) -> str:
        if event.id != self._id:
            self._id, self._text = event.id, _frame(event.kind, dict(event.payload), event.id)
        return self._text


_last_frame = _LastFrame()


class _Viewer:
    """Whose stream it is: a session, and the projects it may see now."""

    def __init__(self, session: SessionView, token: str | None, project_ids: frozenset[str]) -> None:
        self._session, self._token, self._project_ids = session, token, project_ids
        self._checked_at = time.monotonic()
        self._unchecked_s = 0.0

    def may_see(self, event: Event) -> bool:
        """Whether an event belongs to the session's account scope; one without a scope is about the installation."""
        scope, project = event.payload.get("account_scope_id"), event.payload.get("project_id")
        return scope in (None, self._session.account_scope_id) and (
            project is None or project in self._project_ids
        )

    def due_in_s(self) -> float:
        """Seconds until the session has to be looked at again."""
        return max(0.0, self._checked_at + HEARTBEAT_S - time.monotonic())

    async def still_there(self) -> bool:
        """Whether the session lives; takes in projects made meanwhile. Keeps its answer while the database is away."""
        last, self._checked_at = self._checked_at, time.monotonic()
        try:
            session = await auth.live_session(self._token)
            if session is None:
                return False
            self._project_ids = await _project_ids(session)
        except DATABASE_AWAY as error:
            log.warning("a stream's session cannot be checked", error=type(error).__name__)
            self._unchecked_s += self._checked_at - last
            return self._unchecked_s < _UNCHECKED_S
        self._unchecked_s = 0.0
        return True


async def _project_ids(session: SessionView) -> frozenset[str]:
    return frozenset(each.id for each in await in_db(projects.list_projects, session))


async def _frames(viewer: _Viewer, last_id: str | None) -> AsyncIterator[str]:
    with event_hub().listen(viewer.may_see) as listener:
        try:
            # The newest id goes along, so that a client that is cut off before its first event can resume too.
            position = last_id or await events.newest_id()
            gap = last_id is not None and await events.has_gap(last_id)
            connected = _frame("connected", {"resumed": last_id is not None, "gap": gap}, position)
            yield f"retry: {_RETRY_MS}\n{connected}"
            if last_id is not None:
                async for event in events.missed(last_id):
                    position = event.id
                    if listener.wants(event):
                        yield _frame(event.kind, dict(event.payload), event.id)
        except RedisError as error:
            log.warning("a stream begins without its past", error=type(error).__name__)
            if last_id is not None:
                # It would miss what it asks for: let it come again.
                yield f"retry: {_RETRY_MS}\n" + _frame("closing", {"reason": "unavailable"})
                return
            position = "0-0"
            yield f"retry: {_RETRY_MS}\n" + _frame("connected", {"resumed": False, "gap": True})
        async for frame in _live(viewer, listener, position):
            yield frame


async def _live(viewer: _Viewer, listener: Listener, position: str) -> AsyncIterator[str]:
    while True:
        event = await listener.take(viewer.due_in_s())
        if listener.ended:
            if listener.ended == "slow":
                metrics.sse_dropped.inc()
            yield _frame("closing", {"reason": listener.ended})
            return
        # What was read as the past may arrive once more.
        if event is not None and events.comes_after(event.id, position):
            yield _last_frame.of(event)
        if viewer.due_in_s() == 0:
            if not await viewer.still_there():
                yield _frame("closing", {"reason": "session_ended"})
                return
            yield _frame("heartbeat", {})


@router.get("/stream", summary="Events as they happen (text/event-stream)", response_class=StreamingResponse)
async def stream(
    request: Request,
    session: Caller,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,20}-\d{1,20}$")] = None,
) -> EventResponse:
    """job_progress, job_completed, completeness_drop, identity_preview; a heartbeat every 30 s; ends when the session does.

    The first event is `connected`; its `gap` says whether events since `Last-Event-ID` are lost, so that the client
    had better read everything anew. `closing` tells why the server ends a stream. At most ten streams a session (429).
    """
    if last_event_id is not None and not events.is_position(last_event_id):
        raise InvalidInput("There is no such event id.", code="invalid_event_id")
    viewer = _Viewer(session, session_token(request), await _project_ids(session))
    release = slots.take(session.session_id)
    return EventResponse(_frames(viewer, last_event_id), release)
