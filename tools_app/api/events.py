"""/events/stream: server-sent events of the caller's account scope, resumable by `Last-Event-ID`.

One open stream is one pull-based generator: a client that does not read stops being read for, nothing is buffered.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse
from redis.exceptions import RedisError

from models.infra import events, metrics
from models.infra.database import in_db
from models.infra.errors import InvalidInput
from models.infra.events import Event
from tools_app.api.deps import Caller, session_token
from tools_app.services import auth, projects
from tools_app.services.views import SessionView

router = APIRouter(prefix="/events", tags=["events"])

HEARTBEAT_S = 30.0


def _frame(kind: str, data: object, event_id: str = "") -> str:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _concerns(event: Event, session: SessionView, project_ids: frozenset[str]) -> bool:
    """Whether an event belongs to the session's account scope; one without a scope is about the installation."""
    scope, project = event.payload.get("account_scope_id"), event.payload.get("project_id")
    return scope in (None, session.account_scope_id) and (project is None or project in project_ids)


async def _frames(session: SessionView, token: str | None, last_id: str | None) -> AsyncIterator[str]:
    allowed = frozenset(each.id for each in await in_db(projects.list_projects, session))
    source = events.stream(last_id)
    pending: asyncio.Task[Event] | None = None
    metrics.sse_connections_total.inc()
    try:
        yield _frame("connected", {})
        while True:
            if pending is None:
                pending = asyncio.ensure_future(anext(source))
            # `wait` leaves the read running when the heartbeat is due; cancelling it could lose an event.
            done, _ = await asyncio.wait({pending}, timeout=HEARTBEAT_S)
            if not done:
                if await in_db(auth.current_session, token) is None:
                    return
                yield _frame("heartbeat", {})
                continue
            read, pending = pending, None
            try:
                event = read.result()
            except RedisError:
                # Told to the log by the source. The client reconnects when the stream ends.
                return
            if _concerns(event, session, allowed):
                yield _frame(event.kind, dict(event.payload), event.id)
    finally:
        metrics.sse_connections_total.dec()
        if pending is not None:
            pending.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await pending
        if isinstance(source, AsyncGenerator):
            await source.aclose()


@router.get("/stream", summary="Events as they happen (text/event-stream)", response_class=StreamingResponse)
async def stream(
    request: Request,
    session: Caller,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,20}-\d{1,20}$")] = None,
) -> StreamingResponse:
    """job_progress, job_completed and others, a heartbeat every 30 s; ends when the session does."""
    if last_event_id is not None and not events.is_position(last_event_id):
        raise InvalidInput("There is no such event id.", code="invalid_event_id")
    frames = _frames(session, session_token(request), last_event_id)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(frames, media_type="text/event-stream", headers=headers)
