"""The database server as an operator sees it: version, size, connections, the schema's revision. No business data."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """`size` is in bytes; `connections` are all clients', of `connections_at_most`; `revision` is None before Alembic."""

    version: str
    vector_version: str | None
    size: int
    connections: int
    connections_at_most: int
    started_at: dt.datetime
    revision: str | None


def read_server(session: Session) -> ServerFacts:
    """Ask the server of this database."""
    row = session.execute(
        text(
            "SELECT current_setting('server_version') AS version,"
            " (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector_version,"
            " pg_database_size(current_database()) AS size,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,"
            " current_setting('max_connections')::int AS at_most, pg_postmaster_start_time() AS started_at,"
            " to_regclass('alembic_version') IS NOT NULL AS is_migrated"
        )
    ).one()
    revision = (
        session.execute(text("SELECT version_num FROM alembic_version")).scalar() if row.is_migrated else None
    )
    return ServerFacts(
        row.version, row.vector_version, row.size, row.connections, row.at_most, row.started_at, revision
    )
