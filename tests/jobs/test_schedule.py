"""The schedule: what is installed, what a turn does, and that turns do not pile up."""

import datetime as dt
import time

from jobs import queues, schedule, tasks
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.queries import job_runs
from models.tables.platform import ScheduledJob
from tests.jobs.test_runs import make_connection, make_scope


def make_all_due(scheduler: schedule.BoundedScheduler) -> None:
    for cadence in schedule.CADENCES:
        scheduler.connection.zadd(scheduler.scheduled_jobs_key, {cadence.job_id: time.time() - 1})


def test_installing_twice_keeps_one_entry_a_cadence_and_its_time(database: str) -> None:
    scheduler = schedule.make_scheduler()
    schedule.install_cadences(scheduler)
    before = {job.id: at for job, at in scheduler.get_jobs(with_times=True)}
    schedule.install_cadences(scheduler)
    assert {job.id: at for job, at in scheduler.get_jobs(with_times=True)} == before
    assert set(before) == {cadence.job_id for cadence in schedule.CADENCES}


def next_runs() -> dict[str, dt.datetime | None]:
    with reading() as session:
        return {row.name: row.next_run_at for row in job_runs.list_cadences(session)}


def test_the_next_turns_are_known_before_the_first_one_came(database: str) -> None:
    scheduler = schedule.make_scheduler()
    schedule.install_cadences(scheduler)
    planned = {job.id: at.replace(tzinfo=dt.UTC) for job, at in scheduler.get_jobs(with_times=True)}
    assert next_runs() == {cadence.name: planned[cadence.job_id] for cadence in schedule.CADENCES}


def test_a_turn_that_came_due_while_no_scheduler_ran_is_not_shown_in_the_past(database: str) -> None:
    scheduler = schedule.make_scheduler()
    schedule.install_cadences(scheduler)
    scheduler.connection.zadd(scheduler.scheduled_jobs_key, {"cadence-sync": time.time() - 3_600})
    before = utcnow()
    schedule.install_cadences(scheduler)
    shown = next_runs()["sync"]
    assert shown is not None
    assert shown >= before


def test_an_entry_the_product_no_longer_has_is_removed(database: str) -> None:
    scheduler = schedule.make_scheduler()
    naive = dt.datetime.fromisoformat("2030-01-01")  # rq-scheduler reads naive times as UTC
    scheduler.schedule(naive, "jobs.tasks.dispatch", kwargs={"name": "x"}, interval=60, id="cadence-x")
    schedule.install_cadences(scheduler)
    assert "cadence-x" not in scheduler


def test_a_due_entry_is_queued_on_the_control_queue_as_json_and_planned_again(database: str) -> None:
    scheduler = schedule.make_scheduler()
    schedule.install_cadences(scheduler)
    make_all_due(scheduler)
    scheduler.enqueue_jobs()
    assert set(queues.queue(queues.CONTROL).job_ids) == {cadence.job_id for cadence in schedule.CADENCES}
    job = queues.fetch("cadence-sync")
    assert job is not None
    assert job.kwargs == {"name": "sync"}
    score = scheduler.connection.zscore(scheduler.scheduled_jobs_key, "cadence-sync")
    assert score > time.time() + 800


def test_turns_do_not_pile_up_while_no_worker_takes_them(database: str) -> None:
    scheduler = schedule.make_scheduler()
    schedule.install_cadences(scheduler)
    for _ in range(3):
        make_all_due(scheduler)
        scheduler.enqueue_jobs()
    assert queues.queue(queues.CONTROL).count == len(schedule.CADENCES)


def test_a_turn_of_sync_asks_for_every_enabled_connection(database: str) -> None:
    schedule.install_cadences(schedule.make_scheduler())
    connection = make_connection(make_scope())
    tasks.dispatch("sync")
    with reading() as session:
        [run] = job_runs.list_active(session, older_than=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
        [cadence] = [row for row in job_runs.list_cadences(session) if row.name == "sync"]
    assert (run.job, run.subject, run.requested_by) == ("sync", str(connection), "schedule")
    assert cadence.last_dispatched_at is not None
    assert cadence.next_run_at == cadence.last_dispatched_at + dt.timedelta(seconds=900)


def test_a_cadence_that_is_switched_off_does_nothing_and_stays_off(database: str) -> None:
    scheduler = schedule.make_scheduler()
    schedule.install_cadences(scheduler)
    make_connection(make_scope())
    with transaction() as session:
        row = session.get(ScheduledJob, "sync")
        assert row is not None
        row.enabled = False
        session.add(row)
    schedule.install_cadences(scheduler)
    tasks.dispatch("sync")
    assert queues.queue(queues.SYNC).count == 0
    assert next_runs()["sync"] is None
