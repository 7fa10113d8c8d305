"""What is asked for while the same work runs, or is just ending: none of it is dropped."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from jobs import enqueue, outbox, queues, recovery, runs
from models.infra.database import reading, transaction
from models.infra.errors import AppError
from models.infra.ids import ConnectionId, JobRunId
from models.queries.locks import is_locked
from models.tables.platform import JobRun, VendorConnection
from tests.jobs.test_runs import lose_worker, make_connection, make_scope, outbox_size, row_of

RULE = {"kind": "remove", "rule": "a rule"}


def runs_of(connection: ConnectionId) -> list[tuple[str, str]]:
    """Who asked for each run, and its state, oldest first."""
    with reading() as session:
        rows = session.exec(
            select(JobRun).where(col(JobRun.subject) == str(connection)).order_by(col(JobRun.id))
        ).all()
        return [(row.requested_by, row.status) for row in rows]


def at_the_end(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> None:
    """Let `act` happen once, on another thread, while the first run that ends computes its figures."""
    real, done = runs.freshness.run_ended, list[bool]()

    def run_ended(*arguments: Any) -> bool:
        if not done:
            done.append(True)
            other = threading.Thread(target=act)
            other.start()
            other.join()
        return real(*arguments)

    monkeypatch.setattr(runs.freshness, "run_ended", run_ended)


def test_a_rule_change_that_is_asked_for_while_another_ones_figures_are_computed_is_made(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = make_connection(make_scope())
    first = enqueue.request_rebinding(connection, {"number": 1}, "anna")
    made: list[Any] = []

    def make(run: runs.Run) -> runs.JobOutcome:
        made.append(row_of(str(run.id)).counts[enqueue.ASKED])
        return runs.JobOutcome()

    def ask_and_run() -> None:
        assert not is_locked(runs.lock_name("rebind", str(connection)))
        runs.execute(enqueue.request_rebinding(connection, {"number": 2}, "anna").run_id, make)

    at_the_end(monkeypatch, ask_and_run)
    runs.execute(first.run_id, make)
    assert made == [{"number": 1}, {"number": 2}]
    assert runs_of(connection) == [("anna", "succeeded")] * 2


def test_a_run_that_finds_its_work_locked_keeps_what_it_is_to_do(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT_S", 0.1)
    connection = make_connection(make_scope())
    ref = enqueue.request_rebinding(connection, RULE, "anna")
    with runs.try_lock(runs.lock_name("rebind", str(connection))):
        assert runs.execute(ref.run_id, lambda _run: runs.JobOutcome()) is None
    assert (row_of(ref.run_id).status, row_of(ref.run_id).counts) == ("queued", {enqueue.ASKED: RULE})


def test_a_run_waits_for_the_lock_of_one_that_is_letting_go(database: str) -> None:
    connection = make_connection(make_scope())
    ref = enqueue.request_rebinding(connection, RULE, "anna")
    begun = threading.Event()

    def run() -> None:
        begun.set()
        runs.execute(ref.run_id, lambda _run: runs.JobOutcome())

    other = threading.Thread(target=run)
    with runs.try_lock(runs.lock_name("rebind", str(connection))):
        other.start()
        begun.wait()
        assert row_of(ref.run_id).status == "queued"
    other.join()
    assert row_of(ref.run_id).status == "succeeded"


@pytest.mark.parametrize("asked_by", [(enqueue.SCHEDULE,), ("anna",), (enqueue.SCHEDULE, "anna")])
def test_a_deep_comparison_follows_a_cheap_one_that_was_running_when_it_was_asked_for(
    database: str, asked_by: tuple[str, ...]
) -> None:
    connection = make_connection(make_scope())
    [cheap] = enqueue.request_reconciliation(connection, enqueue.CHEAP_FOR)

    def compare(_run: runs.Run) -> runs.JobOutcome:
        for each in asked_by:
            [same] = enqueue.request_reconciliation(connection, each)
            assert (same.run_id, same.created) == (cheap.run_id, False)
        return runs.JobOutcome(counts={"measured": 1})

    outcome = runs.execute(cheap.run_id, compare)
    assert outcome is not None
    assert (outcome.requested_by, row_of(cheap.run_id).counts) == (enqueue.CHEAP_FOR, {"measured": 1})
    assert runs_of(connection) == [(enqueue.CHEAP_FOR, "succeeded"), (asked_by[0], "queued")]
    [following] = enqueue.request_reconciliation(connection, enqueue.CHEAP_FOR)
    assert queues.is_held(queues.job_id_of(following.run_id, 0))
    assert outbox_size() == 0


def test_a_comparison_that_goes_far_enough_is_joined(database: str) -> None:
    connection = make_connection(make_scope())
    [deep] = enqueue.request_reconciliation(connection, enqueue.SCHEDULE)

    def compare(_run: runs.Run) -> runs.JobOutcome:
        enqueue.request_reconciliation(connection, "anna")
        enqueue.request_reconciliation(connection, enqueue.CHEAP_FOR)
        return runs.JobOutcome()

    runs.execute(deep.run_id, compare)
    assert runs_of(connection) == [(enqueue.SCHEDULE, "succeeded")]


def test_a_comparison_is_as_deep_as_it_was_asked_to_be_until_the_moment_it_began(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = make_connection(make_scope())
    [cheap] = enqueue.request_reconciliation(connection, enqueue.CHEAP_FOR)
    real, seen = runs.try_lock, list[str]()

    def late(name: str, **more: Any) -> Any:
        enqueue.request_reconciliation(connection, "anna")
        return real(name, **more)

    def compare(run: runs.Run) -> runs.JobOutcome:
        seen.append(run.requested_by)
        return runs.JobOutcome()

    monkeypatch.setattr(runs, "try_lock", late)
    outcome = runs.execute(cheap.run_id, compare)
    assert outcome is not None
    assert (seen, outcome.requested_by) == (["anna"], "anna")


def test_what_was_asked_for_follows_a_run_that_fails(database: str) -> None:
    connection = make_connection(make_scope())
    [cheap] = enqueue.request_reconciliation(connection, enqueue.CHEAP_FOR)

    def fail(_run: runs.Run) -> runs.JobOutcome:
        enqueue.request_reconciliation(connection, "anna")
        raise AppError("no", code="no")

    with pytest.raises(AppError):
        runs.execute(cheap.run_id, fail)
    assert runs_of(connection) == [(enqueue.CHEAP_FOR, "failed"), ("anna", "queued")]


def test_what_was_asked_for_outlives_a_worker_that_dies_right_after_the_end(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = make_connection(make_scope())
    [ref] = enqueue.request_refetch(connection, enqueue.WEBHOOK)

    def work(_run: runs.Run) -> runs.JobOutcome:
        enqueue.request_refetch(connection, enqueue.WEBHOOK)
        return runs.JobOutcome()

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "_tell", die)
    with pytest.raises(KeyboardInterrupt):
        runs.execute(ref.run_id, work)
    assert runs_of(connection) == [(enqueue.WEBHOOK, "succeeded"), (enqueue.WEBHOOK, "queued")]
    assert recovery.recover().sent == 1
    assert queues.queue(queues.SYNC).count == 2


def test_what_was_asked_for_while_a_run_ran_follows_it_when_it_is_given_up(database: str) -> None:
    connection = make_connection(make_scope())
    [ref] = enqueue.request_reconciliation(connection, enqueue.CHEAP_FOR)
    for loss in range(outbox.MAX_LOSSES):
        lose_worker(ref.run_id)
        if loss == 0:
            [asked] = enqueue.request_reconciliation(connection, "anna")
            assert asked.run_id == ref.run_id
        became = outbox.requeue(JobRunId(UUID(ref.run_id)))
    assert became == "given_up"
    assert runs_of(connection) == [(enqueue.CHEAP_FOR, "failed"), ("anna", "queued")]
    assert outbox_size() == 0


def test_nothing_follows_a_run_that_is_given_up_and_that_nobody_asked_for_again(database: str) -> None:
    connection = make_connection(make_scope())
    [ref] = enqueue.request_sync(connection, "anna")
    for _ in range(outbox.MAX_LOSSES):
        lose_worker(ref.run_id)
        outbox.requeue(JobRunId(UUID(ref.run_id)))
    assert runs_of(connection) == [("anna", "failed")]


def test_nothing_follows_at_a_connection_that_was_switched_off_meanwhile(database: str) -> None:
    connection = make_connection(make_scope())
    [ref] = enqueue.request_refetch(connection, enqueue.WEBHOOK)

    def work(_run: runs.Run) -> runs.JobOutcome:
        enqueue.request_refetch(connection, enqueue.WEBHOOK)
        with transaction() as session:
            row = session.get(VendorConnection, connection)
            assert row is not None
            row.enabled = False
            session.add(row)
        return runs.JobOutcome()

    runs.execute(ref.run_id, work)
    assert runs_of(connection) == [(enqueue.WEBHOOK, "succeeded")]


def test_a_request_that_comes_while_a_run_ends_either_reaches_it_or_makes_another(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's row is held by its end, which is not committed: who asks waits for it."""
    connection = make_connection(make_scope())
    [ref] = enqueue.request_mirror(connection, "anna")
    asked: list[bool] = []
    real = runs.job_runs.get_run

    def ask() -> None:
        asked.append(enqueue.request_mirror(connection, "anna")[0].created)

    other = threading.Thread(target=ask)

    def slow_end(session: Any, run_id: Any, *, lock: bool = False) -> Any:
        row = real(session, run_id, lock=lock)
        if lock and row is not None and row.status == "running":
            other.start()
            other.join(0.5)
        return row

    def work(_run: runs.Run) -> runs.JobOutcome:
        monkeypatch.setattr(runs.job_runs, "get_run", slow_end)
        return runs.JobOutcome()

    runs.execute(ref.run_id, work)
    other.join()
    assert asked == [True]
    assert runs_of(connection) == [("anna", "succeeded"), ("anna", "queued")]
