"""What a run does to its row, its lock, the outbox and the event stream."""

import datetime as dt
from uuid import UUID

import pytest
from sqlmodel import func, select

from jobs import enqueue, outbox, queues, recovery, runs
from models.infra import events
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import AppError, NotFound
from models.infra.ids import AccountScopeId, ConnectionId, JobRunId, new_id
from models.infra.redis import close_clients, queue_redis
from models.infra.settings import override_settings
from models.queries import job_runs
from models.queries.locks import is_locked, try_lock
from models.tables.platform import AccountScope, JobOutbox, JobRun, VendorConnection

NOWHERE = "redis://127.0.0.1:1/0"


def make_scope() -> AccountScopeId:
    with transaction() as session:
        scope = AccountScope(slug=f"s-{new_id().hex[-8:]}", name="Studio")
        session.add(scope)
        session.flush()
        return AccountScopeId(scope.id)


def make_connection(
    scope: AccountScopeId, connector: str = "chatwoot", *, enabled: bool = True
) -> ConnectionId:
    with transaction() as session:
        row = VendorConnection(
            account_scope_id=scope,
            connector=connector,
            name=connector,
            base_url="http://127.0.0.1:9",
            external_account="1",
            token_encrypted="x",
            enabled=enabled,
        )
        session.add(row)
        session.flush()
        return ConnectionId(row.id)


def row_of(run_id: str) -> JobRun:
    with reading() as session:
        row = job_runs.get_run(session, JobRunId(UUID(run_id)))
    assert row is not None
    return row


def lose_worker(run_id: str) -> None:
    """Leave a run as a worker does that dies within it."""
    with transaction() as session:
        row = job_runs.get_run(session, JobRunId(UUID(run_id)))
        assert row is not None
        row.status, row.attempt = "running", row.attempt + 1
        session.add(row)


def take_job(run_id: str) -> None:
    """Take a run's first job off its queue, as a worker of several queues does before anything else."""
    taken = queues.JsonQueue.dequeue_any(
        [queues.queue(spec) for spec in queues.QUEUES],
        None,
        connection=queue_redis(),
        job_class=queues.JsonJob,
        serializer="json",
    )
    assert taken is not None
    assert taken[0].id == queues.job_id_of(run_id, 0)


def outbox_size() -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(JobOutbox)).one()


def test_a_requested_sync_is_a_queued_run_and_a_job_in_the_queue(database: str) -> None:
    connection = make_connection(make_scope())
    [ref] = enqueue.request_sync(connection, "anna")
    assert (ref.created, ref.status, ref.connector) == (True, "queued", "chatwoot")
    job = queues.fetch(queues.job_id_of(ref.run_id, 0))
    assert job is not None
    assert job.kwargs == {"run_id": ref.run_id, "connection_id": str(connection)}
    assert outbox_size() == 0
    assert row_of(ref.run_id).requested_by == "anna"


def test_asking_twice_gives_the_same_run(database: str) -> None:
    connection = make_connection(make_scope())
    first, second = enqueue.request_sync(connection, "a"), enqueue.request_sync(connection, "b")
    assert first[0].run_id == second[0].run_id
    assert second[0].created is False
    assert queues.queue(queues.SYNC).count == 1


def test_all_connections_of_a_scope_are_asked_for_and_no_others(database: str) -> None:
    ours, theirs = make_scope(), make_scope()
    wanted = {str(make_connection(ours)), str(make_connection(ours, "linear"))}
    make_connection(ours, "attio", enabled=False)
    make_connection(theirs)
    refs = enqueue.request_sync(None, "schedule", account_scope_id=ours)
    assert {ref.subject for ref in refs} == wanted


def test_a_connection_of_another_scope_is_not_found(database: str) -> None:
    foreign = make_connection(make_scope())
    with pytest.raises(NotFound):
        enqueue.request_sync(foreign, "anna", account_scope_id=make_scope())


def test_without_redis_the_job_waits_in_the_outbox_and_is_sent_later(database: str) -> None:
    connection = make_connection(make_scope())
    with override_settings(redis_url=NOWHERE):
        [ref] = enqueue.request_sync(connection, "anna")
        assert ref.status == "queued"
    assert outbox_size() == 1
    close_clients()
    assert recovery.recover().sent == 1
    assert outbox_size() == 0
    assert queues.is_known(queues.job_id_of(ref.run_id, 0))


def test_a_successful_run_records_counts_and_publishes_its_end_after_the_commit(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    outcome = runs.execute(ref.run_id, lambda _run: runs.JobOutcome(counts={"written": 3}))
    assert outcome is not None
    row = row_of(ref.run_id)
    assert (row.status, row.counts, row.attempt) == ("succeeded", {"written": 3}, 1)
    assert row.started_at is not None
    assert row.finished_at is not None
    [event] = [event for event in events.read_after(None) if event.kind == "job_completed"]
    assert event.payload["run_id"] == ref.run_id
    assert event.payload["status"] == "succeeded"
    assert event.payload["counts"] == {"written": 3}


def test_an_error_is_recorded_with_its_code_and_raised_again(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")

    def fail(_run: runs.Run) -> runs.JobOutcome:
        raise AppError("the token was refused", code="credentials_invalid")

    with pytest.raises(AppError):
        runs.execute(ref.run_id, fail)
    row = row_of(ref.run_id)
    assert (row.status, row.error_code, row.error_message) == (
        "failed",
        "credentials_invalid",
        "the token was refused",
    )


def test_an_ended_run_is_not_run_again(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    calls: list[int] = []

    def work(_run: runs.Run) -> runs.JobOutcome:
        calls.append(1)
        return runs.JobOutcome()

    runs.execute(ref.run_id, work)
    assert runs.execute(ref.run_id, work) is None
    assert calls == [1]


def test_two_runs_of_one_subject_never_run_at_once_and_the_second_goes_on_waiting(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT_S", 0.3)
    connection = make_connection(make_scope())
    [ref] = enqueue.request_sync(connection, "anna")
    with try_lock(runs.lock_name("sync", str(connection))) as held:
        assert held
        take_job(ref.run_id)
        assert runs.execute(ref.run_id, lambda _run: runs.JobOutcome()) is None
    assert row_of(ref.run_id).status == "queued"
    assert not is_locked(runs.lock_name("sync", str(connection)))
    assert recovery.recover(settled_s=0).requeued == 1
    assert runs.execute(ref.run_id, lambda _run: runs.JobOutcome()) is not None
    assert row_of(ref.run_id).status == "succeeded"


def test_an_interrupted_run_goes_back_to_the_queue_as_its_next_attempt(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")

    def stop(_run: runs.Run) -> runs.JobOutcome:
        raise runs.WorkerStopping

    assert runs.execute(ref.run_id, stop) is None
    assert row_of(ref.run_id).status == "queued"
    assert queues.is_known(queues.job_id_of(ref.run_id, 1))


def test_a_worker_that_stops_often_does_not_use_up_the_attempts_of_its_run(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")

    def stop(_run: runs.Run) -> runs.JobOutcome:
        raise runs.WorkerStopping

    for _ in range(outbox.MAX_LOSSES + 2):
        assert runs.execute(ref.run_id, stop) is None
    assert row_of(ref.run_id).status == "queued"
    # Then a worker is lost, for the first time.
    lose_worker(ref.run_id)
    assert recovery.recover(settled_s=0) == recovery.Recovered(sent=0, requeued=1, given_up=0, deleted=0)
    assert row_of(ref.run_id).status == "queued"
    runs.execute(ref.run_id, lambda _run: runs.JobOutcome())
    assert row_of(ref.run_id).status == "succeeded"


def test_progress_reaches_the_row_and_the_event_stream(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")

    def work(run: runs.Run) -> runs.JobOutcome:
        run.progress(stream="messages", page=2, rows=50, eta_s=3.0)
        assert row_of(ref.run_id).progress == {
            "stream": "messages",
            "page": 2,
            "rows": 50,
            "eta_s": 3.0,
            "total": None,
        }
        return runs.JobOutcome()

    runs.execute(ref.run_id, work)
    [event] = [event for event in events.read_after(None) if event.kind == "job_progress"]
    assert (event.payload["stream"], event.payload["rows"], event.payload["connector"]) == (
        "messages",
        50,
        "chatwoot",
    )


def test_indexing_asked_for_while_it_runs_is_followed_by_another_run(database: str) -> None:
    scope = make_scope()
    [ref] = enqueue.request_indexing(scope, "sync")

    def work(_run: runs.Run) -> runs.JobOutcome:
        [same] = enqueue.request_indexing(scope, "sync")
        assert same.run_id == ref.run_id
        return runs.JobOutcome()

    outcome = runs.execute(ref.run_id, work)
    assert outcome is not None
    [following] = enqueue.request_indexing(scope, "indexing")
    assert (following.created, following.status) == (False, "queued")
    assert following.run_id != ref.run_id
    assert queues.is_held(queues.job_id_of(following.run_id, 0))


def test_a_run_whose_worker_died_is_queued_again_and_given_up_in_the_end(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    for attempt in (1, 2):
        lose_worker(ref.run_id)
        assert recovery.recover(settled_s=0).requeued == 1
        assert row_of(ref.run_id).status == "queued"
        assert queues.is_known(queues.job_id_of(ref.run_id, attempt))
        # Waiting is no loss, even when the queue forgets it.
        queues.queue_redis().flushdb()
        assert recovery.recover(settled_s=0).requeued == 1
    lose_worker(ref.run_id)
    assert recovery.recover(settled_s=0).given_up == 1
    row = row_of(ref.run_id)
    assert (row.status, row.error_code, row.error_message) == (
        "failed",
        "abandoned",
        "its worker was lost 3 times",
    )


def test_a_running_run_that_holds_its_lock_is_left_alone(database: str) -> None:
    connection = make_connection(make_scope())
    [ref] = enqueue.request_sync(connection, "anna")

    def work(_run: runs.Run) -> runs.JobOutcome:
        assert recovery.recover(settled_s=0).requeued == 0
        return runs.JobOutcome()

    runs.execute(ref.run_id, work)
    assert row_of(ref.run_id).attempt == 1


def test_a_queued_run_that_redis_forgot_is_queued_again(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    queues.queue_redis().flushdb()
    assert recovery.recover(settled_s=0).requeued == 1
    assert queues.is_known(queues.job_id_of(ref.run_id, 0))


def test_old_runs_are_forgotten(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    runs.execute(ref.run_id, lambda _run: runs.JobOutcome())
    with transaction() as session:
        row = job_runs.get_run(session, JobRunId(UUID(ref.run_id)))
        assert row is not None
        row.finished_at = utcnow() - dt.timedelta(days=31)
        session.add(row)
    assert recovery.recover().deleted == 1


def test_the_queues_say_what_waits_in_them(database: str) -> None:
    enqueue.request_sync(make_connection(make_scope()), "anna")
    status = enqueue.queue_status()
    assert status.is_online
    assert {state.name: state.waiting for state in status.queues} == {"control": 0, "sync": 1, "index": 0}


def test_queues_that_cannot_be_reached_say_so(database: str) -> None:
    with override_settings(redis_url=NOWHERE):
        status = enqueue.queue_status()
    close_clients()
    assert (status.is_online, status.queues, status.workers) == (False, (), ())
