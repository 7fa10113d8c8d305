"""Jobs as people see them: connectors, schedule, recent runs, errors, index coverage, queues."""

from dataclasses import dataclass

from jobs import enqueue
from models.infra.database import reading
from models.infra.scope import Scope
from models.queries import connector_overview, crm, runs_overview
from models.queries.crm import UnmappedStage
from tools_app.services import connectors
from tools_app.services.run_views import run_row
from tools_app.services.schedule import ScheduleRow, schedule_rows
from tools_app.services.search import index_coverage
from tools_app.services.views import ConnectorCard, ErrorRow, IndexCoverage, QueueRow, RunRow

# A page of each list, and how far a reader may unfold it; the API pages on.
RECENT_RUNS = 30
SHOWN_ERRORS = 25
UNFOLDED_AT_MOST = 300
_STAGES = 20


@dataclass(frozen=True, slots=True)
class JobsView:
    """The jobs and connectors page. `queue_online` is False when the queue cannot be reached; `errors` are the newest
    of `error_count`, `dead_letters` of which were given up; `more_runs` says that there are older ones.
    """

    connectors: tuple[ConnectorCard, ...]
    runs: tuple[RunRow, ...]
    coverage: IndexCoverage
    queues: tuple[QueueRow, ...]
    queue_online: bool = True
    errors: tuple[ErrorRow, ...] = ()
    error_count: int = 0
    schedule: tuple[ScheduleRow, ...] = ()
    dead_letters: int = 0
    more_runs: bool = False
    unmapped_stages: tuple[UnmappedStage, ...] = ()


def jobs_view(
    scope: Scope, *, runs_shown: int = RECENT_RUNS, errors_shown: int = SHOWN_ERRORS, only_dead: bool = False
) -> JobsView:
    """What the jobs and connectors page shows. Without Redis the database's part is still there.

    `errors` are dead letters alone when `only_dead`; the counts are of all.
    """
    queue = enqueue.queue_status()
    with reading() as session:
        cadences = enqueue.list_cadences(session)
        cards = connectors.cards(session, scope, cadences)
        recent = runs_overview.list_runs(session, scope, limit=runs_shown + 1)
        errors = connector_overview.list_errors(
            session,
            scope,
            after=None,
            limit=errors_shown,
            status=connector_overview.DEAD_LETTER if only_dead else None,
        )
        dead_letters = connector_overview.count_dead_letters(session, scope)
        stages = tuple(crm.list_unmapped_stages(session, scope, limit=_STAGES))
        schedule = schedule_rows(session, scope, cadences)
    connector_of = {card.connection_id: card.connector for card in cards}
    return JobsView(
        connectors=cards,
        runs=tuple(run_row(run) for run in recent[:runs_shown]),
        coverage=index_coverage(scope),
        queues=tuple(QueueRow(each.name, each.waiting, each.workers) for each in queue.queues),
        queue_online=queue.is_online,
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
        dead_letters=dead_letters,
        more_runs=len(recent) > runs_shown,
        unmapped_stages=stages,
    )
