"""What may be in the way of a start, told before anything is started: permissions, ports, leftovers."""

import os
from pathlib import Path
from typing import cast

import psutil

from deploy.console import Console, count
from deploy.embedded import is_free
from deploy.processes import stop_record
from deploy.stack import Failed, Stack
from models.infra.settings import Settings


def check_data_dir(data_dir: Path) -> None:
    """Make the data directory. Raises Failed when it cannot be made or written to."""
    probe = data_dir / ".writable"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
        (data_dir / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise Failed(
            f"Cannot write to {data_dir.resolve()} ({error.strerror or error}).\n"
            "Change its permissions, run as its owner, or choose another place: DATA_DIR=/path make up"
        ) from error
    owner = data_dir.stat().st_uid
    if os.geteuid() not in (0, owner) and not os.access(data_dir / "logs", os.W_OK):
        raise Failed(
            f"{data_dir.resolve()} belongs to another user; run as that user or choose another DATA_DIR"
        )


def check_ports(settings: Settings) -> None:
    """Raise Failed when the web's port or one of the sandbox's is taken, with who has it and how to choose another."""
    if not is_free(settings.port, settings.host):
        raise Failed(
            f"Port {settings.port} is taken{_by_whom(settings.port)}.\n"
            f"Stop that process, or choose another port: PORT={settings.port + 10} make up"
        )
    base = settings.sandbox_port_base
    if base <= settings.port < base + 3:
        raise Failed(
            f"PORT={settings.port} lies in the sandbox's range; choose another, or another SANDBOX_PORT_BASE"
        )
    for port in range(base, base + 3):
        if not is_free(port):
            raise Failed(
                f"Port {port} of the sandbox is taken{_by_whom(port)}.\n"
                f"Stop that process, or choose three others: SANDBOX_PORT_BASE={base + 100} make up"
            )


def stop_leftovers(console: Console, stack: Stack) -> int:
    """Stop what a killed run of this data directory left; how many processes."""
    left = stack.registry.leftovers()
    if left:
        with console.step("leftovers", "stopping") as step:
            for record in reversed(left):
                stop_record(record)
            stack.registry.leftovers()
            step.say(f"stopped {count(len(left), 'process', 'processes')} of an earlier run")
    return len(left)


def _by_whom(port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            address = cast("tuple[str, int] | tuple[()]", connection.laddr)
            listens = connection.status == psutil.CONN_LISTEN and address and address[1] == port
            if listens and connection.pid:
                return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):
        return ""
    return ""
