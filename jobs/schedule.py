"""The cadences, and the scheduler process that gives each its turn: `python -m jobs.schedule`.

rq-scheduler reuses one job id for a periodic job: a slow one would run beside itself. So a turn only dispatches, the
work is requested as a run of its own, and a run has a lock. Two schedulers at once are harmless: rq-scheduler locks
each tick.
"""

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any, cast

from redis.exceptions import RedisError
from rq.job import Job
from rq_scheduler import Scheduler

from jobs.queues import CONTROL, JsonJob, JsonQueue
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.logging import configure_logging, get_logger
from models.infra.redis import queue_redis
from models.queries import job_runs

_TICK_S = 1
_RETRY_S = 3.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Cadence:
    """A piece of periodic work: its name and how often its turn comes, in seconds."""

    name: str
    every_s: int

    @property
    def job_id(self) -> str:
        """rq-scheduler's id of the entry."""
        return f"cadence-{self.name}"


CADENCES = (
    Cadence("sync", 15 * 60),
    Cadence("retry", 5 * 60),
    Cadence("index", 20 * 60),
    Cadence("outbound", 5 * 60),
    Cadence("signals", 15 * 60),
    Cadence("agreements", 15 * 60),
    Cadence("reconcile", 24 * 3_600),
    Cadence("recover", 30),
)


class BoundedScheduler(Scheduler):
    """rq-scheduler, but a turn that still waits in the queue is not queued a second time."""

    def enqueue_job(self, job: Any) -> None:
        """Queue a turn, or only set the time of the next one while nobody took the last."""
        if self.get_queue_for_job(job).get_job_position(job) is None:
            super().enqueue_job(job)
        else:
            due = time.time() + int(job.meta["interval"])
            self.connection.zadd(self.scheduled_jobs_key, {job.id: due})


def make_scheduler() -> BoundedScheduler:
    """The scheduler on the queue's Redis, with JSON jobs on the control queue."""
    return BoundedScheduler(
        queue_name=CONTROL.name,
        connection=queue_redis(),
        interval=_TICK_S,
        job_class=JsonJob,
        queue_class=JsonQueue,
    )


def install_cadences(scheduler: BoundedScheduler) -> None:
    """Make the schedule say what CADENCES say; entries that are right keep their time, others go."""
    with transaction() as session:
        for cadence in CADENCES:
            job_runs.save_cadence(session, cadence.name, cadence.every_s)
        job_runs.drop_other_cadences(session, [cadence.name for cadence in CADENCES])
    wanted = {cadence.job_id: cadence for cadence in CADENCES}
    for job in cast("list[Job]", list(scheduler.get_jobs())):
        cadence = wanted.get(job.id)
        if cadence is not None and job.meta.get("interval") == cadence.every_s:
            wanted.pop(job.id)
        else:
            scheduler.cancel(job)
    for cadence in wanted.values():
        scheduler.schedule(
            # rq-scheduler reads naive times as UTC.
            scheduled_time=dt.datetime.now(dt.UTC).replace(tzinfo=None)
            + dt.timedelta(seconds=cadence.every_s),
            func="jobs.tasks.dispatch",
            kwargs={"name": cadence.name},
            interval=cadence.every_s,
            id=cadence.job_id,
            timeout=CONTROL.timeout_s,
            queue_name=CONTROL.name,
        )
    _note_next_turns(scheduler)


def _note_next_turns(scheduler: BoundedScheduler) -> None:
    """Tell the pages when each turn comes: dispatching says so only from the first turn on."""
    now = utcnow()
    planned = cast("list[tuple[Job, dt.datetime]]", list(scheduler.get_jobs(with_times=True)))
    times = {job.id: at.replace(tzinfo=dt.UTC) for job, at in planned}
    with transaction() as session:
        for cadence in CADENCES:
            # A turn that came due while no scheduler ran comes at once.
            job_runs.plan_cadence(session, cadence.name, max(times[cadence.job_id], now))


def main() -> None:
    """Run until SIGTERM or SIGINT. Waits and starts over while Redis is away."""
    configure_logging("scheduler")
    while True:
        try:
            scheduler = make_scheduler()
            install_cadences(scheduler)
            log.info("scheduler running", cadences=[cadence.name for cadence in CADENCES])
            scheduler.run()
        except RedisError as error:
            log.warning("queue away, scheduler waits", error=str(error))
            time.sleep(_RETRY_S)


if __name__ == "__main__":
    main()
