"""Accounts, contacts and opportunities through the API: lists, changes, conflicts, and what the vendor owns."""

import httpx
import pytest
from sqlmodel import select

from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.crm import Opportunity, OpportunityStageEvent
from models.tables.platform import AuditEvent
from tests.tools_app.commerce import add, error_code, fill_commerce, mirrored_account, mirrored_opportunity
from tests.tools_app.world import World


def test_an_account_is_made_read_changed_and_listed(client: httpx.Client, worlds: dict[str, World]) -> None:
    made = add(client, "/crm/accounts", "account", name="  Lumen Health ", domain="Lumen.Example")
    assert (made["name"], made["domain"], made["version"]) == ("Lumen Health", "lumen.example", 1)
    assert made["is_mirrored"] is False
    changed = client.patch(
        f"/api/crm/accounts/{made['id']}",
        json={"project_id": "alpha", "expected_version": 1, "domain": None, "notes": "calls"},
    ).json()["account"]
    assert (changed["domain"], changed["notes"], changed["version"]) == (None, "calls", 2)
    assert client.get(f"/api/crm/accounts/{made['id']}?project_id=alpha").json()["account"] == changed
    assert client.get("/api/crm/accounts?project_id=alpha&q=lumen").json()["items"] == [changed]
    assert client.get("/api/crm/accounts?project_id=alpha&q=lu%25n").json()["items"] == []


def test_a_change_from_an_old_version_is_409_and_changes_nothing(client: httpx.Client) -> None:
    made = add(client, "/crm/accounts", "account", name="First")
    path, body = f"/api/crm/accounts/{made['id']}", {"project_id": "alpha", "expected_version": 1}
    assert client.patch(path, json={**body, "name": "Second"}).status_code == 200
    stale = client.patch(path, json={**body, "name": "Third"})
    assert error_code(stale, 409) == "changed_meanwhile"
    assert stale.json()["error"]["details"]["version"] == 2
    assert client.get(f"{path}?project_id=alpha").json()["account"]["name"] == "Second"


def test_accounts_are_paged_in_every_order_without_loss(client: httpx.Client) -> None:
    for name in ("b", "A", "a", "C", "c"):
        add(client, "/crm/accounts", "account", name=name)
    for sort in ("name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"):
        seen: list[str] = []
        cursor = None
        while True:
            query = {"project_id": "alpha", "sort": sort, "limit": 2} | ({"cursor": cursor} if cursor else {})
            page = client.get("/api/crm/accounts", params=query).json()
            seen += [each["id"] for each in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        whole = client.get("/api/crm/accounts", params={"project_id": "alpha", "sort": sort}).json()["items"]
        assert seen == [each["id"] for each in whole], sort
        assert len(set(seen)) == 5


def test_a_cursor_of_another_order_is_refused(client: httpx.Client) -> None:
    for name in ("a", "b"):
        add(client, "/crm/accounts", "account", name=name)
    cursor = client.get("/api/crm/accounts?project_id=alpha&limit=1").json()["next_cursor"]
    answer = client.get(f"/api/crm/accounts?project_id=alpha&sort=-created_at&cursor={cursor}")
    assert error_code(answer, 400) == "invalid_cursor"
    assert client.get("/api/crm/accounts?sort=secret").status_code == 400


def test_of_a_mirrored_account_only_the_notes_may_be_changed(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    path = f"/api/crm/accounts/{mirrored_account(worlds['one'].places['alpha'])}"
    body = {"project_id": "alpha", "expected_version": 1}
    refused = client.patch(path, json={**body, "name": "Mine", "notes": "x"})
    assert error_code(refused, 409) == "mirrored_field"
    assert refused.json()["error"]["details"] == {"fields": ["name"]}
    assert client.patch(path, json={**body, "notes": "ours"}).json()["account"]["notes"] == "ours"
    assert client.get(f"{path}?project_id=alpha").json()["account"]["name"] == "Mirrored"


def test_contacts_belong_to_their_account_and_a_mirrored_account_takes_own_ones(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    account = mirrored_account(worlds["one"].places["alpha"])
    path = f"/crm/accounts/{account}/contacts"
    made = add(client, path, "contact", name="Anna", email="anna@lumen.example")
    assert client.get(f"/api{path}?project_id=alpha").json()["items"] == [made]
    changed = client.patch(
        f"/api/crm/contacts/{made['id']}",
        json={"project_id": "alpha", "expected_version": 1, "role": "CTO"},
    ).json()["contact"]
    assert (changed["role"], changed["version"]) == ("CTO", 2)
    bad = client.post(
        f"/api{path}", json={"project_id": "alpha", "name": "B", "email": "a@b.example, c@d.example"}
    )
    assert bad.status_code == 400


def test_an_opportunity_moves_through_stages_and_keeps_its_history(client: httpx.Client) -> None:
    made = add(client, "/crm/opportunities", "opportunity", name="Portal", amount="100.10", currency="EUR")
    assert (made["stage"], made["probability_pct"]) == ("lead", "10.00")
    path = f"/api/crm/opportunities/{made['id']}/stage"
    for seen, stage in (("lead", "proposal"), ("proposal", "won")):
        moved = client.post(path, json={"project_id": "alpha", "stage": stage, "expected_stage": seen})
        assert moved.status_code == 200, moved.text
    found = moved.json()["opportunity"]
    assert [each["stage"] for each in found["stage_events"]] == ["won", "proposal", "lead"]
    assert {each["changed_by"] for each in found["stage_events"]} == {"owner"}
    assert (found["stage"], found["probability_pct"], found["version"]) == ("won", "100.00", 3)


def test_a_move_from_a_stage_it_is_no_longer_in_is_409(client: httpx.Client) -> None:
    made = add(client, "/crm/opportunities", "opportunity", name="Portal")
    path = f"/api/crm/opportunities/{made['id']}/stage"
    body = {"project_id": "alpha", "stage": "won", "expected_stage": "proposal"}
    refused = client.post(path, json=body)
    assert error_code(refused, 409) == "changed_meanwhile"
    assert refused.json()["error"]["details"]["stage"] == "lead"
    assert (
        error_code(client.post(path, json={**body, "stage": "lead", "expected_stage": "lead"}), 409)
        == "same_stage"
    )
    assert client.post(path, json={**body, "stage": "unmapped", "expected_stage": "lead"}).status_code == 400
    with transaction() as session:
        assert len(session.exec(select(OpportunityStageEvent)).all()) == 1


def test_of_a_mirrored_opportunity_only_notes_and_probability_are_ours(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    row = mirrored_opportunity(worlds["one"].places["alpha"])
    path = f"/api/crm/opportunities/{row}"
    move = {"project_id": "alpha", "stage": "won", "expected_stage": "proposal"}
    assert error_code(client.post(f"{path}/stage", json=move), 409) == "mirrored_field"
    body = {"project_id": "alpha", "expected_version": 1}
    for field, value in {
        "name": "Mine",
        "amount": "1.00",
        "currency": "EUR",
        "next_step": "x",
        "close_date": None,
        "account_id": None,
    }.items():
        assert error_code(client.patch(path, json={**body, field: value}), 409) == "mirrored_field"
    changed = client.patch(path, json={**body, "notes": "ours", "probability_pct": "65.5"}).json()[
        "opportunity"
    ]
    assert (changed["notes"], changed["probability_pct"], changed["stage"]) == ("ours", "65.50", "proposal")


def test_an_amount_needs_a_currency_and_an_account_of_the_same_project(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    body = {"project_id": "alpha", "name": "Portal"}
    bare = client.post("/api/crm/opportunities", json={**body, "amount": "1.00"})
    assert error_code(bare, 400) == "currency_required"
    for amount in ("-1", "1.001", "NaN", "1e20", "Infinity"):
        answer = client.post("/api/crm/opportunities", json={**body, "amount": amount, "currency": "EUR"})
        assert answer.status_code == 400, amount
    assert (
        client.post("/api/crm/opportunities", json={**body, "amount": "1", "currency": "XQQ"}).status_code
        == 400
    )
    other = fill_commerce(worlds["one"].places["beta"]).account
    assert client.post("/api/crm/opportunities", json={**body, "account_id": str(other)}).status_code == 404
    with transaction() as session:
        assert not session.exec(select(Opportunity).where(Opportunity.name == "Portal")).all()


def test_a_mutation_names_one_project_and_finds_only_its_rows(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    made = add(client, "/crm/accounts", "account", name="Alpha's")
    change = {"expected_version": 1, "name": "x"}
    path = f"/api/crm/accounts/{made['id']}"
    for project, status in (
        ("all", 400),
        (str(new_id()), 404),
        (str(worlds["two"].places["alpha"].project), 404),
    ):
        body = {**change, "project_id": project}
        assert client.patch(path, json=body).status_code == status
        assert (
            client.post("/api/crm/accounts", json={"project_id": project, "name": "x"}).status_code == status
        )
    assert client.patch(path, json={**change, "project_id": "beta"}).status_code == 404
    assert client.get(f"{path}?project_id=beta").status_code == 404
    assert client.patch(path, json=change).status_code == 400


@pytest.mark.parametrize("name", [None, "", "   ", 5, "x" * 301])
def test_a_name_must_be_one(client: httpx.Client, name: object) -> None:
    made = add(client, "/crm/accounts", "account", name="Right")
    body = {"project_id": "alpha", "expected_version": 1, "name": name}
    assert client.patch(f"/api/crm/accounts/{made['id']}", json=body).status_code == 400


def test_changes_are_audited_with_what_was_before(client: httpx.Client) -> None:
    made = add(client, "/crm/opportunities", "opportunity", name="Portal", amount="100.10", currency="EUR")
    client.patch(
        f"/api/crm/opportunities/{made['id']}",
        json={"project_id": "alpha", "expected_version": 1, "amount": "90", "name": "Portal"},
        headers={"x-request-id": "request-of-mine"},
    )
    with transaction() as session:
        event = session.exec(select(AuditEvent).where(AuditEvent.action == "opportunity.change")).one()
    assert (event.before, event.after) == ({"amount": "100.10"}, {"amount": "90"})
    assert (event.entity_id, event.actor, event.request_id) == (made["id"], "owner", "request-of-mine")
