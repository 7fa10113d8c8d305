"""Command line of the sandbox.

python -m jobs.sandbox serve --state-dir .data/sandbox --port-base 3101 [--tick SECONDS]
python -m jobs.sandbox tick --port-base 3101
"""

import argparse
import asyncio
import sys
from pathlib import Path

import httpx

from jobs.sandbox.server import HOST, Ports, PortTaken, serve
from jobs.sandbox.world.reading import WorldError
from models.infra.logging import configure_logging


def main(arguments: list[str] | None = None) -> int:
    """Run a command; answers the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m jobs.sandbox", description="Local look-alikes of the vendors."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="serve the three vendors until stopped")
    serving.add_argument("--state-dir", type=Path, required=True, help="folder of state.json")
    serving.add_argument(
        "--port-base", type=int, required=True, help="Chatwoot's port; Linear and Attio follow"
    )
    serving.add_argument(
        "--tick", type=float, default=None, metavar="SECONDS", help="move the world by itself"
    )
    ticking = commands.add_parser("tick", help="let the next events happen in a running sandbox")
    ticking.add_argument("--port-base", type=int, required=True)
    chosen = parser.parse_args(arguments)
    if chosen.command == "tick":
        return _tick(chosen.port_base)
    if chosen.tick is not None and chosen.tick <= 0:
        parser.error("--tick takes a number of seconds above 0")
    configure_logging("sandbox")
    try:
        asyncio.run(serve(chosen.state_dir, Ports.from_base(chosen.port_base), chosen.tick))
    except (PortTaken, WorldError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def _tick(port_base: int) -> int:
    try:
        answer = httpx.post(f"http://{HOST}:{port_base}/_sandbox/tick", timeout=10)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        print(f"sandbox: no tick on port {port_base}: {error}", file=sys.stderr)
        return 1
    body = answer.json()
    print(f"tick {body['number'] + 1}: {'; '.join(body['changes'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
