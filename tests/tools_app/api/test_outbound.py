"""Outbound messages through the API: nothing leaves without an approval, and an approval is for what was seen."""

from typing import Any

import httpx
import pytest
from sqlmodel import select

from jobs import tasks
from models.infra.database import transaction
from models.infra.settings import get_settings, override_settings
from models.tables.outbound import OutboundMessage
from models.tables.platform import JobRun
from tests.tools_app.commerce import add, error_code, fill_commerce
from tests.tools_app.world import World
from tools_app.services.outbound import STEPS

STATUSES = ("draft", "queued", "sending", "sent", "failed", "unknown", "blocked", "cancelled")


@pytest.fixture
def contact(client: httpx.Client) -> str:
    account = add(client, "/crm/accounts", "account", name="Lumen")["id"]
    return add(
        client, f"/crm/accounts/{account}/contacts", "contact", name="Anna", email="anna@lumen.example"
    )["id"]


def write(client: httpx.Client, contact: str, **values: Any) -> dict[str, Any]:
    values = {"contact_id": contact, "subject": "Hello", "body": "Text", **values}
    return add(client, "/outbound/draft", "message", **values)


def step(client: httpx.Client, message: dict[str, Any], name: str, **more: Any) -> httpx.Response:
    body = {"project_id": "alpha", "expected_version": message["version"], **more}
    return client.post(f"/api/outbound/{message['id']}/{name}", json=body)


def change(client: httpx.Client, message: dict[str, Any], **values: Any) -> httpx.Response:
    body = {"project_id": "alpha", "expected_version": message["version"], **values}
    return client.patch(f"/api/outbound/{message['id']}", json=body)


def deliver() -> None:
    with transaction() as session:
        runs = session.exec(select(JobRun).where(JobRun.job == "outbound", JobRun.status == "queued")).all()
    for run in runs:
        tasks.deliver_outbound(run.subject, str(run.id))


def test_a_draft_is_sent_only_after_its_approval(client: httpx.Client, contact: str) -> None:
    made = write(client, contact)
    deliver()
    assert not (get_settings().data_dir / "outbox").exists()
    approved = step(client, made, "approve").json()["message"]
    assert (approved["status"], approved["approved_by"], approved["address"]) == (
        "queued",
        "owner",
        "anna@lumen.example",
    )
    deliver()
    sent = client.get(f"/api/outbound/{made['id']}?project_id=alpha").json()["message"]
    assert (sent["status"], sent["sent_via"]) == ("sent", "file")
    assert (get_settings().data_dir / "outbox" / f"{made['id']}.eml").exists()


def test_a_change_takes_the_approval_back(client: httpx.Client, contact: str) -> None:
    approved = step(client, write(client, contact), "approve").json()["message"]
    changed = change(client, approved, body="Another text").json()["message"]
    assert (changed["status"], changed["approved_by"], changed["address"]) == ("draft", None, None)
    deliver()
    assert not (get_settings().data_dir / "outbox").exists()


def test_an_approval_of_what_was_changed_meanwhile_is_409(client: httpx.Client, contact: str) -> None:
    made = write(client, contact)
    assert change(client, made, body="Another text").status_code == 200
    assert error_code(step(client, made, "approve"), 409) == "changed_meanwhile"


def test_policies_forbid_an_approval_by_their_name(client: httpx.Client, contact: str) -> None:
    messages = [write(client, contact) for _ in range(3)]
    for each in messages[:2]:
        assert step(client, each, "approve").status_code == 200
    assert error_code(step(client, messages[2], "approve"), 409) == "frequency_cap"
    body = {"project_id": "alpha", "contact_id": contact}
    assert client.post("/api/outbound/opt-out", json=body).json()["policy"]["opted_out"] is True
    assert error_code(step(client, messages[2], "approve"), 409) == "opted_out"
    assert client.post("/api/outbound/opt-out", json={**body, "opted_out": False}).status_code == 200
    more = {"project_id": "alpha", "max_per_week": 3}
    policy = client.put(f"/api/outbound/policies/{contact}", json=more).json()["policy"]
    assert (policy["opted_out"], policy["max_per_week"], policy["stop_on_reply"]) == (False, 3, True)
    assert step(client, messages[2], "approve").status_code == 200


def test_a_contact_without_an_address_cannot_be_written_to(client: httpx.Client) -> None:
    account = add(client, "/crm/accounts", "account", name="Lumen")["id"]
    nobody = add(client, f"/crm/accounts/{account}/contacts", "contact", name="Anna")["id"]
    assert error_code(step(client, write(client, nobody), "approve"), 409) == "no_address"


def test_nothing_is_approved_while_delivery_is_switched_off(client: httpx.Client, contact: str) -> None:
    made = write(client, contact)
    with override_settings(outbound_delivery="off"):
        assert error_code(step(client, made, "approve"), 409) == "delivery_off"


def test_every_step_from_a_wrong_status_is_409_and_changes_nothing(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    message = fill_commerce(worlds["one"].places["alpha"]).message
    seen = {"id": str(message), "version": 1}
    for status in STATUSES:
        with transaction() as session:
            row = session.get_one(OutboundMessage, message)
            row.status = status
            session.add(row)
        wrong = [step(client, seen, name) for name in ("approve", "cancel") if status not in STEPS[name]]
        if status not in STEPS["resolve"]:
            wrong.append(step(client, seen, "resolve", outcome="sent"))
        if status not in STEPS["change"]:
            wrong.append(change(client, seen, body="x"))
        assert {error_code(each, 409) for each in wrong} == {"wrong_status"}, status
        found = client.get(f"/api/outbound/{message}?project_id=alpha").json()["message"]
        assert (found["status"], found["version"]) == (status, 1)


@pytest.mark.parametrize(("outcome", "status"), [("sent", "sent"), ("not_sent", "failed")])
def test_a_person_settles_what_nobody_knows(
    client: httpx.Client, worlds: dict[str, World], outcome: str, status: str
) -> None:
    message = fill_commerce(worlds["one"].places["alpha"]).message
    with transaction() as session:
        row = session.get_one(OutboundMessage, message)
        row.status = "unknown"
        session.add(row)
    settled = step(client, {"id": str(message), "version": 1}, "resolve", outcome=outcome).json()["message"]
    assert settled["status"] == status


@pytest.mark.parametrize(
    "subject", ["", "a\nb", "a\rBcc: all@lumen.example", "a\u2028b", "x" * 201, "a\u0085b"]
)
def test_a_subject_is_one_line(client: httpx.Client, contact: str, subject: str) -> None:
    body = {"project_id": "alpha", "contact_id": contact, "subject": subject, "body": "Text"}
    assert client.post("/api/outbound/draft", json=body).status_code == 400


def test_a_contact_of_another_project_is_404(client: httpx.Client, worlds: dict[str, World]) -> None:
    for place in (worlds["one"].places["beta"], worlds["two"].places["alpha"]):
        other = str(fill_commerce(place).contact)
        body = {"project_id": "alpha", "contact_id": other, "subject": "x", "body": "x"}
        assert client.post("/api/outbound/draft", json=body).status_code == 404
        assert (
            client.post(
                "/api/outbound/opt-out", json={"project_id": "alpha", "contact_id": other}
            ).status_code
            == 404
        )
