"""The sandbox vendors as a running process: real HTTP for tests of what talks to vendors."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from models.infra.settings import environment
from tests.conftest import ROOT

_START_S = 60.0


@dataclass(frozen=True)
class Vendors:
    """Where a running sandbox serves, and its tokens by name."""

    port_base: int
    tokens: dict[str, str]
    pid: int

    def origin(self, connector: str) -> str:
        """The base URL of a vendor."""
        return f"http://127.0.0.1:{self.port_base + ('chatwoot', 'linear', 'attio').index(connector)}"

    def control(self, path: str, **body: Any) -> Any:
        """POST to the sandbox's control routes and return the answer."""
        answer = httpx.post(f"{self.origin('chatwoot')}/_sandbox/{path}", json=body, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def clear_faults(self) -> None:
        """Switch every fault off."""
        httpx.delete(f"{self.origin('chatwoot')}/_sandbox/faults", timeout=20).raise_for_status()

    def asked(self) -> Any:
        """The requests the vendors have seen, oldest first."""
        return httpx.get(f"{self.origin('chatwoot')}/_sandbox/requests", timeout=20).json()


@contextlib.contextmanager
def running_vendors(state_dir: Path, port_base: int | None = None) -> Iterator[Vendors]:
    """Start the sandbox, on free ports unless told otherwise, wait until it serves, and stop it at the end."""
    base = port_base or _free_ports(3)
    log = state_dir.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jobs.sandbox",
                "serve",
                "--state-dir",
                str(state_dir),
                "--port-base",
                str(base),
            ],
            cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT), APP_ENV="test"),
            stdout=output,
            stderr=output,
        )
        try:
            for offset in range(3):
                _wait_for(f"http://127.0.0.1:{base + offset}/", process, log)
            tokens = json.loads((state_dir / "state.json").read_text())["tokens"]
            yield Vendors(base, tokens, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the sandbox stopped: {log.read_text()[-2000:]}")
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(url, timeout=2)
            return
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer: {log.read_text()[-2000:]}")


def _free_ports(count: int) -> int:
    for _ in range(50):
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            base = first.getsockname()[1]
            try:
                for offset in range(1, count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", base + offset))
            except (OSError, OverflowError):
                continue
            return base
    raise RuntimeError("no free ports in a row")
