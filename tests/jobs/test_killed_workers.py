"""Real workers that copy the sandbox's world are killed at random moments: nothing is lost and nothing is there twice."""

import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs import enqueue, queues, recovery
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.infra.redis import queue_redis
from models.queries.records import STREAM_TABLES
from tests.conftest import ROOT
from tests.jobs.copies import CONNECTORS, connect, measure
from tests.jobs.test_runs import row_of
from tests.jobs.test_worker import until, worker_process
from tests.vendors import Vendors

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

MOMENTS = 20
Copy = dict[str, list[tuple[str, str]]]


def copy_of(connections: dict[str, ConnectionId]) -> Copy:
    """Vendor id and content of every live row, by table."""
    found: Copy = {}
    with reading() as session:
        for (connector, _), place in STREAM_TABLES.items():
            rows = session.execute(
                text(
                    f"SELECT vendor_id, content_hash FROM {place.table}"  # noqa: S608
                    " WHERE connection_id = :id AND deleted_at IS NULL ORDER BY vendor_id"
                ),
                {"id": connections[connector]},
            )
            found[place.table] = [(row.vendor_id, row.content_hash) for row in rows]
    return found


def emptied() -> bool:
    """Whether the tables could be emptied: what follows a run that has ended, its child's figures, may still be written."""
    try:
        with transaction() as session:
            session.execute(text("TRUNCATE account_scopes CASCADE"))
    except OperationalError as error:
        if isinstance(error.orig, DeadlockDetected):
            return False
        raise
    return True


def start_over(vendors: Vendors) -> tuple[dict[str, ConnectionId], list[str]]:
    """Nothing here, nothing queued but a sync of each vendor; the connections and their runs."""
    queue_redis().flushdb()
    until(emptied, 60)
    connections = {name: connect(vendors, name)[1] for name in CONNECTORS}
    return connections, [enqueue.request_sync(each, "test")[0].run_id for each in connections.values()]


def ended(runs: list[str]) -> Callable[[], bool]:
    return lambda: all(row_of(each).status not in ("queued", "running") for each in runs)


def begun(runs: list[str]) -> Callable[[], bool]:
    return lambda: any(row_of(each).status != "queued" for each in runs)


def kill(process: "subprocess.Popen[bytes]", victim: str) -> None:
    """Kill -9 the worker, the child that does its job, or both at once."""
    children = psutil.Process(process.pid).children(recursive=True)
    if victim != "child":
        process.kill()
        process.wait(10)
    if victim != "worker":
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):  # between two jobs
                child.kill()


def recovered(runs: list[str]) -> Callable[[], bool]:
    """Whether the runs have ended, looking each time for what a dead worker left."""

    def look() -> bool:
        recovery.recover(settled_s=0)
        return ended(runs)()

    return look


def test_workers_killed_at_random_moments_lose_and_double_nothing(
    still_vendors: Vendors, process_env: dict[str, str]
) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice, no secret
    with contextlib.ExitStack() as stack:

        def another_worker() -> "subprocess.Popen[bytes]":
            return stack.enter_context(worker_process(process_env, "sync"))

        process = another_worker()
        connections, runs = start_over(still_vendors)
        until(begun(runs), 120)
        started = time.monotonic()
        until(ended(runs), 240)
        took = time.monotonic() - started
        whole = copy_of(connections)
        assert all(whole.values())
        interrupted = 0
        for number in range(MOMENTS):
            moment, victim = chance.uniform(0, took), chance.choice(("worker", "child", "both"))
            told = f"seed {seed}, kill {number}: {victim} after {moment:.3f} of {took:.3f} s"
            connections, runs = start_over(still_vendors)
            until(begun(runs), 120)
            time.sleep(moment)
            kill(process, victim)
            interrupted += not ended(runs)()
            if process.poll() is not None:
                process = another_worker()
            until(recovered(runs), 240)
            assert [row_of(each).status for each in runs] == ["succeeded"] * len(runs), told
            assert copy_of(connections) == whole, told
            found = measure(connections[CONNECTORS[number % len(CONNECTORS)]])
            assert {(each.pct, each.extra) for each in found.streams.values()} == {(100.0, 0)}, told
    assert interrupted, f"seed {seed}: no run was in the middle of something"


def test_a_sync_that_is_asked_to_stop_commits_whole_pages_and_is_queued_again(
    still_vendors: Vendors, process_env: dict[str, str]
) -> None:
    connections, _ = start_over(still_vendors)
    queues.queue(queues.SYNC).empty()
    with transaction() as session:
        session.execute(text("UPDATE job_runs SET status = 'failed'"))
    connection_id = connections["chatwoot"]
    [ref] = enqueue.request_sync(connection_id, "test")
    slow = {"vendor": "chatwoot", "kind": "slow", "route": "*/messages", "times": None, "seconds": 0.7}
    still_vendors.control("faults", **slow)
    try:
        with worker_process(process_env, "sync") as process:
            until(lambda: len(copy_of(connections)["cw_messages"]) > 0, 90)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    finally:
        still_vendors.clear_faults()
    row = row_of(ref.run_id)
    assert (row.status, row.attempt) == ("queued", 1)
    here = len(copy_of(connections)["cw_messages"])
    assert queues.is_known(queues.job_id_of(ref.run_id, 1))
    with worker_process(process_env, "sync"):
        until(ended([ref.run_id]), 120)
    assert row_of(ref.run_id).status == "succeeded"
    assert len(copy_of(connections)["cw_messages"]) > here
    assert {each.pct for each in measure(connection_id).streams.values()} == {100.0}


def test_a_run_of_a_killed_worker_is_taken_up_without_anybodys_help(
    still_vendors: Vendors, process_env: dict[str, str]
) -> None:
    """The real scheduler and workers, with their intervals shortened: half a minute twice becomes a second."""
    connections, runs = start_over(still_vendors)
    slow = {"vendor": "attio", "kind": "slow", "times": None, "seconds": 0.5}
    still_vendors.control("faults", **slow)
    try:
        with worker_process(process_env, "sync") as process:
            until(lambda: bool(copy_of(connections)["attio_companies"]), 120)
            kill(process, "both")
        assert any(row_of(each).status == "running" for each in runs)
    finally:
        still_vendors.clear_faults()
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.quick_schedule", "recover=1"],
        cwd=ROOT,
        env={**process_env, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        with worker_process(process_env, "control", "sync"):
            until(ended(runs), 150)
    finally:
        os.kill(scheduler.pid, signal.SIGKILL)
        scheduler.wait(10)
    assert [row_of(each).status for each in runs] == ["succeeded"] * len(runs)
