"""Webhook deliveries as the vendors document them, and what can be wrong with them."""

import hashlib
import hmac
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.jobs.sandbox.harness import Lab
from tests.jobs.sandbox.receiver import Got, Receiver, receiving
from tests.vendors import Vendors, running_vendors

SECRET = "a-secret-of-a-test"


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    with running_vendors(tmp_path_factory.mktemp("webhooks") / "sandbox") as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture(autouse=True)
def _quiet(vendors: Vendors) -> Iterator[None]:
    yield
    vendors.clear_faults()
    for target in call(vendors, "GET", "webhooks").json()["targets"]:
        call(vendors, "DELETE", f"webhooks/{target['id']}")


def call(vendors: Vendors, method: str, path: str, **body: Any) -> httpx.Response:
    return httpx.request(
        method, f"{vendors.origin('chatwoot')}/_sandbox/{path}", json=body or None, timeout=20
    )


def deliver(vendors: Vendors, receiver: Receiver, vendor: str, **more: Any) -> str:
    """Let a vendor's webhooks come to the receiver; answers the target's id."""
    url = f"{receiver.origin}/hooks/{vendor}"
    return str(vendors.control("webhooks", vendor=vendor, url=url, secret=SECRET, **more)["target"]["id"])


def change(vendors: Vendors, vendor: str, what: str, /, **fields: Any) -> str:
    return str(vendors.control("change", vendor=vendor, name=what, fields=fields)["record"])


def an_issue(vendors: Vendors, title: str = "By a test") -> str:
    return change(vendors, "linear", "issue", team="HPN", title=title)


def mac(message: bytes) -> str:
    return hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()


def is_signed(vendor: str, got: Got) -> bool:
    """Whether a delivery verifies by the vendor's published formula."""
    match vendor:
        case "chatwoot":
            stamp = got.headers["x-chatwoot-timestamp"]
            return got.headers["x-chatwoot-signature"] == f"sha256={mac(f'{stamp}.'.encode() + got.raw)}"
        case "linear":
            return got.headers["linear-signature"] == mac(got.raw)
        case _:
            signature = got.headers["attio-signature"]
            return signature == got.headers["x-attio-signature"] == mac(got.raw)


def provoke(vendors: Vendors, vendor: str) -> str:
    """A change with exactly one event; answers what the event is of."""
    if vendor == "chatwoot":
        return change(vendors, "chatwoot", "contact", name="Web Hook", email="web@hook.example")
    if vendor == "linear":
        return an_issue(vendors)
    return change(vendors, "attio", "company", name="Web Hook Ltd")


KEY = {"chatwoot": "x-chatwoot-delivery", "linear": "linear-delivery", "attio": "idempotency-key"}


def test_chatwoot_sends_flat_bodies_with_a_signed_timestamp(vendors: Vendors, receiver: Receiver) -> None:
    deliver(vendors, receiver, "chatwoot")
    message = change(vendors, "chatwoot", "message", conversation=1, text="<b>Prices</b> & terms?")
    got = receiver.wait_for(3)
    assert all(is_signed("chatwoot", each) for each in got)
    assert all(abs(int(each.headers["x-chatwoot-timestamp"]) - time.time()) < 60 for each in got)
    said = next(each for each in got if each.body["event"] == "message_created")
    assert b"\\u003cb\\u003ePrices" in said.raw
    assert (said.body["id"], said.body["content"]) == (int(message), "<b>Prices</b> & terms?")
    assert said.body["message_type"] == "incoming"
    assert said.body["created_at"].endswith("Z")
    assert said.body["conversation"]["id"] == 1
    assert said.body["account"]["id"] == 1
    assert said.path == "/hooks/chatwoot"
    touched = next(each.body for each in got if each.body["event"] == "conversation_updated")
    assert {name for entry in touched["changed_attributes"] for name in entry} >= {"updated_at", "timestamp"}


def test_chatwoot_sends_once_and_tells_of_no_delete(vendors: Vendors, receiver: Receiver) -> None:
    receiver.answers = [500]
    deliver(vendors, receiver, "chatwoot")
    contact = provoke(vendors, "chatwoot")
    inbox = httpx.get(
        f"{vendors.origin('chatwoot')}/api/v1/accounts/1/inboxes",
        headers={"api_access_token": vendors.tokens["chatwoot"]},
        timeout=10,
    ).json()["payload"][0]["id"]
    receiver.wait_for(1)
    started = change(vendors, "chatwoot", "conversation", contact=int(contact), inbox=inbox, text="Hi")
    change(vendors, "chatwoot", "delete_conversation", conversation=int(started))
    change(vendors, "chatwoot", "status", conversation=2, status="snoozed")
    events = [each.body["event"] for each in receiver.wait_for(7)]
    assert events.count("contact_created") == 1
    assert sorted(events[1:4]) == ["contact_updated", "conversation_created", "message_created"]
    assert sorted(events[4:]) == ["conversation_status_changed", "conversation_updated", "message_created"]
    (target,) = call(vendors, "GET", "webhooks").json()["targets"]
    assert (target["sent"], target["refused"]) == (7, 1)


def test_linear_sends_what_was_before_and_a_signed_time(vendors: Vendors, receiver: Receiver) -> None:
    deliver(vendors, receiver, "linear")
    issue = an_issue(vendors, "First title")
    change(vendors, "linear", "edit_issue", issue=issue, title="Second title")
    change(vendors, "linear", "comment", issue=issue, text="So it is.")
    change(vendors, "linear", "delete_issue", issue=issue)
    got = receiver.wait_for(6)
    assert all(is_signed("linear", each) for each in got)
    assert all(each.headers["user-agent"] == "Linear-Webhook" for each in got)
    told = [(each.headers["linear-event"], each.body["type"], each.body["action"]) for each in got]
    assert [(kind, action) for _, kind, action in told[:2]] == [("Issue", "create"), ("Issue", "update")]
    assert {(kind, action) for _, kind, action in told[4:]} == {("Issue", "remove"), ("Comment", "remove")}
    assert all(header == kind for header, kind, _ in told)
    edited = got[1].body
    assert edited["updatedFrom"]["title"] == "First title"
    assert (edited["data"]["title"], edited["data"]["id"]) == ("Second title", issue)
    assert edited["data"]["stateId"] == edited["data"]["state"]["id"]
    assert str(edited["webhookTimestamp"]) == got[1].headers["linear-timestamp"]
    assert abs(edited["webhookTimestamp"] / 1000 - time.time()) < 60


def test_attio_sends_ids_only(vendors: Vendors, receiver: Receiver) -> None:
    deliver(vendors, receiver, "attio")
    one = change(vendors, "attio", "company", name="One Ltd")
    two = change(vendors, "attio", "company", name="Two Ltd")
    change(vendors, "attio", "rename_company", company=one, name="Uno Ltd")
    note = change(vendors, "attio", "note", object_slug="companies", record=two, body="Called them.")
    merged = change(vendors, "attio", "merge_companies", primary=one, secondary=two)
    got = receiver.wait_for(7)
    assert all(is_signed("attio", each) for each in got)
    assert all(len(each.body["events"]) == 1 for each in got)
    events = [each.body["events"][0] for each in got]
    assert [e["event_type"] for e in events[:4]] == [
        "record.created",
        "record.created",
        "record.updated",
        "note.created",
    ]
    assert events[0]["id"]["record_id"] == one
    assert "attribute_id" in events[2]["id"]
    assert events[3]["id"]["note_id"] == note
    told = {
        (e["id"]["record_id"], e["duplicate_record_id"]) for e in events if e["event_type"] == "record.merged"
    }
    assert told == {(merged, one), (merged, two)}
    assert not any(b"Uno" in each.raw or b"Called" in each.raw for each in got)
    assert len({each.headers["idempotency-key"] for each in got}) == len(got)


@pytest.mark.parametrize("vendor", ["linear", "attio"])
def test_a_refused_delivery_comes_again_with_the_same_id(
    vendors: Vendors, receiver: Receiver, vendor: str
) -> None:
    receiver.answers = [500, 503]
    deliver(vendors, receiver, vendor, hurry=100_000)
    provoke(vendors, vendor)
    got = receiver.wait_for(3)
    assert len({each.headers[KEY[vendor]] for each in got}) == 1
    assert len({each.raw for each in got}) == 1


def test_linear_gives_up_after_three_more_attempts(vendors: Vendors, receiver: Receiver) -> None:
    receiver.answers = [500] * 10
    deliver(vendors, receiver, "linear", hurry=1_000_000)
    an_issue(vendors)
    receiver.wait_for(4)
    an_issue(vendors, "Another")
    receiver.wait_for(8)
    assert len({each.headers["linear-delivery"] for each in receiver.got[:8]}) == 2
    while call(vendors, "GET", "webhooks").json()["waiting"]:
        time.sleep(0.01)
    assert len(receiver.got) == 8


@pytest.mark.parametrize("vendor", ["chatwoot", "linear", "attio"])
def test_a_delivery_can_come_twice(vendors: Vendors, receiver: Receiver, vendor: str) -> None:
    deliver(vendors, receiver, vendor)
    vendors.control("faults", vendor=vendor, kind="webhook_duplicate", route="/hooks/*")
    provoke(vendors, vendor)
    first, second = receiver.wait_for(2)
    assert (first.headers[KEY[vendor]], first.raw) == (second.headers[KEY[vendor]], second.raw)
    assert is_signed(vendor, first)


@pytest.mark.parametrize("vendor", ["chatwoot", "linear", "attio"])
def test_a_delivery_can_come_after_the_next_one(vendors: Vendors, receiver: Receiver, vendor: str) -> None:
    deliver(vendors, receiver, vendor)
    vendors.control("faults", vendor=vendor, kind="webhook_reordered")
    if vendor == "linear":
        issue = an_issue(vendors)
        change(vendors, "linear", "edit_issue", issue=issue, title="Later")
        told = [each.body["action"] for each in receiver.wait_for(2)]
        assert told == ["update", "create"]
        return
    first, second = provoke(vendors, vendor), provoke(vendors, vendor)
    ids = [str(e.body["id"] if vendor == "chatwoot" else e.body["events"][0]["id"]["record_id"]) for e in receiver.wait_for(2)]  # fmt: skip
    assert ids == [second, first]


@pytest.mark.parametrize("vendor", ["chatwoot", "linear", "attio"])
def test_a_delivery_can_be_signed_badly_or_not_at_all(
    vendors: Vendors, receiver: Receiver, vendor: str
) -> None:
    deliver(vendors, receiver, vendor)
    vendors.control("faults", vendor=vendor, kind="webhook_bad_signature")
    provoke(vendors, vendor)
    vendors.control("faults", vendor=vendor, kind="webhook_unsigned")
    provoke(vendors, vendor)
    provoke(vendors, vendor)
    bad, bare, good = receiver.wait_for(3)
    assert not is_signed(vendor, bad)
    assert not [name for name in bare.headers if name.endswith("-signature")]
    assert is_signed(vendor, good)


@pytest.mark.parametrize("vendor", ["chatwoot", "linear"])
def test_a_well_signed_delivery_can_be_old(vendors: Vendors, receiver: Receiver, vendor: str) -> None:
    deliver(vendors, receiver, vendor)
    vendors.control("faults", vendor=vendor, kind="webhook_stale")
    provoke(vendors, vendor)
    (got,) = receiver.wait_for(1)
    assert is_signed(vendor, got)
    stamp = (
        float(got.headers["x-chatwoot-timestamp"])
        if vendor == "chatwoot"
        else got.body["webhookTimestamp"] / 1000
    )
    assert 540 < time.time() - stamp < 660


def test_a_fault_of_deliveries_leaves_requests_alone(vendors: Vendors) -> None:
    vendors.control("faults", vendor="attio", kind="webhook_unsigned", times=None)
    headers = {"authorization": f"Bearer {vendors.tokens['attio']}"}
    assert httpx.get(f"{vendors.origin('attio')}/v2/objects", headers=headers, timeout=10).status_code == 200
    assert call(vendors, "GET", "faults").json()["faults"][0]["hits"] == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"vendor": "slack", "url": "http://127.0.0.1:9/"}, "vendor must be one of"),
        ({"vendor": "linear"}, "url must be an http:// address of this machine"),
        ({"vendor": "linear", "url": "http://10.0.0.1:80/x"}, "of this machine"),
        ({"vendor": "linear", "url": "http://127.0.0.1.evil.example:80/"}, "of this machine"),
        ({"vendor": "linear", "url": "http://localhost@evil.example:80/"}, "of this machine"),
        ({"vendor": "linear", "url": "https://127.0.0.1:9/"}, "of this machine"),
        ({"vendor": "linear", "url": "http://127.0.0.1:99999/"}, "of this machine"),
        ({"vendor": "linear", "url": "file:///etc/passwd"}, "of this machine"),
        ({"vendor": "linear", "url": "http://127.0.0.1:9/", "secret": "short"}, "secret must be"),
        ({"vendor": "linear", "url": "http://127.0.0.1:9/", "hurry": 0}, "hurry must be"),
        ({"vendor": "linear", "url": "http://127.0.0.1:9/", "token": "x"}, "unknown field 'token'"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(vendors: Vendors, body: dict[str, Any], said: str) -> None:
    answer = call(vendors, "POST", "webhooks", **body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert call(vendors, "GET", "webhooks").json()["targets"] == []


def test_targets_and_what_waits_for_them_are_bounded(vendors: Vendors, receiver: Receiver) -> None:
    for _ in range(10):
        deliver(vendors, receiver, "linear")
    answer = call(vendors, "POST", "webhooks", vendor="linear", url=receiver.origin)
    assert answer.status_code == 400
    assert "at most 10 targets" in answer.json()["error"]


def test_what_would_wait_too_long_is_dropped_and_counted(
    lab: Lab, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.sandbox.webhooks.courier.WAITING_AT_MOST", 2)
    added = lab.chatwoot.post("/_sandbox/webhooks", json={"vendor": "chatwoot", "url": receiver.origin})
    assert added.status_code == 200
    assert lab.chatwoot.post("/_sandbox/tick").status_code == 200
    assert lab.chatwoot.post("/_sandbox/tick").status_code == 200
    counts = lab.chatwoot.get("/_sandbox/webhooks").json()
    assert counts["waiting"] <= 2
    assert counts["targets"][0]["dropped"] > 0


def test_a_secret_is_answered_once(vendors: Vendors, receiver: Receiver) -> None:
    made = vendors.control("webhooks", vendor="attio", url=f"{receiver.origin}/x")
    assert len(made["secret"]) == 48
    assert made["secret"] not in call(vendors, "GET", "webhooks").text
    assert call(vendors, "DELETE", f"webhooks/{made['target']['id']}").json() == {"targets": 0}
    assert call(vendors, "DELETE", f"webhooks/{made['target']['id']}").status_code == 404
    provoke(vendors, "attio")
    assert receiver.got == []
