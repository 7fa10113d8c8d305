"""The sandbox's own endpoints below `/_sandbox` on the first port: clock, changes, quotas, log, state, and its pages."""

import asyncio
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.sandbox.bindings import demo_bindings
from jobs.sandbox.sandbox import MAIN, Sandbox, TooManyTicks
from jobs.sandbox.serving.faults import FaultSwitch
from jobs.sandbox.serving.quotas import Quota
from jobs.sandbox.serving.request_log import RequestLog
from jobs.sandbox.serving.steering import from_this_machine, reply, steered
from jobs.sandbox.switches import Switches
from jobs.sandbox.webhooks.courier import Courier


class Control:
    """The steering endpoints of one running sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        faults: FaultSwitch,
        log: RequestLog,
        quotas: dict[str, Quota],
        courier: Courier,
    ) -> None:
        self._sandbox = sandbox
        self._log = log
        self._quotas = quotas
        self._courier = courier
        self._switches = Switches(sandbox, faults, log, courier, self.tick_now)
        # Ticks write the state file in a thread; one at a time keeps their order.
        self._writing = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The routes to mount on the first port."""
        routes = [
            Route("/_sandbox/tick", self.tick, methods=["POST"]),
            Route("/_sandbox/event", self.event, methods=["POST"]),
            Route("/_sandbox/change", self.change, methods=["POST"]),
            Route("/_sandbox/state", self.state, methods=["GET"]),
            Route("/_sandbox/requests", self.requests, methods=["GET"]),
            Route("/_sandbox/requests", self.forget_requests, methods=["DELETE"]),
            Route("/_sandbox/quotas", self.set_quota, methods=["POST"]),
            *self._switches.routes(),
        ]
        for route in routes:
            route.app = from_this_machine(route.app)
        return routes

    async def tick_now(self) -> dict[str, Any]:
        """One tick; answers its report. Raises TooManyTicks."""
        async with self._writing:
            report = self._sandbox.tick()
        self._courier.notice()
        return {**asdict(report), "at": report.at.isoformat()}

    async def tick(self, _: Request) -> Response:
        """POST: let the next events happen."""
        try:
            return reply(await self.tick_now())
        except TooManyTicks as error:
            return reply({"error": str(error)}, 409)

    async def event(self, request: Request) -> Response:
        """POST {project, event, tenant?}: let one event in the authored form happen now."""
        return await steered(request, self._apply)

    def _apply(self, body: dict[str, Any]) -> dict[str, Any]:
        brought = self._sandbox.apply(body.get("tenant", MAIN), body["project"], body["event"])
        self._courier.notice()
        return {"new_rows": int(brought), "at": self._sandbox.now().isoformat()}

    async def change(self, request: Request) -> Response:
        """POST {vendor, name, fields, tenant?}: let somebody change a record by its id now."""
        return await steered(request, self._change)

    def _change(self, body: dict[str, Any]) -> dict[str, Any]:
        record = self._sandbox.change(
            body.get("tenant", MAIN), body["vendor"], body["name"], dict(body.get("fields") or {})
        )
        self._courier.notice()
        return {"record": record, "at": self._sandbox.now().isoformat()}

    async def state(self, _: Request) -> Response:
        """GET: anchor, time, tokens, how to bind the projects, and counts per tenant."""
        sandbox = self._sandbox
        sandbox.advance()
        return reply(
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
        return reply({"total": self._log.total, "requests": rows})

    async def forget_requests(self, _: Request) -> Response:
        """DELETE: empty the log."""
        self._log.clear()
        return reply({"total": 0})

    async def set_quota(self, request: Request) -> Response:
        """POST {name, allowed, period_s?}: change a quota while running."""
        return await steered(request, self._set_quota)

    def _set_quota(self, body: dict[str, Any]) -> dict[str, Any]:
        quota = self._quotas[body["name"]]
        allowed, period = int(body["allowed"]), float(body.get("period_s", quota.period_s))
        if allowed < 1 or period <= 0:
            raise ValueError("allowed must be at least 1 and period_s above 0")
        quota.allowed, quota.period_s = allowed, period
        return {name: asdict(q) for name, q in self._quotas.items()}


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
