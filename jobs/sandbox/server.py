"""The sandbox process: three vendor servers on three ports, in one event loop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from jobs.sandbox.attio.answers import ANSWERS as ATTIO_ANSWERS
from jobs.sandbox.attio.app import AttioServer, attio_app
from jobs.sandbox.chatwoot.app import ANSWERS as CHATWOOT_ANSWERS
from jobs.sandbox.chatwoot.app import Access, ChatwootServer, chatwoot_app
from jobs.sandbox.chatwoot.finders import Viewer
from jobs.sandbox.control import Control
from jobs.sandbox.linear.app import ANSWERS as LINEAR_ANSWERS
from jobs.sandbox.linear.app import LinearServer, linear_app
from jobs.sandbox.meddling import meddle
from jobs.sandbox.sandbox import MAIN, TWIN, Sandbox, TooManyTicks
from jobs.sandbox.serving.faults import FaultSwitch
from jobs.sandbox.serving.gate import Gate
from jobs.sandbox.serving.quotas import FixedWindow, LeakyBucket, Quota
from jobs.sandbox.serving.request_log import RequestLog
from jobs.sandbox.state import StateFile
from jobs.sandbox.tenant import Origins, Tenant
from jobs.sandbox.webhooks.courier import Courier
from models.infra.logging import get_logger

log = get_logger(__name__)

HOST: Final = "127.0.0.1"
# The agent of the token `chatwoot_agent` sees the inboxes of these projects alone.
_AGENT: Final = "alina-gromova"
_AGENT_PROJECTS: Final = ("harbor-pine", "severny-bereg")


class PortTaken(RuntimeError):
    """One of the three ports is in use."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the three servers; three in a row unless told otherwise."""

    chatwoot: int
    linear: int
    attio: int

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """Chatwoot on the base, Linear and Attio on the next two."""
        return cls(base, base + 1, base + 2)


@dataclass(frozen=True, slots=True)
class Assembly:
    """The running parts: the world, its steering and an application per vendor."""

    sandbox: Sandbox
    control: Control
    apps: dict[str, ASGIApp]


def assemble(sandbox: Sandbox, chatwoot_origin: str) -> Assembly:
    """The three applications over a sandbox."""
    faults, log = FaultSwitch(), RequestLog()
    # The vendors' published limits; POST /_sandbox/quotas changes them.
    quotas = {
        "chatwoot_requests": Quota(3000, 60),
        "chatwoot_searches": Quota(100, 60),
        "linear_requests": Quota(2500, 3600),
        "linear_complexity": Quota(3_000_000, 3600),
        "attio_reads": Quota(100, 1),
        "attio_score": Quota(100_000, 10),
    }
    courier = Courier(sandbox, faults)
    control = Control(sandbox, faults, log, quotas, courier)
    main, twin, tokens = sandbox.tenants[MAIN], sandbox.tenants[TWIN], sandbox.state.tokens
    chatwoot = chatwoot_app(
        ChatwootServer(
            accounts={tenant.account.id: tenant.account for tenant in (main, twin)},
            tokens={
                tokens["chatwoot"]: _administrator(main),
                tokens["chatwoot_agent"]: _agent(main),
                tokens["chatwoot_twin"]: _administrator(twin),
            },
            now=sandbox.now,
            origin=chatwoot_origin,
            requests=FixedWindow(quotas["chatwoot_requests"]),
            searches=FixedWindow(quotas["chatwoot_searches"]),
        )
    )
    chatwoot.router.routes.extend(control.routes())

    def meddled(vendor: str, kind: str, path: str) -> None:
        meddle(sandbox, vendor, kind, path)
        courier.notice()

    linear = linear_app(
        LinearServer(
            tokens={tokens["linear"]: main.linear, tokens["linear_twin"]: twin.linear},
            now=sandbox.now,
            requests=LeakyBucket(quotas["linear_requests"]),
            complexity=LeakyBucket(quotas["linear_complexity"]),
        ),
        {tenant.linear.slug: tenant.linear for tenant in (main, twin)},
    )
    attio = attio_app(
        AttioServer(
            tokens={tokens["attio"]: main.attio, tokens["attio_twin"]: twin.attio},
            now=sandbox.now,
            reads=FixedWindow(quotas["attio_reads"]),
            scores=FixedWindow(quotas["attio_score"]),
        ),
        {tenant.attio.slug: tenant.attio for tenant in (main, twin)},
    )
    answers = {
        "chatwoot": (chatwoot, CHATWOOT_ANSWERS),
        "linear": (linear, LINEAR_ANSWERS),
        "attio": (attio, ATTIO_ANSWERS),
    }
    apps: dict[str, ASGIApp] = {
        vendor: Gate(app, vendor, sandbox, faults, log, worded, meddled)
        for vendor, (app, worded) in answers.items()
    }
    return Assembly(sandbox, control, apps)


def _administrator(tenant: Tenant) -> Access:
    agent = next(iter(tenant.account.agents.values()))
    return Access(tenant.account.id, Viewer(agent, frozenset(tenant.account.inboxes)))


def _agent(tenant: Tenant) -> Access:
    account, seed = tenant.account, tenant.chatwoot_seed
    agent = (
        account.agents[seed.agents[_AGENT]] if _AGENT in seed.agents else next(iter(account.agents.values()))
    )
    visible = frozenset(n for (slug, _), n in seed.inboxes.items() if slug in _AGENT_PROJECTS)
    return Access(account.id, Viewer(agent, visible))


class _Server(uvicorn.Server):
    """A server that leaves signals to the process around it: three of them share one loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    state_dir: Path, ports: Ports, tick_s: float | None, ready: asyncio.Event | None = None
) -> None:
    """Serve until SIGTERM or SIGINT. Raises PortTaken, WorldError."""
    sockets = {vendor: _listen(port) for vendor, port in _by_vendor(ports).items()}
    origins = Origins(*(f"http://{HOST}:{port}" for port in (ports.chatwoot, ports.linear, ports.attio)))
    sandbox = Sandbox(StateFile(state_dir), origins)
    assembly = assemble(sandbox, origins.chatwoot)
    servers = [(_Server(_config(app)), sockets[vendor]) for vendor, app in assembly.apps.items()]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, [server for server, _ in servers])
    serving = [asyncio.create_task(server.serve(sockets=[listening])) for server, listening in servers]
    ticking = asyncio.create_task(_tick_for_ever(assembly.control, tick_s)) if tick_s else None
    if ready is not None:
        ready.set()
    log.info(
        "sandbox serves", chatwoot=origins.chatwoot, linear=f"{origins.linear}/graphql", attio=origins.attio
    )
    try:
        await asyncio.gather(*serving)
    finally:
        if ticking is not None:
            ticking.cancel()


def _stop(servers: list[_Server]) -> None:
    for server in servers:
        server.should_exit = True


async def _tick_for_ever(control: Control, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await control.tick_now()
        except TooManyTicks as error:
            log.warning("sandbox stops ticking", reason=str(error))
            return


def _config(app: ASGIApp | Starlette) -> uvicorn.Config:
    options: dict[str, Any] = {
        "lifespan": "off",
        "access_log": False,
        "log_level": "warning",
        "server_header": False,
    }
    # A hanging fault must not hold up the end of the process.
    return uvicorn.Config(app, timeout_graceful_shutdown=2, **options)


def _by_vendor(ports: Ports) -> dict[str, int]:
    return {"chatwoot": ports.chatwoot, "linear": ports.linear, "attio": ports.attio}


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's delay off only for sockets that name TCP; with it every answer takes 40 ms more.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise PortTaken(f"port {port} of the sandbox is in use; choose another --port-base") from error
    listening.setblocking(False)
    return listening
