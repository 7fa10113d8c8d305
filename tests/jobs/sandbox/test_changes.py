"""Changes by record id, and what happens at a vendor while somebody reads its lists."""

from pathlib import Path
from typing import Any

import pytest

from jobs.sandbox.changes import CHANGES
from tests.jobs.sandbox.harness import Clock, Lab, open_lab

API = "/api/v1/accounts/1"


def change(lab: Lab, vendor: str, what: str, /, **fields: Any) -> str:
    answer = lab.chatwoot.post("/_sandbox/change", json={"vendor": vendor, "name": what, "fields": fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["record"])


def fault(lab: Lab, **body: Any) -> None:
    assert lab.chatwoot.post("/_sandbox/faults", json=body).status_code == 200


def issues(lab: Lab, first: int = 50, after: str | None = None) -> list[str]:
    text = (
        "query($n: Int!, $a: String) { issues(first: $n, after: $a, orderBy: updatedAt, includeArchived: true)"
        " { nodes { id title } pageInfo { endCursor } } }"
    )
    return [node["id"] for node in lab.query(text, n=first, a=after)["issues"]["nodes"]]


def test_a_deleted_conversation_is_404_and_its_number_is_not_given_again(lab: Lab) -> None:
    gone = lab.conversation("open")
    change(lab, "chatwoot", "delete_conversation", conversation=gone)
    assert lab.chatwoot.get(f"{API}/conversations/{gone}").status_code == 404
    known = {each["id"] for page in (1, 2) for each in lab.conversations(page=page)}
    contact = lab.sandbox.tenants["main"].chatwoot_seed.contacts["acme", "ann"]
    inbox = lab.sandbox.tenants["main"].chatwoot_seed.inboxes["acme", "mail"]
    made = int(change(lab, "chatwoot", "conversation", contact=contact, inbox=inbox, text="Hello"))
    assert made not in known | {gone}


def test_what_was_scheduled_for_a_deleted_record_does_not_happen(lab: Lab) -> None:
    lab.clock.forward(days=2, minutes=-90)
    lab.clock.at = lab.clock.at.replace(hour=7, minute=10)
    later = lab.conversations()[0]["id"]
    change(lab, "chatwoot", "delete_conversation", conversation=later)
    lab.clock.forward(hours=3)
    assert lab.chatwoot.get(f"{API}/conversations/{later}").status_code == 404


def test_a_permanently_deleted_issue_takes_comments_and_relations_with_it(lab: Lab) -> None:
    fire = lab.sandbox.tenants["main"].linear_seed.issues["acme", "fire"]
    change(lab, "linear", "delete_issue", issue=fire)
    assert fire not in issues(lab)
    left = lab.query("{ comments { nodes { id } } issueRelations { nodes { id } } }")
    assert left == {"comments": {"nodes": []}, "issueRelations": {"nodes": []}}


def test_a_deleted_attio_record_is_404_and_nothing_points_to_it(lab: Lab) -> None:
    seed = lab.sandbox.tenants["main"].attio_seed
    acme = seed.companies["acme", "acme"]
    change(lab, "attio", "delete", object_slug="companies", record=acme)
    assert lab.attio.get(f"/v2/objects/companies/records/{acme}").status_code == 404
    ann = next(p for p in lab.records("people") if p["id"]["record_id"] == seed.people["acme", "ann"])
    assert ann["values"]["company"] == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"vendor": "linear", "name": "dance"}, "linear has no change 'dance'"),
        ({"vendor": "slack", "name": "message"}, "known are none"),
        ({"vendor": "chatwoot", "name": "message", "fields": {"text": "x"}}, "absent: conversation"),
        ({"vendor": "chatwoot", "name": "message", "fields": {"conversation": "1", "text": "x"}}, "a whole number"),
        ({"vendor": "chatwoot", "name": "message", "fields": {"conversation": 999, "text": "x"}}, "999 is not there"),
        ({"vendor": "chatwoot", "name": "status", "fields": {"conversation": 1, "status": "lost"}}, "must be one of"),
        ({"vendor": "chatwoot", "name": "merge_contacts", "fields": {"base": 1, "mergee": 1}}, "with itself"),
        ({"vendor": "linear", "name": "edit_issue", "fields": {"issue": "x", "title": "t", "by": "me"}}, "absent: by"),
        ({"vendor": "linear", "name": "issue", "fields": {"team": "ACM", "title": "x" * 10_001}}, "over 10000"),
        ({"name": "message"}, "vendor"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_happen_is_refused_and_not_remembered(
    lab: Lab, body: dict[str, Any], said: str
) -> None:
    answer = lab.chatwoot.post("/_sandbox/change", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert lab.sandbox.state.entries == []


def test_every_change_survives_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    lab = open_lab(tmp_path, clock)
    tenant = lab.sandbox.tenants["main"]
    contact, inbox = (
        tenant.chatwoot_seed.contacts["acme", "ann"],
        tenant.chatwoot_seed.inboxes["acme", "mail"],
    )
    bob, iron = (
        tenant.chatwoot_seed.contacts["acme", "bob"],
        tenant.linear_seed.issues["acme", "iron"],
    )
    other = change(lab, "chatwoot", "contact", name="Cy", email="cy@acme.example")
    started = int(change(lab, "chatwoot", "conversation", contact=contact, inbox=inbox, text="One"))
    said = int(change(lab, "chatwoot", "message", conversation=started, text="Two", reply=1))
    change(lab, "chatwoot", "edit_message", message=said, text="Three")
    change(lab, "chatwoot", "delete_message", message=said)
    change(lab, "chatwoot", "status", conversation=started, status="resolved")
    change(lab, "chatwoot", "label", conversation=started, label="new")
    change(lab, "chatwoot", "rename_contact", contact=int(other), name="Cyd")
    change(lab, "chatwoot", "merge_contacts", base=contact, mergee=bob)
    change(lab, "chatwoot", "delete_conversation", conversation=lab.conversation("visit"))
    issue = change(lab, "linear", "issue", team="ACM", title="New")
    change(lab, "linear", "edit_issue", issue=issue, title="Newer")
    change(lab, "linear", "move_issue", issue=issue, state="Done")
    comment = change(lab, "linear", "comment", issue=issue, text="So")
    change(lab, "linear", "edit_comment", comment=comment, text="So what")
    elsewhere = change(lab, "linear", "document_comment", text="On a page")
    change(lab, "linear", "delete_comment", comment=elsewhere)
    change(lab, "linear", "block", blocker=issue, blocked=iron)
    change(lab, "linear", "unblock", blocker=issue, blocked=iron)
    change(lab, "linear", "delete_comment", comment=comment)
    change(lab, "linear", "trash_issue", issue=issue)
    change(lab, "linear", "delete_issue", issue=iron)
    company = change(lab, "attio", "company", name="New Ltd", domain_name="new.example")
    person = change(lab, "attio", "person", first="Neo", last="New", company=company)
    change(lab, "attio", "list", company=company, list_slug="acme")
    change(lab, "attio", "rename_company", company=company, name="Newer Ltd")
    change(lab, "attio", "stage", deal=tenant.attio_seed.deals["acme", "small"], stage="Lost")
    note = change(lab, "attio", "note", object_slug="people", record=person, body="Called")
    merged = change(
        lab,
        "attio",
        "merge_companies",
        primary=company,
        secondary=tenant.attio_seed.companies["acme", "acme"],
    )
    change(lab, "attio", "delete_note", note=note)
    change(lab, "attio", "delete", object_slug="companies", record=merged)
    done = {(entry["vendor"], entry["name"]) for entry in lab.sandbox.state.entries}
    assert done == set(CHANGES)
    again = open_lab(tmp_path, clock)
    assert again.sandbox.skipped == []

    def shown(one: Lab) -> Any:
        records = [one.records(name) for name in ("companies", "people", "deals")]
        return one.conversations(), one.conversations(page=2), issues(one), records

    assert shown(again) == shown(lab)


def test_a_record_moves_to_the_first_page_while_linear_is_paged(lab: Lab) -> None:
    before = issues(lab)
    fault(lab, vendor="linear", kind="page_shift")
    assert issues(lab, first=1) == before[:1]
    assert issues(lab) == [before[-1], *before[:-1]]


def test_a_record_moves_to_the_first_page_while_chatwoot_is_paged(lab: Lab) -> None:
    last = min(
        (each for page in (1, 2) for each in lab.conversations(page=page)),
        key=lambda c: c["last_activity_at"],
    )
    fault(lab, vendor="chatwoot", kind="page_shift")
    assert lab.conversations()[0]["id"] != last["id"]
    assert lab.conversations()[0]["id"] == last["id"]


def test_attio_pages_slip_by_a_row(lab: Lab) -> None:
    def notes(offset: int) -> list[str]:
        rows = lab.attio.get("/v2/notes", params={"limit": 10, "offset": offset}).json()["data"]
        return [row["id"]["note_id"] for row in rows]

    straight = notes(10)
    fault(lab, vendor="attio", kind="page_shift", skip=1)
    notes(0)
    assert notes(10)[:9] == straight[1:]
    assert notes(10) == straight


@pytest.mark.parametrize(
    ("vendor", "kind", "path"),
    [
        ("chatwoot", "delete_while_paging", f"{API}/conversations?status=all&sort_by=created_at_asc"),
        ("chatwoot", "merge_while_paging", f"{API}/contacts"),
        ("attio", "delete_while_paging", "/v2/notes"),
        ("attio", "delete_while_paging", "/v2/objects/companies/records/query"),
        ("attio", "merge_while_paging", "/v2/objects/companies/records/query"),
    ],
)
def test_records_go_right_after_the_answer_that_showed_them(
    lab: Lab, vendor: str, kind: str, path: str
) -> None:
    client = lab.chatwoot if vendor == "chatwoot" else lab.attio

    def rows() -> list[Any]:
        answer = (client.post(path, json={}) if path.endswith("query") else client.get(path)).json()
        found = answer.get("payload") or answer["data"]
        return [row["id"] for row in (found if isinstance(found, list) else found["payload"])]

    before = rows()
    fault(lab, vendor=vendor, kind=kind)
    assert rows() == before
    gone = [each for each in before if each not in rows()]
    assert len(gone) == {"delete_while_paging": 1, "merge_while_paging": 2 if vendor == "attio" else 1}[kind]
    assert gone[0] in before[:2]


def test_an_issue_goes_right_after_the_page_that_showed_it(lab: Lab) -> None:
    before = issues(lab)
    fault(lab, vendor="linear", kind="delete_while_paging")
    assert issues(lab) == before
    assert issues(lab) == before[1:]
