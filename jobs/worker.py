"""The worker process: `python -m jobs.worker control sync index`, queues in order of preference.

On SIGTERM it takes no new job and gives the running one a moment to finish; then the job is interrupted and goes back
to the queue, and one that cannot be interrupted is ended. Each job runs in a forked child, so that its memory is returned and a crash ends the job alone.
"""

import os
import secrets
import signal
import sys
import threading
import time
from importlib import import_module
from types import FrameType
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.executions import Execution
from rq.job import Job
from sqlalchemy.orm import configure_mappers

from jobs import outbox, queues, runs
from models.infra.ids import JobRunId
from models.infra.logging import configure_logging, get_logger
from models.infra.redis import queue_redis

GRACE_S = 5.0
# What an interrupted job has to say so: a database that is silent is not waited for any longer.
_LAST_WORDS_S = 3.0
_WORKER_TTL_S = 60
_MAINTENANCE_S = 60
# How long a worker waits between two looks whether Redis is back.
_RETRY_S = 2.0

log = get_logger(__name__)


class InterruptibleWorker(Worker):
    """RQ's worker with a bounded warm shutdown: finish within GRACE_S, or be interrupted and queued again."""

    max_connection_wait_time = 5.0
    asked_to_stop = False
    _run_id: str | None = None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Remember which run the job is, then let a child do it."""
        self._run_id = job.kwargs.get("run_id")
        super().execute_job(job, queue)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Remember that a signal asked for the end, then stop as RQ does."""
        self.asked_to_stop = True
        super().request_stop(signum, frame)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Without Redis nobody hears that the job lives; it goes on all the same."""
        try:
            super().maintain_heartbeats(job, execution)
        except RedisError as error:
            log.warning("queue away, the job goes on", error=str(error))

    def handle_warm_shutdown_request(self) -> None:
        """Start the clock when the first SIGTERM or SIGINT arrives."""
        super().handle_warm_shutdown_request()
        if self.horse_pid:
            for after_s, end in ((GRACE_S, self._interrupt), (GRACE_S + _LAST_WORDS_S, self._end)):
                timer = threading.Timer(after_s, end)
                timer.daemon = True
                timer.start()

    def setup_work_horse_signals(self) -> None:
        """In the child: SIGTERM raises WorkerStopping inside the job; Ctrl-C is the parent's affair."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _stop_job)

    def _interrupt(self) -> None:
        if self.horse_pid:
            self.kill_horse(signal.SIGTERM)

    def _end(self) -> None:
        """End a child that could not even say that it was interrupted; recovery queues its run again, as no loss."""
        if not self.horse_pid:
            return
        log.warning("job does not stop, its process is ended", run_id=self._run_id)
        try:
            if self._run_id:
                outbox.note_interruption(JobRunId(UUID(self._run_id)))
        finally:
            self.kill_horse(signal.SIGKILL)


def make_worker(names: list[str]) -> InterruptibleWorker:
    """A worker for the named queues. Raises SystemExit with a message for an unknown name."""
    known = {spec.name: spec for spec in queues.QUEUES}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise SystemExit(f"usage: python -m jobs.worker QUEUE...; queues are {', '.join(known)}")
    return InterruptibleWorker(
        [queues.queue(known[name]) for name in names],
        name=f"{'-'.join(names)}-{os.getpid()}-{secrets.token_hex(3)}",
        connection=queue_redis(),
        job_class=queues.JsonJob,
        queue_class=queues.JsonQueue,
        serializer="json",
        worker_ttl=_WORKER_TTL_S,
        maintenance_interval=_MAINTENANCE_S,
        job_monitoring_interval=queues.HEARTBEAT_S,
        log_job_description=False,
    )


def main(arguments: list[str]) -> None:
    """Work until SIGTERM or SIGINT. Waits and starts over while Redis is away."""
    configure_logging("worker")
    worker = make_worker(arguments)
    preload()
    log.info("worker running", queues=arguments)
    while not _work(worker):
        log.warning("queue away, worker waits")
        time.sleep(_RETRY_S)
        worker = make_worker(arguments)


def _work(worker: InterruptibleWorker) -> bool:
    """Work until it ends; whether it ended because somebody asked for it."""
    try:
        worker.work(logging_level="WARNING")
    except (RedisError, StopRequested) as error:
        # Also what a worker that was asked to stop could not write into a Redis that is away.
        log.warning("worker ended", error=str(error) or type(error).__name__)
    return worker.asked_to_stop


def _stop_job(_signum: int, _frame: FrameType | None) -> Any:
    raise runs.WorkerStopping


def preload() -> None:
    """Load once what every child would load for itself. Models are left to them: their threads do not survive a fork."""
    for module in ("jobs.tasks", "jobs.sync", "psycopg"):
        import_module(module)
    configure_mappers()


if __name__ == "__main__":
    main(sys.argv[1:])
