"""The web process: `python -m deploy.server` serves UI, websocket and API, and stops without dropping a request.

granian by itself would wait for open streams and websockets for ever, and tells the application that it stops only
after that. So this process is its own signal handler. On SIGTERM or SIGINT, in this order:

1. no connection is accepted any more (`listening`), and for a moment every answer says `connection: close`, so that
   kept-alive connections end between two requests;
2. granian answers what is under way, for `_DRAIN_S` at most;
3. event streams get a last event and end, pages' websockets are closed: both connect again by themselves;
4. the lifespan tasks, the Redis clients, and the database's pool are closed;
5. exit code 0.
"""

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from deploy.listening import turn_away
from models.infra.database import close_database
from models.infra.logging import configure_logging, get_logger
from models.infra.redis import close_async_clients, close_clients
from models.infra.settings import get_settings
from tools_app.services.event_hub import event_hub
from tools_app.services.serving import serving

_TELL_S = 1.0
_DRAIN_S = 10.0
_CLOSE_S = 3.0
# Threads that still compute (a model, a vendor) cannot be interrupted: the process leaves without them.
_LEAVE_S = 2.0
_BACKLOG = 1_024
# granian's own lines go to the root logger, as JSON like everybody's.
_LOGGERS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "loggers": {
        "_granian": {"level": "INFO", "propagate": True},
        "granian.access": {"level": "INFO", "propagate": True},
    },
}

log = get_logger(__name__)


async def serve(app: Any, host: str, port: int) -> int:
    """Serve a Reflex app until a signal; the exit code: 0 after an orderly stop, 1 when the server ended by itself."""
    server = Server(
        app(), host, port, interface=Interfaces.ASGI, backlog=_BACKLOG, log_dictconfig=_LOGGERS
    )  # fmt: skip
    configure_logging("web")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    running = asyncio.create_task(server.serve(), name="server")
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        asked.cancel()
        log.error("server ended by itself", error=repr(running.exception()))
        return 1
    await _stop(app, server, running)
    return 0


async def _stop(app: Any, server: Server, running: "asyncio.Task[None]") -> None:
    log.info("stopping", requests=serving.requests, streams=event_hub().listening)
    serving.stopping = True
    turn_away(server.bind_port)
    await asyncio.sleep(_TELL_S)
    server.stop()
    if not await serving.drained(_DRAIN_S):
        log.warning("requests are given up", requests=serving.requests)
    event_hub().close()
    await close_pages(app)
    _, open_still = await asyncio.wait({running}, timeout=_CLOSE_S)
    if open_still:
        log.warning("connections stay open, leaving without them")
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    await close_async_clients()
    close_clients()
    close_database()
    log.info("stopped")


async def close_pages(app: Any) -> None:
    """Close the websockets of open pages on the transport: their browsers connect again, to whoever answers then."""
    engine = getattr(app.sio, "eio", None)
    if engine is None:
        return
    closing = [asyncio.ensure_future(each.close(wait=False)) for each in engine.sockets.values()]
    if not closing:
        return
    done, late = await asyncio.wait(closing, timeout=_CLOSE_S)
    failed = sum(each.exception() is not None for each in done)
    log.info("pages closed", closed=len(done) - failed, failed=failed, late=len(late))


def main() -> None:
    """Serve on HOST and PORT, with the front end that the environment names (`deploy.frontend`)."""
    configure_logging("web")
    # Imported here: the application object reads the environment and takes seconds to make.
    from tools_app.tools_app import app  # noqa: PLC0415

    settings = get_settings()
    code = uvloop.run(_serve_and_leave(app, settings.host, settings.port))
    sys.exit(code)


async def _serve_and_leave(app: Any, host: str, port: int) -> int:
    code = await serve(app, host, port)
    leave = threading.Timer(_LEAVE_S, os._exit, [code])
    leave.daemon = True
    leave.start()
    return code


if __name__ == "__main__":
    main()
