"""Connectors as people see them: state, rows a stream, running progress, and asking for a sync. Errors: `connector_errors`.

Connections belong to the account scope; rows and errors are counted inside the caller's projects only.
"""

from collections.abc import Sequence

from sqlmodel import Session

from jobs import enqueue
from jobs.enqueue import CadenceState
from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import connector_overview as overview
from models.queries import runs_overview
from models.queries.dashboard_board import STREAM_CODES, read_board
from models.queries.moment import Moment
from models.queries.runs_overview import RunFacts
from models.queries.stream_sets import set_code
from tools_app.services.job_requests import RequestedRun, ask_for
from tools_app.services.moments import scope_projects_and_moment
from tools_app.services.records import project_name, records_query
from tools_app.services.run_views import progress_view
from tools_app.services.trust import state_of
from tools_app.services.views import ConnectorCard, SessionView, StreamRow

SYNC_CADENCE = "sync"


def connectors_state(scope: Scope) -> tuple[ConnectorCard, ...]:
    """Every connection of the account scope with its streams and what it is doing."""
    with reading() as session:
        return cards(session, scope, enqueue.list_cadences(session))


def cards(session: Session, scope: Scope, cadences: Sequence[CadenceState]) -> tuple[ConnectorCard, ...]:
    """`connectors_state` inside a session that is open already."""
    _, projects, moment = scope_projects_and_moment(session, scope)
    project = project_name(scope, projects)
    connections = overview.list_connections(session, scope.account_scope_id)
    rows = read_board(session, scope, moment, codes=STREAM_CODES).streams()
    streams = overview.count_streams(session, scope, connections, rows)
    active = reversed(runs_overview.active_runs(session, scope))
    running = {run.subject: run for run in active if run.job == "sync"}
    circuits = enqueue.open_circuits({(each.connector, each.base_url) for each in connections})
    turn = next((each for each in cadences if each.name == SYNC_CADENCE), None)
    return tuple(
        _card(
            each,
            [stream for stream in streams if stream.connection_id == each.id],
            running.get(str(each.id)),
            moment,
            project,
            turn,
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
    turn: CadenceState | None,
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
    last = facts.last_success_at
    return ConnectorCard(
        connection_id=str(facts.id),
        connector=facts.connector,
        origin=facts.base_url,
        state=state_of(facts.status, facts.last_success_at, moment, is_syncing=run is not None),
        last_success_at=last,
        next_run_at=turn.next_run_at if turn and facts.enabled else None,
        streams=rows,
        error_count=sum(each.errors for each in streams),
        error_code=facts.last_error_kind if failed else "",
        error_at=facts.last_error_at if failed else None,
        running=None if run is None else progress_view(run),
        circuit_open=circuit_open,
        lag_s=None if last is None else max(0.0, (moment.now - last).total_seconds()),
        cadence_s=turn.cadence_s if turn and turn.enabled and facts.enabled else None,
    )


def sync_now(session: SessionView, connector: str | None = None) -> tuple[RequestedRun, ...]:
    """Ask for a sync of the caller's connections, or of those of one connector; a running one is joined.

    Raises NotFound when the account scope has no such connection.
    """
    return ask_for(session, "sync", connector)
