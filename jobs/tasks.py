"""What workers call, by name and with JSON arguments. Thin: each task is a run around one function of its module.

Heavy modules are imported where they are needed: a worker that only syncs never loads an embedding model.
"""

import time
from typing import TYPE_CHECKING
from uuid import UUID

from jobs import enqueue, runs
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId, ConnectionId
from models.infra.logging import get_logger
from models.queries import job_runs

if TYPE_CHECKING:
    from jobs.indexing import IndexProgress
    from jobs.sync import Progress, SyncResult

# One indexing run ends after this many seconds and asks for the next one: other work gets its turn in between.
INDEX_BUDGET_S = 120.0
# What a sync brings while vectors are made becomes searchable by words after at most this long.
_SLICE_S = 20.0

log = get_logger(__name__)


def sync_connection(connection_id: str, run_id: str) -> None:
    """Fetch what changed at one vendor connection, then ask for indexing if anything did."""
    from jobs import sync  # noqa: PLC0415

    identity = ConnectionId(UUID(connection_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        def report(progress: "Progress") -> None:
            run.progress(stream=progress.stream, page=progress.page, rows=progress.rows, eta_s=progress.eta_s)

        return _sync_outcome(sync.sync_connection(identity, report))

    outcome = runs.execute(run_id, work)
    if outcome is None or not outcome.counts.get("written"):
        return
    with reading() as session:
        connections = job_runs.list_enabled_connections(session, connection_id=identity)
    for held in connections:
        enqueue.request_indexing(AccountScopeId(held.account_scope_id), "sync")


def index_chunks(account_scope_id: str, run_id: str) -> None:
    """Bring chunks and vectors of an account scope up to date; asks for another run when INDEX_BUDGET_S did not do.

    Words first: each slice rebuilds the chunks of what changed before it makes vectors. The run's progress carries
    `lexical_as_of`: records synced before that instant are found by words.
    """
    from jobs import indexing  # noqa: PLC0415

    identity = AccountScopeId(UUID(account_scope_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        totals = dict.fromkeys(("written", "deleted", "embedded", "reused", "failed"), 0)
        until = time.monotonic() + INDEX_BUDGET_S

        def report(progress: "IndexProgress") -> None:
            run.progress(stream="vectors", rows=totals["embedded"] + progress.embedded)

        run.progress(stream="chunks")
        while True:
            as_of = utcnow()
            lexical = indexing.index_pending(identity, lexical_only=True, budget_s=INDEX_BUDGET_S)
            run.progress(stream="vectors", rows=totals["embedded"], note={"lexical_as_of": as_of.isoformat()})
            result = indexing.index_pending(
                identity, budget_s=min(_SLICE_S, max(1.0, until - time.monotonic())), progress=report
            )
            for name in totals:
                totals[name] += getattr(lexical, name) + getattr(result, name)
            # No vector made means nothing left, or an endpoint that is away: more slices would not help.
            if not result.pending or not result.embedded or time.monotonic() >= until:
                return runs.JobOutcome(counts={**totals, "pending": result.pending})

    outcome = runs.execute(run_id, work)
    if outcome is not None and (outcome.again or (outcome.counts["pending"] and outcome.counts["embedded"])):
        enqueue.request_indexing(identity, "indexing")


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


def _sync_outcome(result: "SyncResult") -> runs.JobOutcome:
    counts = result.counts()
    failed_streams = sorted(result.errors)
    nothing_worked = bool(failed_streams) and len(failed_streams) == len(result.streams)
    return runs.JobOutcome(
        counts={**counts, "failed": int(counts["rejected"]) + len(failed_streams)},
        failed=result.status == "failed" or nothing_worked,
        error_code=f"sync_{result.status}" if failed_streams else None,
        error_message=next(iter(result.errors.values()), None),
    )
