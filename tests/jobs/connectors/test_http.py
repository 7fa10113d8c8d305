"""Between us and a vendor: no more requests at once than allowed, and quiet for as long as it asks."""

import datetime as dt
import email.utils
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from deploy.embedded import ServerUrls
from deploy.generated_chatwoot import Account, running
from jobs.connectors.attio.client import AttioClient
from jobs.connectors.base import Page, Window
from jobs.connectors.breaker import circuit_key, read_circuit
from jobs.connectors.chatwoot.client import ChatwootClient
from jobs.connectors.errors import RateLimited, SchemaChanged, UnusableAnswer, VendorDown
from jobs.connectors.http import VendorHttp
from jobs.connectors.linear.client import LinearClient
from jobs.connectors.slots import Busy, Slots
from models.infra.clock import utcnow
from models.infra.redis import events_redis
from models.infra.settings import environment, override_settings
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("redis")


def silent(_response: httpx.Response) -> None:
    return None


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for, in seconds, instead of pauses."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def answering(client: Any, answers: Callable[[dict[str, Any]], httpx.Response]) -> list[dict[str, Any]]:
    """Let a connector's requests be answered by a function; returns the bodies it sent."""
    sent: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        body: Any = json.loads(request.content) if request.content else None
        sent.append(body)
        return answers(body)

    client._http._client._transport = httpx.MockTransport(handle)
    return sent


def linear_page(nodes: list[Any], headers: dict[str, str] | None = None, **info: Any) -> httpx.Response:
    body = {"data": {"issueRelations": {"nodes": nodes, "pageInfo": {"hasNextPage": False, **info}}}}
    return httpx.Response(200, json=body, headers=headers)


def relations(client: LinearClient) -> list[Page]:
    return list(client.pages("relations", Window({}, utcnow())))


def test_no_more_requests_are_under_way_at_one_origin_than_allowed() -> None:
    with running(Account(40, 1), delay_ms=30) as url:
        clients = [
            VendorHttp("chatwoot", url, {}, timeout_s=10, parallel=3, classify=silent) for _ in range(2)
        ]

        def ask(number: int) -> None:
            clients[number % 2].get_json(f"/api/v1/accounts/1/conversations/{number}")

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        stats = httpx.get(f"{url}/_stats", timeout=10).json()
        for client in clients:
            client.close()
    assert sum(client.requests_made for client in clients) == stats["requests"] == 24
    assert stats["most_at_once"] == 3


def test_the_limit_holds_over_processes_and_outlives_none_of_them(redis: ServerUrls) -> None:
    code = (
        "import sys, threading; from jobs.connectors.http import VendorHttp\n"
        "client = VendorHttp('chatwoot', sys.argv[1], {}, timeout_s=10, parallel=2, classify=lambda _: None)\n"
        "ask = lambda n: client.get_json(f'/api/v1/accounts/1/conversations/{n}')\n"
        "threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, 13)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )
    with running(Account(12, 1), delay_ms=40) as url:
        env = environment(APP_ENV="test", PYTHONPATH=str(ROOT), REDIS_URL=redis.redis_url)
        command = [sys.executable, "-c", code, url]
        both = [subprocess.Popen(command, cwd=ROOT, env=env) for _ in range(2)]
        assert [each.wait(60) for each in both] == [0, 0]
        stats = httpx.get(f"{url}/_stats", timeout=10).json()
    assert (stats["requests"], stats["most_at_once"]) == (24, 2)
    assert events_redis().keys("slots:*") == []


def test_a_slot_that_nobody_gives_back_in_time_is_an_error_that_passes() -> None:
    held, asked = Slots("test:busy", 1), Slots("test:busy", 1)
    with held.hold(1.0), pytest.raises(Busy), asked.hold(0.0):
        pass
    with asked.hold(1.0):
        pass


def test_without_redis_each_process_keeps_to_its_own_limit() -> None:
    with override_settings(redis_url="redis://127.0.0.1:1/0"):
        held, asked = Slots("test:away", 1), Slots("test:away", 1)
        with held.hold(5.0), pytest.raises(Busy), asked.hold(0.0):
            pass


def test_plain_text_429_makes_every_caller_wait_for_the_next_minute(slept: list[float]) -> None:
    client = ChatwootClient("http://chatwoot.example", "1", "t", timeout_s=1, parallel=2)
    answers = iter(
        [httpx.Response(429, text="Retry later\n"), *[httpx.Response(200, json={"payload": []})] * 2]
    )
    answering(client, lambda _: next(answers))
    list(client.pages("inboxes", Window({}, utcnow())))
    assert client.requests_made == 2
    assert slept
    assert 0 < max(slept) <= 63
    before = len(slept)
    list(client.pages("inboxes", Window({}, utcnow())))  # the clock has not moved: still quiet
    assert len(slept) == before + 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text='{"data": {"issueRelations": {"nodes": ['),
        httpx.Response(200, content=b'{"data": "\xff"}'),
        httpx.Response(200, json={"errors": [{"message": "x", "extensions": {"type": "internal error"}}]}),
    ],
    ids=["truncated", "undecodable", "errors in a 200"],
)
def test_an_answer_that_cannot_be_used_is_asked_for_again_and_opens_no_circuit(
    slept: list[float], answer: httpx.Response
) -> None:
    client = LinearClient("http://half.example", "key", timeout_s=1)
    sent = answering(client, lambda _: answer)
    for _ in range(3):
        with pytest.raises(UnusableAnswer):
            relations(client)
    assert UnusableAnswer.kind == "vendor_down"
    assert len(sent) == 12
    assert read_circuit(circuit_key("linear", "http://half.example")).opened_at is None


def test_a_server_that_fails_opens_the_circuit(slept: list[float]) -> None:
    client = LinearClient("http://broken.example", "key", timeout_s=1)
    sent = answering(client, lambda _: httpx.Response(503, text="busy"))
    for _ in range(3):
        with pytest.raises(VendorDown):
            relations(client)
    assert len(sent) == 5
    assert read_circuit(circuit_key("linear", "http://broken.example")).opened_at is not None


def test_a_retry_after_written_as_a_date_is_obeyed(slept: list[float]) -> None:
    client = AttioClient("http://attio.example", "t", timeout_s=1)
    later = email.utils.format_datetime(utcnow() + dt.timedelta(seconds=20), usegmt=True)
    refusals = [httpx.Response(429, json={"message": "Rate limit exceeded"}, headers={"Retry-After": later})]
    answering(client, lambda _: refusals.pop() if refusals else httpx.Response(200, json={"data": []}))
    list(client.pages("people", Window({}, utcnow())))
    # The schema twice, then the people.
    assert client.requests_made == 3
    assert 18 < max(slept) <= 20


def test_an_offset_that_the_vendor_ignores_fails_loudly() -> None:
    client = AttioClient("http://attio.example", "t", timeout_s=1)
    people = [{"id": {"record_id": f"r{number}"}, "values": {}} for number in range(500)]
    # A list of records is asked for with a body, the schema without.
    answering(client, lambda body: httpx.Response(200, json={"data": people if body else []}))
    with pytest.raises(SchemaChanged, match="does not advance"):
        list(client.pages("people", Window({}, utcnow())))


@pytest.mark.parametrize("stream", ["people", "tasks", "companies"])
def test_a_list_that_goes_on_for_ever_does_not_pass_for_complete(
    monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    """Of people the records, of tasks the list, of companies the entries of a list they may be on."""
    monkeypatch.setattr("jobs.connectors.base.PAGES_AT_MOST", 5)
    monkeypatch.setattr("jobs.connectors.attio.client._RECORDS_LIMIT", 2)
    client = AttioClient("http://attio.example", "t", timeout_s=1)
    numbers = iter(range(1_000))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v2/lists":
            return httpx.Response(200, json={"data": [{"api_slug": "all", "parent_object": ["companies"]}]})
        if not request.url.path.endswith(("/query", "/tasks")):
            return httpx.Response(200, json={"data": []})
        ids = [{"record_id": str(next(numbers)), "task_id": "t", "entry_id": "e"} for _ in range(2)]
        entries = [{"id": each, "parent_record_id": each["record_id"], "values": {}} for each in ids]
        return httpx.Response(200, json={"data": entries})

    client._http._client._transport = httpx.MockTransport(answer)
    read: list[Page] = []
    with pytest.raises(SchemaChanged, match="more than 5 pages"):
        read.extend(client.pages(stream, Window({}, utcnow())))
    assert not any(page.scanned_all for page in read)


def test_linear_is_not_asked_before_its_bucket_holds_the_next_query(slept: list[float]) -> None:
    client = LinearClient("http://linear.example", "key", timeout_s=1)
    headers = {
        "X-Complexity": "500",
        "X-RateLimit-Complexity-Limit": "360000",
        "X-RateLimit-Complexity-Remaining": "100",
        "X-RateLimit-Requests-Limit": "2500",
        "X-RateLimit-Requests-Remaining": "2000",
    }
    answers = iter(
        [linear_page([], headers, hasNextPage=True, endCursor="a"), linear_page([], hasNextPage=False)]
    )
    answering(client, lambda _: next(answers))
    relations(client)
    # 400 points are missing and 100 come back a second.
    assert [round(pause) for pause in slept] == [4]


def test_a_quota_that_refills_after_the_run_ends_the_stream_without_asking(slept: list[float]) -> None:
    client = LinearClient("http://linear.example", "key", timeout_s=1)
    headers = {"X-RateLimit-Endpoint-Requests-Remaining": "0"}
    headers["X-RateLimit-Endpoint-Requests-Reset"] = str(int((time.time() + 900) * 1000))
    sent = answering(client, lambda _: linear_page([], headers, hasNextPage=True, endCursor="a"))
    with pytest.raises(RateLimited) as refused:
        relations(client)
    assert refused.value.retry_at > utcnow() + dt.timedelta(minutes=14)
    assert len(sent) == 1
    assert slept == []


def test_a_query_that_is_too_complex_is_asked_again_with_smaller_pages() -> None:
    client = LinearClient("http://linear.example", "key", timeout_s=1)

    def answer(body: dict[str, Any]) -> httpx.Response:
        if body["variables"]["first"] > 25:
            error = {"message": "Query too complex", "extensions": {"type": "invalid input"}}
            return httpx.Response(400, json={"errors": [error]})
        return linear_page([])

    sent = answering(client, answer)
    relations(client)
    relations(client)
    # The size that worked is kept for the next stream.
    assert [body["variables"]["first"] for body in sent] == [100, 50, 25, 25]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"]])
def test_a_cursor_that_comes_back_fails_loudly(cursors: list[str]) -> None:
    client = LinearClient("http://linear.example", "key", timeout_s=1)
    answers: Iterator[httpx.Response] = iter(
        linear_page([], hasNextPage=True, endCursor=cursor) for cursor in cursors
    )
    answering(client, lambda _: next(answers))
    with pytest.raises(SchemaChanged, match="does not advance"):
        relations(client)


def test_labels_that_do_not_fit_into_an_issues_answer_are_fetched_too() -> None:
    client = LinearClient("http://linear.example", "key", timeout_s=1)
    names = [f"label {number:03}" for number in range(250)]
    issue = {
        "id": "i", "identifier": "A-1", "title": "t", "url": "u", "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-01T00:00:00.000Z", "state": {"name": "Todo", "type": "unstarted"}, "team": {"key": "A"},
    }  # fmt: skip

    def labels(start: int, size: int) -> dict[str, Any]:
        shown = [{"id": name, "name": name} for name in names[start : start + size]]
        end = start + len(shown)
        return {"nodes": shown, "pageInfo": {"hasNextPage": end < len(names), "endCursor": str(end)}}

    def answer(body: dict[str, Any]) -> httpx.Response:
        if "query Labels" in body["query"]:
            return httpx.Response(
                200, json={"data": {"issue": {"labels": labels(int(body["variables"]["after"]), 100)}}}
            )
        return httpx.Response(200, json={"data": {"issue": {**issue, "labels": labels(0, 20)}}})

    sent = answering(client, answer)
    record = client.fetch_one("issues", "i")
    assert record is not None
    assert record.fields["labels"] == names
    assert "pageInfo" not in record.payload["labels"]
    assert len(sent) == 4
