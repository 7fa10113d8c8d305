"""When the demo may be called ready: every connection was fetched once, and what it brought is found by words.

Reads the job runs and asks for what is missing, so that an interrupted first run is completed by the next one.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session, col, func, select

from jobs import enqueue
from models.infra.clock import utcnow
from models.infra.database import reading
from models.infra.ids import AccountScopeId, ConnectionId
from models.tables.platform import JobRun, VendorConnection
from models.tables.retrieval import Chunk

REQUESTED_BY = "first start"


@dataclass(frozen=True, slots=True)
class Connection:
    """A vendor connection of the demo."""

    id: ConnectionId
    connector: str


@dataclass(frozen=True, slots=True)
class SyncState:
    """How far the first syncs are: by connector, what to show; `failed` are those that failed twice, and why."""

    parts: tuple[str, ...]
    complete: bool
    failed: tuple[tuple[str, str], ...]


class FirstSync:
    """The first sync of one account scope."""

    def __init__(self, account_scope_id: UUID) -> None:
        self._scope = AccountScopeId(account_scope_id)
        self._retried: set[ConnectionId] = set()
        with reading() as session:
            rows = session.exec(
                select(VendorConnection)
                .where(VendorConnection.account_scope_id == account_scope_id, col(VendorConnection.enabled))
                .order_by(VendorConnection.connector)
            ).all()
            self.connections = [Connection(ConnectionId(row.id), row.connector) for row in rows]
            self.missing = [held for held in self.connections if not _synced(session, held.id)]

    def request(self) -> None:
        """Ask for the syncs that never succeeded (again, after an interrupted first run)."""
        for held in self.missing:
            enqueue.request_sync(held.id, REQUESTED_BY, account_scope_id=self._scope)

    def request_all(self) -> None:
        """Ask for a sync of every connection, without waiting: what a later start does."""
        enqueue.request_sync(None, "start", account_scope_id=self._scope)

    def state(self) -> SyncState:
        """Where the syncs stand now."""
        parts: list[str] = []
        failed: list[tuple[str, str]] = []
        complete = True
        with reading() as session:
            for held in self.missing:
                run = _newest(session, "sync", str(held.id))
                if run is None or run.status == "queued":
                    parts.append(f"{held.connector} waiting")
                    complete = False
                elif run.status == "running":
                    parts.append(f"{held.connector} {_rows(run)}")
                    complete = False
                elif run.status == "failed" and held.id not in self._retried:
                    self._retried.add(held.id)
                    enqueue.request_sync(held.id, REQUESTED_BY, account_scope_id=self._scope)
                    parts.append(f"{held.connector} once more")
                    complete = False
                elif run.status == "failed":
                    failed.append(
                        (held.connector, _first_line(run.error_message or run.error_code or "failed"))
                    )
                    parts.append(f"{held.connector} failed")
                else:
                    parts.append(f"{held.connector} {run.counts.get('written', 0):,} rows ✓")
        return SyncState(tuple(parts), complete, tuple(failed))

    def request_index(self) -> dt.datetime:
        """Ask for indexing of everything synced until now; the instant to pass to `lexical_complete`."""
        asked_at = utcnow()
        enqueue.request_indexing(self._scope, REQUESTED_BY)
        return asked_at

    def lexical_complete(self, since: dt.datetime) -> bool:
        """Whether an indexing run has made the chunks of everything synced before `since`."""
        with reading() as session:
            run = _newest(session, "index", str(self._scope), started=True)
        as_of = run.progress.get("lexical_as_of") if run is not None else None
        return as_of is not None and dt.datetime.fromisoformat(str(as_of)) >= since

    def index_failure(self, since: dt.datetime) -> str | None:
        """Why indexing failed since `since`, if it did."""
        with reading() as session:
            run = _newest(session, "index", str(self._scope))
        if run is None or run.status != "failed" or run.queued_at < since:
            return None
        return _first_line(run.error_message or run.error_code or "failed")

    def chunks(self) -> tuple[int, int]:
        """Chunks there are, and those that have their vector."""
        with reading() as session:
            by_status = session.exec(
                select(Chunk.status, func.count())
                .where(Chunk.account_scope_id == self._scope)
                .group_by(Chunk.status)
            ).all()
        return sum(number for _, number in by_status), sum(
            number for status, number in by_status if status == "ready"
        )


def _synced(session: Session, connection_id: ConnectionId) -> bool:
    statement = select(JobRun.id).where(
        JobRun.job == "sync", JobRun.subject == str(connection_id), JobRun.status == "succeeded"
    )
    return session.exec(statement.limit(1)).first() is not None


def _newest(session: Session, job: str, subject: str, *, started: bool = False) -> JobRun | None:
    statement = select(JobRun).where(JobRun.job == job, JobRun.subject == subject)
    if started:
        statement = statement.where(col(JobRun.started_at).is_not(None))
    return session.exec(statement.order_by(col(JobRun.queued_at).desc()).limit(1)).first()


def _rows(run: JobRun) -> str:
    stream = run.progress.get("stream") or "starting"
    rows = run.progress.get("rows") or 0
    return f"{stream} {rows:,}" if rows else str(stream)


def _first_line(text: str) -> str:
    line = text.strip().splitlines()[0]
    return line if len(line) <= 200 else line[:199] + "…"
