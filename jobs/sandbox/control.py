"""The sandbox's own endpoints below `/_sandbox` on the first port: clock, faults, quotas, log, state."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.sandbox.bindings import demo_bindings
from jobs.sandbox.changes import ChangeRefused
from jobs.sandbox.happenings import EventRefused
from jobs.sandbox.sandbox import MAIN, Sandbox, TooManyTicks
from jobs.sandbox.serving.faults import FaultSwitch, read_fault
from jobs.sandbox.serving.quotas import Quota
from jobs.sandbox.serving.request_log import RequestLog
from jobs.sandbox.world.reading import WorldError


class Control:
    """The steering endpoints of one running sandbox."""

    def __init__(
        self, sandbox: Sandbox, faults: FaultSwitch, log: RequestLog, quotas: dict[str, Quota]
    ) -> None:
        self._sandbox = sandbox
        self._faults = faults
        self._log = log
        self._quotas = quotas
        # Ticks write the state file in a thread; one at a time keeps their order.
        self._writing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The routes to mount on the first port."""
        return [
            Route("/_sandbox/tick", self.tick, methods=["POST"]),
            Route("/_sandbox/event", self.event, methods=["POST"]),
            Route("/_sandbox/change", self.change, methods=["POST"]),
            Route("/_sandbox/state", self.state, methods=["GET"]),
            Route("/_sandbox/requests", self.requests, methods=["GET"]),
            Route("/_sandbox/requests", self.forget_requests, methods=["DELETE"]),
            Route("/_sandbox/faults", self.faults, methods=["GET"]),
            Route("/_sandbox/faults", self.add_fault, methods=["POST"]),
            Route("/_sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_sandbox/faults/{fault:int}", self.end_fault, methods=["DELETE"]),
            Route("/_sandbox/quotas", self.set_quota, methods=["POST"]),
        ]

    async def tick_now(self) -> dict[str, Any]:
        """One tick; answers its report. Raises TooManyTicks."""
        async with self._writing:
            report = self._sandbox.tick()
        return {**asdict(report), "at": report.at.isoformat()}

    async def tick(self, _: Request) -> Response:
        """POST: let the next events happen."""
        try:
            return _reply(await self.tick_now())
        except TooManyTicks as error:
            return _reply({"error": str(error)}, 409)

    async def event(self, request: Request) -> Response:
        """POST {project, event, tenant?}: let one event in the authored form happen now."""
        return await _steered(request, self._apply)

    def _apply(self, body: dict[str, Any]) -> dict[str, Any]:
        brought = self._sandbox.apply(body.get("tenant", MAIN), body["project"], body["event"])
        return {"new_rows": int(brought), "at": self._sandbox.now().isoformat()}

    async def change(self, request: Request) -> Response:
        """POST {vendor, name, fields, tenant?}: let somebody change a record by its id now."""
        return await _steered(request, self._change)

    def _change(self, body: dict[str, Any]) -> dict[str, Any]:
        record = self._sandbox.change(
            body.get("tenant", MAIN), body["vendor"], body["name"], dict(body.get("fields") or {})
        )
        return {"record": record, "at": self._sandbox.now().isoformat()}

    async def state(self, _: Request) -> Response:
        """GET: anchor, time, tokens, how to bind the projects, and counts per tenant."""
        sandbox = self._sandbox
        sandbox.advance()
        return _reply(
            {
                "anchor": sandbox.state.anchor.isoformat(),
                "now": sandbox.now().isoformat(),
                "ticks": sandbox.ticks.done,
                "tokens": sandbox.state.tokens,
                "skipped": sandbox.skipped,
                "bindings": [asdict(binding) for binding in demo_bindings(sandbox.tenants[MAIN].studio)],
                "counts": {name: _counts(sandbox, name) for name in sandbox.tenants},
            }
        )

    async def requests(self, request: Request) -> Response:
        """GET ?vendor=&limit=: the newest requests, newest first."""
        limit = request.query_params.get("limit", "200")
        rows = self._log.newest(request.query_params.get("vendor"), int(limit) if limit.isdigit() else 200)
        return _reply({"total": self._log.total, "requests": rows})

    async def forget_requests(self, _: Request) -> Response:
        """DELETE: empty the log."""
        self._log.clear()
        return _reply({"total": 0})

    async def faults(self, _: Request) -> Response:
        """GET: faults still in force."""
        return _reply({"faults": [fault.shape() for fault in self._faults.waiting()]})

    async def add_fault(self, request: Request) -> Response:
        """POST {vendor, kind, route?, contains?, skip?, times?, probability?, seed?, seconds?}: switch a fault on."""
        return await _steered(request, self._add_fault)

    def _add_fault(self, body: dict[str, Any]) -> dict[str, Any]:
        fault = self._faults.add(read_fault(body))
        return {"faults": len(self._faults.waiting()), "fault": fault.shape()}

    async def end_fault(self, request: Request) -> Response:
        """DELETE: switch one fault off."""
        if not self._faults.remove(request.path_params["fault"]):
            return _reply({"error": "no such fault is in force"}, 404)
        return _reply({"faults": len(self._faults.waiting())})

    async def clear_faults(self, _: Request) -> Response:
        """DELETE: switch all faults off."""
        self._faults.clear()
        return _reply({"faults": 0})

    async def set_quota(self, request: Request) -> Response:
        """POST {name, allowed, period_s?}: change a quota while running."""
        return await _steered(request, self._set_quota)

    def _set_quota(self, body: dict[str, Any]) -> dict[str, Any]:
        quota = self._quotas[body["name"]]
        allowed, period = int(body["allowed"]), float(body.get("period_s", quota.period_s))
        if allowed < 1 or period <= 0:
            raise ValueError("allowed must be at least 1 and period_s above 0")
        quota.allowed, quota.period_s = allowed, period
        return {name: asdict(q) for name, q in self._quotas.items()}


async def _steered(request: Request, act: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    try:
        body = orjson.loads(await request.body())
        return _reply(partial(act, body)())
    except TooManyTicks as error:
        return _reply({"error": str(error)}, 409)
    except (
        orjson.JSONDecodeError,
        KeyError,
        TypeError,
        ValueError,
        ChangeRefused,
        EventRefused,
        WorldError,
    ) as error:
        return _reply({"error": f"{type(error).__name__}: {error}"}, 400)


def _counts(sandbox: Sandbox, name: str) -> dict[str, int]:
    tenant = sandbox.tenants[name]
    conversations = tenant.account.conversations.values()
    return {
        "contacts": len(tenant.account.contacts),
        "conversations": len(conversations),
        "messages": sum(len(c.messages) for c in conversations),
        **{kind: len(rows) for kind, rows in tenant.linear.tables.items()},
        **{f"attio_{kind}": len(rows) for kind, rows in tenant.attio.records.items()},
        "attio_notes": len(tenant.attio.notes),
        "attio_entries": len(tenant.attio.listed),
    }


def _reply(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
