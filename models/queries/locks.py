"""Named locks across processes: session-level advisory locks of Postgres, gone with the process that held them."""

from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256

from sqlalchemy import text

from models.infra.database import engine


@contextmanager
def try_lock(name: str) -> Generator[bool]:
    """Hold the lock `name` during the block if nobody else does; yields whether we do. Takes one connection.

    The connection commits by itself, so that no transaction stays open while the lock is held.
    """
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = {"key": _key(name)}
        held = bool(connection.execute(text("select pg_try_advisory_lock(:key)"), key).scalar_one())
        try:
            yield held
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
        return not free


def _key(name: str) -> int:
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
