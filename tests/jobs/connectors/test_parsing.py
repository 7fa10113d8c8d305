"""A body is JSON that our own stack can bear, or it is no answer."""

from typing import Any

import httpx
import pytest

from jobs.connectors.errors import RequestRefused
from jobs.connectors.http import VendorHttp
from jobs.connectors.parsing import json_of, parse
from jobs.sync import SyncResult
from tests.jobs.copies import run_sync
from tests.jobs.small_vendors import SmallVendors


def nested(levels: int, inside: bytes = b"") -> bytes:
    return b"[" * levels + inside + b"]" * levels


@pytest.mark.parametrize("levels", [1, 100, 250])
def test_what_is_nested_as_records_are_is_read(levels: int) -> None:
    assert parse(nested(levels)) is not None


@pytest.mark.parametrize("levels", [300, 1_000, 2_000, 100_000])
@pytest.mark.parametrize(
    "inside", [b"", b'"\\ud800"', b"1" + b"0" * 30], ids=["plain", "half a pair", "a large number"]
)
def test_what_has_no_bottom_is_refused(levels: int, inside: bytes) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse(nested(levels, inside))


def test_half_a_surrogate_pair_is_read() -> None:
    assert parse(b'{"a": "\\ud800"}') == {"a": "\ud800"}


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", nested(2_000)])
def test_an_error_without_a_readable_body_has_none(content: bytes) -> None:
    assert json_of(httpx.Response(500, content=content)) is None


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize(
    ("status", "location", "told"),
    [
        (301, "https://desk.example/api?token=secret", "https://desk.example;"),
        (308, "/login", "another address;"),
        (304, "http://desk.example:x", "an unreadable address;"),
    ],
)
def test_a_vendor_that_has_moved_is_said_to_have_and_is_not_followed(
    status: int, location: str, told: str
) -> None:
    client = answering(httpx.Response(status, headers={"location": location}, content=b"<html>moved</html>"))
    with pytest.raises(RequestRefused, match=f"HTTP {status}") as refused:
        client.get_json("/x")
    assert f"moved to {told}" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert client.requests_made == 1
    client.close()


def answering(response: httpx.Response) -> VendorHttp:
    client = VendorHttp("attio", "http://vendor.example", {}, timeout_s=1, classify=lambda _: None)
    transport = httpx.MockTransport(lambda _: response)
    client._client = httpx.Client(base_url="http://vendor.example", transport=transport)
    return client


@pytest.mark.parametrize("levels", [300, 2_000, 100_000])
def test_a_list_without_a_bottom_ends_its_stream_alone(
    small: SmallVendors, monkeypatch: pytest.MonkeyPatch, levels: int
) -> None:
    real: Any = small.bridge.handle_request

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v2/notes":
            return real(request)
        note = b'{"data": [{"id": {"note_id": "n"}, "deep": ' + nested(levels) + b"}]}"
        return httpx.Response(200, content=note)

    _, connection_id = small.connect("attio")
    monkeypatch.setattr(small.bridge, "handle_request", handle)
    result: SyncResult = run_sync(connection_id)
    assert (result.status, [*result.errors]) == ("degraded", ["notes"])
    assert "nested too deeply" in result.errors["notes"]
