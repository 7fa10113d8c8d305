"""Asking for work: which jobs people may start by name, on which connections, joined when they run, and audited.

Pages and API ask here, whatever they call it: a sync, a comparison, a repair, another attempt, an indexing run, a look for signals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from jobs import enqueue
from models.infra.cache import cache
from models.infra.cache_tags import tags_of_start
from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput, NotFound
from models.infra.ids import AccountScopeId, ConnectionId
from models.queries import connector_overview as overview
from tools_app.services import audit_trail
from tools_app.services.views import SessionView

# What may be started by name. The others follow what happened: an approval, a webhook, a sync.
JobName = Literal["sync", "retry", "reconcile", "repair", "index", "signals", "agreements"]
# They are about the account scope, all others about a connection; each with its name in the audit trail.
_OF_SCOPE: dict[str, str] = {
    "index": "lightrag.refresh",
    "signals": "signal.scan",
    "agreements": "agreement.extract",
}


@dataclass(frozen=True, slots=True)
class RequestedRun:
    """A run that was asked for. `joined`: the same work waited or ran already; what is about the scope has no connection."""

    run_id: str
    job: str
    connection_id: str | None
    connector: str | None
    joined: bool


def ask_for(session: SessionView, job: JobName, connector: str | None = None) -> tuple[RequestedRun, ...]:
    """Ask for a job on the caller's connections, or on those of one connector; a running one is joined.

    Raises NotFound when the account scope has no such connection, InvalidInput for a connector where the job has none.
    """
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))
    if job not in _OF_SCOPE:
        return ask_for_connections(session, job, _enabled(account_scope_id, connector))
    if connector is not None:
        raise InvalidInput("This job is about no connector.", code="job_without_connector", job=job)
    runs = enqueue.request_job(job, None, account_scope_id, session.user)
    asked = tuple(RequestedRun(run.run_id, run.job, None, None, not run.created) for run in runs)
    _note(session, asked)
    return asked


def ask_for_connections(
    session: SessionView, job: JobName, connections: Sequence[ConnectionId]
) -> tuple[RequestedRun, ...]:
    """Ask for a job on these connections of the caller's account scope. Raises NotFound for one of another."""
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))
    asked = tuple(
        RequestedRun(run.run_id, run.job, run.subject, run.connector, not run.created)
        for each in connections
        for run in enqueue.request_job(job, each, account_scope_id, session.user)
    )
    _note(session, asked)
    return asked


def _enabled(account_scope_id: AccountScopeId, connector: str | None) -> list[ConnectionId]:
    with reading() as db:
        found = [
            each.id
            for each in overview.list_connections(db, account_scope_id)
            if each.enabled and connector in (None, each.connector)
        ]
    if not found:
        raise NotFound("There is no such connection.", connector=connector)
    return found


def _note(session: SessionView, asked: Sequence[RequestedRun]) -> None:
    """Write down who asked for these runs, and have what is cached of running work read anew."""
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))
    with transaction() as db:
        for run in asked:
            audit_trail.record_event(
                db,
                actor=session.user,
                action=_OF_SCOPE.get(run.job, f"connector.{run.job}"),
                entity=audit_trail.Entity("account_scope", session.account_scope_id)
                if run.connection_id is None
                else audit_trail.Entity("vendor_connection", run.connection_id),
                account_scope_id=account_scope_id,
                after={"run_id": run.run_id},
            )
    cache().renew(tags_of_start(account_scope_id))
