"""Child processes of `make up`: started in sessions of their own, remembered on disk, stopped in order.

A process is known by pid and creation time together: a pid that the system gave to somebody else meanwhile is never
signalled. Each child has its own session, so that Ctrl-C reaches the supervisor alone and the order stays ours.
"""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

_LOG_LIMIT = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """What identifies a process we started: name, pid and creation time (seconds since the epoch)."""

    name: str
    pid: int
    created: float


class ProcessRegistry:
    """The processes of one data directory, written to `processes.json` so that a later run finds leftovers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self) -> list[ProcessRecord]:
        """What was registered and not removed, oldest first. A damaged file counts as empty."""
        try:
            entries = json.loads(self._path.read_text())
            return [ProcessRecord(**entry) for entry in entries]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    def add(self, record: ProcessRecord) -> None:
        """Remember a process."""
        self._write([*self.records(), record])

    def remove(self, record: ProcessRecord) -> None:
        """Forget a process that ended."""
        self._write([held for held in self.records() if held != record])

    def leftovers(self) -> list[ProcessRecord]:
        """Registered processes that still run; the others are forgotten."""
        alive = [record for record in self.records() if is_running(record) or orphans(record)]
        if alive != self.records():
            self._write(alive)
        return alive

    def _write(self, records: list[ProcessRecord]) -> None:
        if not records:
            self._path.unlink(missing_ok=True)
            return
        part = self._path.with_suffix(".part")
        part.write_text(json.dumps([asdict(record) for record in records], indent=1))
        part.replace(self._path)


class Child:
    """A started process with its record; `stop` ends it with a signal, and with SIGKILL when it does not listen."""

    def __init__(
        self,
        name: str,
        process: "subprocess.Popen[bytes]",
        registry: ProcessRegistry,
        stop_signal: signal.Signals,
    ) -> None:
        self.name = name
        self.process = process
        self.record = ProcessRecord(name, process.pid, psutil.Process(process.pid).create_time())
        self._registry = registry
        self._stop_signal = stop_signal
        registry.add(self.record)

    def is_running(self) -> bool:
        """Whether it runs; also reaps it when it ended."""
        return self.process.poll() is None

    def stop(self, timeout_s: float) -> bool:
        """Ask it to end and wait; True when it ended by itself, False when it had to be killed."""
        if self.is_running():
            self.process.send_signal(self._stop_signal)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> bool:
        """Wait for an end that was asked for; True when it came, False when it had to be killed."""
        graceful = True
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            graceful = False
            self.process.kill()
            self.process.wait(10)
        _kill(orphans(self.record))
        self._registry.remove(self.record)
        return graceful


def start(
    name: str,
    command: Sequence[str],
    *,
    registry: ProcessRegistry,
    log_file: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start `command` with its output in `log_file` (appended, kept below 20 MB by dropping the older half)."""
    with open_log(log_file) as log:
        process = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Child(name, process, registry, stop_signal)


def open_log(path: Path) -> IO[bytes]:
    """The log file opened for appending; an oversized one is renamed to `*.1` first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")


def is_running(record: ProcessRecord) -> bool:
    """Whether exactly this process still runs (a zombie does not)."""
    try:
        process = psutil.Process(record.pid)
        # psutil rounds the kernel's clock ticks; two processes with one pid are never a second apart.
        return abs(process.create_time() - record.created) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def orphans(record: ProcessRecord) -> list[int]:
    """Pids of the processes that this one started and left behind: what still lives in its session.

    A session keeps its number from being used again as a pid, so a living stranger under the number means that the
    session is gone.
    """
    if psutil.pid_exists(record.pid) and not is_running(record) and not _is_zombie(record.pid):
        return []
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            if (
                process.pid != record.pid
                and os.getsid(process.pid) == record.pid
                and not _is_zombie(process.pid)
            ):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


def stop_record(
    record: ProcessRecord, timeout_s: float = 15.0, stop_signal: signal.Signals = signal.SIGTERM
) -> None:
    """End a process of an earlier run: signal, wait, SIGKILL when it does not listen; then what it left behind."""
    if is_running(record):
        try:
            process = psutil.Process(record.pid)
            process.send_signal(stop_signal)
            process.wait(timeout_s)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired:
            _kill([record.pid])
    _kill(orphans(record))


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message. Empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
