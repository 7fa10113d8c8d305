"""/jobs: what runs, what ran, what waits, what comes next; and starting a job by its name."""

from fastapi import APIRouter

from models.infra.database import in_db
from tools_app.api.connectors import ConnectorName
from tools_app.api.deps import Changer, ReadScope
from tools_app.api.schemas import Answer, Input, ItemList, example
from tools_app.services import jobs
from tools_app.services.job_requests import JobName, RequestedRun, ask_for
from tools_app.services.jobs import JobsView
from tools_app.services.schedule import ScheduleRow, list_schedule

router = APIRouter(prefix="/jobs", tags=["jobs"])


class JobsAnswer(Answer):
    """Connectors, recent runs, index coverage and queues; `queue_online` is false while Redis is away."""

    jobs: JobsView


class JobInput(Input):
    """Which job to run: at the connections of one connector, or at all of them; `index`, `signals` and `agreements` take no connector."""

    model_config = example(job="reconcile", connector="linear")

    job: JobName
    connector: ConnectorName | None = None


@router.get("/status", summary="Jobs, queues and index coverage")
async def status(scope: ReadScope) -> JobsAnswer:
    """The newest runs first; runs about other projects are left out."""
    return JobsAnswer(jobs=await in_db(jobs.jobs_view, scope))


@router.get("/schedule", summary="The schedule")
async def schedule(scope: ReadScope) -> ItemList[ScheduleRow]:
    """Every job with how often it runs, its next turn and its last runs, in the order in which they follow."""
    return ItemList[ScheduleRow](items=await in_db(list_schedule, scope))


@router.post("/run", status_code=202, summary="Run a job now")
async def run(session: Changer, body: JobInput) -> ItemList[RequestedRun]:
    """Asks for a job; one that waits or runs already is joined. 404 when the account scope has no such connection."""
    return ItemList[RequestedRun](items=await in_db(ask_for, session, body.job, body.connector))
