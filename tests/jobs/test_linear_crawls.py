"""A Linear workspace that is bigger than one run can read is read by several, and what is not ours to keep is left out."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from jobs import sync
from jobs.reconciliation import ReconcileResult
from jobs.sandbox.sandbox import MAIN
from jobs.sync import open_run
from models.infra.database import reading
from models.infra.ids import ConnectionId
from tests.jobs.copies import change, measure, metrics, run_sync
from tests.jobs.small_vendors import SmallVendors
from tests.jobs.vendor_truth import local, vendor


class TimeIsOver(BaseException):
    """What ends a job that has run too long."""


class Asked:
    """The queries that reached Linear, and how many more pages of issues its quota holds."""

    def __init__(self, small: SmallVendors) -> None:
        self._small = small
        self.pages: list[dict[str, Any]] = []
        self.cost: dict[str, float] = {}
        self.quota = 1_000

    def handle(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        name = body["query"].split("(")[0]
        if name == "query Issues":
            if len(self.pages) >= self.quota:
                problem = {"message": "Rate limit exceeded", "extensions": {"code": "RATELIMITED"}}
                return httpx.Response(400, json={"errors": [problem]}, headers={"retry-after": "3600"})
            self.pages.append(body["variables"])
        answer = self._small.bridge.handle_request(request)
        self.cost[name] = self.cost.get(name, 0) + float(answer.headers["x-complexity"])
        return answer


@pytest.fixture
def asked(small: SmallVendors) -> Iterator[Asked]:
    with pytest.MonkeyPatch.context() as patch:
        made = Asked(small)
        client = functools.partial(httpx.Client, transport=httpx.MockTransport(made.handle))
        patch.setattr("jobs.connectors.http.httpx.Client", client)
        patch.setattr("jobs.connectors.linear.client._PAGE_SIZES", (2,))
        # Every page is written by itself, however fast the next one comes.
        patch.setattr("jobs.connectors.side_by_side._RECORDS_TOGETHER", 1)
        yield made


@pytest.fixture
def connection(small: SmallVendors) -> ConnectionId:
    """A workspace of 15 issues: eight pages of two."""
    for number in range(12):
        add(small, "issue", team="ACM", title=f"Issue {number}")
        small.hours.forward(1)
    small.hours.forward(3_600)  # out of the overlap of the windows to come
    return small.connect("linear")[1]


def add(small: SmallVendors, name: str, **fields: str) -> str:
    return small.sandbox.change(MAIN, "linear", name, fields)


def stop_after(connection_id: ConnectionId, pages: int) -> None:
    """Sync until so many pages of issues are written; then the job's time is over."""

    def progress(at: sync.Progress) -> None:
        if at.stream == "issues" and at.rows >= 2 * pages:
            raise TimeIsOver

    with pytest.raises(TimeIsOver):
        sync.sync_connection(connection_id, progress)


def cursor() -> dict[str, Any]:
    with reading() as session:
        found = session.execute(text("SELECT committed FROM sync_watermarks WHERE stream = 'issues'"))
        return found.scalar_one()


def assert_complete(small: SmallVendors, connection_id: ConnectionId) -> None:
    there = vendor("linear", small.tenant)
    here = local("linear", connection_id)
    assert {stream: here[stream] for stream in there} == there


def test_a_workspace_bigger_than_an_hours_quota_is_read_hour_by_hour(
    small: SmallVendors, asked: Asked, connection: ConnectionId
) -> None:
    hours = 0
    while hours < 3:
        asked.quota = len(asked.pages) + 4
        hours += 1
        if run_sync(connection).status == "ok":
            break
        small.hours.forward(3_601)
    assert hours == 3
    # Eight pages in two hours, and in the third what changed since.
    assert [each["after"] is None for each in asked.pages] == [True, *[False] * 7, True]
    assert_complete(small, connection)


def test_a_crawl_whose_time_is_over_goes_on_where_it_stopped(
    small: SmallVendors, asked: Asked, connection: ConnectionId
) -> None:
    stop_after(connection, 3)
    kept = cursor()
    assert "since" not in kept
    before = len(asked.pages)
    assert run_sync(connection).status == "ok"
    resumed = asked.pages[before]
    assert resumed["after"] == kept["crawl"]["after"] is not None
    assert resumed["filter"]["updatedAt"]["lte"] == kept["crawl"]["to"]
    assert cursor().keys() == {"since"}
    assert_complete(small, connection)


def test_what_changes_while_a_crawl_waits_is_read_when_it_goes_on(
    small: SmallVendors, asked: Asked, connection: ConnectionId
) -> None:
    stop_after(connection, 3)
    small.hours.forward(7_200)
    ids = sorted(small.tenant.linear.tables["issues"])
    for number, issue in enumerate(ids):
        add(small, "edit_issue", issue=issue, title=f"Renamed {number}")
    add(small, "issue", team="ACM", title="New")
    small.hours.forward(60)
    assert run_sync(connection).status == "ok"
    assert_complete(small, connection)


def test_a_later_window_too_is_read_in_several_runs_and_its_watermark_moves_at_the_end(
    small: SmallVendors, asked: Asked, connection: ConnectionId
) -> None:
    run_sync(connection)
    whole = cursor()
    small.hours.forward(3_600)
    for issue in sorted(small.tenant.linear.tables["issues"]):
        add(small, "edit_issue", issue=issue, title="Renamed")
    small.hours.forward(60)
    stop_after(connection, 2)
    assert cursor()["since"] == whole["since"]
    assert cursor()["crawl"]["from"] < whole["since"]
    assert run_sync(connection).status == "ok"
    assert cursor()["since"] > whole["since"]
    assert_complete(small, connection)


def test_a_crawl_whose_cursor_the_vendor_refuses_is_begun_anew(
    small: SmallVendors, asked: Asked, connection: ConnectionId
) -> None:
    stop_after(connection, 3)
    change(
        "UPDATE sync_watermarks SET committed = jsonb_set(committed, '{crawl,after}', '\"of a deleted issue\"')"
        " WHERE stream = 'issues' RETURNING stream"
    )
    assert run_sync(connection).status == "ok"
    assert_complete(small, connection)


@pytest.mark.parametrize("filters", [True, False])
def test_a_comment_on_a_document_is_neither_an_error_nor_missing(
    small: SmallVendors, asked: Asked, monkeypatch: pytest.MonkeyPatch, filters: bool
) -> None:
    """Linear's `comments` lists those of documents, project updates and initiatives too: their `issue` is null."""
    if not filters:
        monkeypatch.setattr("jobs.connectors.linear.client._ONLY", {})
    stray = [add(small, "document_comment", text=f"On page {number}") for number in range(3)]
    _, connection_id = small.connect("linear")
    assert run_sync(connection_id).counts()["rejected"] == 0
    assert change("SELECT unit FROM connector_errors") == []
    assert_complete(small, connection_id)
    for deep in (False, True):
        assert measure(connection_id, deep=deep).streams["comments"].pct == 100.0
    run = open_run(connection_id)
    assert run.connector.fetch_one("comments", stray[0]) is None
    run.connector.close()


def figures(result: ReconcileResult, stream: str) -> list[Any]:
    whole = result.streams[stream]
    shares = {row.project_id: (row.missing_ids, row.extra_ids) for row in metrics(stream) if row.project_id}
    return [whole.vendor_count, whole.missing, whole.extra, whole.pct, shares]


def test_a_cheap_comparison_asks_for_ids_and_counts_as_a_deep_one_does(
    small: SmallVendors, asked: Asked, connection: ConnectionId
) -> None:
    add(small, "trash_issue", issue=min(small.tenant.linear.tables["issues"]))
    run_sync(connection)
    [comment] = change(
        "DELETE FROM linear_comments WHERE vendor_id = (SELECT min(vendor_id) FROM linear_comments) RETURNING vendor_id"
    )
    issues = change(
        "DELETE FROM linear_issues i WHERE deleted_at IS NULL AND NOT EXISTS"
        " (SELECT FROM linear_comments c WHERE c.issue_id = i.id) RETURNING vendor_id"
    )
    found: dict[bool, list[Any]] = {}
    cost: dict[bool, dict[str, float]] = {}
    for deep in (True, False):
        asked.cost = {}
        result = measure(connection, deep=deep)
        found[deep] = [figures(result, stream) for stream in ("issues", "comments")]
        cost[deep] = asked.cost
        small.hours.forward(60)
    assert found[False] == found[True]
    assert result.streams["issues"].missing == len(issues) > 0
    assert result.streams["comments"].missing == 1
    assert comment in {key for row in metrics("comments") for key in row.missing_ids or {}}
    assert cost[False]["query Issues"] < cost[True]["query Issues"] / 5
    assert cost[False]["query Comments"] < cost[True]["query Comments"] / 2
