"""Jobs as people see them: connectors, schedule, recent runs, errors, index coverage, queues."""

from dataclasses import dataclass

from jobs import enqueue
from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import connector_overview, runs_overview
from tools_app.services import connectors
from tools_app.services.moments import scope_and_moment
from tools_app.services.run_views import run_row
from tools_app.services.schedule import ScheduleRow, schedule_rows
from tools_app.services.search import index_coverage
from tools_app.services.views import ConnectorCard, ErrorRow, IndexCoverage, QueueRow, RunRow

RECENT_RUNS = 30
SHOWN_ERRORS = 25


@dataclass(frozen=True, slots=True)
class JobsView:
    """The jobs and connectors page. `queue_online` is False when the queue cannot be reached; `errors` are the newest
    of `error_count`.
    """

    connectors: tuple[ConnectorCard, ...]
    runs: tuple[RunRow, ...]
    coverage: IndexCoverage
    queues: tuple[QueueRow, ...]
    queue_online: bool = True
    errors: tuple[ErrorRow, ...] = ()
    error_count: int = 0
    schedule: tuple[ScheduleRow, ...] = ()


def jobs_view(scope: Scope) -> JobsView:
    """What the jobs and connectors page shows. Without Redis the database's part is still there."""
    queue = enqueue.jobs_status(scope, limit=1)
    with reading() as session:
        _, moment = scope_and_moment(session, scope)
        cards = connectors.cards(session, scope, moment)
        runs = tuple(run_row(run) for run in runs_overview.list_runs(session, scope, limit=RECENT_RUNS))
        errors = connector_overview.list_errors(session, scope, after=None, limit=SHOWN_ERRORS)
        schedule = schedule_rows(session, scope, queue.schedule)
    connector_of = {card.connection_id: card.connector for card in cards}
    return JobsView(
        connectors=cards,
        runs=runs,
        coverage=index_coverage(scope),
        queues=tuple(QueueRow(each.name, each.waiting, each.workers) for each in queue.queues),
        queue_online=queue.queue_online,
        errors=tuple(
            ErrorRow(
                str(each.id),
                connector_of.get(str(each.connection_id), ""),
                each.stream,
                each.unit,
                each.error_kind,
                each.message,
                each.status,
                each.attempt,
                each.next_retry_at,
                each.created_at,
            )
            for each in errors
        ),
        error_count=sum(card.error_count for card in cards),
        schedule=schedule,
    )
