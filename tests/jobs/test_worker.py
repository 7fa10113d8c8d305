"""A real worker process on real queues: it works, stops in time, and loses nothing when it is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.up import WORKERS
from jobs import enqueue, queues, recovery
from models.infra.redis import queue_redis
from tests.conftest import ROOT
from tests.jobs.test_runs import make_connection, make_scope, row_of


@contextmanager
def worker_process(environment: dict[str, str], *names: str) -> Generator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.worker", *names], env=environment, cwd=ROOT, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def until(ready: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def push_slow_run(path: Path, seconds: float) -> str:
    """A sync run whose task is a stand-in that takes `seconds`."""
    [ref] = enqueue.request_sync(make_connection(make_scope()), "test")
    queues.queue(queues.SYNC).empty()
    queues.queue(queues.SYNC).enqueue_call(
        "tests.jobs.echo_tasks.slow_run", kwargs={"run_id": ref.run_id, "path": str(path), "seconds": seconds}
    )
    return ref.run_id


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_worker_runs_what_is_queued_with_json_arguments(
    process_env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "done"
    queues.queue(queues.CONTROL).enqueue_call(
        "tests.jobs.echo_tasks.note", kwargs={"path": str(path), "text": "привет"}
    )
    with worker_process(process_env, "control", "sync", "index"):
        until(lambda: lines(path) == ["привет"])


def test_a_stored_job_holds_no_pickle(process_env: dict[str, str], tmp_path: Path) -> None:
    job = queues.queue(queues.CONTROL).enqueue_call(
        "tests.jobs.echo_tasks.note", kwargs={"path": "p", "text": "t"}
    )
    stored = queue_redis().hgetall(job.key)
    assert not any(b"\x80\x04" in bytes(value) or b"\x80\x05" in bytes(value) for value in stored.values())


def test_sigterm_lets_a_short_job_finish(process_env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "log"
    run_id = push_slow_run(path, seconds=1.5)
    with worker_process(process_env, "sync") as process:
        until(lambda: len(lines(path)) == 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert lines(path)[-1] == "end"
    assert row_of(run_id).status == "succeeded"


@pytest.mark.slow
def test_sigterm_interrupts_a_long_job_and_queues_it_again(
    process_env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    run_id = push_slow_run(path, seconds=120)
    with worker_process(process_env, "sync") as process:
        until(lambda: len(lines(path)) == 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    row = row_of(run_id)
    assert (row.status, row.attempt) == ("queued", 1)
    assert queues.is_known(queues.job_id_of(run_id, 1))


@pytest.mark.slow
def test_a_worker_elsewhere_takes_up_the_run_of_a_machine_that_died(
    process_env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    run_id = push_slow_run(path, seconds=5)
    homes = [tmp_path / "one" / "data", tmp_path / "two" / "data"]
    with worker_process({**process_env, "DATA_DIR": str(homes[0])}, "sync") as first:
        until(lambda: len(lines(path)) == 1)
        first.kill()
        os.kill(int(lines(path)[0].split()[1]), signal.SIGKILL)
        first.wait(10)
    until(lambda: recovery.recover(settled_s=0).requeued == 1)
    # What the queue holds is the run's own task; its stand-in does the same here.
    queues.queue(queues.SYNC).empty()
    queues.queue(queues.SYNC).enqueue_call(
        "tests.jobs.echo_tasks.slow_run", kwargs={"run_id": run_id, "path": str(path), "seconds": 0.0}
    )
    with worker_process({**process_env, "DATA_DIR": str(homes[1])}, "sync"):
        until(lambda: row_of(run_id).status == "succeeded")
    assert row_of(run_id).attempt == 2
    # Neither looked for anything on its own disk.
    assert not any(home.parent.exists() for home in homes)


def test_a_killed_worker_leaves_a_run_that_recovery_queues_again(
    process_env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "log"
    run_id = push_slow_run(path, seconds=120)
    with worker_process(process_env, "sync") as process:
        until(lambda: len(lines(path)) == 1)
        child = int(lines(path)[0].split()[1])
        process.kill()
        os.kill(child, signal.SIGKILL)
        process.wait(10)
    until(lambda: recovery.recover(settled_s=0).requeued == 1)
    assert row_of(run_id).status == "queued"


def test_an_unknown_queue_is_refused_with_the_known_names(process_env: dict[str, str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "jobs.worker", "nope"],
        env=process_env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "control, sync, index" in result.stderr


def test_a_turn_of_the_schedule_does_not_wait_for_syncs_that_keep_every_other_worker_busy(
    process_env: dict[str, str], tmp_path: Path
) -> None:
    note, busy = tmp_path / "note", [tmp_path / f"sync-{number}" for number, _ in enumerate(WORKERS[1:])]
    with ExitStack() as running:
        for names, path in zip(WORKERS[1:], busy, strict=True):
            push_slow_run(path, seconds=120)
            running.enter_context(worker_process(process_env, *names))
            until(lambda path=path: len(lines(path)) == 1)
        running.enter_context(worker_process(process_env, *WORKERS[0]))
        # One sync more than there are workers for it: the first worker leaves it where it is.
        push_slow_run(tmp_path / "waits", seconds=120)
        queues.queue(queues.CONTROL).enqueue_call(
            "tests.jobs.echo_tasks.note", kwargs={"path": str(note), "text": "recover"}
        )
        until(lambda: lines(note) == ["recover"])
        queues.queue(queues.CONTROL).enqueue_call(
            "tests.jobs.echo_tasks.note", kwargs={"path": str(note), "text": "again"}
        )
        until(lambda: lines(note)[1:] == ["again"])
        assert lines(tmp_path / "waits") == []
