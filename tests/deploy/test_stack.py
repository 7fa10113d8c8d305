"""The processes of a stack: what they are given."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.stack import Stack
from models.infra.settings import Settings

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_no_child_is_given_the_password_in_clear_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEMO_PASSWORD", "demo_password"):
        monkeypatch.setenv(name, "open sesame")
    monkeypatch.setenv("AUTH_CREDENTIALS", "demo:the hash")
    stack = Stack(Settings(_env_file=None, data_dir=tmp_path))
    try:
        stack.start_service("service", SLEEP)
        children = [stack.start_job("job", SLEEP).record, *stack.registry.records()]
        for child in children:
            given = _environment(child.pid)
            assert given["AUTH_CREDENTIALS"] == "demo:the hash"
            assert "open sesame" not in given.values()
    finally:
        stack.stop()


def _environment(pid: int) -> dict[str, str]:
    """The environment of a child once it runs its own program: until then it still shows ours."""
    process = psutil.Process(pid)
    for _ in range(200):
        if process.cmdline() == SLEEP:
            return process.environ()
        time.sleep(0.05)
    raise AssertionError(f"the child did not start its program: {process.cmdline()}")
