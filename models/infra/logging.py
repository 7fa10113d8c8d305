"""Structured logs: one JSON line an event on stderr, with `time`, `level`, `msg`, `pid`, `service`, `request_id`.

Libraries' records, Python's warnings and exceptions that nobody caught take the same way. Values under names that look
like secrets are masked here, so that no caller has to remember it. What a request is called and where it came from
travels in two context variables, from the web into jobs and into the comments of SQL statements.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any, TextIO, cast

import orjson
import structlog

from models.infra.settings import get_settings

request_id: ContextVar[str] = ContextVar("request_id", default="")
# What works for the request: a route's template, `page:<event>` or `job:<name>`.
origin: ContextVar[str] = ContextVar("origin", default="")

_SECRET_PARTS = (
    "password",
    "token",
    "secret",
    "authorization",
    "api_key",
    "cookie",
    "credentials",
    "database_url",
)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# Chatty libraries: their info lines say what our own lines say already.
_QUIET = (
    "httpx",
    "httpcore",
    "rq_scheduler",
    "asyncio",
    "urllib3",
    "llama_index",
    "alembic.runtime.plugins",
    # SQLAlchemy logs under the name of our pool class.
    "models.infra.database.MeasuredPool",
)


def configure_logging(service: str, stream: TextIO | None = None) -> None:
    """Send this process's logs, ours and libraries', as JSON lines to `stream` (stderr unless told otherwise).

    `service` is web, worker, scheduler …
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _add_process(service),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("msg"),
        mask_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[get_settings().log_level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    # No line says them, and looking for them at each costs a third of it (the standard library's own advice).
    logging._srcfile = None  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes an event and key-value pairs: `log.info("sync finished", rows=12)`."""
    return structlog.stdlib.get_logger(name)


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values whose key looks like a secret, at any depth (a structlog processor)."""
    return cast("MutableMapping[str, Any]", _masked(event))


def _masked(value: Any, key: str = "") -> Any:
    if value and isinstance(value, str | bytes):
        return "***" if _is_secret(key) else value
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {inner: _masked(held, str(inner)) for inner, held in items}
    if isinstance(value, list | tuple):
        return [_masked(held, key) for held in cast("list[Any]", value)]
    return value


@lru_cache(maxsize=4_096)
def _is_secret(key: str) -> bool:
    return any(part in key.lower() for part in _SECRET_PARTS)


def _add_process(service: str) -> Any:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        event["pid"] = os.getpid()
        event.setdefault("request_id", request_id.get())
        return event

    return add


def _log_uncaught(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("uncaught").critical("uncaught exception", exc_info=(kind, fault, trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _log_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def _to_json(value: Any, **_options: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
