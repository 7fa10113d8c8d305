"""A server is lost under load: what still works, what is said, and that everything comes back by itself."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.faults.conftest import Tower

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

READS = (
    "/api/auth/me", "/api/projects", "/api/control-tower", "/api/records?set=stream_linear_issues",
    "/api/connectors/state", "/api/connectors/errors", "/api/connectors/reconciliation", "/api/jobs/status",
    "/api/lightrag/status", "/api/crm/unmapped-stages", "/api/system", "/health", "/metrics",
)  # fmt: skip
CLIENTS = 6


class Load:
    """Reads on every endpoint, over and over, until told to stop; failures of the connection count as status 0."""

    def __init__(self, base_url: str, cookies: dict[str, str]) -> None:
        self._base_url, self._cookies = base_url, cookies
        self._over = threading.Event()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.odd: list[str] = []
        self.rounds = 0

    @contextmanager
    def running(self) -> Iterator["Load"]:
        thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join(120)

    def wait_for_rounds(self, count: int) -> None:
        """Wait until every path was asked `count` more times."""
        target, deadline = self.rounds + count, time.monotonic() + 180
        while self.rounds < target:
            assert time.monotonic() < deadline, "the load does not get on"
            time.sleep(0.05)

    def statuses(self) -> set[int]:
        return {status for _, status in self.answers}

    async def _run(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(CLIENTS)))

    async def _client(self, number: int) -> None:
        async with httpx.AsyncClient(base_url=self._base_url, cookies=self._cookies, timeout=60) as client:
            while not self._over.is_set():
                for path in READS:
                    await self._ask(client, path)
                if number == 0:
                    self.rounds += 1

    async def _ask(self, client: httpx.AsyncClient, path: str) -> None:
        try:
            answer = await client.get(path)
        except httpx.TransportError as error:
            self.answers[path, 0] += 1
            self.odd.append(f"{path}: {error!r}")
            return
        self.answers[path, answer.status_code] += 1
        if answer.status_code >= 500:
            self.odd.append(f"{path}: {answer.status_code} {sorted(answer.headers)} {answer.text[:300]}")


@contextmanager
def stream(client: httpx.Client) -> Iterator[list[str]]:
    """The lines of an open event stream as they come; `ended` is the last of them when the stream ends."""
    lines: list[str] = []
    opened, over = threading.Event(), threading.Event()

    def read() -> None:
        try:
            with client.stream("GET", "/api/events/stream") as response:
                for line in response.iter_lines():
                    lines.append(line)
                    opened.set()
                    if over.is_set():
                        return
        except httpx.TransportError as error:
            lines.append(repr(error))
        lines.append("ended")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert opened.wait(60)
    try:
        yield lines
    finally:
        over.set()


def until(ready: Callable[[], bool], complaint: str, within_s: float = 240) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.3)


def ask_for_a_job(client: httpx.Client) -> list[str]:
    """Ask for an index run; the ids of the runs."""
    answer = client.post("/api/lightrag/refresh")
    assert answer.status_code == 202, answer.text
    runs: list[str] = answer.json()["run_ids"]
    assert runs
    return runs


def status_of(client: httpx.Client, run_id: str) -> str:
    runs = client.get("/api/jobs/status").json()["jobs"]["runs"]
    return next((each["status"] for each in runs if each["run_id"] == run_id), "absent")


@pytest.fixture
def client(tower: Tower) -> Iterator[httpx.Client]:
    opened = tower.client()
    yield opened
    opened.close()


def test_without_redis_everything_answers_and_jobs_run_when_it_is_back(
    tower: Tower, client: httpx.Client
) -> None:
    load = Load(tower.addresses["web"], dict(client.cookies))
    with load.running(), stream(client) as lines:
        load.wait_for_rounds(1)
        tower.kill_redis("queue")
        tower.kill_redis("cache")
        load.wait_for_rounds(1)
        assert client.get("/health").json()["status"] == "degraded"
        assert client.get("/api/jobs/status").json()["jobs"]["queue_online"] is False
        runs = ask_for_a_job(client)
        load.wait_for_rounds(1)
        tower.restart_redis("queue")
        tower.restart_redis("cache")
        until(
            lambda: status_of(client, runs[0]) == "succeeded",
            "the job that was asked for meanwhile did not run",
        )
        until(lambda: client.get("/health").json()["status"] == "ok", "health does not recover")
        # The stream stayed open all the time and tells of the run.
        until(lambda: any(runs[0] in line for line in lines), "the event did not reach the stream")
        assert "ended" not in lines
    assert load.odd == []
    assert load.statuses() == {200}


def test_while_postgres_restarts_answers_are_503_with_retry_after_and_come_back(
    tower: Tower, client: httpx.Client
) -> None:
    load = Load(tower.addresses["web"], dict(client.cookies))
    refused: list[httpx.Response] = []
    away = threading.Event()

    def ask_meanwhile() -> None:
        with httpx.Client(base_url=tower.addresses["web"], cookies=client.cookies, timeout=60) as other:
            while not away.is_set():
                for path in ("/api/control-tower", "/api/projects", "/health"):
                    try:
                        answer = other.get(path)
                    except httpx.TransportError:
                        # The load counts connections that fail.
                        continue
                    if answer.status_code != 200:
                        refused.append(answer)

    with load.running(), stream(client) as lines:
        load.wait_for_rounds(1)
        asking = threading.Thread(target=ask_meanwhile, daemon=True)
        asking.start()
        tower.restart_postgres(away_s=4)
        until(lambda: client.get("/health").status_code == 200, "health does not recover")
        until(lambda: client.get("/api/control-tower").status_code == 200, "pages' data do not come back")
        away.set()
        asking.join(60)
        load.wait_for_rounds(1)
        assert "ended" not in lines
        runs = ask_for_a_job(client)
        until(lambda: status_of(client, runs[0]) == "succeeded", "jobs do not run again")
        until(lambda: any(runs[0] in line for line in lines), "the stream is deaf")
    assert refused
    for answer in refused:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        body = answer.json()
        assert body["request_id"] == answer.headers["x-request-id"]
        if "checks" in body:
            assert body["checks"]["database"] == "down"
        else:
            assert body["error"]["code"] == "database_away"
    assert load.statuses() <= {200, 503}, load.odd[:10]


def test_what_the_processes_logged_meanwhile_is_json_with_the_agreed_fields(
    tower: Tower, client: httpx.Client
) -> None:
    asked = "observed-request-1"
    answer = client.post("/api/lightrag/refresh", headers={"x-request-id": asked})
    run_id = answer.json()["run_ids"][0]
    until(lambda: status_of(client, run_id) not in ("queued", "running"), "the run does not end")
    services: dict[str, set[str]] = {"web": {"web"}, "worker": {"worker"}, "scheduler": {"scheduler"}}
    for name, allowed in services.items():
        lines = tower.lines(name)
        assert lines
        for line in lines:
            assert {"time", "level", "msg", "pid", "request_id", "service"} <= set(line), line
            assert line["service"] in allowed
    access = [line for line in tower.lines("web") if line["request_id"] == asked and line["msg"] == "request"]
    assert [(each["route"], each["status"]) for each in access] == [("/api/lightrag/refresh", 202)]
    assert access[0]["took_ms"] >= 0
    # The request's id went along into the job.
    ended = [line for line in tower.lines("worker") if line.get("run_id") == run_id]
    assert {line["request_id"] for line in ended} == {asked}
    secrets = [
        *tower.variables["SECRET_KEYS"].split(","),
        tower.variables["AUTH_CREDENTIALS"].partition(":")[2],
    ]
    secrets += [
        each.rpartition("@")[0].rpartition(":")[2] for each in (tower.urls.database_url, tower.urls.redis_url)
    ]
    for name in services:
        text = tower.log(name).read_text()
        assert not [secret for secret in secrets if secret and secret in text]
