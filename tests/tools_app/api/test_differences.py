"""The ids that differ over HTTP: pages of JSON, and CSV for files and spreadsheets."""

import base64
import csv
import io
import json
from typing import Any

import httpx
import pytest

from models.infra.clock import utcnow
from models.infra.database import transaction
from tests.tools_app.api.test_completeness import add
from tests.tools_app.world import World, compare
from tools_app.services.differences import plain_cell

DIFF = "/api/connectors/reconciliation/diff"


@pytest.fixture
def compared(worlds: dict[str, World]) -> dict[str, World]:
    """Both scopes after a comparison of Linear's issues."""
    for world in worlds.values():
        with transaction() as session:
            compare(session, world)
    return worlds


def lines(client: httpx.Client, **query: str) -> list[dict[str, str]]:
    answer = client.get(DIFF, params={"project_id": "all", "format": "csv", **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def page(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get(DIFF, params={"project_id": "all", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_nothing_is_listed_before_the_first_comparison(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    assert lines(client) == []
    assert (page(client)["items"], page(client)["next_cursor"]) == ([], None)


def test_ids_are_paged_in_order_and_each_comes_once(client: httpx.Client, compared: dict[str, World]) -> None:
    whole = page(client)["items"]
    assert len(whole) == 9
    assert whole == sorted(whole, key=lambda each: (each["difference"], each["vendor_id"]))
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        part = page(client, limit=4, **cursor)
        found += part["items"]
        if part["next_cursor"] is None:
            break
        cursor = {"cursor": part["next_cursor"]}
    assert found == whole


def test_ids_can_be_narrowed_to_a_kind_a_stream_and_a_project(
    client: httpx.Client, compared: dict[str, World]
) -> None:
    (found,) = page(client, project_id="beta", connector="linear", stream="issues", difference="stale")[
        "items"
    ]
    assert (found["vendor_id"], found["difference"]) == ("stale-markonebeta", "stale")
    assert found["project_id"] == str(compared["one"].places["beta"].project)
    assert page(client, connector="attio")["items"] == []


def test_a_page_goes_on_after_an_id_that_differs_no_longer(
    client: httpx.Client, compared: dict[str, World]
) -> None:
    whole = page(client)["items"]
    gone = {**whole[3], "vendor_id": whole[3]["vendor_id"] + "-gone"}
    place = [gone[name] for name in ("connector", "stream", "difference", "vendor_id", "connection_id")]
    cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")
    assert page(client, cursor=cursor)["items"] == whole[4:]


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsMiwzLDQsNV0", "bnVsbA", "\0", "é"])
def test_a_cursor_that_no_page_gave_is_400(client: httpx.Client, cursor: str) -> None:
    answer = client.get(DIFF, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_cursor")


def test_who_accepts_csv_gets_the_whole_list_as_csv(client: httpx.Client, compared: dict[str, World]) -> None:
    query = {"project_id": "all", "limit": "1"}
    by_header = client.get(DIFF, params=query, headers={"accept": "text/csv"})
    assert by_header.text == client.get(DIFF, params={**query, "format": "csv"}).text
    assert len(by_header.text.splitlines()) == 10
    assert "Accept" in by_header.headers["vary"]
    told = client.get(DIFF, params={**query, "format": "json"}, headers={"accept": "text/csv"})
    assert len(told.json()["items"]) == 1


def test_the_ids_of_a_stream_are_listed_as_csv(client: httpx.Client, compared: dict[str, World]) -> None:
    found = lines(client, stream="issues", project_id="beta")
    assert [(each["difference"], each["vendor_id"]) for each in found] == [
        ("extra", "extra-markonebeta"), ("missing", "missing-markonebeta"), ("stale", "stale-markonebeta"),
    ]  # fmt: skip
    assert {each["project_id"] for each in found} == {str(compared["one"].places["beta"].project)}
    assert len(lines(client)) == 9
    assert lines(client, stream="cycles") == []


def test_a_cheap_pass_leaves_the_stale_ids_of_the_deep_one(
    client: httpx.Client, compared: dict[str, World]
) -> None:
    add(
        compared["one"],
        "issues",
        -1,
        vendor_count=12,
        local_count=12,
        missing=0,
        extra=0,
        completeness_pct=100.0,
    )
    assert {each["difference"] for each in lines(client)} == {"stale"}


def test_a_stream_that_does_not_exist_is_400(client: httpx.Client) -> None:
    answer = client.get(DIFF, params={"connector": "linear", "stream": "messages"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "unknown_stream"
    assert client.get(DIFF, params={"stream": "messages", "project_id": "all"}).status_code == 200
    for query in ({"stream": "nothing"}, {"connector": "jira"}, {"difference": "odd"}, {"format": "xml"}):
        assert client.get(DIFF, params=query).status_code == 400, query


def test_ids_cannot_become_formulas(client: httpx.Client, worlds: dict[str, World]) -> None:
    place = worlds["one"].places["alpha"]
    at = utcnow()
    for values in ({}, {"project_id": place.project, "missing_ids": {'=HYPERLINK("x")': None}}):
        add(
            worlds["one"],
            "issues",
            0,
            missing=1,
            completeness_pct=0.0,
            vendor_count=1,
            **{"measured_at": at, **values},
        )
    (line,) = lines(client)
    assert line["vendor_id"] == '\'=HYPERLINK("x")'
    assert [plain_cell(each) for each in ("=1", "+1", "-1", "@a", "\t=", "a=1", "")] == [
        "'=1", "'+1", "'-1", "'@a", "'\t=", "a=1", "",
    ]  # fmt: skip
