"""The only door from the web to the jobs: ask for work, and see how the queue does.

A job that is asked for is first written to Postgres (run and outbox in one transaction), then put on the queue. While
Redis is away it stays in the outbox, and the dispatcher enqueues it later.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from redis.exceptions import RedisError
from rq import Worker
from rq.worker import BaseWorker
from sqlmodel import Session

from jobs import outbox, queues
from jobs.connectors.breaker import circuit_key, read_circuit
from models.infra.database import reading, transaction
from models.infra.errors import Conflict, NotFound, Unavailable
from models.infra.ids import AccountScopeId, ConnectionId, JobRunId
from models.infra.logging import get_logger, request_id
from models.infra.redis import queue_redis
from models.queries import job_runs, outbound, sync_state, webhooks

if TYPE_CHECKING:
    from jobs.queue_dashboard import QueueDashboard

# Who asks for the cheap form of a comparison.
CHEAP_FOR = "sync"
# Work that may have passed a record before it changed: asked for while it runs, it is done once more afterwards.
_DONE_AGAIN = ("index", "refetch", "mirror", "outbound", "identity", "signals", "agreements")
WEBHOOK = "webhook"
# Where a run keeps what it is to do, beside its subject.
ASKED = "asked"
SCHEDULE = "schedule"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JobRunRef:
    """A run that was asked for. `created` is False when the same work was queued or running already."""

    run_id: str
    job: str
    subject: str
    connector: str | None
    status: str
    created: bool


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue: jobs waiting, running and failed (kept seven days), and workers that listen."""

    name: str
    waiting: int
    running: int
    failed: int
    workers: int


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One live worker process."""

    name: str
    state: str
    queues: tuple[str, ...]
    last_heartbeat: dt.datetime | None


@dataclass(frozen=True, slots=True)
class CadenceState:
    """One entry of the schedule."""

    name: str
    cadence_s: int
    enabled: bool
    last_dispatched_at: dt.datetime | None
    next_run_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """Queues and live workers; both are empty when Redis cannot be reached (`is_online` is False)."""

    is_online: bool
    queues: tuple[QueueState, ...] = ()
    workers: tuple[WorkerState, ...] = ()


@dataclass(frozen=True, slots=True)
class DashboardAnswer:
    """What RQ's dashboard says to a request: status, headers, and the whole body (its pages are small)."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def request_sync(
    connection_id: ConnectionId | None, requested_by: str, *, account_scope_id: AccountScopeId | None = None
) -> list[JobRunRef]:
    """Ask for a sync of one connection, or of every enabled one (of the scope, if given).

    Raises NotFound when a connection is named that is not there, is switched off, or is outside the scope.
    """
    return _request_each("sync", connection_id, requested_by, account_scope_id)


def request_retry(
    connection_id: ConnectionId | None, requested_by: str, *, account_scope_id: AccountScopeId | None = None
) -> list[JobRunRef]:
    """Ask for another attempt at the due errors of one connection, or of every one that has some now.

    Raises NotFound when a connection is named that is not there, is switched off, or is outside the scope.
    """
    with reading() as session:
        enabled = job_runs.list_enabled_connections(
            session, account_scope_id=account_scope_id, connection_id=connection_id
        )
        due = set(sync_state.connections_with_due_errors(session))
    if connection_id is not None and not enabled:
        raise NotFound("no enabled connection of that id", connection_id=str(connection_id))
    return [
        _request("retry", str(held.id), requested_by, held.account_scope_id, connector=held.connector)
        for held in enabled
        if connection_id is not None or held.id in due
    ]


def request_reconciliation(
    connection_id: ConnectionId | None, requested_by: str, *, account_scope_id: AccountScopeId | None = None
) -> list[JobRunRef]:
    """Ask for a comparison with the vendor of one connection, or of every enabled one (of the scope, if given).

    What "sync" asks for is a cheap pass, what anybody else asks for a deep one; a cheap pass that still waits becomes
    deep, and one that runs is followed by a deep one. Raises NotFound like `request_sync`.
    """
    return _request_each("reconcile", connection_id, requested_by, account_scope_id)


def request_repair(
    connection_id: ConnectionId | None, requested_by: str, *, account_scope_id: AccountScopeId | None = None
) -> list[JobRunRef]:
    """Ask for what the newest comparison found different to be fetched again. Raises NotFound like `request_sync`."""
    return _request_each("repair", connection_id, requested_by, account_scope_id)


def request_refetch(connection_id: ConnectionId | None, requested_by: str) -> list[JobRunRef]:
    """Ask for the records that webhooks named at one connection, or at every one where some wait.

    Deliveries come one by one, runs take what has gathered. A connection that is switched off is left out.
    """
    with reading() as session:
        enabled = job_runs.list_enabled_connections(session, connection_id=connection_id)
        named = (
            {connection_id} if connection_id is not None else set(webhooks.connections_with_hints(session))
        )
    return [
        _request("refetch", str(held.id), requested_by, held.account_scope_id, connector=held.connector)
        for held in enabled
        if held.id in named
    ]


def request_mirror(connection_id: ConnectionId, requested_by: str) -> list[JobRunRef]:
    """Ask for the CRM tables to follow the copy of one connection. Raises NotFound like `request_sync`."""
    return _request_each("mirror", connection_id, requested_by, None)


def request_rebinding(connection_id: ConnectionId, change: Mapping[str, Any], requested_by: str) -> JobRunRef:
    """Ask for a routing rule to be changed (`jobs.rebinding.RuleChange` as JSON) and for its records to be moved.

    Raises NotFound like `request_sync`, and Conflict while another change of the connection's rules is under way.
    """
    [ref] = _request_each("rebind", connection_id, requested_by, None, asked=change)
    if not ref.created:
        raise Conflict("The rules of this connection are being changed now.", code="rules_changing")
    return ref


def request_indexing(account_scope_id: AccountScopeId | None, requested_by: str) -> list[JobRunRef]:
    """Ask for indexing of one account scope, or of every one."""
    if account_scope_id is not None:
        scopes: list[UUID] = [account_scope_id]
    else:
        with reading() as session:
            scopes = list(job_runs.list_account_scopes(session))
    return [_request("index", str(scope), requested_by, scope) for scope in scopes]


def request_job(
    job: str, connection_id: ConnectionId | None, account_scope_id: AccountScopeId, requested_by: str
) -> list[JobRunRef]:
    """Ask for a job by its name, as `jobs.cascade` does: of the scope, or of one or all of its connections.

    Raises NotFound like `request_sync`.
    """
    if job in outbox.PER_ACCOUNT_SCOPE:
        return [_request(job, str(account_scope_id), requested_by, account_scope_id)]
    if job == "reconcile":
        return request_reconciliation(connection_id, requested_by, account_scope_id=account_scope_id)
    return _request_each(job, connection_id, requested_by, account_scope_id)


def request_outbound(account_scope_id: AccountScopeId | None, requested_by: str) -> list[JobRunRef]:
    """Ask for approved messages of one account scope to be sent, or of every one where some wait."""
    if account_scope_id is not None:
        scopes = [account_scope_id]
    else:
        with reading() as session:
            scopes = outbound.scopes_with_open(session)
    return [_request("outbound", str(scope), requested_by, scope) for scope in scopes]


def request_signals(account_scope_id: AccountScopeId | None, requested_by: str) -> list[JobRunRef]:
    """Ask for the signals of one account scope, or of every one, to be detected."""
    return _request_of_scopes("signals", account_scope_id, requested_by)


def request_agreements(account_scope_id: AccountScopeId | None, requested_by: str) -> list[JobRunRef]:
    """Ask for the agreements of one account scope, or of every one, to be extracted and settled."""
    return _request_of_scopes("agreements", account_scope_id, requested_by)


def queue_status() -> QueueStatus:
    """What the queues do now; Redis that is away is said and no error."""
    try:
        return QueueStatus(True, *look_at_queues())
    except (RedisError, Unavailable) as error:
        log.warning("queue away", error=str(error))
        return QueueStatus(False)


def list_cadences(session: Session) -> tuple[CadenceState, ...]:
    """The entries of the schedule, as the database has them."""
    return tuple(
        CadenceState(row.name, row.cadence_s, row.enabled, row.last_dispatched_at, row.next_run_at)
        for row in job_runs.list_cadences(session)
    )


def look_at_queues() -> tuple[tuple[QueueState, ...], tuple[WorkerState, ...]]:
    """Every queue and every live worker. Raises RedisError and Unavailable without Redis."""
    workers = tuple(_worker_state(worker) for worker in Worker.all(connection=queue_redis()))
    held = [queues.queue(spec) for spec in queues.QUEUES]
    with queue_redis().pipeline(transaction=False) as pipe:
        for each in held:
            pipe.llen(each.key)
            pipe.zcard(each.started_job_registry.key)
            pipe.zcard(each.failed_job_registry.key)
        counts = iter(pipe.execute())
    states = (
        QueueState(
            name=each.name,
            waiting=next(counts),
            running=next(counts),
            failed=next(counts),
            workers=sum(each.name in worker.queues for worker in workers),
        )
        for each in held
    )
    return tuple(states), workers


def open_circuits(connections: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Of these connectors and base URLs, those that no worker asks at the moment because they failed too often."""
    return frozenset(
        (connector, base_url)
        for connector, base_url in connections
        if read_circuit(circuit_key(connector, base_url)).opened_at is not None
    )


def queue_depths() -> dict[str, int]:
    """Jobs waiting in each queue. Raises RedisError and Unavailable without Redis."""
    return {spec.name: queues.queue(spec).count for spec in queues.QUEUES}


def queue_dashboard(prefix: str) -> "QueueDashboard":
    """RQ's own dashboard, to be mounted at `prefix` behind a guard: it asks nobody to log in."""
    # Loaded by the first who looks: a highlighter and a template engine that nothing else here needs.
    from jobs.queue_dashboard import QueueDashboard  # noqa: PLC0415

    return QueueDashboard(prefix)


def count_workers() -> int:
    """Live worker processes; 0 while Redis is away."""
    try:
        return Worker.count(connection=queue_redis())
    except (RedisError, Unavailable) as error:
        log.warning("queue away", error=str(error))
        return 0


def _request_each(
    job: str,
    connection_id: ConnectionId | None,
    requested_by: str,
    account_scope_id: AccountScopeId | None,
    *,
    asked: Mapping[str, Any] | None = None,
) -> list[JobRunRef]:
    with reading() as session:
        connections = job_runs.list_enabled_connections(
            session, account_scope_id=account_scope_id, connection_id=connection_id
        )
    if connection_id is not None and not connections:
        raise NotFound("no enabled connection of that id", connection_id=str(connection_id))
    return [
        _request(
            job, str(held.id), requested_by, held.account_scope_id, connector=held.connector, asked=asked
        )
        for held in connections
    ]


def _request_of_scopes(
    job: str, account_scope_id: AccountScopeId | None, requested_by: str
) -> list[JobRunRef]:
    if account_scope_id is not None:
        return [_request(job, str(account_scope_id), requested_by, account_scope_id)]
    with reading() as session:
        scopes = job_runs.list_account_scopes(session)
    return [_request(job, str(scope), requested_by, scope) for scope in scopes]


def _request(
    job: str,
    subject: str,
    requested_by: str,
    account_scope_id: UUID | None,
    *,
    connector: str | None = None,
    asked: Mapping[str, Any] | None = None,
) -> JobRunRef:
    function = outbox.function_of(job)
    with transaction() as session:
        row, created = job_runs.create_run(
            session,
            job=job,
            subject=subject,
            requested_by=requested_by,
            account_scope_id=account_scope_id,
            connector=connector,
            request_id=request_id.get(),
            # A sync in progress will still see a change, unless a webhook has just told of it.
            again=job in _DONE_AGAIN or (job == "sync" and requested_by == WEBHOOK),
            beyond=CHEAP_FOR if job == "reconcile" and requested_by != CHEAP_FOR else None,
        )
        run_id = JobRunId(row.id)
        arguments = outbox.task_arguments(row)
        if created:
            if asked is not None:
                row.counts = {ASKED: dict(asked)}
            job_runs.add_to_outbox(session, run_id, function, arguments)
        ref = JobRunRef(str(run_id), job, subject, connector, row.status, created)
    if created:
        outbox.hand_over(run_id, function, arguments, 0)
    return ref


def _worker_state(worker: BaseWorker) -> WorkerState:
    return WorkerState(
        name=worker.name,
        state=str(worker.get_state()),
        queues=tuple(worker.queue_names()),
        last_heartbeat=worker.last_heartbeat,
    )
