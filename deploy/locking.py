"""One `make up` per data directory: a lock that the system releases when its holder dies, however it dies."""

import fcntl
import os
from pathlib import Path

NAME = "up.lock"


class Held(Exception):
    """Another process holds the lock; `pid` is 0 when it cannot be told."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class RunLock:
    """The lock of a data directory, held while the object is open."""

    def __init__(self, data_dir: Path) -> None:
        self._file = (data_dir / NAME).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(self._file.fileno())
            self._file.close()
            raise Held(pid) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def close(self) -> None:
        """Let go of the lock."""
        self._file.truncate(0)
        self._file.close()


def holder(data_dir: Path) -> int | None:
    """The pid of the run that holds the lock, None when nobody does."""
    try:
        lock = RunLock(data_dir)
    except Held as held:
        return held.pid
    except OSError:
        return None
    lock.close()
    return None


def _pid_in(descriptor: int) -> int:
    text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isdigit() else 0
