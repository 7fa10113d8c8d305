"""Push: job events become updates of the open pages, over the websocket they hold anyway.

One lifespan task listens to the process's event hub. Progress changes the words of the one connector that runs; a completed job
makes the open pages read their data anew. While the stream is away, and only then, the pages' data are read anew every
`_FALLBACK_S`. Nothing here trusts an event: what a page shows is read through its own session and scope.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import reflex as rx
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from models.infra.errors import AppError
from models.infra.logging import configure_logging, get_logger
from models.infra.redis import events_redis_async
from tools_app.i18n import formats
from tools_app.i18n.catalogue import text, text_or
from tools_app.i18n.locale_state import LocaleState
from tools_app.pages.access import open_access
from tools_app.pages.completeness import CompletenessState
from tools_app.pages.dashboard import DashboardState
from tools_app.pages.jobs import JobsState
from tools_app.pages.shell_state import ShellState
from tools_app.pages.sync_action import SyncState
from tools_app.pages.system import SystemState
from tools_app.services import search
from tools_app.services.event_hub import Ending, event_hub
from tools_app.services.views import RunProgress

log = get_logger(__name__)

_FALLBACK_S = 15.0
_CHECK_S = 5.0
# Pushing to many pages takes longer than an event does to come.
_ROOM = 2_000
# Pages whose data a completed job changes, by path.
_REFRESHED: Mapping[str, type[DashboardState | JobsState | SystemState]] = {
    "/": DashboardState,
    "/jobs": JobsState,
    "/system": SystemState,
}

Apply = Callable[[rx.State, Mapping[str, Any]], Awaitable[None]]


def lifespan(app: rx.App) -> Callable[[], Any]:
    """The lifespan task that pushes for `app`."""

    @asynccontextmanager
    async def push() -> AsyncIterator[None]:
        # Here and not at import: the build of the front end imports the pages too, and prints for people.
        configure_logging("web")
        tasks = [asyncio.create_task(_follow(app)), asyncio.create_task(_fall_back(app))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    return push


async def warm_up() -> None:
    """Load retrieval's model while nobody waits: the first question would pay seconds for it."""
    await asyncio.to_thread(search.warm_up)


async def _follow(app: rx.App) -> None:
    while True:
        ended = await _push_events(app)
        if ended == "closing":
            return
        if ended == "refused":
            # For good, and logged there. Nothing is pushed until somebody repairs it, so look now and then.
            await asyncio.sleep(_FALLBACK_S)
        # Events are lost to this listener: what the pages show is read anew instead.
        await _to_open_pages(app, {}, _refresh)


async def _push_events(app: rx.App) -> Ending:
    """Push until there is nothing more to listen to; why that is."""
    with event_hub().listen(lambda event: event.kind in PUSHED, room=_ROOM) as listener:
        while not listener.ended:
            event = await listener.take(_CHECK_S)
            if event is not None:
                await _to_open_pages(app, event.payload, PUSHED[event.kind])
        return listener.ended


async def _fall_back(app: rx.App) -> None:
    since_refresh = 0.0
    while True:
        await asyncio.sleep(_CHECK_S)
        since_refresh = 0.0 if await _stream_is_up() else since_refresh + _CHECK_S
        if since_refresh >= _FALLBACK_S:
            since_refresh = 0.0
            await _to_open_pages(app, {}, _refresh)


async def _stream_is_up() -> bool:
    try:
        # The client types its answer as sync or async; of the async client it is always awaitable.
        await cast("Awaitable[bool]", events_redis_async().ping())
    except (RedisError, OSError):
        return False
    return True


async def _to_open_pages(app: rx.App, payload: Mapping[str, Any], apply: Apply) -> None:
    namespace = app.event_namespace
    if namespace is None:
        return
    for token in list(namespace.token_to_sid):
        try:
            async with app.modify_state(rx.BaseStateToken(ident=token, cls=rx.State)) as state:
                await apply(cast("rx.State", state), payload)
        except AppError as error:
            # A page without a session, or of a project that is gone: it learns so by its next own event.
            log.debug("push skipped", code=error.code)
        except SQLAlchemyError as error:
            # The database is restarting, say. The other pages and the next event get their chance.
            log.warning("push could not read", error=type(error).__name__)
        except (RuntimeError, KeyError) as error:
            # The page went away between listing it and writing to it.
            log.info("push missed a page", error=str(error))


async def _show_progress(state: rx.State, payload: Mapping[str, Any]) -> None:
    shell = await state.get_state(ShellState)
    if not shell.user or not payload.get("connector") or not await _concerns(state, payload):
        return
    run_id = str(payload.get("run_id", ""))
    is_sync = payload.get("job") == "sync"
    sync = await state.get_state(SyncState)
    if is_sync and run_id not in sync.running:
        sync.running = sorted({*sync.running, run_id})
    if state.router.url.path.rstrip("/") != "/jobs":
        return
    eta = payload.get("eta_s")
    progress = RunProgress(
        run_id=run_id,
        stream=str(payload.get("stream") or ""),
        page=int(payload.get("page") or 0),
        rows=int(payload.get("rows") or 0),
        eta_s=float(eta) if isinstance(eta, int | float) else None,
        total=int(payload.get("total") or 0),
    )
    jobs = await state.get_state(JobsState)
    shown = jobs if is_sync else await state.get_state(CompletenessState)
    locale = (await state.get_state(LocaleState)).locale
    if not shown.show_progress(progress, locale):
        await jobs.refresh()
        shown.show_progress(progress, locale)


async def _show_completion(state: rx.State, payload: Mapping[str, Any]) -> None:
    shell = await state.get_state(ShellState)
    if not shell.user or not await _concerns(state, payload):
        return
    sync = await state.get_state(SyncState)
    run_id = str(payload.get("run_id", ""))
    asked_here = run_id in sync.asked
    sync.finish(run_id)
    await _refresh(state, payload)
    if asked_here:
        locale = (await state.get_state(LocaleState)).locale
        shell.say(*_outcome(payload, locale))


async def _show_drop(state: rx.State, payload: Mapping[str, Any]) -> None:
    """An alert on every open page of the account scope; the figures follow when the comparison ends."""
    shell = await state.get_state(ShellState)
    if not shell.user or not await _concerns(state, payload):
        return
    locale = (await state.get_state(LocaleState)).locale
    connector, stream = str(payload.get("connector") or ""), str(payload.get("stream") or "")
    words = text(
        locale,
        "completeness.dropped",
        connector=text_or(locale, f"connector.{connector}", connector),
        stream=text_or(locale, f"stream.{stream}", stream),
        value=formats.percent(locale, float(payload.get("completeness_pct") or 0)),
        minimum=formats.percent(locale, float(payload.get("minimum_pct") or 0)),
    )
    shell.say(words, "bad")


def _outcome(payload: Mapping[str, Any], locale: str) -> tuple[str, str]:
    """How a run that was asked for here ended, in words, and the tone to say them in."""
    connector = str(payload.get("connector") or "")
    name = text_or(locale, f"connector.{connector}", connector)
    counts = dict(payload.get("counts") or {})
    if payload.get("job") == "reconcile":
        # What it found, or that it could not look everywhere.
        failed = payload.get("status") == "failed" or bool(counts.get("unknown"))
        number = sum(int(counts.get(kind) or 0) for kind in ("missing", "extra", "stale"))
        key = "compare_failed" if failed else "differences" if number else "no_differences"
    else:
        failed = payload.get("status") == "failed"
        number = int(counts.get("written") or 0)
        key = "failed" if failed else "done" if number else "unchanged"
        if payload.get("job") == "repair":
            key = f"repair_{key}"
    section = "sync" if payload.get("job") in ("sync", None) else "completeness"
    words = text(
        locale, f"{section}.{key}", connector=name, count=number, count_text=formats.number(locale, number)
    )
    return words, "bad" if failed else "ok"


async def _refresh(state: rx.State, _payload: Mapping[str, Any]) -> None:
    page = _REFRESHED.get(state.router.url.path.rstrip("/") or "/")
    if page is not None:
        shown = await state.get_state(page)
        await shown.refresh()


# What is pushed, and how.
PUSHED: Mapping[str, Apply] = {
    "job_progress": _show_progress,
    "job_completed": _show_completion,
    "completeness_drop": _show_drop,
}


async def _concerns(state: rx.State, payload: Mapping[str, Any]) -> bool:
    """Whether the event belongs to the account scope of the page's session. Raises Unauthenticated without one."""
    scope = payload.get("account_scope_id")
    if scope is None:
        return True
    access = await open_access(state)
    return access.session.account_scope_id == scope
