"""What cannot be read does not stand before what can be mended."""

import functools
import json

import httpx
import pytest

from jobs.connectors.errors import BadRecord
from jobs.repair import repair
from jobs.retry import queue_failure
from jobs.sync import open_run
from models.infra.ids import ConnectionId
from tests.jobs.copies import change, follow_daily_comparison, measure, run_sync
from tests.jobs.small_vendors import SmallVendors


class Spoilt(httpx.BaseTransport):
    """The vendor, which gives some issues by their id in a form that nobody can read."""

    def __init__(self, vendor: httpx.BaseTransport) -> None:
        self.vendor = vendor
        self.unreadable: set[str] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.vendor.handle_request(request)
        body = json.loads(answer.read())
        issue = (body.get("data") or {}).get("issue")
        if issue and issue["id"] in self.unreadable and "createdAt" in issue:
            issue["createdAt"] = "yesterday"
        return httpx.Response(answer.status_code, json=body)

    def close(self) -> None:
        """Leave the vendor open: every client is given the same."""


def old() -> list[str]:
    """The issues that are not mended."""
    return change("UPDATE linear_issues SET title = title WHERE title = 'old' RETURNING vendor_id")


@pytest.fixture
def spoilt(small: SmallVendors, monkeypatch: pytest.MonkeyPatch) -> tuple[ConnectionId, Spoilt, str]:
    """A copy with three stale issues, of which the first two cannot be read; repairs take two a run."""
    monkeypatch.setattr("jobs.repair.RECORDS_AT_MOST", 2)
    vendor = Spoilt(small.bridge)
    monkeypatch.setattr(
        "jobs.connectors.http.httpx.Client", functools.partial(httpx.Client, transport=vendor)
    )
    _, connection_id = small.connect("linear")
    run_sync(connection_id)
    stale = change(
        "UPDATE linear_issues SET content_hash = 'x', title = 'old' WHERE vendor_id IN (SELECT vendor_id"
        " FROM linear_issues WHERE deleted_at IS NULL ORDER BY vendor_id LIMIT 3) RETURNING vendor_id"
    )
    first, second, healthy = sorted(stale)
    vendor.unreadable = {first, second}
    return connection_id, vendor, healthy


def test_a_record_behind_unreadable_ones_is_mended_by_the_next_repair(
    spoilt: tuple[ConnectionId, Spoilt, str],
) -> None:
    connection_id, vendor, healthy = spoilt
    measure(connection_id)
    met = repair(connection_id, "issues")
    assert (met.rejected, met.set_aside, met.written, met.waiting) == (2, 2, 0, 1)
    assert healthy in old()
    measure(connection_id)
    done = repair(connection_id, "issues")
    assert (done.written, done.set_aside, done.waiting) == (1, 0, 0)
    assert set(old()) == vendor.unreadable
    # What can be read again is mended, and no longer an error.
    vendor.unreadable.clear()
    measure(connection_id)
    assert repair(connection_id, "issues").written == 2
    assert old() == []
    assert set(change("SELECT status FROM connector_errors")) == {"resolved"}


def test_what_the_sync_kept_of_an_unreadable_record_is_still_there_after_a_repair(
    spoilt: tuple[ConnectionId, Spoilt, str],
) -> None:
    connection_id, vendor, _ = spoilt
    unit = min(vendor.unreadable)
    run = open_run(connection_id)
    run.connector.close()
    queue_failure(run, "issues", unit, BadRecord(unit, "unreadable"), {"kept": "by the sync"})
    for _ in range(2):
        # First the two that have not failed, then the two that have.
        measure(connection_id)
        repair(connection_id, "issues")
    assert change("SELECT payload->>'kept' FROM connector_errors WHERE unit = :unit", unit=unit) == [
        "by the sync"
    ]
    assert change("SELECT attempt FROM connector_errors WHERE unit = :unit", unit=unit) == ["2"]


def test_the_daily_comparison_goes_past_what_cannot_be_read_and_comes_to_an_end(
    spoilt: tuple[ConnectionId, Spoilt, str],
) -> None:
    connection_id, vendor, healthy = spoilt
    follow_daily_comparison(connection_id)
    assert healthy not in old()
    assert set(old()) == vendor.unreadable
