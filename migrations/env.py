"""Alembic's entry point: one connection, one lock, bounded waits.

Two deployments that migrate at once would collide; an advisory lock makes the second wait for the first.
Lock waits and statements are bounded, so that a migration never freezes the application behind a queue of locks.
"""

from __future__ import annotations

from typing import Any

import sqlmodel
from alembic import context
from sqlalchemy import create_engine, pool, text

import models.tables  # noqa: F401  (registers every table with the metadata)
from models.infra.database import normalise_url
from models.infra.settings import get_settings

_MIGRATION_LOCK = 7_241_001  # any constant of ours; only its uniqueness inside the database matters
_TIMEOUTS = ("SET lock_timeout = '10s'", "SET statement_timeout = '10min'")


def include_object(_object: Any, name: str | None, kind: str, _reflected: bool, _compare_to: Any) -> bool:
    """Leave out what is made at run time: the monthly partitions of audit_events."""
    return not (kind == "table" and name is not None and name.startswith("audit_events_"))


def run_online() -> None:
    """Run the migrations on the database of the settings (or of ``-x url=…``)."""
    url = context.get_x_argument(as_dictionary=True).get("url") or get_settings().database_url
    engine = create_engine(normalise_url(url), poolclass=pool.NullPool, connect_args={"connect_timeout": 10})
    with engine.connect() as connection:
        for timeout in _TIMEOUTS:
            connection.execute(text(timeout))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATION_LOCK})
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=sqlmodel.SQLModel.metadata,
            include_object=include_object,
            compare_type=True,
            transaction_per_migration=True,
        )
        try:
            with context.begin_transaction():
                context.run_migrations()
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATION_LOCK})
            connection.commit()
    engine.dispose()


run_online()
