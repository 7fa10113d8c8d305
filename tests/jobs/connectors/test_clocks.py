"""A vendor whose clock goes wrong loses no change: what is asked for follows both clocks."""

import datetime as dt
import email.utils
import json
import types
from typing import Any

import httpx
import pytest

from jobs.connectors.base import Window
from jobs.connectors.chatwoot.client import ChatwootClient
from jobs.connectors.http import VendorHttp
from jobs.connectors.linear.client import LinearClient

pytestmark = pytest.mark.usefixtures("redis")

NOON = dt.datetime(2026, 6, 17, 12, tzinfo=dt.UTC)
WRONG = [dt.timedelta(minutes=-20), dt.timedelta(minutes=20)]


class Clock:
    """Our clock, set by the test; the vendor's is so much ahead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ours = NOON
        self.ahead = dt.timedelta(0)
        monkeypatch.setattr("models.infra.clock.datetime", types.SimpleNamespace(now=self.now))

    def now(self, zone: dt.tzinfo) -> dt.datetime:
        return self.ours.astimezone(zone)

    @property
    def theirs(self) -> dt.datetime:
        return self.ours + self.ahead

    def answer(self, body: Any, **headers: str) -> httpx.Response:
        date = email.utils.format_datetime(self.theirs, usegmt=True)
        return httpx.Response(200, json=body, headers={"date": date, **headers})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def linear(clock: Clock, changed: dict[str, dt.datetime]) -> LinearClient:
    """A workspace whose issues have these times of their last change."""
    client = LinearClient("http://linear.example", "key", timeout_s=1)

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        bounds = {name: dt.datetime.fromisoformat(at) for name, at in
                  asked["variables"].get("filter", {}).get("updatedAt", {}).items()}  # fmt: skip
        nodes = [
            {"id": key, "identifier": key, "title": key, "url": "u", "createdAt": NOON.isoformat(),
             "updatedAt": at.isoformat(), "state": {"name": "Todo", "type": "unstarted"}, "team": {"key": "A"}}
            for key, at in changed.items()
            if bounds and bounds.get("gte", at) <= at <= bounds["lte"]
        ]  # fmt: skip
        found = {"nodes": nodes, "pageInfo": {"hasNextPage": False}}
        return clock.answer({"data": {"issues": found, "projects": found}})

    client._http._client._transport = httpx.MockTransport(answer)
    return client


def read(client: Any, stream: str, cursor: dict[str, Any], clock: Clock) -> tuple[set[str], dict[str, Any]]:
    """One run: the ids it shows, and the cursor it may commit."""
    pages = list(client.pages(stream, Window(cursor, clock.ours)))
    return {record.vendor_id for page in pages for record in page.records}, dict(pages[-1].cursor or {})


@pytest.mark.parametrize("ahead", WRONG)
def test_an_issue_that_changes_right_after_a_run_is_shown_by_the_next(
    clock: Clock, ahead: dt.timedelta
) -> None:
    clock.ahead = ahead
    changed: dict[str, dt.datetime] = {}
    client = linear(clock, changed)
    list(client.pages("projects", Window({}, clock.ours)))
    _, cursor = read(client, "issues", {}, clock)
    clock.ours += dt.timedelta(seconds=1)
    changed["new"] = clock.theirs
    clock.ours += dt.timedelta(minutes=15)
    list(client.pages("projects", Window({}, clock.ours)))
    assert read(client, "issues", cursor, clock)[0] == {"new"}


@pytest.mark.parametrize("ahead", WRONG)
def test_contacts_that_are_active_right_after_a_run_are_shown_by_the_next(
    clock: Clock, ahead: dt.timedelta
) -> None:
    clock.ahead = ahead
    contacts: list[dict[str, Any]] = []
    client = ChatwootClient("http://chatwoot.example", "1", "t", timeout_s=1)

    def answer(request: httpx.Request) -> httpx.Response:
        first = (int(request.url.params.get("page", 1)) - 1) * 15
        return clock.answer({"meta": {"count": len(contacts)}, "payload": contacts[first : first + 15]})

    client._http._client._transport = httpx.MockTransport(answer)
    list(client.pages("inboxes", Window({}, clock.ours)))
    _, cursor = read(client, "contacts", {}, clock)
    clock.ours += dt.timedelta(seconds=1)
    at = int(clock.theirs.timestamp())
    contacts += [
        {"id": number, "email": "e@x.example", "created_at": at, "last_activity_at": at}
        for number in range(40)
    ]
    clock.ours += dt.timedelta(minutes=15)
    assert len(read(client, "contacts", cursor, clock)[0]) == 40


@pytest.mark.parametrize(
    ("date", "headers", "ahead_s"),
    [
        ("Wed, 17 Jun 2026 11:50:00 GMT", {}, -600),
        ("Wed, 17 Jun 2026 12:10:00 GMT", {}, 600),
        ("Wed, 17 Jun 2026 11:50:00 GMT", {"age": "600"}, 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", {}, -86_400),
        ("yesterday", {}, 0),
    ],
    ids=["behind", "ahead", "out of a cache", "no clock", "unreadable"],
)
def test_the_vendors_clock_is_known_from_its_answers(
    clock: Clock, date: str, headers: dict[str, str], ahead_s: int
) -> None:
    client = VendorHttp("attio", "http://attio.example", {}, timeout_s=1, classify=lambda _: None)
    answer = httpx.Response(200, json={}, headers={"date": date, **headers})
    client._client._transport = httpx.MockTransport(lambda _: answer)
    assert client.bounds_of(NOON) == (NOON, NOON)
    client.get_json("/x")
    theirs = NOON + dt.timedelta(seconds=ahead_s)
    assert client.bounds_of(NOON) == (min(NOON, theirs), max(NOON, theirs))
