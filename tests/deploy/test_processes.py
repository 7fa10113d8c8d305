"""Children: stopped by signal, killed when deaf, recognised later, and never mistaken for a stranger."""

import signal
import sys
import time
from pathlib import Path

from deploy import processes
from deploy.processes import ProcessRecord, ProcessRegistry
from models.infra.settings import environment

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def launch(tmp_path: Path, command: list[str]) -> tuple[processes.Child, ProcessRegistry]:
    registry = ProcessRegistry(tmp_path / "processes.json")
    child = processes.start("it", command, registry=registry, log_file=tmp_path / "it.log", env=environment())
    while "up" not in processes.tail(tmp_path / "it.log"):
        time.sleep(0.02)
    return child, registry


def test_a_child_ends_by_its_signal_and_is_forgotten(tmp_path: Path) -> None:
    child, registry = launch(tmp_path, SLEEP)
    assert registry.records() == [child.record]
    assert child.stop(10) is True
    assert registry.records() == []


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child, registry = launch(tmp_path, DEAF)
    assert child.stop(0.3) is False
    assert not child.is_running()
    assert registry.records() == []


def test_a_child_is_in_a_session_of_its_own(tmp_path: Path) -> None:
    import os

    child, _ = launch(tmp_path, SLEEP)
    try:
        assert os.getsid(child.record.pid) == child.record.pid
    finally:
        child.stop(10)


def test_a_later_run_finds_leftovers_and_stops_them(tmp_path: Path) -> None:
    child, registry = launch(tmp_path, SLEEP)
    found = ProcessRegistry(tmp_path / "processes.json").leftovers()
    assert found == [child.record]
    processes.stop_record(found[0])
    child.process.wait(10)
    assert registry.leftovers() == []


def test_a_stranger_with_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    child, _ = launch(tmp_path, SLEEP)
    try:
        stranger = ProcessRecord("it", child.record.pid, child.record.created - 3_600)
        assert not processes.is_running(stranger)
        processes.stop_record(stranger, stop_signal=signal.SIGKILL)
        assert child.is_running()
    finally:
        child.stop(10)


def test_a_damaged_registry_counts_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "processes.json"
    for text in ("{", "[1]", '{"a": 1}'):
        path.write_text(text)
        assert ProcessRegistry(path).records() == []


def test_an_oversized_log_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "it.log"
    path.write_bytes(b"x" * (20 * 1024 * 1024 + 1))
    processes.open_log(path).close()
    assert path.stat().st_size == 0
    assert (tmp_path / "it.log.1").exists()


def test_what_a_killed_process_left_behind_is_found_by_its_session_and_stopped(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print('up', child.pid, flush=True); time.sleep(60)"
    )
    child, registry = launch(tmp_path, [sys.executable, "-c", parent])
    left = int(processes.tail(tmp_path / "it.log").split()[-1])
    child.process.kill()
    child.process.wait(10)
    assert processes.orphans(child.record) == [left]
    assert registry.leftovers() == [child.record]
    processes.stop_record(child.record)
    deadline = time.monotonic() + 10
    while processes.orphans(child.record) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert registry.leftovers() == []
