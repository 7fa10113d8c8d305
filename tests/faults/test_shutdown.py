"""SIGTERM: what was accepted is answered, streams are told, and every process leaves with exit code 0."""

import asyncio
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.conftest import Tower

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

PATHS = (
    "/api/control-tower",
    "/api/projects",
    "/health",
    "/api/jobs/status",
    "/api/records?set=stream_linear_issues",
)
CLIENTS = 20


class Load:
    """Clients that ask without a pause on kept-alive connections until they are refused."""

    def __init__(self, base_url: str, cookies: dict[str, str]) -> None:
        self._base_url, self._cookies = base_url, cookies
        self.statuses: Counter[int] = Counter()
        self.broken: list[str] = []
        self.told = 0

    async def run(self) -> None:
        await asyncio.gather(*(self._ask(PATHS[number % len(PATHS)]) for number in range(CLIENTS)))

    async def _ask(self, path: str) -> None:
        async with httpx.AsyncClient(base_url=self._base_url, cookies=self._cookies, timeout=60) as client:
            while True:
                try:
                    answer = await client.get(path)
                except httpx.ConnectError:
                    return
                except httpx.TransportError as error:
                    self.broken.append(f"{path}: {error!r}")
                    return
                self.statuses[answer.status_code] += 1
                self.told += answer.headers.get("connection") == "close"


def stream_lines(client: httpx.Client, opened: threading.Event, into: list[str]) -> None:
    with client.stream("GET", "/api/events/stream") as response:
        for line in response.iter_lines():
            into.append(line)
            opened.set()


def stopped(process: "subprocess.Popen[bytes]", within_s: float) -> int:
    process.terminate()
    return process.wait(within_s)


@pytest.fixture
def web(tower: Tower) -> Iterator[str]:
    name = f"web-{time.monotonic_ns()}"
    tower.start_web(name)
    yield name
    if tower.processes[name].poll() is None:
        tower.processes[name].kill()


def test_no_request_that_was_accepted_fails_and_streams_end_with_a_last_event(tower: Tower, web: str) -> None:
    client, opened, lines = tower.client(web), threading.Event(), []
    reader = threading.Thread(target=stream_lines, args=(client, opened, lines), daemon=True)
    reader.start()
    assert opened.wait(60)
    load = Load(tower.addresses[web], dict(client.cookies))
    asker = threading.Thread(target=lambda: asyncio.run(load.run()), daemon=True)
    asker.start()
    while load.statuses.total() < 3 * CLIENTS:
        time.sleep(0.1)
    assert stopped(tower.processes[web], 60) == 0
    asker.join(60)
    reader.join(60)
    assert load.broken == []
    assert set(load.statuses) == {200}
    # Every connection was told to close instead of being cut.
    assert load.told == CLIENTS
    assert [line for line in lines if line][-2:] == ["event: closing", 'data: {"reason": "closing"}']


def test_a_slow_request_that_is_under_way_is_answered(tower: Tower, web: str) -> None:
    client = tower.client(web)
    answers: list[httpx.Response] = []
    # bcrypt and a cold page of everything: the slowest that the API has without a model.
    asking = threading.Thread(
        target=lambda: answers.append(
            client.post("/api/lightrag/query", json={"query": "what did we promise?"})
        )
    )
    asking.start()
    time.sleep(0.3)
    assert stopped(tower.processes[web], 60) == 0
    asking.join(60)
    assert [each.status_code for each in answers] == [200]


def test_it_says_in_order_what_it_closes(tower: Tower, web: str) -> None:
    assert stopped(tower.processes[web], 60) == 0
    said = [line["msg"] for line in tower.lines(web)]
    order = ["stopping", "Shutting down granian", "stopped"]
    assert [each for each in said if each in order] == order


@pytest.mark.parametrize(
    "command", [("jobs.worker", "control", "sync", "index"), ("jobs.schedule",)], ids=["worker", "scheduler"]
)
def test_worker_and_scheduler_leave_with_0(tower: Tower, command: tuple[str, ...]) -> None:
    name = f"{command[0]}-{time.monotonic_ns()}"
    process = tower.start(name, *command)
    while "running" not in tower.log(name).read_text():
        assert process.poll() is None, tower.log(name).read_text()
        time.sleep(0.1)
    time.sleep(1)
    assert stopped(process, 60) == 0
    assert all(line["service"] in ("worker", "scheduler") for line in tower.lines(name))
