"""Figures of the whole installation for operators. They cross scopes on purpose and contain no business data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import extract, func
from sqlmodel import Session, col, select

from models.tables.platform import JobRun, VendorConnection
from models.tables.reliability import ConnectorSyncState


def oldest_success_by_connector(session: Session) -> dict[str, dt.datetime]:
    """For every connector the last success of its most neglected enabled connection; never-synced ones are left out."""
    rows = session.execute(
        select(col(VendorConnection.connector), func.min(col(ConnectorSyncState.last_success_at)))
        .join(ConnectorSyncState, col(ConnectorSyncState.connection_id) == col(VendorConnection.id))
        .where(col(VendorConnection.enabled), col(ConnectorSyncState.last_success_at).is_not(None))
        .group_by(col(VendorConnection.connector))
    )
    return {row[0]: row[1] for row in rows}


def list_origins(session: Session) -> list[tuple[str, str]]:
    """Connector and base URL of every enabled connection, each pair once."""
    rows = session.execute(
        select(col(VendorConnection.connector), col(VendorConnection.base_url))
        .where(col(VendorConnection.enabled))
        .distinct()
    )
    return [(row[0], row[1]) for row in rows]


def limit_time(session: Session, milliseconds: int) -> None:
    """Let the server end every later statement of this transaction that takes longer."""
    session.execute(select(func.set_config("statement_timeout", str(milliseconds), True)))


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run left: how it ended, how long it took in seconds (None when it never started), chunks it embedded."""

    job: str
    status: str
    duration_s: float | None
    embedded: int


def list_finished_runs(
    session: Session, after: dt.datetime, until: dt.datetime, *, limit: int = 10_000
) -> list[FinishedRun]:
    """Runs that ended after `after`, up to and with `until`, at most `limit` of them."""
    rows = session.execute(
        select(
            col(JobRun.job),
            col(JobRun.status),
            extract("epoch", col(JobRun.finished_at) - col(JobRun.started_at)),
            col(JobRun.counts),
        )
        .where(col(JobRun.finished_at) > after, col(JobRun.finished_at) <= until)
        .order_by(col(JobRun.finished_at))
        .limit(limit)
    )
    return [
        FinishedRun(
            job, status, None if took is None else max(0.0, float(took)), int(counts.get("embedded") or 0)
        )
        for job, status, took, counts in rows
    ]


def error_rate_by_connector(session: Session, since: dt.datetime, *, limit: int = 5_000) -> dict[str, float]:
    """The failed share, 0 to 1, of the units of work (records, streams) of the syncs that ended since `since`.

    A connector without such a sync is left out. At most `limit` runs are looked at, the newest.
    """
    rows = session.execute(
        select(col(JobRun.connector), col(JobRun.status), col(JobRun.counts))
        .where(
            col(JobRun.job) == "sync",
            col(JobRun.connector).is_not(None),
            col(JobRun.status).in_(("succeeded", "failed")),
            col(JobRun.finished_at) >= since,
        )
        .order_by(col(JobRun.finished_at).desc())
        .limit(limit)
    )
    failed: dict[str, int] = {}
    units: dict[str, int] = {}
    for connector, status, counts in rows:
        bad, all_of_them = _units(status, counts)
        failed[connector] = failed.get(connector, 0) + bad
        units[connector] = units.get(connector, 0) + all_of_them
    return {connector: failed[connector] / max(total, 1) for connector, total in units.items()}


def _units(status: str, counts: Mapping[str, Any]) -> tuple[int, int]:
    """Failed units and all units of a sync: `failed` are rejected records, fetched too, and failed streams."""
    failed = int(counts.get("failed") or 0)
    # A run that raised has counted nothing: it is itself what failed.
    if status == "failed" and not failed:
        failed = 1
    whole = int(counts.get("fetched") or 0) - int(counts.get("rejected") or 0)
    return failed, failed + max(whole, 0)
