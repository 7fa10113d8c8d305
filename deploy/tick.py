"""`make tick`: move the running demo's world one step, on whatever ports it runs."""

import sys
from pathlib import Path

import psutil

from deploy.processes import ProcessRegistry, is_running
from deploy.stack import REGISTRY
from jobs.sandbox.__main__ import main as sandbox
from models.infra.settings import get_settings


def running_port(data_dir: Path) -> int | None:
    """The first port of the sandbox that a `make up` of this data directory runs, or None."""
    for record in ProcessRegistry(data_dir / REGISTRY).records():
        if record.name != "sandbox" or not is_running(record):
            continue
        try:
            command = psutil.Process(record.pid).cmdline()
        except psutil.Error:
            continue
        if "--port-base" in command[:-1]:
            return int(command[command.index("--port-base") + 1])
    return None


def main() -> int:
    """Tick; the exit code, 1 when no sandbox answers."""
    settings = get_settings()
    # Without a `make up` here, a sandbox that was started by hand is where the settings say.
    port = running_port(settings.data_dir) or settings.sandbox_port_base
    return sandbox(["tick", "--port-base", str(port)])


if __name__ == "__main__":
    sys.exit(main())
