"""Offers: totals, the discount policy, and a status that moves only by explicit steps."""

from typing import Any

import httpx
import pytest
from sqlmodel import select

from models.infra.database import transaction
from models.tables.platform import AuditEvent
from tests.tools_app.commerce import add, error_code, fill_commerce
from tests.tools_app.world import World
from tools_app.services.offers import STEPS

ITEMS = [
    {"description": "Design", "quantity": "2", "unit_price": "4500.00"},
    {"description": "Build", "quantity": "0.5", "unit_price": "0.01"},
]
STATUSES = ("draft", "pending_approval", "approved", "sent", "signed", "declined")


def write(client: httpx.Client, **values: Any) -> dict[str, Any]:
    return add(
        client, "/offers", "offer", **{"title": "Phase 1", "currency": "EUR", "items": ITEMS, **values}
    )


def step(client: httpx.Client, offer: dict[str, Any], name: str, **more: Any) -> httpx.Response:
    body = {"project_id": "alpha", "expected_version": offer["version"], **more}
    return client.post(f"/api/offers/{offer['id']}/{name}", json=body)


def taken(client: httpx.Client, offer: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        answer = step(client, offer, name)
        assert answer.status_code == 200, answer.text
        offer = answer.json()["offer"]
    return offer


def test_an_offer_goes_from_draft_to_signed_by_explicit_steps_and_each_is_audited(
    client: httpx.Client,
) -> None:
    made = write(client, discount_pct="5")
    assert (made["status"], made["subtotal"], made["discount"], made["total"]) == (
        "draft",
        "9000.01",
        "450.00",
        "8550.01",
    )
    assert [each["total"] for each in made["items"]] == ["9000.00", "0.01"]
    sent = taken(client, made, "submit", "approve-send", "mark-sent")
    assert (sent["status"], sent["send_approved_by"], sent["discount_approved_by"]) == ("sent", "owner", None)
    signed = step(client, sent, "outcome", outcome="signed").json()["offer"]
    assert (signed["status"], signed["version"]) == ("signed", 5)
    with transaction() as session:
        events = session.exec(
            select(AuditEvent).where(AuditEvent.entity_id == made["id"]).order_by(AuditEvent.created_at)
        ).all()
    assert [each.action for each in events] == [
        "offer.create", "offer.submit", "offer.approve_send", "offer.mark_sent", "offer.sign",
    ]  # fmt: skip
    moves = [((each.before or {}).get("status"), (each.after or {}).get("status")) for each in events[1:]]
    assert moves == [
        ("draft", "pending_approval"),
        ("pending_approval", "approved"),
        ("approved", "sent"),
        ("sent", "signed"),
    ]
    assert all(each.request_id for each in events)


def test_every_step_from_a_wrong_status_is_409_and_changes_nothing(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    from models.tables.crm import Offer

    offer = fill_commerce(worlds["one"].places["alpha"]).offer
    names = {
        "submit": "submit",
        "approve_discount": "approve-discount",
        "approve_send": "approve-send",
        "reopen": "reopen",
        "mark_sent": "mark-sent",
    }
    for status in STATUSES:
        with transaction() as session:
            row = session.get_one(Offer, offer)
            row.status = status
            session.add(row)
        seen = {"id": str(offer), "version": 1}
        wrong = [step(client, seen, path) for name, path in names.items() if status not in STEPS[name]]
        if status != "sent":
            wrong += [step(client, seen, "outcome", outcome=each) for each in ("signed", "declined")]
        if status != "draft":
            body = {"project_id": "alpha", "expected_version": 1, "title": "x"}
            wrong.append(client.patch(f"/api/offers/{offer}", json=body))
        assert {error_code(answer, 409) for answer in wrong} == {"wrong_status"}, status
        found = client.get(f"/api/offers/{offer}?project_id=alpha").json()["offer"]
        assert (found["status"], found["version"]) == (status, 1)


def test_a_discount_above_the_policy_needs_an_approval_of_its_own(client: httpx.Client) -> None:
    offer = taken(client, write(client, discount_pct="5.01"), "submit")
    policy = offer["discount_policy"]
    assert (policy["max_pct"], policy["needs_approval"], policy["is_approved"]) == ("5.00", True, False)
    assert error_code(step(client, offer, "approve-send"), 409) == "discount_not_approved"
    offer = taken(client, offer, "approve-discount")
    assert (offer["status"], offer["discount_approved_by"]) == ("pending_approval", "owner")
    assert error_code(step(client, offer, "approve-discount"), 409) == "approval_not_needed"
    assert taken(client, offer, "approve-send")["status"] == "approved"


def test_a_discount_inside_the_policy_has_nothing_to_approve(client: httpx.Client) -> None:
    offer = taken(client, write(client, discount_pct="5"), "submit")
    assert error_code(step(client, offer, "approve-discount"), 409) == "approval_not_needed"


def test_the_policy_looks_at_what_the_client_bought_in_the_base_currency(client: httpx.Client) -> None:
    account = add(client, "/crm/accounts", "account", name="Lumen")["id"]

    def sale(amount: str, currency: str, stage: str = "won") -> str:
        return add(
            client, "/crm/opportunities", "opportunity",
            name="Sale", account_id=account, amount=amount, currency=currency, stage=stage,
        )["id"]  # fmt: skip

    sale("6000", "EUR")
    sale("900000", "EUR", "negotiation")
    dollars = sale("5000", "USD")
    offer = write(client, discount_pct="10", opportunity_id=dollars)
    value = offer["discount_policy"]["client_value"]
    assert (value["total"], value["unconverted"]) == ("6000.00", [{"currency": "USD", "amount": "5000.00"}])
    assert offer["discount_policy"]["needs_approval"] is True
    rate = {"from_currency": "USD", "to_currency": "EUR", "valid_on": "2020-01-01", "rate": "0.8"}
    assert client.put("/api/money/exchange-rates", json=rate).status_code == 200
    policy = client.get(f"/api/offers/{offer['id']}?project_id=alpha").json()["offer"]["discount_policy"]
    assert (policy["client_value"]["total"], policy["max_pct"], policy["needs_approval"]) == (
        "10000.00",
        "10.00",
        False,
    )


def test_reopening_forgets_approvals_and_lets_the_draft_be_changed(client: httpx.Client) -> None:
    offer = taken(
        client, write(client, discount_pct="30"), "submit", "approve-discount", "approve-send", "reopen"
    )
    assert (offer["status"], offer["discount_approved_by"], offer["send_approved_by"]) == (
        "draft",
        None,
        None,
    )
    body = {
        "project_id": "alpha",
        "expected_version": offer["version"],
        "items": [ITEMS[0]],
        "discount_pct": "0",
    }
    changed = client.patch(f"/api/offers/{offer['id']}", json=body).json()["offer"]
    assert (len(changed["items"]), changed["total"]) == (1, "9000.00")


def test_a_step_from_an_old_version_is_409(client: httpx.Client) -> None:
    offer = write(client)
    body = {"project_id": "alpha", "expected_version": 1, "title": "Changed after it was looked at"}
    assert client.patch(f"/api/offers/{offer['id']}", json=body).status_code == 200
    assert error_code(step(client, offer, "submit"), 409) == "changed_meanwhile"


def test_an_offer_without_items_cannot_be_submitted(client: httpx.Client) -> None:
    assert error_code(step(client, write(client, items=[]), "submit"), 409) == "no_items"


@pytest.mark.parametrize(
    "change",
    [
        {"discount_pct": "100.01"}, {"discount_pct": "-1"}, {"currency": "eur"}, {"items": [{**ITEMS[0], "quantity": "0"}]},
        {"items": [{**ITEMS[0], "unit_price": "-1"}]}, {"items": [ITEMS[0]] * 101}, {"title": ""},
        {"items": [{**ITEMS[0], "quantity": "9999999999", "unit_price": "999999999999"}]},
    ],
)  # fmt: skip
def test_an_offer_that_makes_no_sense_is_400(client: httpx.Client, change: dict[str, Any]) -> None:
    body = {"project_id": "alpha", "title": "x", "currency": "EUR", "items": ITEMS, **change}
    assert client.post("/api/offers", json=body).status_code == 400
    assert client.get("/api/offers?project_id=alpha").json()["items"] == []


def test_offers_are_narrowed_and_sorted(client: httpx.Client) -> None:
    first, second = write(client, title="Alpha"), write(client, title="Beta")
    taken(client, second, "submit")

    def titles(query: str) -> list[str]:
        return [each["title"] for each in client.get(f"/api/offers?project_id=alpha&{query}").json()["items"]]

    assert titles("sort=title") == ["Alpha", "Beta"]
    assert titles("sort=-title") == ["Beta", "Alpha"]
    assert titles("status=draft") == ["Alpha"]
    assert titles("q=bet") == ["Beta"]
    assert first["total"] == client.get("/api/offers?project_id=alpha&q=alpha").json()["items"][0]["total"]
