"""The engine, its pool and the two ways to a session: `transaction` to write, `reading` to read.

Sessions are synchronous and belong to one thread. Asynchronous code reaches them through `in_db`, whose thread pool
is as large as the connection pool, so that waiting happens in one place. Inner code may flush, never commit.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Engine, QueuePool, create_engine, make_url
from sqlalchemy.pool import PoolProxiedConnection
from sqlmodel import Session

from models.infra import metrics
from models.infra.errors import Unavailable
from models.infra.settings import Settings, get_settings

P = ParamSpec("P")
R = TypeVar("R")

_CONNECT_S = 5
_CHECKOUT_S = 10
_RECYCLE_S = 1800


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
        except BaseException:
            session.rollback()
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
        "-c idle_in_transaction_session_timeout=60000 -c timezone=UTC "
        # A machine that vanished says no goodbye: its locks are free after 20 + 3 * 5 s, not after two hours.
        "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
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
    pool = created.pool
    if isinstance(pool, MeasuredPool):
        metrics.db_pool_total.set_function(pool.size)
        metrics.db_pool_idle.set_function(pool.checkedin)
        metrics.db_pool_waiting.set_function(pool.waiting)
    return created


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
