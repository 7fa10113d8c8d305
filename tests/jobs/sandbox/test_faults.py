"""Faults over real connections: what a client sees when a vendor fails."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.vendors import Vendors, running_vendors

API = "/api/v1/accounts/1"


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    with running_vendors(tmp_path_factory.mktemp("faults") / "sandbox") as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet(vendors: Vendors) -> Iterator[None]:
    yield
    control(vendors, "DELETE", "faults")


def control(vendors: Vendors, method: str, path: str, **body: Any) -> Any:
    url = f"{vendors.origin('chatwoot')}/_sandbox/{path}"
    return httpx.request(method, url, json=body or None, timeout=10).json()


def chatwoot(vendors: Vendors, path: str = "/inboxes", timeout: float = 10) -> httpx.Response:
    headers = {"api_access_token": vendors.tokens["chatwoot"]}
    return httpx.get(f"{vendors.origin('chatwoot')}{API}{path}", headers=headers, timeout=timeout)


def linear(vendors: Vendors, query: str, **variables: Any) -> httpx.Response:
    body = {"query": query, "variables": variables}
    headers = {"authorization": vendors.tokens["linear"]}
    return httpx.post(f"{vendors.origin('linear')}/graphql", json=body, headers=headers, timeout=10)


def attio(vendors: Vendors, path: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {vendors.tokens['attio']}"}
    return httpx.get(f"{vendors.origin('attio')}{path}", headers=headers, timeout=10)


def test_a_fault_hits_its_route_so_many_times_and_no_more(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="chatwoot", route_prefix=f"{API}/inboxes", kind="500", times=2)
    assert [chatwoot(vendors).status_code for _ in range(3)] == [500, 500, 200]
    assert chatwoot(vendors, "/labels").status_code == 200


def test_throttling_speaks_each_vendors_own_language(vendors: Vendors) -> None:
    for vendor in ("chatwoot", "linear", "attio"):
        control(vendors, "POST", "faults", vendor=vendor, kind="429", times=1)
    assert chatwoot(vendors).text == "Retry later\n"
    answer = linear(vendors, "{ viewer { id } }")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "RATELIMITED")
    answer = attio(vendors, "/v2/objects")
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["retry-after"].endswith("GMT")


def test_a_reset_connection_is_a_transport_error(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="chatwoot", kind="reset", times=1)
    with pytest.raises(httpx.TransportError):
        chatwoot(vendors)
    assert chatwoot(vendors).status_code == 200


def test_a_timeout_leaves_the_client_waiting(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="chatwoot", kind="timeout", times=1, seconds=20)
    with pytest.raises(httpx.TimeoutException):
        chatwoot(vendors, timeout=0.3)
    assert chatwoot(vendors).status_code == 200


def test_truncated_json_is_a_whole_answer_of_half_a_document(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="attio", route_prefix="/v2/objects", kind="truncated", times=1)
    answer = attio(vendors, "/v2/objects")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|JSON"):
        answer.json()


def test_linear_can_answer_200_with_errors_with_and_without_data(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="linear", kind="errors_200", times=1)
    control(vendors, "POST", "faults", vendor="linear", kind="partial_200", times=1)
    none, partial = (linear(vendors, "{ viewer { id } }") for _ in range(2))
    assert (none.status_code, none.json()["data"], bool(none.json()["errors"])) == (200, None, True)
    assert partial.json()["data"]["viewer"]["id"]
    assert partial.json()["errors"]


def test_a_stuck_cursor_repeats_itself_and_promises_more(vendors: Vendors) -> None:
    text = (
        "query($a: String) { users(first: 2, after: $a) { nodes { id } pageInfo { hasNextPage endCursor } } }"
    )
    first = linear(vendors, text).json()["data"]["users"]["pageInfo"]
    control(vendors, "POST", "faults", vendor="linear", kind="stuck_cursor", times=2)
    stuck = linear(vendors, text, a=first["endCursor"]).json()["data"]["users"]["pageInfo"]
    assert stuck == {"hasNextPage": True, "endCursor": first["endCursor"]}


def test_a_fault_can_wait_and_look_into_the_body(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="linear", kind="500", contains="organization", skip=1, times=1)
    statuses = [linear(vendors, "{ organization { id } }").status_code for _ in range(3)]
    assert statuses == [200, 500, 200]
    assert linear(vendors, "{ viewer { id } }").status_code == 200


def test_a_fault_counts_only_requests_of_its_route(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="chatwoot", kind="500", route=f"{API}/*/1/messages", times=1)
    assert chatwoot(vendors, "/conversations/2/messages").status_code == 200
    assert chatwoot(vendors, "/conversations/1/messages").status_code == 500


def test_a_fault_by_chance_is_the_same_for_the_same_seed(vendors: Vendors) -> None:
    def drawn(seed: int) -> list[int]:
        control(vendors, "POST", "faults", vendor="attio", kind="503", times=None, probability=0.5, seed=seed)
        found = [attio(vendors, "/v2/objects").status_code for _ in range(20)]
        control(vendors, "DELETE", "faults")
        return found

    first = drawn(7)
    assert first == drawn(7)
    assert first != drawn(8)
    assert {200, 503} == set(first)


def test_a_fault_without_an_end_lasts_until_it_is_switched_off_alone(vendors: Vendors) -> None:
    on = control(vendors, "POST", "faults", vendor="attio", kind="500", times=None)["fault"]
    other = control(vendors, "POST", "faults", vendor="linear", kind="500", times=1)["fault"]
    assert [attio(vendors, "/v2/objects").status_code for _ in range(5)] == [500] * 5
    (still, _) = control(vendors, "GET", "faults")["faults"]
    assert (still["id"], still["hits"], still["times"]) == (on["id"], 5, None)
    assert control(vendors, "DELETE", f"faults/{on['id']}") == {"faults": 1}
    assert attio(vendors, "/v2/objects").status_code == 200
    assert "error" in control(vendors, "DELETE", f"faults/{on['id']}")
    assert [each["id"] for each in control(vendors, "GET", "faults")["faults"]] == [other["id"]]


def test_a_slow_answer_comes_after_all(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="chatwoot", kind="slow", times=2, seconds=0.5)
    with pytest.raises(httpx.TimeoutException):
        chatwoot(vendors, timeout=0.1)
    answer = chatwoot(vendors)
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.5


def test_a_refused_token_is_401_in_each_vendors_words(vendors: Vendors) -> None:
    for vendor in ("chatwoot", "linear", "attio"):
        control(vendors, "POST", "faults", vendor=vendor, kind="wrong_token", times=1)
    answers = chatwoot(vendors), linear(vendors, "{ viewer { id } }"), attio(vendors, "/v2/objects")
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert answers[0].json() == {"error": "Invalid Access Token"}
    assert answers[1].json()["errors"][0]["extensions"]["type"] == "authentication error"
    assert answers[2].json()["type"] == "auth_error"


def test_a_token_can_see_one_inbox_of_several(vendors: Vendors) -> None:
    everything = chatwoot(vendors).json()["payload"]
    control(vendors, "POST", "faults", vendor="chatwoot", kind="one_inbox", times=3)
    assert chatwoot(vendors).json()["payload"] == everything[:1]
    shown = chatwoot(vendors, "/conversations?status=all").json()["data"]["payload"]
    assert {each["inbox_id"] for each in shown} == {everything[0]["id"]}
    hidden = f"/conversations?status=all&inbox_id={everything[1]['id']}"
    other = chatwoot(vendors, hidden).json()["data"]["payload"]
    assert other == []
    number = chatwoot(vendors, hidden).json()["data"]["payload"][0]["id"]
    control(vendors, "POST", "faults", vendor="chatwoot", kind="one_inbox", times=1)
    refusal = "You are not authorized to do this action"
    answer = chatwoot(vendors, f"/conversations/{number}")
    assert (answer.status_code, answer.json()["error"]) == (401, refusal)
    control(vendors, "POST", "faults", vendor="chatwoot", kind="one_inbox", times=1)
    answer = chatwoot(vendors, f"/inboxes/{everything[1]['id']}")
    assert (answer.status_code, answer.json()["error"]) == (401, refusal)
    assert chatwoot(vendors, f"/inboxes/{everything[1]['id']}").json() == everything[1]
    assert chatwoot(vendors, "/inboxes/999999").status_code == 404


def test_a_changed_schema_lacks_the_list_of_records(vendors: Vendors) -> None:
    for vendor in ("chatwoot", "linear", "attio"):
        control(vendors, "POST", "faults", vendor=vendor, kind="schema_change", times=1)
    assert "payload" not in chatwoot(vendors).json()
    assert "data" not in attio(vendors, "/v2/objects").json()
    answer = linear(vendors, "{ users { nodes { id } } }")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["type"] == "graphql error"


def test_a_bad_record_is_one_among_good_ones(vendors: Vendors) -> None:
    for vendor in ("chatwoot", "linear", "attio"):
        control(vendors, "POST", "faults", vendor=vendor, kind="bad_record", times=1)
    contacts = chatwoot(vendors, "/contacts").json()["payload"]
    notes = attio(vendors, "/v2/notes").json()["data"]
    issues = linear(vendors, "{ issues(first: 3) { nodes { createdAt } } }").json()["data"]["issues"]["nodes"]
    assert [each["created_at"] == "yesterday" for each in contacts[:3]] == [True, False, False]
    assert [each["created_at"] == "yesterday" for each in notes[:3]] == [True, False, False]
    assert [each["createdAt"] == "yesterday" for each in issues] == [True, False, False]


def test_deals_can_be_switched_off(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="attio", route_prefix="/v2/objects/deals", kind="404", times=1)
    assert attio(vendors, "/v2/objects/deals").json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "500"}, "vendor must be one of chatwoot, linear, attio"),
        ({"vendor": "x", "kind": "500"}, "vendor must be one of"),
        ({"vendor": "attio", "kind": "flood"}, "kind must be one of 429"),
        ({"vendor": "attio", "kind": "errors_200"}, "errors_200 is a fault of linear only"),
        ({"vendor": "linear", "kind": "merge_while_paging"}, "a fault of chatwoot, attio only"),
        ({"vendor": "attio", "kind": "webhook_stale"}, "a fault of chatwoot, linear only"),
        ({"vendor": "attio", "kind": "500", "time": 1}, "unknown field 'time'"),
        ({"vendor": "attio", "kind": "500", "times": 0}, "times must be a whole number from 1"),
        ({"vendor": "attio", "kind": "500", "times": 1.5}, "times must be a whole number"),
        ({"vendor": "attio", "kind": "500", "times": True}, "times must be a whole number"),
        ({"vendor": "attio", "kind": "500", "skip": -1}, "skip must be a whole number from 0"),
        ({"vendor": "attio", "kind": "500", "probability": 1.1}, "probability must be a number from 0 to 1"),
        ({"vendor": "attio", "kind": "500", "probability": "NaN"}, "probability must be a number"),
        ({"vendor": "attio", "kind": "500", "seconds": 3}, "500 takes no seconds"),
        ({"vendor": "attio", "kind": "slow", "seconds": 121}, "seconds must be a number from 0 to 120"),
        ({"vendor": "attio", "kind": "slow", "seconds": 0}, "seconds must be above 0"),
        ({"vendor": "attio", "kind": "500", "route": 5}, "route must be a text"),
        ({"vendor": "attio", "kind": "500", "route": "*", "route_prefix": "/"}, "not both"),
        ({"vendor": "attio", "kind": "500", "contains": "x" * 301}, "contains must be a text of at most 300"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_and_changes_nothing(
    vendors: Vendors, body: dict[str, Any], said: str
) -> None:
    url = f"{vendors.origin('chatwoot')}/_sandbox/faults"
    answer = httpx.post(url, json=body, timeout=10)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert control(vendors, "GET", "faults") == {"faults": []}


def test_the_request_log_shows_the_newest_requests_without_tokens(vendors: Vendors) -> None:
    control(vendors, "DELETE", "requests")
    chatwoot(vendors, "/labels?x=1")
    linear(vendors, "{ viewer { id } }")
    body = control(vendors, "GET", "requests?limit=10")
    assert [(r["vendor"], r["path"], r["status"]) for r in body["requests"]] == [
        ("linear", "/graphql", 200),
        ("chatwoot", f"{API}/labels", 200),
    ]
    assert vendors.tokens["linear"] not in str(body)
    assert "viewer" in body["requests"][0]["body"]
