"""How long a vendor may ask us to wait, and by whose clock."""

import datetime as dt
import email.utils
import types
from typing import Any

import httpx
import pytest

from jobs.connectors.errors import LONGEST_PAUSE, RateLimited
from jobs.connectors.http import VendorHttp, retry_after
from jobs.connectors.linear.client import LinearClient
from tests.jobs.connectors.test_http import answering, linear_page, relations

pytestmark = pytest.mark.usefixtures("redis")

NOON = dt.datetime(2026, 6, 17, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our clock stands at noon."""
    monkeypatch.setattr("models.infra.clock.datetime", types.SimpleNamespace(now=NOON.astimezone))


def refusal(value: str, date: str | None = None, **headers: str) -> httpx.Response:
    told = {"date": date, **headers} if date else headers
    raw = [(name.encode(), text.encode("latin-1")) for name, text in {"retry-after": value, **told}.items()]
    return httpx.Response(429, json={}, headers=raw)


def written(moment: dt.datetime) -> str:
    return email.utils.format_datetime(moment, usegmt=True)


@pytest.mark.parametrize("ahead_s", [-20, 0, 20, 3 * 86_400])
def test_a_date_is_measured_by_the_clock_that_wrote_it(ahead_s: int) -> None:
    theirs = NOON + dt.timedelta(seconds=ahead_s)
    answer = refusal(written(theirs + dt.timedelta(seconds=5)), written(theirs))
    assert retry_after(answer) == NOON + dt.timedelta(seconds=5)


@pytest.mark.parametrize(
    "headers",
    [{}, {"date": "yesterday"}, {"date": written(NOON - dt.timedelta(hours=1)), "age": "3600"}],
    ids=["no clock", "unreadable", "out of a cache"],
)
def test_a_date_without_a_clock_beside_it_is_measured_by_ours(headers: dict[str, str]) -> None:
    later = NOON + dt.timedelta(seconds=5)
    assert retry_after(refusal(written(later), **headers)) == later


@pytest.mark.parametrize("value", ["99999999999999999", "9" * 5_000, "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_no_pause_is_longer_than_a_day(value: str) -> None:
    assert retry_after(refusal(value)) == NOON + LONGEST_PAUSE == NOON + dt.timedelta(days=1)


@pytest.mark.parametrize(
    "value", ["", "soon", "²", "٣", "-5", "1.5", f"Fri, 31 Dec {'9' * 30} 23:59:59 GMT", "Zürich"]
)
def test_what_is_no_number_of_seconds_and_no_date_says_nothing(value: str) -> None:
    response = httpx.Response(429, json={}, headers=[(b"retry-after", value.encode())])
    assert retry_after(response) is None


def test_a_moment_that_is_past_is_a_short_pause() -> None:
    assert retry_after(refusal(written(NOON - dt.timedelta(days=9)))) == NOON + dt.timedelta(seconds=0.1)
    assert retry_after(refusal("0")) == NOON + dt.timedelta(seconds=0.1)


@pytest.mark.parametrize(
    "headers",
    [
        {"Endpoint-Requests-Reset": "9" * 30, "Endpoint-Requests-Remaining": "0"},
        {"Requests-Limit": "1e-300", "Requests-Remaining": "0"},
        {"Requests-Limit": "2500", "Requests-Remaining": "-1e300"},
    ],
)
def test_quota_headers_without_measure_are_a_pause_of_a_day_at_most(headers: dict[str, str]) -> None:
    client = LinearClient("http://linear.example", "key", timeout_s=1)
    told = {f"X-RateLimit-{name}": value for name, value in headers.items()}
    sent = answering(client, lambda _: linear_page([], told, hasNextPage=True, endCursor="a"))
    with pytest.raises(RateLimited) as refused:
        relations(client)
    assert refused.value.retry_at == NOON + LONGEST_PAUSE
    assert len(sent) == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_quota_headers_that_are_no_numbers_say_nothing(value: str) -> None:
    client = LinearClient("http://linear.example", "key", timeout_s=1)
    told = {
        f"X-RateLimit-{quota}-{part}": value
        for quota in ("Requests", "Complexity", "Endpoint-Requests")
        for part in ("Limit", "Remaining", "Reset")
    }
    answering(client, lambda _: linear_page([], told))
    assert len(relations(client)) == 1


def test_a_pause_that_was_kept_for_longer_than_a_day_is_not_kept_to() -> None:
    client: Any = VendorHttp(
        "attio", "http://attio.example", {}, timeout_s=1, classify=lambda _: None,
        quiet_until=dt.datetime(2100, 12, 31, tzinfo=dt.UTC),
    )  # fmt: skip
    client._client._transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": 1}))
    assert client.get_json("/x") == {"data": 1}
