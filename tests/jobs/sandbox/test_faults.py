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


def test_deals_can_be_switched_off(vendors: Vendors) -> None:
    control(vendors, "POST", "faults", vendor="attio", route_prefix="/v2/objects/deals", kind="404", times=1)
    assert attio(vendors, "/v2/objects/deals").json()["code"] == "not_found"


def test_a_fault_that_makes_no_sense_is_refused(vendors: Vendors) -> None:
    for body in ({"vendor": "x", "kind": "500"}, {"vendor": "attio", "kind": "flood"}, {"kind": "500"}):
        assert "error" in control(vendors, "POST", "faults", **body)


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
