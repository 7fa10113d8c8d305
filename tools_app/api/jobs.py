"""/jobs: what runs, what ran, what waits."""

from fastapi import APIRouter

from models.infra.database import in_db
from tools_app.api.deps import ReadScope
from tools_app.api.schemas import Answer
from tools_app.services import jobs
from tools_app.services.jobs import JobsView

router = APIRouter(prefix="/jobs", tags=["jobs"])


class JobsAnswer(Answer):
    """Connectors, recent runs, index coverage and queues; `queue_online` is false while Redis is away."""

    jobs: JobsView


@router.get("/status", summary="Jobs, queues and index coverage")
async def status(scope: ReadScope) -> JobsAnswer:
    """The newest runs first; runs about other projects are left out."""
    return JobsAnswer(jobs=await in_db(jobs.jobs_view, scope))
