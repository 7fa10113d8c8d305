import datetime as dt

import httpx
import pytest

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.queries import record_figures, record_sets, stream_sets
from tests.tools_app.world import HOUR, World
from tools_app.services.records import list_records


def read_all(client: httpx.Client, query: str, limit: int) -> list[dict]:
    items: list[dict] = []
    cursor = None
    for _ in range(100):
        extra = {"limit": limit} if cursor is None else {"limit": limit, "cursor": cursor}
        body = client.get(f"/api/records?{query}", params=httpx.QueryParams(query).merge(extra)).json()
        assert len(body["items"]) <= limit
        items += body["items"]
        cursor = body["next_cursor"]
        if cursor is None:
            assert body["total"] == len(items)
            return items
    raise AssertionError("the list never ends")


@pytest.fixture
def simultaneous(worlds: dict[str, World]) -> dt.datetime:
    """Twelve messages of the same second."""
    at = utcnow().replace(microsecond=0) - HOUR
    with transaction() as session:
        place = worlds["one"].places["alpha"]
        place.session = session
        talk = place.conversation(status="resolved")
        for _ in range(12):
            place.message(talk, at, 0)
    return at


@pytest.mark.parametrize("limit", [1, 5, 200])
def test_pages_lose_and_repeat_nothing_even_among_records_of_one_instant(
    client: httpx.Client, simultaneous: dt.datetime, limit: int
) -> None:
    items = read_all(client, "set=messages_7d&project=alpha", limit)
    assert len({each["id"] for each in items}) == len(items) == 15
    times = [each["occurred_at"] for each in items]
    assert times == sorted(times, reverse=True)


def test_records_without_an_instant_come_last_and_are_paged_too(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    with transaction() as session:
        place = worlds["one"].places["beta"]
        place.session = session
        for _ in range(3):
            place.issue(source_created_at=None)
    items = read_all(client, "set=open_issues&project=beta", 2)
    assert [each["occurred_at"] is None for each in items] == [False, False, True, True, True]


def test_a_record_carries_its_vendor_link_and_its_state(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    [item] = client.get("/api/records?set=overdue_issues&project_id=alpha").json()["items"]
    assert item["url"].startswith("http://vendor.example/markonealpha/")
    assert item["source_type"] == "issue"
    assert item["status"] == "In Progress"
    assert item["project_slug"] == "alpha"
    assert item["due_on"]
    assert item["unit"] == "hours"
    assert item["value"] > 24


def test_the_records_query_of_every_figure_is_accepted_as_it_is(client: httpx.Client) -> None:
    view = client.get("/api/control-tower?project_id=alpha").json()["control_tower"]
    for tile in view["tiles"]:
        query = tile["figure"]["records_query"]
        if not query:
            assert tile["key"] == "completeness"
            assert tile["figure"]["value"] is None
            continue
        body = client.get(f"/api/records?{query}").json()
        assert body["figure"]["value"] == tile["figure"]["value"], tile["key"]
        assert body["total"] == tile["figure"]["value"]


@pytest.mark.parametrize("text", ["'; drop table projects; --", "%", "\\", "Won 🎉", ""])
def test_any_text_may_be_asked_for_as_a_stage(worlds: dict[str, World], text: str) -> None:
    assert list_records(worlds["one"].of(), "pipeline", {"stage": text, "currency": "EUR"}).total == 0


@pytest.mark.parametrize(
    ("set_code", "name", "value"),
    [
        ("messages_weekly", "week", "abc"),
        ("messages_weekly", "week", ""),
        ("messages_weekly", "week", "2026-02-30"),
        ("messages_weekly", "week", "2026-01-06"),  # a Tuesday
        ("messages_weekly", "week", "20260105"),
        ("messages_weekly", "week", "2026-W02-1"),
        ("messages_weekly", "direction", "sideways"),
        ("waiting_conversations", "age", "old"),
        ("overdue_or_blocked_issues", "reason", "lazy"),
        ("pipeline", "currency", "e"),
        ("pipeline", "stage", "Won\n"),
        ("pipeline", "stage", "\0"),
        ("stream_linear_issues", "connection", "x"),
    ],
)
def test_a_value_that_a_dimension_cannot_have_is_400(
    client: httpx.Client, set_code: str, name: str, value: str
) -> None:
    answer = client.get("/api/records", params={"set": set_code, name: value})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "invalid_input"
    assert answer.json()["error"]["details"]["dimension"] == name


def test_a_week_without_records_is_an_empty_list(client: httpx.Client) -> None:
    body = client.get("/api/records?set=messages_weekly&week=2020-01-06").json()
    assert (body["total"], body["items"]) == (0, [])


def test_every_dimension_of_every_set_has_a_form() -> None:
    sets = (*record_sets.SETS.values(), *stream_sets.STREAM_SETS.values())
    assert {name for each in sets for name in each.dimensions} == set(record_figures._FORMS)
