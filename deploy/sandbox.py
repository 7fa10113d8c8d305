"""The sandbox vendors as part of the demo: how they are started, when they are there, and what their tokens are."""

import json
import sys
from pathlib import Path

from deploy.demo import SandboxVendors
from deploy.stack import Failed, Stack
from models.infra.settings import Settings

PORTS = 3
_START_S = 120.0


def sandbox_command(settings: Settings, data_dir: Path) -> list[str]:
    """The command that serves the three vendors; its state lives below the data directory."""
    command = [
        *(sys.executable, "-m", "jobs.sandbox", "serve"),
        *("--state-dir", str(data_dir / "sandbox")),
        *("--port-base", str(settings.sandbox_port_base)),
    ]
    if settings.sandbox_tick_s:
        command += ["--tick", str(settings.sandbox_tick_s)]
    return command


def wait_for_sandbox(stack: Stack, settings: Settings, state_file: Path) -> None:
    """Wait until all three vendors answer and the state file is there. Raises Failed and StopRequested."""
    base = settings.sandbox_port_base
    for offset in range(PORTS):
        stack.wait_for_http("sandbox", f"http://127.0.0.1:{base + offset}/", _START_S)
    stack.wait_until(state_file.exists, 10, "the sandbox wrote no state")


def sandbox_vendors(settings: Settings, state_file: Path) -> SandboxVendors:
    """Ports and tokens of the running sandbox. Raises Failed when its state cannot be read."""
    try:
        tokens = json.loads(state_file.read_text())["tokens"]
        return SandboxVendors(
            settings.sandbox_port_base, {str(name): str(token) for name, token in tokens.items()}
        )
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise Failed(
            f"the sandbox state in {state_file} cannot be read ({error}); `make reset` starts over"
        ) from error
