"""`make bench-webhooks`: how soon a vendor's delivery is answered while many come at once.

A web process, Postgres and Redis of its own, as in production one process; signed deliveries come from so many senders
at a time, spread over connections so that no limit of a connection is met; the limit of an address is set aside, since
all senders are one here. Printed is the distribution of the times
from sending to the whole answer. An answer that is no 2xx, or one that took longer than promised, is exit status 1.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import httpx
from starlette.types import ASGIApp

from deploy.bench_sync import bench_database, bench_servers
from deploy.embedded import free_port
from models.infra.crypto import encrypt
from models.infra.database import close_database, transaction
from models.infra.settings import override_settings
from models.tables.platform import AccountScope, Project, VendorConnection
from tools_app.api.app import create_api, with_gate

_PROMISED_S = 1.0
_CONNECTIONS = 10
_SECRET = "bench-secret-0123456789"  # noqa: S105 - signs for a database that is dropped at the end
_START_S = 60.0


def main() -> int:
    """Measure what the command line says; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=5_000)
    parser.add_argument("--senders", type=int, default=20)
    given = parser.parse_args()
    with (
        bench_servers() as urls,
        bench_database(urls, "bench_webhooks") as env,
        _web(env) as origin,
    ):
        paths = [f"/api/webhooks/chatwoot/{each}" for each in _connections(env)]
        started = time.perf_counter()
        answers = asyncio.run(_send(origin, paths, given.deliveries, given.senders))
        took = time.perf_counter() - started
    broken = report(answers, took)
    for line in broken:
        print(f"BROKEN: {line}")
    return 1 if broken else 0


def report(answers: Sequence[tuple[int, float]], took_s: float) -> list[str]:
    """Print the distribution of answers (status, seconds); return the promises that are broken."""
    times = sorted(seconds for _, seconds in answers)
    statuses = Counter(status for status, _ in answers)
    print(
        f"{len(answers)} deliveries in {took_s:.1f} s ({len(answers) / took_s:.0f}/s): p50 {quantile(times, 0.5):.0f} ms,"
        f" p95 {quantile(times, 0.95):.0f} ms, p99 {quantile(times, 0.99):.0f} ms, max {times[-1] * 1000:.0f} ms;"
        f" answers {dict(statuses)}"
    )
    refused = sum(count for status, count in statuses.items() if not 200 <= status < 300)
    late = sum(seconds > _PROMISED_S for seconds in times)
    broken = [f"{refused} answers are no 2xx"] if refused else []
    return [*broken, *([f"{late} answers took more than {_PROMISED_S:g} s"] if late else [])]


def quantile(ascending: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of times in seconds, in milliseconds."""
    return ascending[max(0, math.ceil(share * len(ascending)) - 1)] * 1000


async def _send(origin: str, paths: Sequence[str], count: int, senders: int) -> list[tuple[int, float]]:
    answers: list[tuple[int, float]] = []
    numbers = iter(range(1, count + 1))
    async with httpx.AsyncClient(base_url=origin, timeout=30, trust_env=False) as client:

        async def sender() -> None:
            for number in numbers:
                headers, body = _delivery(number)
                started = time.perf_counter()
                answer = await client.post(paths[number % len(paths)], content=body, headers=headers)
                answers.append((answer.status_code, time.perf_counter() - started))

        await asyncio.gather(*(sender() for _ in range(senders)))
    return answers


def _delivery(number: int) -> tuple[dict[str, str], bytes]:
    """A signed Chatwoot delivery about a message: some messages are named again, as in a lively conversation."""
    event = {
        "event": "message_created",
        "id": number % 900,
        "message_type": "incoming",
        "conversation": {"id": number % 30},
    }
    body = json.dumps(event).encode()
    stamp = str(int(time.time()))
    mac = hmac.new(_SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-chatwoot-timestamp": stamp,
        "x-chatwoot-signature": f"sha256={mac}",
        "x-chatwoot-delivery": str(uuid4()),
    }
    return headers, body


def _connections(env: dict[str, str]) -> list[str]:
    """Make a scope with connections that take deliveries; return their ids."""
    with override_settings(database_url=env["DATABASE_URL"], secret_keys=env["SECRET_KEYS"]):
        try:
            with transaction() as session:
                scope = AccountScope(slug="bench", name="Bench", timezone="UTC")
                session.add(scope)
                session.flush()
                session.add(Project(account_scope_id=scope.id, slug="rest", name="Rest", kind="unassigned"))
                made = [
                    VendorConnection(
                        account_scope_id=scope.id,
                        connector="chatwoot",
                        name=f"Generated {number}",
                        base_url=f"http://127.0.0.1:9/{number}",
                        external_account="1",
                        token_encrypted=encrypt("any"),
                        webhook_secret_encrypted=encrypt(_SECRET),
                    )
                    for number in range(_CONNECTIONS)
                ]
                session.add_all(made)
                session.flush()
                return [str(each.id) for each in made]
        finally:
            close_database()


def served() -> ASGIApp:
    """The API without pages, behind what every request passes."""
    return with_gate(create_api())


@contextmanager
def _web(env: dict[str, str]) -> Iterator[str]:
    """The API in a process of its own; yields its origin."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--no-ws", "deploy.bench_webhooks:served"],
        env={**env, "RATE_LIMIT_WEBHOOK": "1000000"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    origin = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{origin}/health", process)
        yield origin
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the web process did not start")


if __name__ == "__main__":
    raise SystemExit(main())
