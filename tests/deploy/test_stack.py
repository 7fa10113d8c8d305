"""The processes of a stack: what they are given."""

import sys
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
            given = psutil.Process(child.pid).environ()
            assert given["AUTH_CREDENTIALS"] == "demo:the hash"
            assert "open sesame" not in given.values()
    finally:
        stack.stop()
