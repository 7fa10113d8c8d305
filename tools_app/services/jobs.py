"""Jobs as people see them: connectors, recent runs, index coverage, queues."""

from jobs import enqueue
from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import connector_overview, runs_overview
from tools_app.services import connectors
from tools_app.services.moments import scope_and_moment
from tools_app.services.run_views import run_row
from tools_app.services.search import index_coverage
from tools_app.services.views import ErrorRow, JobsView, QueueRow

RECENT_RUNS = 30
SHOWN_ERRORS = 25


def jobs_view(scope: Scope) -> JobsView:
    """What the jobs and connectors page shows. Without Redis the database's part is still there."""
    with reading() as session:
        _, moment = scope_and_moment(session, scope)
        cards = connectors.cards(session, scope, moment)
        runs = tuple(run_row(run) for run in runs_overview.list_runs(session, scope, limit=RECENT_RUNS))
        errors = connector_overview.list_errors(session, scope, after=None, limit=SHOWN_ERRORS)
    connector_of = {card.connection_id: card.connector for card in cards}
    queue = enqueue.jobs_status(scope, limit=1)
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
            )
            for each in errors
        ),
    )
