"""What workers call, by name and with JSON arguments. Thin: each task is a run around one function of its module.

Heavy modules are imported where they are needed: a worker that only syncs never loads an embedding model.
"""

from dataclasses import asdict, is_dataclass
from typing import Any
from uuid import UUID

from jobs import enqueue, runs
from models.infra.database import transaction
from models.infra.ids import AccountScopeId, ConnectionId
from models.infra.logging import get_logger
from models.queries import job_runs

# One indexing run ends after this many seconds and asks for the next one: other work gets its turn in between.
INDEX_BUDGET_S = 60.0

log = get_logger(__name__)


def sync_connection(connection_id: str, run_id: str) -> None:
    """Fetch what changed at one vendor connection, then ask for indexing if anything did."""
    from jobs import sync  # noqa: PLC0415

    def work(run: runs.Run) -> runs.JobOutcome:
        def report(progress: sync.Progress) -> None:
            run.progress(stream=progress.stream, page=progress.page, rows=progress.rows, eta_s=progress.eta_s)

        result = sync.sync_connection(ConnectionId(UUID(connection_id)), report)
        return runs.JobOutcome(
            counts=result.counts(),
            connector=result.connector,
            error_code=None if result.status == "ok" else f"sync_{result.status}",
        )

    outcome = runs.execute(run_id, work)
    if outcome is None:
        return
    if outcome.counts["written"]:
        with transaction() as session:
            connections = job_runs.list_enabled_connections(
                session, connection_id=ConnectionId(UUID(connection_id))
            )
        for held in connections:
            enqueue.request_indexing(AccountScopeId(held.account_scope_id), "sync")


def index_chunks(account_scope_id: str, run_id: str) -> None:
    """Bring the chunks and embeddings of one account scope up to date, for at most INDEX_BUDGET_S."""
    from jobs import indexing  # noqa: PLC0415

    scope_id = AccountScopeId(UUID(account_scope_id))

    def work(_run: runs.Run) -> runs.JobOutcome:
        return runs.JobOutcome(counts=_counts(indexing.index_pending(scope_id, budget_s=INDEX_BUDGET_S)))

    outcome = runs.execute(run_id, work)
    if outcome is not None and outcome.counts.get("pending", 0):
        enqueue.request_indexing(scope_id, "indexing")


def dispatch(name: str) -> None:
    """A cadence's turn: ask for its work. Runs in no time, because a periodic job reuses one job id."""
    with transaction() as session:
        if not job_runs.mark_dispatched(session, name):
            log.info("cadence is switched off", name=name)
            return
    if name == "sync":
        enqueue.request_sync(None, "schedule")
    elif name == "index":
        enqueue.request_indexing(None, "schedule")
    elif name == "recover":
        recover()
    else:
        raise ValueError(f"no cadence is called {name!r}")


def recover() -> None:
    """Bring back what a crash or an absent Redis left behind."""
    from jobs import recovery  # noqa: PLC0415

    recovery.recover()


def _counts(result: Any) -> dict[str, Any]:
    if not is_dataclass(result) or isinstance(result, type):
        raise TypeError("a job's result is a dataclass")
    return asdict(result)
