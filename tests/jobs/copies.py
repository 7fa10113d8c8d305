"""Copies of the sandbox's accounts: how tests make one, look at it, and spoil it."""

from functools import cache
from typing import Any

from sqlalchemy import text
from sqlmodel import col, select

from jobs import sync, tasks
from jobs.reconciliation import ReconcileResult, reconcile
from jobs.sandbox.world.loader import load_studio
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.queries import job_runs
from models.queries.records import STREAM_TABLES
from models.tables.platform import JobRun
from models.tables.reliability import ReconciliationMetric
from tests.scopes import MadeScope, make_connection, make_scope
from tests.vendors import Vendors

CONNECTORS = ("chatwoot", "linear", "attio")
TEAM = "HPN"


def connect(vendors: Vendors, connector: str, *, token: str | None = None) -> tuple[MadeScope, ConnectionId]:
    """A connection of an account scope of its own to a running sandbox, its rules those of Harbor & Pine."""
    rules = {
        "chatwoot": tuple(("inbox", name, "harbor-pine") for name in _inboxes()),
        "linear": (("team", TEAM, "harbor-pine"),),
        "attio": (("list", "harbor_pine", "harbor-pine"),),
    }[connector]
    with transaction() as session:
        scope = make_scope(session, f"scope-{connector}", ("harbor-pine",))
        row = make_connection(
            session,
            scope,
            connector,
            base_url=vendors.origin(connector),
            token=token or vendors.tokens[connector],
            external_account="1" if connector == "chatwoot" else "",
            rules=rules,
        )
    return scope, row.id


@cache
def _inboxes() -> tuple[str, ...]:
    return tuple(name for _, name in load_studio().projects["harbor-pine"].info.inboxes)


def run_sync(connection_id: ConnectionId) -> sync.SyncResult:
    return sync.sync_connection(connection_id, lambda _: None)


def rows_of(connector: str) -> dict[str, int]:
    with reading() as session:
        return {
            stream: session.execute(text(f"SELECT count(*) FROM {place.table}")).scalar_one()  # noqa: S608
            for (owner, stream), place in STREAM_TABLES.items()
            if owner == connector
        }


def fingerprint(connector: str) -> dict[str, tuple[int, str]]:
    """Every raw row with the transaction that wrote it last: equal before and after means nothing was written."""
    with reading() as session:
        return {
            place.table: tuple(
                session.execute(
                    text(
                        "SELECT count(*), md5(coalesce(string_agg(id::text || xmin::text, ',' ORDER BY id), ''))"  # noqa: S608
                        f" FROM {place.table}"
                    )
                ).one()
            )
            for (owner, _), place in STREAM_TABLES.items()
            if owner == connector
        }


def measure(connection_id: ConnectionId, *, deep: bool = True) -> ReconcileResult:
    return reconcile(connection_id, deep, lambda _: None)


def follow_daily_comparison(connection_id: ConnectionId) -> None:
    """Let the daily turn of the schedule come, and do what it asks for, and what that asks for, as workers do."""
    with transaction() as session:
        job_runs.save_cadence(session, "reconcile", 86_400)
    tasks.dispatch("reconcile")
    doing = {"reconcile": tasks.reconcile_connection, "repair": tasks.repair_connection}
    for _ in range(10):
        with reading() as session:
            waiting = session.exec(
                select(JobRun).where(JobRun.status == "queued", col(JobRun.job).in_(doing))
            ).all()
        if not waiting:
            return
        for run in waiting:
            doing[run.job](str(connection_id), str(run.id))
    raise AssertionError("comparisons and repairs go on for ever")


def change(statement: str, **values: Any) -> list[str]:
    """Do something behind the copy's back; returns the vendor ids it says."""
    with transaction() as session:
        return [str(each) for each in session.execute(text(statement), values).scalars()]


def metrics(stream: str) -> list[ReconciliationMetric]:
    """The rows of a stream's newest comparison: the connection's first."""
    with reading() as session:
        rows = session.exec(select(ReconciliationMetric).where(ReconciliationMetric.stream == stream)).all()
        newest = max(row.measured_at for row in rows)
        session.expunge_all()
    return sorted(
        (row for row in rows if row.measured_at == newest), key=lambda row: row.project_id is not None
    )
