"""What workers call, by name and with JSON arguments. Thin: each task is a run around one function of its module.

Heavy modules are imported where they are needed: a worker that only syncs never loads an embedding model.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from jobs import cascade, enqueue, runs
from models.infra.clock import utcnow
from models.infra.database import is_database_away, reading, transaction
from models.infra.ids import AccountScopeId, ConnectionId
from models.infra.logging import get_logger
from models.queries import job_runs

if TYPE_CHECKING:
    from jobs.indexing import IndexProgress
    from jobs.sync import Progress, SyncResult

# One indexing run ends after this many seconds and asks for the next one: other work gets its turn in between.
INDEX_BUDGET_S = 120.0
# How often a run that makes vectors looks whether there are new records to be found by words.
_LOOK_S = 2.0

log = get_logger(__name__)


def sync_connection(connection_id: str, run_id: str) -> None:
    """Fetch what changed at one vendor connection, then ask for indexing if anything did, and for a cheap comparison.

    The comparison follows a sync that failed too: it says then that the figure is unknown.
    """
    identity = ConnectionId(UUID(connection_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        # Inside the run, so that a module that cannot be loaded fails the run instead of losing it.
        from jobs import sync  # noqa: PLC0415

        return _sync_outcome(sync.sync_connection(identity, _reporter(run)))

    try:
        outcome = runs.execute(run_id, work)
    except Exception as error:
        if not is_database_away(error):
            cascade.follow("sync", identity, {}, enqueue.CHEAP_FOR)
        raise
    # None: another run of the same work goes on, or this one goes back to the queue. That run's end is followed.
    if outcome is None:
        return
    cascade.follow("sync", identity, outcome.counts, enqueue.CHEAP_FOR)


def refetch_connection(connection_id: str, run_id: str) -> None:
    """Fetch the records that webhooks named at one vendor connection; a sync reads what has no id to ask for."""
    identity = ConnectionId(UUID(connection_id))

    def work(_run: runs.Run) -> runs.JobOutcome:
        from jobs import refetch  # noqa: PLC0415

        done = refetch.refetch_connection(identity)
        return runs.JobOutcome(
            counts=done.counts(),
            failed=done.error is not None,
            error_code=f"connector_{done.error.kind}" if done.error else None,
            error_message=str(done.error) if done.error else None,
        )

    outcome = runs.execute(run_id, work)
    if outcome is None:
        return
    cascade.follow("refetch", identity, outcome.counts, enqueue.WEBHOOK)
    if outcome.counts["needs_sync"]:
        enqueue.request_sync(identity, enqueue.WEBHOOK)
    # A vendor that cannot be asked now is asked again by the `retry` cadence.
    if outcome.counts["waiting"] and not outcome.failed:
        enqueue.request_refetch(identity, enqueue.WEBHOOK)


def retry_connection(connection_id: str, run_id: str) -> None:
    """Try again what failed at one vendor connection and is due; a sync reads what has no id to ask for."""
    identity = ConnectionId(UUID(connection_id))

    def work(_run: runs.Run) -> runs.JobOutcome:
        from jobs import retry  # noqa: PLC0415

        outcome = retry.retry_connection(identity)
        return runs.JobOutcome(counts=dataclasses.asdict(outcome))

    outcome = runs.execute(run_id, work)
    if outcome is not None and outcome.counts.get("needs_sync"):
        enqueue.request_sync(identity, "retry")


def reconcile_connection(connection_id: str, run_id: str) -> None:
    """Compare one vendor connection with its copy; differences that nobody is looking at are mended at once."""
    identity = ConnectionId(UUID(connection_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        from jobs import reconciliation  # noqa: PLC0415

        result = reconciliation.reconcile(identity, run.requested_by != enqueue.CHEAP_FOR, _reporter(run))
        counts, errors = result.counts(), [each.error for each in result.streams.values() if each.error]
        return runs.JobOutcome(
            counts={**counts, "failed": len(errors)},
            failed=bool(errors) and not counts["measured"],
            error_code="vendor_unknown" if errors else None,
            error_message=errors[0] if errors else None,
        )

    outcome = runs.execute(run_id, work)
    if outcome is not None:
        cascade.follow("reconcile", identity, outcome.counts, outcome.requested_by)


def repair_connection(connection_id: str, run_id: str) -> None:
    """Fetch again what the newest comparison found different; then index it and compare again.

    What a cheap comparison found is compared cheaply again, until a repair has nothing more to write. What the daily
    one found beyond the records of one repair is compared and mended again in the same way.
    """
    identity = ConnectionId(UUID(connection_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        from jobs import repair  # noqa: PLC0415
        from jobs.connectors.errors import VendorError  # noqa: PLC0415

        try:
            results = repair.repair_connection(identity, _reporter(run))
        except VendorError as error:
            return runs.JobOutcome(
                failed=True, error_code=f"connector_{error.kind}", error_message=str(error)
            )
        return runs.JobOutcome(
            counts={
                "written": sum(each.written for each in results),
                "failed": sum(each.rejected for each in results),
                "waiting": sum(each.waiting for each in results),
                # Each makes room for one that waits, and does so once: this comes to an end.
                "set_aside": sum(each.set_aside for each in results if each.waiting),
            }
        )

    outcome = runs.execute(run_id, work)
    if outcome is not None:
        requested_by = outcome.requested_by
        goes_on = requested_by == enqueue.CHEAP_FOR or (
            requested_by == enqueue.SCHEDULE and outcome.counts["waiting"]
        )
        cascade.follow("repair", identity, outcome.counts, requested_by if goes_on else "repair")


def mirror_connection(connection_id: str, run_id: str) -> None:
    """Let the CRM tables follow the copy of one Attio connection, then read the past stages of deals that moved."""
    identity = ConnectionId(UUID(connection_id))

    def work(_run: runs.Run) -> runs.JobOutcome:
        from jobs import crm_mirror, stage_history  # noqa: PLC0415

        mirrored = crm_mirror.mirror_connection(identity).counts()
        histories = stage_history.read_histories(identity)
        return runs.JobOutcome(
            counts={**mirrored, "written": mirrored["written"] + histories.events, **histories.counts()}
        )

    outcome = runs.execute(run_id, work)
    if outcome is None:
        return
    if outcome.counts["more_histories"]:
        enqueue.request_mirror(identity, "mirror")
    cascade.follow("mirror", identity, outcome.counts, "mirror")


def rebind_connection(connection_id: str, run_id: str) -> None:
    """Change a routing rule of one vendor connection and move what belongs elsewhere now; the run keeps the change."""
    identity = ConnectionId(UUID(connection_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        from jobs import rebinding  # noqa: PLC0415
        from models.queries.bindings import RuleChange  # noqa: PLC0415

        with reading() as session:
            row = job_runs.get_run(session, run.id)
            asked = row.counts[enqueue.ASKED] if row else {}
        moved = rebinding.change_rule(identity, RuleChange.from_json(asked))
        return runs.JobOutcome(counts=moved.counts())

    outcome = runs.execute(run_id, work)
    if outcome is not None:
        cascade.follow("rebind", identity, outcome.counts, "rebind")


def index_chunks(account_scope_id: str, run_id: str) -> None:
    """Bring chunks and vectors of an account scope up to date; asks for another run when INDEX_BUDGET_S did not do.

    Words first: the chunks of what changed are rebuilt before vectors are made, and again as soon as somebody asks for
    indexing meanwhile. The run's progress carries `lexical_as_of`: records synced before it are found by words.
    """
    identity = AccountScopeId(UUID(account_scope_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        from jobs import indexing  # noqa: PLC0415

        totals = dict.fromkeys(("written", "deleted", "embedded", "reused", "failed"), 0)
        until = time.monotonic() + INDEX_BUDGET_S
        while True:
            watch = _IndexWatch(run, totals["embedded"])
            run.progress(stream="chunks")
            try:
                result = indexing.index_pending(
                    identity, budget_s=max(1.0, until - time.monotonic()), progress=watch.report
                )
            except _AskedAgain as asked:
                totals["written"] += asked.progress.written
                totals["embedded"] += asked.progress.embedded
                continue
            watch.lexical_done()
            for name in totals:
                totals[name] += getattr(result, name)
            return runs.JobOutcome(counts={**totals, "pending": result.pending})

    outcome = runs.execute(run_id, work)
    if outcome is None:
        return
    if outcome.counts["pending"] and outcome.counts["embedded"]:
        enqueue.request_indexing(identity, "indexing")
    cascade.follow("index", identity, outcome.counts, "indexing")


def preview_identity(account_scope_id: str, run_id: str) -> None:
    """Suggest which records of an account scope are the same person or company, and withdraw what holds no more."""
    identity = AccountScopeId(UUID(account_scope_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        from jobs.identity import preview  # noqa: PLC0415

        def report(kind: str, rows: int) -> None:
            run.progress(stream=f"{kind}s", rows=rows)

        return runs.JobOutcome(counts=preview.preview_scope(identity, report).counts())

    outcome = runs.execute(run_id, work)
    if outcome is not None:
        cascade.follow("identity", identity, outcome.counts, "identity")


def deliver_outbound(account_scope_id: str, run_id: str) -> None:
    """Send the approved messages of an account scope; asks for another run when some wait that could be sent."""
    identity = AccountScopeId(UUID(account_scope_id))

    def work(_run: runs.Run) -> runs.JobOutcome:
        from jobs import outbound  # noqa: PLC0415

        return runs.JobOutcome(counts=outbound.deliver_queued(identity).counts())

    outcome = runs.execute(run_id, work)
    if outcome is None:
        return
    settled = sum(outcome.counts[name] for name in ("sent", "failed", "unknown", "blocked"))
    if outcome.counts["waiting"] and settled:
        enqueue.request_outbound(identity, "outbound")


def detect_signals(account_scope_id: str, run_id: str) -> None:
    """Detect the signals of an account scope; asks for another run when more messages wait than one run reads."""

    def detect(scope: AccountScopeId, report: Callable[[int], None]) -> Mapping[str, Any]:
        from jobs.signals import scan  # noqa: PLC0415

        return scan.detect_signals(scope, report).counts()

    _read_messages("signals", account_scope_id, run_id, detect, enqueue.request_signals)


def extract_agreements(account_scope_id: str, run_id: str) -> None:
    """Extract and settle the agreements of an account scope; asks for another run when more messages wait."""

    def extract(scope: AccountScopeId, report: Callable[[int], None]) -> Mapping[str, Any]:
        from jobs.agreements import scan  # noqa: PLC0415

        return scan.extract_agreements(scope, report).counts()

    _read_messages("agreements", account_scope_id, run_id, extract, enqueue.request_agreements)


def _read_messages(
    job: str,
    account_scope_id: str,
    run_id: str,
    read: Callable[[AccountScopeId, Callable[[int], None]], Mapping[str, Any]],
    ask_again: Callable[[AccountScopeId, str], object],
) -> None:
    """Run a job that reads an account scope's messages: it reports how many, and goes on while more of them wait."""
    identity = AccountScopeId(UUID(account_scope_id))

    def work(run: runs.Run) -> runs.JobOutcome:
        counts = read(identity, lambda rows: run.progress(stream="messages", rows=rows))
        return runs.JobOutcome(counts=counts)

    outcome = runs.execute(run_id, work)
    if outcome is None:
        return
    if outcome.counts["more"]:
        ask_again(identity, job)
    cascade.follow(job, identity, outcome.counts, job)


def dispatch(name: str) -> None:
    """A cadence's turn: ask for its work. Runs in no time, because a periodic job reuses one job id."""
    with transaction() as session:
        if not job_runs.mark_dispatched(session, name):
            log.info("cadence is switched off", name=name)
            return
    if name == "sync":
        enqueue.request_sync(None, enqueue.SCHEDULE)
    elif name == "retry":
        enqueue.request_retry(None, enqueue.SCHEDULE)
        enqueue.request_refetch(None, enqueue.SCHEDULE)
    elif name == "index":
        enqueue.request_indexing(None, enqueue.SCHEDULE)
    elif name == "reconcile":
        enqueue.request_reconciliation(None, enqueue.SCHEDULE)
    elif name == "outbound":
        enqueue.request_outbound(None, enqueue.SCHEDULE)
    elif name == "signals":
        enqueue.request_signals(None, enqueue.SCHEDULE)
    elif name == "agreements":
        enqueue.request_agreements(None, enqueue.SCHEDULE)
    elif name == "recover":
        recover()
    else:
        raise ValueError(f"no cadence is called {name!r}")


def recover() -> None:
    """Bring back what a crash or an absent Redis left behind."""
    from jobs import recovery  # noqa: PLC0415

    recovery.recover()


def _reporter(run: runs.Run) -> Callable[["Progress"], None]:
    def report(progress: "Progress") -> None:
        run.progress(
            stream=progress.stream,
            page=progress.page,
            rows=progress.rows,
            eta_s=progress.eta_s,
            total=progress.total,
        )

    return report


def _sync_outcome(result: "SyncResult") -> runs.JobOutcome:
    counts = result.counts()
    failed_streams = sorted(result.errors)
    # One stream that fails leaves a partial success; when nothing came and most streams failed, the vendor is away.
    # (A stream that hangs on another's records, like messages, ends well with nothing.)
    nothing_worked = not counts["fetched"] and len(failed_streams) * 2 > len(result.streams)
    return runs.JobOutcome(
        counts={**counts, "failed": int(counts["rejected"]) + len(failed_streams)},
        failed=result.status == "failed" or nothing_worked,
        error_code=f"sync_{result.status}" if failed_streams else None,
        error_message=next(iter(result.errors.values()), None),
    )


class _AskedAgain(Exception):
    """Raised between two batches of vectors: indexing was asked for again, words come first."""

    def __init__(self, progress: "IndexProgress") -> None:
        super().__init__("asked again")
        self.progress = progress


class _IndexWatch:
    """Passes progress on, notes when the chunks are complete, and looks whether somebody asked again."""

    def __init__(self, run: runs.Run, embedded_before: int) -> None:
        self._run = run
        self._embedded_before = embedded_before
        self._as_of = utcnow()
        self._looked_at = time.monotonic()
        self._noted = False

    def report(self, progress: "IndexProgress") -> None:
        """Called after each batch of vectors: the chunks were complete before the first."""
        self.lexical_done()
        self._run.progress(stream="vectors", rows=self._embedded_before + progress.embedded)
        if time.monotonic() - self._looked_at >= _LOOK_S:
            self._looked_at = time.monotonic()
            if self._run.take_again():
                raise _AskedAgain(progress)

    def lexical_done(self) -> None:
        """Note once that everything synced before this pass began is found by words."""
        if not self._noted:
            self._noted = True
            self._run.progress(stream="vectors", note={"lexical_as_of": self._as_of.isoformat()})
