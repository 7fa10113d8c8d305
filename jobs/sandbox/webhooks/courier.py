"""Brings deliveries to their targets: in order, with the vendors' timeouts and retries, and with the faults asked for.

Everything is bounded: targets, deliveries that wait, attempts, and the time of each. Nothing is kept over a restart.
"""

import asyncio
import secrets
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from jobs.sandbox.sandbox import MAIN, Sandbox
from jobs.sandbox.serving.fault_kinds import VENDORS
from jobs.sandbox.serving.faults import FaultSwitch
from jobs.sandbox.serving.steering import LOOPBACK
from jobs.sandbox.webhooks.happened import Happened, Look, look, news
from jobs.sandbox.webhooks.signing import Delivery, deliver

TARGETS_AT_MOST: Final = 10
WAITING_AT_MOST: Final = 1_000
# Chatwoot and Linear wait five seconds for an answer; Attio's limit is not published.
_TIMEOUT_S: Final = 5.0
# Chatwoot sends an account webhook once; Linear again after 1 min, 1 h, 6 h; Attio up to ten times in about three days.
_PAUSES_S: Final[dict[str, tuple[float, ...]]] = {
    "chatwoot": (),
    "linear": (60.0, 3_600.0, 21_600.0),
    "attio": tuple(500.0 * 2**n for n in range(9)),
}
# A delivery that waits for the next one to overtake it goes alone after this.
_HELD_BACK_S: Final = 5.0
_STALE: Final = timedelta(minutes=10)
_FIELDS: Final = frozenset({"vendor", "url", "secret", "hurry"})


class TargetRefused(ValueError):
    """A target that cannot be delivered to; the message says why."""


@dataclass(slots=True)
class Target:
    """Where a vendor's deliveries go. `hurry` divides the pauses between attempts; `seen` is the last look."""

    id: str
    vendor: str
    url: str
    secret: str
    hurry: float
    seen: Look
    counts: dict[str, int] = field(
        default_factory=lambda: {"sent": 0, "accepted": 0, "refused": 0, "dropped": 0}
    )
    held_back: Delivery | None = None

    def shape(self) -> dict[str, Any]:
        """The target as JSON, without its secret: vendors show that once."""
        return {"id": self.id, "vendor": self.vendor, "url": self.url, "hurry": self.hurry, **self.counts}


class Courier:
    """The targets of one running sandbox and what is on its way to them."""

    def __init__(self, sandbox: Sandbox, faults: FaultSwitch) -> None:
        self._sandbox = sandbox
        self._faults = faults
        self._targets: dict[str, Target] = {}
        self._waiting: deque[tuple[Target, Delivery, int]] = deque()
        self._paused = 0
        self._working: asyncio.Task[None] | None = None

    def add(self, body: Any) -> Target:
        """A new target `{vendor, url, secret?, hurry?}`; what happens from now on is delivered. Raises TargetRefused."""
        vendor, url, secret, hurry = _read(body)
        if len(self._targets) >= TARGETS_AT_MOST:
            raise TargetRefused(f"at most {TARGETS_AT_MOST} targets; remove one first")
        seen = look(vendor, self._sandbox.tenants[MAIN])
        target = Target(str(uuid.uuid4()), vendor, url, secret, hurry, seen)
        self._targets[target.id] = target
        return target

    def remove(self, target_id: str) -> bool:
        """Deliver no more to a target; false when there is none of that id."""
        return self._targets.pop(target_id, None) is not None

    def targets(self) -> list[dict[str, Any]]:
        """The targets with their counts."""
        return [target.shape() for target in self._targets.values()]

    @property
    def waiting(self) -> int:
        """Deliveries that have not had their last attempt."""
        return len(self._waiting) + self._paused

    def notice(self) -> None:
        """Look for what has happened and send it on its way. To be called within the running event loop."""
        tenant, now = self._sandbox.tenants[MAIN], self._sandbox.now()
        for target in self._targets.values():
            after = look(target.vendor, tenant)
            found = news(target.vendor, tenant, target.seen, after, now)
            target.seen = after
            for happened in found:
                self._send(target, happened, now)
        self._start()

    def _send(self, target: Target, happened: Happened, now: datetime) -> None:
        fault = self._faults.take(
            target.vendor, urlsplit(target.url).path or "/", happened.event, delivery=True
        )
        kind = fault.kind if fault else ""
        delivery = deliver(
            happened,
            target.url,
            secrets.token_hex(16) if kind == "webhook_bad_signature" else target.secret,
            target.id,
            now - _STALE if kind == "webhook_stale" else now,
            signed=kind != "webhook_unsigned",
        )
        if kind == "webhook_reordered" and target.held_back is None:
            target.held_back = delivery
            asyncio.get_running_loop().call_later(_HELD_BACK_S, self._release, target, delivery)
            return
        self._queue(target, delivery)
        if kind == "webhook_duplicate":
            self._queue(target, delivery)
        self._release(target, target.held_back)

    def _release(self, target: Target, delivery: Delivery | None) -> None:
        if delivery is not None and target.held_back is delivery:
            target.held_back = None
            self._queue(target, delivery)
            self._start()

    def _start(self) -> None:
        if self._waiting and self._working is None:
            self._working = asyncio.get_running_loop().create_task(self._work())

    def _queue(self, target: Target, delivery: Delivery, attempt: int = 0) -> None:
        if self.waiting >= WAITING_AT_MOST:
            target.counts["dropped"] += 1
            return
        self._waiting.append((target, delivery, attempt))

    async def _work(self) -> None:
        try:
            async with httpx.AsyncClient(
                timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False
            ) as client:
                while self._waiting:
                    target, delivery, attempt = self._waiting.popleft()
                    if target.id in self._targets:
                        await self._attempt(client, target, delivery, attempt)
        finally:
            self._working = None

    async def _attempt(
        self, client: httpx.AsyncClient, target: Target, delivery: Delivery, attempt: int
    ) -> None:
        target.counts["sent"] += 1
        try:
            async with client.stream(
                "POST", delivery.url, content=delivery.body, headers=delivery.headers
            ) as answer:
                accepted = answer.is_success
        except (httpx.HTTPError, httpx.InvalidURL):
            accepted = False
        target.counts["accepted" if accepted else "refused"] += 1
        pauses = _PAUSES_S[delivery.vendor]
        if not accepted and attempt < len(pauses):
            self._paused += 1
            pause = pauses[attempt] / target.hurry
            asyncio.get_running_loop().call_later(pause, self._again, target, delivery, attempt + 1)

    def _again(self, target: Target, delivery: Delivery, attempt: int) -> None:
        self._paused -= 1
        self._queue(target, delivery, attempt)
        self._start()


def _read(body: Any) -> tuple[str, str, str, float]:
    if not isinstance(body, Mapping):
        raise TargetRefused("expected an object with vendor and url")
    given = {str(name): value for name, value in body.items() if value != ""}
    if unknown := sorted(given.keys() - _FIELDS):
        raise TargetRefused(f"unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
    vendor, url = given.get("vendor"), given.get("url")
    if vendor not in VENDORS:
        raise TargetRefused(f"vendor must be one of {', '.join(VENDORS)}")
    if not isinstance(url, str) or len(url) > 500 or not _is_loopback(url):
        raise TargetRefused("url must be an http:// address of this machine (127.0.0.1, localhost or [::1])")
    secret = given.get("secret") or secrets.token_hex(24)
    if not isinstance(secret, str) or not secret.isascii() or not 8 <= len(secret) <= 200:
        raise TargetRefused("secret must be an ASCII text of 8 to 200 characters")
    try:
        hurry = float(given.get("hurry", 1))
    except (TypeError, ValueError, OverflowError):
        hurry = 0.0
    if not 1 <= hurry <= 1e6:
        raise TargetRefused("hurry must be a number from 1 to 1000000")
    return str(vendor), url, secret, hurry


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "http"
            and parts.hostname in LOOPBACK
            and parts.username is None
            and parts.port is not None
        )
    except ValueError:
        return False
