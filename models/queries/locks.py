"""Named locks across processes: session-level advisory locks of Postgres, gone with the process that held them."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, text

from models.infra.database import engine

_ASK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that was asked for; true when we got it."""

    held: bool
    _connection: Connection

    def __bool__(self) -> bool:
        return self.held

    def assert_alive(self) -> None:
        """Raise what the database says when the connection, and with it the lock, was lost. Costs one round trip."""
        self._connection.execute(text("select 1"))


@contextmanager
def try_lock(name: str, *, wait_s: float = 0.0) -> Generator[Lock]:
    """Hold the lock `name` during the block if nobody else does; yields whether we do. Takes one connection.

    A lock that is held is asked for again until `wait_s` are over. The connection commits by itself, so that no transaction stays open while the lock is held.
    """
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"key": _key(name)}
        until = time.monotonic() + wait_s
        while not (held := _ask(connection, key)) and time.monotonic() < until:
            time.sleep(_ASK_EVERY_S)
        try:
            yield Lock(held, connection)
        finally:
            if held:
                try:
                    connection.execute(text("select pg_advisory_unlock(:key)"), key)
                except BaseException:
                    # Back in the pool with the lock held, it would block everybody else for good.
                    connection.invalidate()
                    raise


def is_locked(name: str) -> bool:
    """Whether some process holds the lock `name` now."""
    with try_lock(name) as free:
        return not free.held


def _ask(connection: Connection, key: dict[str, int]) -> bool:
    return bool(connection.execute(text("select pg_try_advisory_lock(:key)"), key).scalar_one())


def _key(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
