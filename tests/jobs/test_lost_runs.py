"""Runs whose worker died before it could say that it had begun: no queue and no live worker has them."""

import datetime as dt
from collections.abc import Callable

import pytest
from rq.executions import Execution
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job

from jobs import enqueue, queues, recovery, runs
from jobs.worker import InterruptibleWorker, make_worker
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import JobRunId
from models.infra.redis import queue_redis
from models.queries import job_runs
from tests.jobs.test_runs import lose_worker, make_connection, make_scope, outbox_size, row_of, take_job


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_LOOK_AGAIN_S", 0.05)


def between_the_looks(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let `act` happen while recovery waits to look again."""

    def wait(_seconds: float) -> None:
        act()

    monkeypatch.setattr(recovery.time, "sleep", wait)


def begin_job(run_id: str) -> tuple[InterruptibleWorker, Job, Execution]:
    """A worker takes the run's job and tells the queue, and no more."""
    take_job(run_id)
    job = queues.fetch(queues.job_id_of(run_id, 0))
    assert job is not None
    taker = make_worker(["control", "sync"])
    taker.register_birth()
    return taker, job, taker.prepare_execution(job)


def fall_silent(execution: Execution) -> None:
    """As if its worker had said nothing for as long as nobody waits."""
    at = utcnow() - dt.timedelta(seconds=2 * queues.HEARTBEAT_S + 1)
    queue_redis().hset(execution.key, "last_heartbeat", str(at.timestamp()))


def is_run_once(run_id: str) -> bool:
    """Whether the queue has the run's job exactly once, and doing it ends the run."""
    assert queues.queue(queues.SYNC).get_job_ids() == [queues.job_id_of(run_id, 0)]
    take_job(run_id)
    runs.execute(run_id, lambda _run: runs.JobOutcome())
    return row_of(run_id).status == "succeeded"


def test_a_run_whose_worker_died_right_after_it_took_the_job_is_queued_again(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    take_job(ref.run_id)
    assert queues.is_known(queues.job_id_of(ref.run_id, 0))
    assert recovery.recover(settled_s=0).requeued == 1
    assert recovery.recover(settled_s=0).requeued == 0
    assert is_run_once(ref.run_id)


def test_a_run_whose_worker_of_one_queue_died_right_after_it_took_the_job_is_queued_again(
    database: str,
) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    source = queues.queue(queues.SYNC)
    between = IntermediateQueue(source.key, connection=queue_redis())
    assert queues.JsonQueue.lmove(queue_redis(), source.key, None) is not None
    assert between.get_job_ids() == [queues.job_id_of(ref.run_id, 0)]
    between.set_first_seen(queues.job_id_of(ref.run_id, 0))
    assert recovery.recover(settled_s=0).requeued == 1
    # RQ's own maintenance would fail what stays there.
    assert between.get_job_ids() == []
    assert between.get_first_seen(queues.job_id_of(ref.run_id, 0)) is None
    assert is_run_once(ref.run_id)


@pytest.mark.parametrize("has_child", [False, True])
def test_a_run_whose_worker_died_before_the_runs_first_row_is_queued_again_once_it_is_silent(
    database: str, has_child: bool
) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    taker, job, execution = begin_job(ref.run_id)
    if has_child:
        taker.prepare_job_execution(job)
        assert job.get_status() == "started"
    assert recovery.recover(settled_s=0).requeued == 0
    fall_silent(execution)
    assert recovery.recover(settled_s=0).requeued == 1
    # What the dead worker left is gone with it, and RQ's maintenance takes the new job for nothing else.
    assert queues.queue(queues.SYNC).started_job_registry.get_job_ids(cleanup=False) == []
    assert is_run_once(ref.run_id)


def test_a_worker_that_lives_says_so_often_enough_to_be_counted_on(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    taker, job, execution = begin_job(ref.run_id)
    fall_silent(execution)
    taker.maintain_heartbeats(job, execution)
    assert taker.job_monitoring_interval <= queues.HEARTBEAT_S
    assert recovery.recover(settled_s=0).requeued == 0


def test_what_is_left_of_a_worker_that_redis_forgot_holds_nothing(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    _, _, execution = begin_job(ref.run_id)
    queue_redis().delete(execution.key)
    assert recovery.recover(settled_s=0).requeued == 1
    assert is_run_once(ref.run_id)


def test_a_job_that_a_worker_is_just_taking_is_not_lost(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    take_job(ref.run_id)
    job = queues.fetch(queues.job_id_of(ref.run_id, 0))
    assert job is not None
    taker = make_worker(["control", "sync"])
    # Between the two looks the worker comes to say that it has it.
    between_the_looks(monkeypatch, lambda: taker.prepare_execution(job))
    assert recovery.recover(settled_s=0) == recovery.Recovered(sent=0, requeued=0, given_up=0, deleted=0)
    assert queues.queue(queues.SYNC).count == 0


def test_what_another_version_left_stops_no_recovery_and_stays_for_it(database: str) -> None:
    connection = make_connection(make_scope())
    [ref] = enqueue.request_sync(connection, "anna")
    lose_worker(ref.run_id)
    with transaction() as session:
        newer, _ = job_runs.create_run(
            session, job="of_a_newer_version", subject=str(connection), requested_by="x"
        )
        unknown = str(newer.id)
        job_runs.add_to_outbox(
            session, JobRunId(newer.id), "jobs.tasks.of_a_newer_version", {"run_id": unknown}
        )
    assert recovery.recover(settled_s=0) == recovery.Recovered(sent=0, requeued=1, given_up=0, deleted=0)
    assert (row_of(ref.run_id).status, row_of(unknown).status) == ("queued", "queued")
    assert outbox_size() == 1


def test_a_run_that_ends_between_the_two_looks_is_left_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    take_job(ref.run_id)
    between_the_looks(monkeypatch, lambda: runs.execute(ref.run_id, lambda _run: runs.JobOutcome()))
    assert recovery.recover(settled_s=0) == recovery.Recovered(sent=0, requeued=0, given_up=0, deleted=0)
    assert row_of(ref.run_id).status == "succeeded"
