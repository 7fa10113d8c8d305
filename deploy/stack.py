"""The processes of one `make up`: started in order, watched, restarted when they crash, stopped in order.

Everything a child needs goes by environment, never by argument list. Each child has its own log below the data
directory and its own session, so that a Ctrl-C reaches the supervisor alone.
"""

import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deploy import processes
from deploy.embedded import EmbeddedServers, ServerUrls
from models.infra.settings import Settings, environment

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "processes.json"
# Telling, draining and closing take 14 s at most (`deploy.server`).
_WEB_STOP_S = 20.0
_WORKER_STOP_S = 20.0
_STOP_S = 10.0
# A process that crashes this often within the window is broken, not unlucky.
_CRASHES, _WINDOW_S = 5, 300.0


class Failed(Exception):
    """The stack cannot start or go on; the message is for the person at the terminal."""


class StopRequested(Exception):
    """Ctrl-C or SIGTERM arrived while something was waited for."""


@dataclass(slots=True)
class _Service:
    name: str
    command: list[str]
    variables: dict[str, str]
    stop_s: float
    child: processes.Child
    crashes: list[float] = field(default_factory=list[float])
    restart_at: float = 0.0


class Stack:
    """Servers and services of one data directory."""

    def __init__(self, settings: Settings) -> None:
        self.data_dir = settings.data_dir.resolve()
        self.registry = processes.ProcessRegistry(self.data_dir / REGISTRY)
        self.stopping = threading.Event()
        self._servers = EmbeddedServers(settings, self.registry)
        self._services: list[_Service] = []
        self._jobs: list[processes.Child] = []

    def start_servers(self) -> ServerUrls:
        """Start the data servers that are not configured from outside. Raises Failed."""
        try:
            return self._servers.start()
        except (RuntimeError, OSError) as error:
            raise Failed(str(error)) from error

    def start_service(
        self,
        name: str,
        command: list[str],
        *,
        stop_s: float = _STOP_S,
        variables: dict[str, str] | None = None,
    ) -> None:
        """Start a process that is watched and, when it crashes, started again."""
        self._check()
        held = variables or {}
        self._services.append(_Service(name, command, held, stop_s, self._spawn(name, command, held)))

    def start_job(self, name: str, command: list[str]) -> processes.Child:
        """Start a process that ends by itself; see `wait_for`."""
        self._check()
        child = self._spawn(name, command, {})
        self._jobs.append(child)
        return child

    def finish_job(self, child: processes.Child, timeout_s: float) -> None:
        """Wait for a job's end. Raises Failed with the end of its log when it failed."""
        self.wait_until(lambda: not child.is_running(), timeout_s, f"{child.name} did not end")
        self._jobs.remove(child)
        child.stop(0)
        if child.process.returncode != 0:
            raise Failed(f"{child.name} failed; its log ends with\n{processes.tail(self.log_of(child.name))}")

    def start_web(self, command: list[str], variables: dict[str, str]) -> None:
        """Start the web process (it drains its requests at the end, hence the longer patience)."""
        self.start_service("web", command, stop_s=_WEB_STOP_S, variables=variables)

    def start_workers(self, *queues: tuple[str, ...]) -> None:
        """Start one worker per tuple of queue names, and the scheduler."""
        for number, names in enumerate(queues, start=1):
            command = [sys.executable, "-m", "jobs.worker", *names]
            self.start_service(f"worker-{number}", command, stop_s=_WORKER_STOP_S)
        self.start_service("scheduler", [sys.executable, "-m", "jobs.schedule"])

    def wait_until(self, ready: Callable[[], bool], timeout_s: float, complaint: str) -> None:
        """Poll `ready`. Raises StopRequested, and Failed when the time is over or a service died for good."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            self._check()
            self.watch()
            if time.monotonic() > deadline:
                raise Failed(f"{complaint} within {timeout_s:.0f} s; logs are in {self.data_dir / 'logs'}")
            self.stopping.wait(0.1)

    def wait_for_http(self, name: str, url: str, timeout_s: float) -> None:
        """Wait until a service answers `url` with anything but a server error."""
        self.wait_until(
            lambda: answers(url), timeout_s, f"{name} does not answer; its log ends with\n"
            f"{processes.tail(self.log_of(name))}\nIt did not come up",
        )  # fmt: skip

    def watch(self) -> None:
        """Restart crashed services, with growing pauses. Raises Failed when a data server ended or one keeps crashing."""
        for child in self._servers.children():
            if not child.is_running():
                raise Failed(
                    f"{child.name} ended; its log ends with\n{processes.tail(self.log_of(child.name))}"
                )
        now = time.monotonic()
        for service in self._services:
            if service.child.is_running():
                continue
            if not service.restart_at:
                service.child.stop(0)
                service.crashes = [at for at in service.crashes if now - at < _WINDOW_S] + [now]
                if len(service.crashes) >= _CRASHES:
                    raise Failed(
                        f"{service.name} crashed {_CRASHES} times; its log ends with\n"
                        f"{processes.tail(self.log_of(service.name))}"
                    )
                service.restart_at = now + 2 ** (len(service.crashes) - 1) * 0.5
            elif now >= service.restart_at:
                service.restart_at = 0.0
                service.child = self._spawn(service.name, service.command, service.variables)

    def stop(self) -> list[str]:
        """Stop everything that was started, services before servers; names of those that had to be killed."""
        self.stopping.set()
        killed = [child.name for child in self._jobs if not child.stop(1)]
        # All are asked at once and then waited for: a worker's grace and the web's drain run side by side.
        for service in self._services:
            if service.child.is_running():
                service.child.process.send_signal(signal.SIGTERM)
        # Waited for without a second signal: to a worker that would mean "at once".
        killed += [
            service.name for service in reversed(self._services) if not service.child.wait(service.stop_s)
        ]
        self._services.clear()
        self._jobs.clear()
        self._servers.stop()
        return killed

    def log_of(self, name: str) -> Path:
        """The log file of a process."""
        return self.data_dir / "logs" / f"{name}.log"

    def _check(self) -> None:
        if self.stopping.is_set():
            raise StopRequested

    def _spawn(self, name: str, command: list[str], variables: dict[str, str]) -> processes.Child:
        return processes.start(
            name, command, registry=self.registry, log_file=self.log_of(name), cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT), PYTHONUNBUFFERED="1", **variables),
        )  # fmt: skip


def answers(url: str) -> bool:
    """Whether an HTTP server answers, with any status below 500."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  # http to loopback, made by us
            return response.status < 500
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False
