"""The sandbox as a process: ready, ticking, stopping, and refusing a taken port."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from jobs.sandbox.__main__ import main
from models.infra.settings import environment
from tests.conftest import ROOT
from tests.vendors import running_vendors


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jobs.sandbox", *arguments],
        cwd=ROOT,
        env=environment(PYTHONPATH=str(ROOT), APP_ENV="test"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_tick_from_the_command_line_moves_a_running_sandbox(tmp_path: Path) -> None:
    with running_vendors(tmp_path / "sandbox") as vendors:
        done = run("tick", "--port-base", str(vendors.port_base))
        assert done.returncode == 0
        assert done.stdout.startswith("tick 1: ")
        state = httpx.get(f"{vendors.origin('chatwoot')}/_sandbox/state", timeout=10).json()
        assert state["ticks"] == 1


def test_a_tick_without_a_sandbox_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = run("tick", "--port-base", str(free.getsockname()[1]))
    assert done.returncode == 1
    assert "no tick on port" in done.stderr


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--state-dir", str(tmp_path), "--port-base", str(port))
    assert done.returncode == 1
    assert f"port {port} of the sandbox is in use" in done.stderr


def test_sigterm_ends_it_with_exit_code_0(tmp_path: Path) -> None:
    with running_vendors(tmp_path / "sandbox") as vendors:
        os.kill(vendors.pid, signal.SIGTERM)
        _, status = os.waitpid(vendors.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0


def test_a_tick_period_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "--state-dir", str(tmp_path), "--port-base", "1", "--tick", "0"])
    assert stopped.value.code == 2
