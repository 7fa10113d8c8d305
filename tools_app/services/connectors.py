"""Connectors as people see them: state, rows a stream, errors, running progress, and asking for a sync.

Connections belong to the account scope; rows and errors are counted inside the caller's projects only.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from jobs import enqueue
from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput, NotFound
from models.infra.ids import AccountScopeId
from models.infra.scope import Scope
from models.infra.settings import get_settings
from models.queries import completeness as completeness_queries
from models.queries import connector_overview as overview
from models.queries import runs_overview, sync_state
from models.queries.completeness import StreamCompleteness
from models.queries.job_runs import list_cadences
from models.queries.moment import Moment
from models.queries.projects import list_projects
from models.queries.runs_overview import RunFacts
from models.queries.stream_sets import set_code
from tools_app.services import audit_trail
from tools_app.services.error_payload import read_error_id
from tools_app.services.moments import scope_and_moment
from tools_app.services.records import project_name, records_query
from tools_app.services.run_views import progress_view
from tools_app.services.views import (
    ConnectorCard,
    ConnectorState,
    LowStream,
    SessionView,
    SourceTrust,
    StreamRow,
    TrustView,
)

# Two cadences of the sync: one missed run is weather, two are a problem.
LATE_AFTER = dt.timedelta(minutes=30)
SYNC_CADENCE = "sync"


@dataclass(frozen=True, slots=True)
class RequestedRun:
    """A run that was asked for."""

    run_id: str
    connection_id: str
    connector: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Unresolved connector errors, newest first."""

    items: tuple[overview.ErrorFacts, ...]
    next_cursor: str | None


def connectors_state(scope: Scope) -> tuple[ConnectorCard, ...]:
    """Every connection of the account scope with its streams and what it is doing."""
    with reading() as session:
        _, moment = scope_and_moment(session, scope)
        return cards(session, scope, moment)


def cards(session: Session, scope: Scope, moment: Moment) -> tuple[ConnectorCard, ...]:
    """`connectors_state` inside a session that is open already."""
    connections = overview.list_connections(session, scope.account_scope_id)
    project = project_name(scope, list_projects(session, scope.account_scope_id))
    streams = overview.count_streams(session, scope, connections)
    active = reversed(runs_overview.active_runs(session, scope))
    running = {run.subject: run for run in active if run.job == "sync"}
    circuits = enqueue.open_circuits({(each.connector, each.base_url) for each in connections})
    next_run = next((each.next_run_at for each in list_cadences(session) if each.name == SYNC_CADENCE), None)
    return tuple(
        _card(
            each,
            [stream for stream in streams if stream.connection_id == each.id],
            running.get(str(each.id)),
            moment,
            project,
            next_run,
            circuit_open=(each.connector, each.base_url) in circuits,
        )
        for each in connections
    )


def _card(
    facts: overview.ConnectionFacts,
    streams: Sequence[overview.StreamFacts],
    run: RunFacts | None,
    moment: Moment,
    project: str,
    next_run_at: dt.datetime | None,
    *,
    circuit_open: bool,
) -> ConnectorCard:
    rows = tuple(
        StreamRow(
            each.stream,
            each.rows,
            each.errors,
            each.synced_at,
            records_query(set_code(facts.connector, each.stream), project, connection=str(facts.id)),
        )
        for each in streams
    )
    failed = facts.status in ("failed", "degraded")
    return ConnectorCard(
        connection_id=str(facts.id),
        connector=facts.connector,
        origin=facts.base_url,
        state=_state(facts, run, moment),
        last_success_at=facts.last_success_at,
        next_run_at=next_run_at if facts.enabled else None,
        streams=rows,
        error_count=sum(each.errors for each in streams),
        error_code=facts.last_error_kind if failed else "",
        error_at=facts.last_error_at if failed else None,
        running=None if run is None else progress_view(run),
        circuit_open=circuit_open,
    )


def _state(facts: overview.ConnectionFacts, run: RunFacts | None, moment: Moment) -> ConnectorState:
    if run is not None:
        return "syncing"
    if facts.status == "failed":
        return "failing"
    if facts.last_success_at is None:
        return "never"
    return "late" if moment.now - facts.last_success_at > LATE_AFTER else "ok"


def trust_of(session: Session, scope: Scope, moment: Moment) -> TrustView:
    """How far the copy behind a page can be trusted: the oldest success, each source, what failed."""
    measured: dict[str, list[StreamCompleteness]] = {}
    for each in completeness_queries.list_completeness(session, scope):
        measured.setdefault(each.connector, []).append(each)
    shown = cards(session, scope, moment)
    sources = tuple(_source(card, measured.get(card.connector, [])) for card in shown)
    successes = [each.last_success_at for each in sources]
    known = [at for at in successes if at is not None]
    total = completeness_queries.weakest(
        [completeness_queries.total_of(measured.get(card.connector, [])) for card in shown]
    )
    return TrustView(
        # A source that never succeeded makes the whole picture undated.
        updated_at=min(known) if known and len(known) == len(successes) else None,
        sources=sources,
        error_count=sum(card.error_count for card in shown),
        completeness_pct=total.pct,
        is_unknown=total.is_unknown,
        known_at=total.known_at,
        low=_low(each for streams in measured.values() for each in streams),
    )


def _low(streams: Iterable[StreamCompleteness]) -> tuple[LowStream, ...]:
    minimum = get_settings().connector_reconciliation_min_completeness_pct
    found = [
        LowStream(each.connector, each.stream, each.pct)
        for each in streams
        if each.pct is not None and each.pct < minimum
    ]
    return tuple(sorted(found, key=lambda each: (each.pct, each.connector, each.stream)))


def _source(card: ConnectorCard, streams: Sequence[StreamCompleteness]) -> SourceTrust:
    total = completeness_queries.total_of(streams)
    return SourceTrust(
        connector=card.connector,
        state=card.state,
        last_success_at=card.last_success_at,
        rows=sum(stream.rows for stream in card.streams),
        completeness_pct=total.pct,
        measured_at=min((each.measured_at for each in streams), default=None),
        is_unknown=total.is_unknown,
        known_at=total.known_at,
    )


def sync_now(session: SessionView, connector: str | None = None) -> tuple[RequestedRun, ...]:
    """Ask for a sync of the caller's connections, or of those of one connector; a running one is joined.

    Raises NotFound when the account scope has no such connection.
    """
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))
    with reading() as db:
        chosen = [
            each
            for each in overview.list_connections(db, account_scope_id)
            if each.enabled and connector in (None, each.connector)
        ]
    if not chosen:
        raise NotFound("There is no such connection.", connector=connector)
    asked = tuple(
        RequestedRun(run.run_id, str(each.id), each.connector)
        for each in chosen
        for run in enqueue.request_sync(each.id, session.user, account_scope_id=account_scope_id)
    )
    with transaction() as db:
        for run in asked:
            audit_trail.record_event(
                db,
                actor=session.user,
                action="connector.sync",
                entity=audit_trail.Entity("vendor_connection", run.connection_id),
                account_scope_id=account_scope_id,
                after={"run_id": run.run_id},
            )
    return asked


def retry_error(session: SessionView, error_id: str) -> RequestedRun:
    """Give a failed unit, dead letters included, a fresh start now.

    Raises NotFound for one of another account scope, InvalidInput for a malformed id.
    """
    account_scope_id = AccountScopeId(UUID(session.account_scope_id))
    identity = read_error_id(error_id)
    with transaction() as db:
        connection_id = sync_state.requeue_error(db, account_scope_id, identity)
        if connection_id is None:
            raise NotFound("There is no such error.", error_id=error_id)
        audit_trail.record_event(
            db,
            actor=session.user,
            action="connector.retry_error",
            entity=audit_trail.Entity("connector_error", error_id),
            account_scope_id=account_scope_id,
            after={"connection_id": str(connection_id)},
        )
    (run,) = enqueue.request_retry(connection_id, session.user, account_scope_id=account_scope_id)
    return RequestedRun(run.run_id, run.subject, run.connector or "")


def list_errors(
    scope: Scope, *, cursor: str | None = None, limit: int = 50, status: str | None = None
) -> ErrorPage:
    """Unresolved errors of the scope's connectors (of one status, if given), newest first.

    Raises InvalidInput for a cursor that is no id.
    """
    after = None if cursor is None else _read_cursor(cursor)
    with reading() as session:
        found = overview.list_errors(session, scope, after=after, limit=limit + 1, status=status)
    more = len(found) > limit
    return ErrorPage(tuple(found[:limit]), str(found[limit - 1].id) if more else None)


def _read_cursor(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError as fault:
        raise InvalidInput("The cursor is not one of ours.", code="invalid_cursor") from fault
