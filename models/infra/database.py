"""The engine, its pool and the two ways to a session: `transaction` to write, `reading` to read.

Sessions are synchronous and belong to one thread. Asynchronous code reaches them through `in_db`, whose thread pool
is as large as the connection pool, so that waiting happens in one place. Inner code may flush, never commit.
"""

import asyncio
import os
import re
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection
from sqlmodel import Session

from models.infra import metrics
from models.infra.errors import Unavailable
from models.infra.logging import origin, request_id
from models.infra.settings import Settings, get_settings

P = ParamSpec("P")
R = TypeVar("R")

_CONNECT_S = 5
_CHECKOUT_S = 10
_RECYCLE_S = 1800
# The server looks every 15 s whether the other end of a silent connection is there, and drops it (and the locks it
# holds) after three looks without an answer: a machine that lost its power says no goodbye.
_KEEPALIVE = "-c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
# SQLSTATE classes of a server that goes away: connection exceptions, shutdown and restart.
_AWAY = ("08", "57P")
_COMMENT_CHARS = 128
_HARMFUL = re.compile(r"[^A-Za-z0-9._:/{}-]")


class MeasuredPool(QueuePool):
    """A queue pool that counts callers who wait for a connection; SQLAlchemy has no such figure."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = 0
        self._waiting_lock = threading.Lock()

    def waiting(self) -> int:
        """Callers that found every connection in use and wait now."""
        return self._waiting

    def connect(self) -> PoolProxiedConnection:
        """A connection, waiting at most the checkout timeout."""
        if self.checkedout() < self.size():
            return super().connect()
        with self._waiting_lock:
            self._waiting += 1
        try:
            return super().connect()
        finally:
            with self._waiting_lock:
                self._waiting -= 1


def engine() -> Engine:
    """The engine of DATABASE_URL, made once per URL and size. Raises Unavailable when it is not set."""
    settings = get_settings()
    if not settings.database_url:
        raise Unavailable("DATABASE_URL is not set", code="database_not_configured")
    key = (settings.database_url, settings.db_pool_size, settings.db_statement_timeout_ms)
    with _lock:
        if key not in _engines:
            _engines[key] = _create(settings)
        return _engines[key]


@contextmanager
def transaction() -> Generator[Session]:
    """A session that commits when the block ends and rolls back when it raises. Open it at the edge only."""
    with Session(engine(), expire_on_commit=False) as session:
        try:
            yield session
            session.commit()
        except Exception:
            session.rollback()
            raise
        except BaseException:
            # A signal stopped the work, maybe in the middle of an answer: such a connection takes no command any more.
            # Closed, it rolls back, without a word to a server that may be silent.
            session.invalidate()
            raise


@contextmanager
def reading() -> Generator[Session]:
    """A session whose transaction is read only: the server refuses a write."""
    with Session(engine(), expire_on_commit=False) as session:
        session.connection(execution_options={"postgresql_readonly": True})
        try:
            yield session
        finally:
            # Rows read here keep their values: a rollback would expire them, and the next attribute would fail.
            session.expunge_all()
            session.rollback()


async def in_db(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run `fn` in the database thread pool and await its result; context variables (request id) go along."""
    context = copy_context()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads(), lambda: context.run(fn, *args, **kwargs))


def normalise_url(url: str) -> str:
    """The URL with the driver spelled out; `postgres://` and `postgresql://` would pick another one."""
    parsed = make_url(url)
    if parsed.get_backend_name() in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed.render_as_string(hide_password=False)


def is_database_away(error: BaseException) -> bool:
    """Whether an error says that the server went away (restart, crash, network), and nothing about the work itself."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.OperationalError):
        return False
    # Without SQLSTATE no server answered.
    return cause.sqlstate is None or cause.sqlstate.startswith(_AWAY)


def close_database() -> None:
    """Close every connection and the thread pool, at shutdown and between tests."""
    global _executor
    with _lock:
        for held in _engines.values():
            held.dispose()
        _engines.clear()
        if _executor is not None:
            _executor.shutdown(wait=False, cancel_futures=True)
            _executor = None


_lock = threading.Lock()
_engines: dict[tuple[str, int, int], Engine] = {}
_executor: ThreadPoolExecutor | None = None


def _create(settings: Settings) -> Engine:
    # One option a guard: a statement, a lock wait and a forgotten transaction are all bounded by the server.
    options = (
        f"-c statement_timeout={settings.db_statement_timeout_ms} -c lock_timeout=5000 "
        f"-c idle_in_transaction_session_timeout=60000 -c timezone=UTC {_KEEPALIVE}"
    )
    created = create_engine(
        normalise_url(settings.database_url),
        poolclass=MeasuredPool,
        pool_size=settings.db_pool_size,
        max_overflow=0,
        pool_timeout=_CHECKOUT_S,
        pool_recycle=_RECYCLE_S,
        pool_pre_ping=True,
        connect_args={"connect_timeout": _CONNECT_S, "options": options, "application_name": "control-tower"},
    )
    event.listen(created, "before_cursor_execute", _sign, retval=True)
    pool = created.pool
    if isinstance(pool, MeasuredPool):
        metrics.db_pool_total.set_function(pool.size)
        metrics.db_pool_idle.set_function(lambda: pool.size() - pool.checkedout())
        metrics.db_pool_waiting.set_function(pool.waiting)
    return created


def _sign(
    _connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    # psycopg prepares a statement by its text. The request's id, which is new each time, stands only in the first one
    # of a transaction: that names the transaction, and the others keep their plans (docs/observability.md).
    is_first = cursor.connection.info.transaction_status == TransactionStatus.IDLE
    return statement + sql_comment(with_request=is_first), parameters


def sql_comment(*, with_request: bool = True) -> str:
    """Who asks, in sqlcommenter's form, to be appended to a statement: the server's log and activity view show it.

    Empty outside of requests and jobs. Of both values only harmless characters are kept, so that neither can end the
    comment or be taken for a placeholder.
    """
    parts = (("request_id", request_id.get() if with_request else ""), ("route", origin.get()))
    said = ",".join(f"{name}='{_HARMFUL.sub('_', value[:_COMMENT_CHARS])}'" for name, value in parts if value)
    return f" /*{said}*/" if said else ""


def _threads() -> ThreadPoolExecutor:
    global _executor
    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(get_settings().db_pool_size, thread_name_prefix="db")
        return _executor


def _forget_after_fork() -> None:
    # RQ forks a child for every job: the parent's sockets and threads are not the child's to use or to close.
    global _executor, _lock
    _lock = threading.Lock()
    _executor = None
    for held in _engines.values():
        held.dispose(close=False)


os.register_at_fork(after_in_child=_forget_after_fork)
