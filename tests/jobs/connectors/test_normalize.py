"""What each vendor sends, and what we keep of it."""

import datetime as dt
from typing import Any

import pytest

from jobs.connectors.attio import normalize as attio
from jobs.connectors.chatwoot import normalize as chatwoot
from jobs.connectors.errors import BadRecord
from jobs.connectors.linear import normalize as linear

APP = "https://chat.example/app/accounts/1"


def conversation(**changes: Any) -> dict[str, Any]:
    return {
        "id": 12,
        "uuid": "u-12",
        "inbox_id": 3,
        "status": "open",
        "priority": None,
        "labels": ["Billing"],
        "created_at": 1_700_000_000,
        "last_activity_at": 1_700_000_500,
        "waiting_since": 0,
        "first_reply_created_at": 0,
        "updated_at": 1_700_000_500.25,
        "additional_attributes": {"mail_subject": "Invoice 7"},
        "meta": {
            "sender": {"id": 9, "name": "Anna", "email": "Anna@Pine.example"},
            "assignee": {"name": "Marta"},
        },
        **changes,
    }


def test_a_conversation_keeps_its_subject_contact_and_routing_facts() -> None:
    record = chatwoot.conversation(conversation(), account_url=APP, inbox_names={"3": "Pine mail"})
    assert record.fields["subject"] == "Invoice 7"
    assert record.fields["contact_vendor_id"] == "9"
    assert record.fields["waiting_since"] is None
    assert record.url == f"{APP}/conversations/12"
    assert {("inbox", "pine mail"), ("label", "billing"), ("company_domain", "pine.example")} <= record.facts


def test_an_unknown_conversation_status_is_a_bad_record() -> None:
    with pytest.raises(BadRecord):
        chatwoot.conversation(conversation(status="vanished"), account_url=APP, inbox_names={})


def test_a_message_brings_its_attachments_and_links_to_itself() -> None:
    main, file = chatwoot.message(
        {
            "id": 77,
            "conversation_id": 12,
            "content": None,
            "message_type": 0,
            "created_at": 1_700_000_100,
            "private": False,
            "sender": {"id": 9, "name": "Anna", "type": "contact"},
            "attachments": [
                {"id": 5, "file_type": "file", "data_url": "https://x/y/floor%20plan.pdf", "file_size": 3}
            ],
        },
        account_url=APP,
    )
    assert main.fields["body"] == ""
    assert main.url == f"{APP}/conversations/12?messageId=77"
    assert main.fields["sent_at"] == dt.datetime.fromtimestamp(1_700_000_100, tz=dt.UTC)
    assert (file.parent, file.fields["file_name"]) == ("77", "floor plan.pdf")


def test_a_deleted_message_is_a_tombstone() -> None:
    item = {
        "id": 1,
        "conversation_id": 2,
        "content": "This message was deleted",
        "message_type": 0,
        "created_at": 1_700_000_100,
        "content_attributes": {"deleted": True},
    }
    assert chatwoot.message(item, account_url=APP)[0].deleted


def test_secrets_of_an_inbox_are_not_kept() -> None:
    record = chatwoot.inbox({"id": 1, "name": "Mail", "imap_password": "hunter2", "hmac_token": "t"})
    assert "hunter2" not in repr(record)
    assert "hmac_token" not in record.payload


def test_a_visitor_without_address_is_hidden_from_the_contact_list() -> None:
    assert chatwoot.is_hidden_from_list(
        {"id": 1, "name": "lively-moon-212", "email": None, "phone_number": None}
    )
    assert not chatwoot.is_hidden_from_list({"id": 1, "identifier": "crm-7"})


def issue(**changes: Any) -> dict[str, Any]:
    return {
        "id": "i-1",
        "identifier": "HPN-1",
        "number": 1,
        "title": "Cache",
        "description": None,
        "url": "https://linear.example/i/HPN-1",
        "priority": 2,
        "dueDate": "2026-03-01",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-02T00:00:00.000Z",
        "state": {"name": "Todo", "type": "unstarted"},
        "team": {"key": "HPN"},
        "assignee": {"name": "Pavel"},
        "project": {"id": "p-1", "name": "Booking"},
        "labels": {"nodes": [{"name": "Bug"}]},
        "trashed": None,
        **changes,
    }


def test_an_issue_carries_team_and_workstream_facts() -> None:
    record = linear.issue(issue())
    assert {("team", "hpn"), ("project", "booking"), ("project", "p-1")} == record.facts
    assert record.fields["due_date"] == dt.date(2026, 3, 1)
    assert record.fields["labels"] == ["Bug"]


def test_a_trashed_issue_is_a_tombstone_and_an_archived_one_is_not() -> None:
    assert linear.issue(issue(trashed=True)).deleted
    assert not linear.issue(issue(archivedAt="2026-02-01T00:00:00.000Z")).deleted


def value(**entry: Any) -> list[dict[str, Any]]:
    return [{"active_from": "2026-01-05T10:00:00.000000000Z", "active_until": None, **entry}]


def test_a_deal_reads_current_values_only() -> None:
    stage = [
        {
            "active_from": "2026-01-01T00:00:00Z",
            "active_until": "2026-02-01T00:00:00Z",
            "status": {"title": "Lead"},
        },
        {"active_from": "2026-02-01T00:00:00Z", "active_until": None, "status": {"title": "Won 🎉"}},
    ]
    record = attio.deal(
        {
            "id": {"record_id": "d-1"},
            "created_at": "2026-01-01T00:00:00.000000000Z",
            "web_url": "https://a/d-1",
            "values": {
                "name": value(value="Voucher shop"),
                "stage": stage,
                "value": value(currency_value=18400, currency_code="EUR"),
                "owner": value(referenced_actor_type="workspace-member", referenced_actor_id="m-1"),
                "associated_company": value(target_object="companies", target_record_id="c-1"),
            },
        },
        members={"m-1": "Dana Whitfield"},
    )
    assert (record.fields["stage"], record.fields["value"], record.fields["currency"]) == (
        "Won 🎉",
        "18400",
        "EUR",
    )
    assert record.fields["owner_name"] == "Dana Whitfield"
    assert record.follows == ("companies", "c-1")
    assert record.updated_at == dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def test_values_may_be_missing_as_a_whole() -> None:
    record = attio.company({"id": {"record_id": "c-1"}, "created_at": "2026-01-01T00:00:00Z", "values": None})
    assert (record.fields["name"], record.fields["domains"]) == ("", [])


def test_a_company_is_routed_by_domain_list_and_id() -> None:
    record = attio.company(
        {
            "id": {"record_id": "C-1"},
            "values": {"name": value(value="Pine"), "domains": value(domain="Pine.example")},
        },
        lists=frozenset({"harbor-pine"}),
    )
    assert {("company", "c-1"), ("company_domain", "pine.example"), ("list", "harbor-pine")} == record.facts


def test_a_note_follows_the_record_it_is_written_on() -> None:
    record = attio.note(
        {
            "id": {"note_id": "n-1"},
            "parent_object": "deals",
            "parent_record_id": "d-1",
            "title": "Call",
            "content_plaintext": "text",
            "created_at": "2026-01-01T00:00:00Z",
            "created_by_actor": {"type": "workspace-member", "id": "m-1"},
        },
        members={"m-1": "Dana"},
        app_url="https://a/d-1",
    )
    assert record.follows == ("deals", "d-1")
    assert record.url == "https://a/d-1/notes?modal=note&id=n-1"


def attio_task(**changes: Any) -> dict[str, Any]:
    return {
        "id": {"task_id": "t1"},
        "content_plaintext": "Send the contract",
        "deadline_at": "2026-03-01T00:00:00.000000000Z",
        "is_completed": False,
        "completed_at": None,
        "linked_records": [{"target_object_id": "deals", "target_record_id": "d1"}],
        "assignees": [
            {"referenced_actor_type": "workspace-member", "referenced_actor_id": "m1"},
            {"referenced_actor_type": "workspace-member", "referenced_actor_id": "left"},
        ],
        "created_at": "2026-02-01T10:00:00.000000000Z",
        **changes,
    }


def test_a_task_follows_the_record_it_is_about() -> None:
    record = attio.task(attio_task(), members={"m1": "Dana Fox"}, objects=lambda _: None)
    assert record.follows == ("deals", "d1")
    assert record.fields["assignee_names"] == ["Dana Fox"]
    assert record.fields["deadline_at"] == dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert (record.fields["is_completed"], record.fields["completed_at"]) == (False, None)


@pytest.mark.parametrize(
    ("linked", "follows", "named"),
    [
        (
            [{"target_object_id": "uuid-of-companies", "target_record_id": "c1"}],
            ("companies", "c1"),
            "companies",
        ),
        ([{"target_object_id": "uuid-of-invoices", "target_record_id": "i1"}], None, "invoices"),
        ([{"target_object_id": "unknown", "target_record_id": "u1"}], None, None),
        ([], None, None),
        (None, None, None),
    ],
)
def test_a_task_may_name_an_object_by_its_id_or_be_about_nothing(
    linked: list[dict[str, str]] | None, follows: tuple[str, str] | None, named: str | None
) -> None:
    slugs = {"uuid-of-companies": "companies", "uuid-of-invoices": "invoices"}
    record = attio.task(attio_task(linked_records=linked), members={}, objects=slugs.get)
    assert record.follows == follows
    assert record.fields["linked_object"] == named
