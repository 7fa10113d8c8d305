"""The endpoints and the page that switch faults on and off and say where webhooks are delivered to."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from jobs.sandbox.control_page import PATH, control_page, index_page
from jobs.sandbox.sandbox import Sandbox
from jobs.sandbox.serving.faults import FaultSwitch, read_fault
from jobs.sandbox.serving.request_log import RequestLog
from jobs.sandbox.serving.steering import Busy, read_body, reply, steered
from jobs.sandbox.webhooks.courier import Courier

_REQUESTS_SHOWN: Final = 30


class Switches:
    """Faults and webhook targets of one running sandbox, as JSON and as a page of forms."""

    def __init__(
        self,
        sandbox: Sandbox,
        faults: FaultSwitch,
        log: RequestLog,
        courier: Courier,
        tick: Callable[[], Awaitable[Any]],
    ) -> None:
        self._sandbox = sandbox
        self._faults = faults
        self._log = log
        self._courier = courier
        self._tick = tick

    def routes(self) -> list[Route]:
        """The routes to mount on the first port."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/_sandbox", self.index, methods=["GET"]),
            Route(PATH, self.page, methods=["GET"]),
            Route(PATH, self.submit, methods=["POST"]),
            Route("/_sandbox/faults", self.faults, methods=["GET"]),
            Route("/_sandbox/faults", self.add_fault, methods=["POST"]),
            Route("/_sandbox/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_sandbox/faults/{fault:int}", self.end_fault, methods=["DELETE"]),
            Route("/_sandbox/webhooks", self.targets, methods=["GET"]),
            Route("/_sandbox/webhooks", self.add_target, methods=["POST"]),
            Route("/_sandbox/webhooks/{target}", self.end_target, methods=["DELETE"]),
        ]

    async def index(self, _: Request) -> Response:
        """GET: what is served where."""
        origins = self._sandbox.origins
        return index_page(
            {
                "chatwoot": origins.chatwoot,
                "linear": f"{origins.linear}/graphql",
                "attio": f"{origins.attio}/v2",
            }
        )

    async def page(self, _: Request) -> Response:
        """GET: the page of switches."""
        return self._page()

    async def submit(self, request: Request) -> Response:
        """POST of a form of the page: acts, then shows the page again."""
        try:
            fields = dict(parse_qsl((await read_body(request)).decode(), max_num_fields=50))
            said = await self._act(fields.pop("action", ""), fields)
        except Busy as error:
            return self._page(str(error), 409)
        except ValueError as error:
            return self._page(str(error), 400)
        return self._page(said) if said else RedirectResponse(PATH, 303)

    async def _act(self, action: str, fields: dict[str, str]) -> str:
        """Do what a button says; answers what to show once. Raises ValueError, Busy."""
        match action:
            case "add":
                self._faults.add(read_fault(fields))
            case "end":
                self._faults.remove(int(fields.get("id", "0")))
            case "clear":
                self._faults.clear()
            case "tick":
                await self._tick()
            case "hook":
                target = self._courier.add(fields)
                return f"Deliveries to {target.url} are signed with {target.secret}; this is shown once."
            case "unhook":
                self._courier.remove(fields.get("id", ""))
            case _:
                raise ValueError(f"no such action: {action!r}")
        return ""

    def _page(self, said: str = "", status: int = 200) -> Response:
        newest = self._log.newest(None, _REQUESTS_SHOWN)
        return control_page(self._faults.waiting(), self._courier.targets(), newest, said, status)

    async def faults(self, _: Request) -> Response:
        """GET: faults still in force."""
        return reply({"faults": [fault.shape() for fault in self._faults.waiting()]})

    async def add_fault(self, request: Request) -> Response:
        """POST {vendor, kind, route?, contains?, skip?, times?, probability?, seed?, seconds?}: switch a fault on."""
        return await steered(request, self._add_fault)

    def _add_fault(self, body: dict[str, Any]) -> dict[str, Any]:
        fault = self._faults.add(read_fault(body))
        return {"faults": len(self._faults.waiting()), "fault": fault.shape()}

    async def clear_faults(self, _: Request) -> Response:
        """DELETE: switch all faults off."""
        self._faults.clear()
        return reply({"faults": 0})

    async def end_fault(self, request: Request) -> Response:
        """DELETE: switch one fault off."""
        if not self._faults.remove(request.path_params["fault"]):
            return reply({"error": "no such fault is in force"}, 404)
        return reply({"faults": len(self._faults.waiting())})

    async def targets(self, _: Request) -> Response:
        """GET: where webhooks are delivered to, without secrets, and how many deliveries wait."""
        return reply({"targets": self._courier.targets(), "waiting": self._courier.waiting})

    async def add_target(self, request: Request) -> Response:
        """POST {vendor, url, secret?, hurry?}: deliver a vendor's webhooks; the secret is answered only here."""
        return await steered(request, self._add_target)

    def _add_target(self, body: dict[str, Any]) -> dict[str, Any]:
        target = self._courier.add(body)
        return {"target": target.shape(), "secret": target.secret}

    async def end_target(self, request: Request) -> Response:
        """DELETE: deliver no more to a target."""
        if not self._courier.remove(request.path_params["target"]):
            return reply({"error": "no such target"}, 404)
        return reply({"targets": len(self._courier.targets())})
