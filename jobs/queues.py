"""The queues: their names, how long a job may take, how long its traces stay, and JSON instead of pickle.

RQ's default serialiser is pickle, which executes whatever a writer of Redis puts there; JSON carries plain arguments.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from models.infra.clock import utcnow
from models.infra.redis import queue_redis


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue and the limits of its jobs, in seconds."""

    name: str
    timeout_s: int


CONTROL = QueueSpec("control", 120)  # dispatchers and recovery: short, never behind real work
SYNC = QueueSpec("sync", 900)
INDEX = QueueSpec("index", 900)
QUEUES = (CONTROL, SYNC, INDEX)

RESULT_TTL_S = 3_600
FAILURE_TTL_S = 7 * 24 * 3_600
# How often a worker says that the job it runs lives, and after how long a silence nobody counts on it.
HEARTBEAT_S = 15
_SILENCE = dt.timedelta(seconds=2 * HEARTBEAT_S)

# Which queue a function runs on. Functions are named, not imported: the web enqueues without loading the workers' code.
FUNCTIONS: dict[str, QueueSpec] = {
    "jobs.tasks.dispatch": CONTROL,
    "jobs.tasks.recover": CONTROL,
    "jobs.tasks.sync_connection": SYNC,
    "jobs.tasks.retry_connection": SYNC,
    "jobs.tasks.reconcile_connection": SYNC,
    "jobs.tasks.repair_connection": SYNC,
    "jobs.tasks.refetch_connection": SYNC,
    "jobs.tasks.mirror_connection": SYNC,
    "jobs.tasks.rebind_connection": SYNC,
    "jobs.tasks.deliver_outbound": SYNC,
    "jobs.tasks.preview_identity": SYNC,
    "jobs.tasks.detect_signals": SYNC,
    "jobs.tasks.extract_agreements": SYNC,
    "jobs.tasks.index_chunks": INDEX,
}


class JsonJob(Job):
    """A job whose arguments are JSON. rq-scheduler makes and loads jobs without saying which serialiser."""

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> "Job":
        """Like RQ's, with JSON unless told otherwise."""
        kwargs["serializer"] = JSONSerializer
        return super().create(*args, **kwargs)

    @classmethod
    def fetch(
        cls,
        id: str,  # noqa: A002  # RQ's name
        connection: "Redis | None" = None,
        serializer: Any = None,  # noqa: ARG003  # what it overrules
    ) -> "Job":
        """Like RQ's, with JSON whatever the caller thinks."""
        return super().fetch(id, connection=connection, serializer=JSONSerializer)

    @classmethod
    def fetch_many(
        cls,
        job_ids: Iterable[str],
        connection: Redis,
        serializer: Any = None,  # noqa: ARG003  # what it overrules
    ) -> "list[Job | None]":
        """Like RQ's, with JSON whatever the caller thinks."""
        return super().fetch_many(job_ids, connection=connection, serializer=JSONSerializer)


class JsonQueue(Queue):
    """A queue of JSON jobs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["serializer"] = JSONSerializer
        kwargs["job_class"] = JsonJob
        super().__init__(*args, **kwargs)


def queue(spec: QueueSpec, connection: "Redis | None" = None) -> JsonQueue:
    """The RQ queue of a spec."""
    return JsonQueue(spec.name, connection=connection or queue_redis(), default_timeout=spec.timeout_s)


def push(function: str, arguments: dict[str, Any], job_id: str) -> None:
    """Put a job on its function's queue under `job_id`; a job that waits or runs under that id is left alone.

    Raises redis.exceptions.RedisError when Redis is away and KeyError for a function without a queue.
    """
    spec = FUNCTIONS[function]
    target = queue(spec)
    if is_known(job_id):
        return
    forget(job_id)
    target.enqueue_call(
        function,
        kwargs=arguments,
        job_id=job_id,
        timeout=spec.timeout_s,
        result_ttl=RESULT_TTL_S,
        failure_ttl=FAILURE_TTL_S,
        description=function.rpartition(".")[2],
    )


def is_known(job_id: str) -> bool:
    """Whether the queue knows a job under this id that has not ended."""
    job = fetch(job_id)
    return job is not None and not (job.is_finished or job.is_failed or job.is_canceled or job.is_stopped)


def is_held(job_id: str) -> bool:
    """Whether the job waits in its queue, or a worker that gives signs of life has it.

    What a worker died with is known and not held: taken off the queue, and begun by nobody or by the dead one. So is,
    for milliseconds, what a worker is just taking off.
    """
    job = fetch(job_id)
    if job is None:
        return False
    status = job.get_status(refresh=False)
    if status == JobStatus.QUEUED and _queue_of(job).get_job_position(job_id) is not None:
        return True
    # A worker names its execution first; only its child says that the job has started.
    return status in (JobStatus.QUEUED, JobStatus.STARTED) and _is_heard_of(job)


def forget(job_id: str) -> None:
    """Delete the job under this id, wherever it is; a run that is queued again under it begins with a clean slate."""
    job = fetch(job_id)
    if job is None:
        return
    # Where RQ keeps a job between two lists, and since when.
    between = IntermediateQueue(_queue_of(job).key, connection=queue_redis())
    between.remove(job_id)
    queue_redis().delete(between.get_first_seen_key(job_id))
    # RQ's own deletion fails at an execution that Redis forgot before its list.
    with queue_redis().pipeline() as pipeline:
        for execution_id in job.execution_registry.get_execution_ids():
            Execution(execution_id, job.id, queue_redis()).delete(job, pipeline)
        pipeline.execute()
    job.delete()


def _is_heard_of(job: Job) -> bool:
    since = utcnow() - _SILENCE
    for execution_id in job.execution_registry.get_execution_ids():
        try:
            execution = Execution.fetch(execution_id, job.id, queue_redis())
        except ValueError:  # over, or so long silent that Redis forgot it
            continue
        if execution.last_heartbeat > since:
            return True
    return False


def _queue_of(job: Job) -> JsonQueue:
    return JsonQueue(job.origin, connection=queue_redis())


def fetch(job_id: str) -> Job | None:
    """The job under this id, or None."""
    return JsonJob.fetch_many([job_id], connection=queue_redis())[0]


def job_id_of(run_id: UUID | str, attempt: int) -> str:
    """RQ's id of an attempt of a run: a second attempt is a job of its own, whatever became of the first."""
    return f"{run_id}_{attempt}"
