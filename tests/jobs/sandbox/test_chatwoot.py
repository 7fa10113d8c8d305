"""Chatwoot's REST v1 as its documentation and source describe it."""

from typing import Any

import pytest

from tests.jobs.sandbox.harness import Lab, open_lab

API = "/api/v1/accounts/1"


def many_messages(count: int) -> list[dict[str, Any]]:
    return [
        {
            "key": "long", "lang": "en", "inbox": "mail", "contact": "ann", "assignee": None, "labels": [],
            "status": "open", "at": "w6 mon 09:00", "messages": [["ann", "1m", f"line {n}"] for n in range(count)],
        }
    ]  # fmt: skip


def many_conversations(count: int) -> list[dict[str, Any]]:
    return [
        {
            "key": f"c{n}", "lang": "en", "inbox": "mail", "contact": "ann", "assignee": None, "labels": [],
            "status": "open", "at": f"w6 mon {9 + n // 60:02d}:{n % 60:02d}", "messages": [["ann", "0m", f"q {n}"]],
        }
        for n in range(count)
    ]  # fmt: skip


def test_a_missing_or_wrong_token_is_401_with_an_error(lab: Lab) -> None:
    for token in ("", "wrong"):
        answer = lab.chatwoot.get(f"{API}/conversations", headers={"api_access_token": token})
        assert (answer.status_code, answer.json()) == (401, {"error": "Invalid Access Token"})


def test_a_token_of_another_account_is_401_not_403(lab: Lab) -> None:
    twin = lab.sandbox.state.tokens["chatwoot_twin"]
    answer = lab.chatwoot.get(f"{API}/conversations", headers={"api_access_token": twin})
    assert answer.status_code == 401
    assert answer.json() == {"error": "You are not authorized to access this account"}


def test_an_unknown_conversation_is_404_with_an_error(lab: Lab) -> None:
    answer = lab.chatwoot.get(f"{API}/conversations/99999")
    assert (answer.status_code, answer.json()) == (404, {"error": "Resource could not be found"})


def test_the_list_shows_open_conversations_by_default(lab: Lab) -> None:
    body = lab.chatwoot.get(f"{API}/conversations").json()
    assert {c["status"] for c in body["data"]["payload"]} == {"open"}
    statuses = {c["status"] for page in (1, 2) for c in lab.conversations(page=page)}
    assert statuses == {"open", "resolved", "pending"}


def test_a_page_has_25_conversations_and_an_empty_page_ends_the_list(lab: Lab) -> None:
    pages = [lab.conversations(page=page, sort_by="created_at_asc") for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [25, 8, 0]
    ids = [c["id"] for page in pages for c in page]
    assert ids == sorted(ids)
    envelope = lab.chatwoot.get(f"{API}/conversations", params={"status": "all"}).json()["data"]
    assert envelope["meta"]["all_count"] == 33
    assert set(envelope) == {"meta", "payload"}


def test_all_count_is_counted_before_the_assignee_filter(lab: Lab) -> None:
    answer = lab.chatwoot.get(f"{API}/conversations", params={"status": "all", "assignee_type": "unassigned"})
    body = answer.json()["data"]
    assert body["meta"]["all_count"] == 33
    assert len(body["payload"]) == body["meta"]["unassigned_count"] == 2


def test_updated_within_counts_seconds_and_switches_paging_off(lab: Lab) -> None:
    everything = lab.conversations(updated_within=86_400 * 60)
    assert len(everything) == 33
    lab.event(kind="message", conversation="open", by="bob", text="Hello?")
    assert [c["id"] for c in lab.conversations(updated_within=30)] == [lab.conversation("open")]


def test_times_are_epoch_seconds_with_zero_for_null_and_a_float_updated_at(lab: Lab) -> None:
    found = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('open')}").json()
    assert isinstance(found["created_at"], int)
    assert isinstance(found["updated_at"], float)
    assert found["first_reply_created_at"] == 0
    assert found["waiting_since"] == found["created_at"]
    assert found["unread_count"] == 1


def test_a_conversation_shows_only_its_last_message(lab: Lab) -> None:
    found = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('first')}").json()
    assert [m["message_type"] for m in found["messages"]] == [2]
    assert found["last_non_activity_message"]["content"] == "Thanks!"
    assert found["meta"]["channel"] == "Channel::Email"
    assert found["additional_attributes"]["mail_subject"] == "Anvil 29 May"


def test_a_status_change_moves_updated_at_but_not_last_activity(lab: Lab) -> None:
    found = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('first')}").json()
    assert found["updated_at"] > found["last_activity_at"]
    assert found["messages"][0]["content"] == "Conversation was marked resolved by Marta Kovač"


def test_q_searches_texts_and_bypasses_the_status_filter(lab: Lab) -> None:
    body = lab.chatwoot.get(f"{API}/conversations", params={"q": "in a hurry"}).json()["data"]
    assert [c["status"] for c in body["payload"]] == ["resolved"]


def test_counts_come_without_rows(lab: Lab) -> None:
    body = lab.chatwoot.get(f"{API}/conversations/meta", params={"status": "all"}).json()
    assert body == {"meta": {"mine_count": 0, "assigned_count": 31, "unassigned_count": 2, "all_count": 33}}


def test_an_agents_token_sees_only_its_inboxes(lab: Lab) -> None:
    agent = {"api_access_token": lab.sandbox.state.tokens["chatwoot_agent"]}
    assert lab.chatwoot.get(f"{API}/inboxes", headers=agent).json() == {"payload": []}
    answer = lab.chatwoot.get(f"{API}/conversations/1", headers=agent)
    assert (answer.status_code, answer.json()) == (401, {"error": "You are not authorized to do this action"})


# --- messages ---------------------------------------------------------------------------------------------------


def windows(lab: Lab, **params: Any) -> list[int]:
    answer = lab.chatwoot.get(f"{API}/conversations/1/messages", params=params)
    assert answer.status_code == 200
    return [m["id"] for m in answer.json()["payload"]]


@pytest.fixture
def long(tmp_path: Any) -> Lab:
    nothing: dict[str, Any] = {"issues": {}, "deals": {}, "ticks": []}
    return open_lab(tmp_path, conversations=many_messages(1200), **nothing)


def test_messages_come_in_windows_of_20_100_and_1000_oldest_first(long: Lab) -> None:
    every = [m.id for m in long.sandbox.tenants["main"].account.conversations[1].messages]
    assert windows(long) == every[-20:]
    assert windows(long, before=every[50]) == every[30:50]
    assert windows(long, after=every[50]) == every[51:151]
    assert windows(long, after=every[50], before=every[1199]) == every[50:1050]


def test_after_is_exclusive_alone_and_inclusive_with_before(long: Lab) -> None:
    every = [m.id for m in long.sandbox.tenants["main"].account.conversations[1].messages]
    assert windows(long, after=every[10])[0] == every[11]
    assert windows(long, after=every[10], before=every[12]) == [every[10], every[11]]


def test_message_types_are_integers_and_private_notes_are_flagged(lab: Lab) -> None:
    rows = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('first')}/messages").json()["payload"]
    said = [(m["message_type"], m["private"]) for m in rows]
    assert said == [(0, False), (2, False), (2, False), (1, False), (1, True), (0, False), (2, False)]
    assert all("updated_at" not in m for m in rows)
    assert all("sender" not in m for m in rows if m["message_type"] == 2)
    assert rows[0]["content_type"] == "incoming_email"
    assert rows[5]["attachments"][0]["data_url"].endswith("/plan.pdf")
    assert rows[3]["content"] == "By 29 May, promised."


def test_internal_messages_can_be_filtered_out(lab: Lab) -> None:
    path = f"{API}/conversations/{lab.conversation('first')}/messages"
    rows = lab.chatwoot.get(path, params={"filter_internal_messages": "true"}).json()["payload"]
    assert [m["message_type"] for m in rows] == [0, 1, 0]


def test_an_edit_shows_only_in_the_text_and_touches_the_conversation(lab: Lab) -> None:
    lab.clock.forward(hours=1)
    lab.event(kind="edit_message", message="first/2", text="By Friday, promised.")
    found = lab.conversations(updated_within=60)
    assert [c["id"] for c in found] == [lab.conversation("first")]
    rows = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('first')}/messages").json()["payload"]
    assert rows[3]["content"] == "By Friday, promised."


def test_a_deleted_message_stays_as_a_blanked_one(lab: Lab) -> None:
    lab.event(kind="delete_message", message="first/4")
    rows = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('first')}/messages").json()["payload"]
    assert rows[5]["content"] == "This message was deleted"
    assert rows[5]["content_attributes"] == {"deleted": True}
    assert "attachments" not in rows[5]


# --- contacts and small lists -----------------------------------------------------------------------------------


def test_contacts_come_15_a_page_without_unresolved_visitors(tmp_path: Any) -> None:
    people = {
        "companies": [],
        "people": [
            {"key": f"p{n}", "first": "P", "last": str(n), "email": f"p{n}@x.example", "in": ["cw"]}
            for n in range(20)
        ]
        + [
            {
                "key": "ghost",
                "first": "G",
                "last": "H",
                "in": ["cw"],
                "cw": {"name": "ghost-1", "email": None},
            }
        ],
    }
    nothing: dict[str, Any] = {"issues": {}, "deals": {}, "ticks": [], "conversations": []}
    lab = open_lab(tmp_path, people=people, **nothing)
    first = lab.chatwoot.get(f"{API}/contacts", params={"page": 1}).json()
    second = lab.chatwoot.get(f"{API}/contacts", params={"page": 2, "sort": "-name"}).json()
    assert first["meta"] == {"count": 21, "current_page": "1"}
    assert (len(first["payload"]), len(second["payload"])) == (15, 6)
    assert "ghost-1" not in str(first) + str(second)


def test_a_visitor_appears_only_as_sender_of_a_conversation(lab: Lab) -> None:
    found = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('visit')}").json()
    assert found["meta"]["sender"]["name"] == "quiet-heron-1"
    assert found["meta"]["sender"]["email"] is None
    rows = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('visit')}/messages").json()["payload"]
    assert 3 in [m["message_type"] for m in rows]


def test_a_contact_has_the_vendors_spelling_and_no_updated_at(lab: Lab) -> None:
    row = lab.chatwoot.get(f"{API}/contacts/search", params={"q": "annie"}).json()["payload"][0]
    assert row["phone_number"] == "+447700900001"
    assert row["additional_attributes"]["company_name"] == "ACME"
    assert "updated_at" not in row
    single = lab.chatwoot.get(f"{API}/contacts/{row['id']}").json()
    assert single["payload"]["name"] == "Annie L."


def test_last_activity_is_left_out_of_a_contact_that_never_wrote(lab: Lab) -> None:
    row = lab.chatwoot.get(f"{API}/contacts/search", params={"q": "si@acme"}).json()["payload"][0]
    assert "last_activity_at" not in row


def test_merged_contacts_leave_one_with_all_conversations(lab: Lab) -> None:
    before = lab.chatwoot.get(f"{API}/contacts/search", params={"q": "bob"}).json()["payload"][0]
    lab.event(kind="merge_contacts", base="ann", mergee="bob")
    assert lab.chatwoot.get(f"{API}/contacts/{before['id']}").status_code == 404
    found = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('open')}").json()
    assert found["meta"]["sender"]["name"] == "Annie L."


def test_small_lists_are_whole(lab: Lab) -> None:
    inboxes = lab.chatwoot.get(f"{API}/inboxes").json()["payload"]
    assert [i["name"] for i in inboxes][:3] == ["Acme mail", "Acme site", "Acme telegram"]
    assert "hmac_token" in inboxes[0]  # administrators' tokens show secrets: readers must keep an allow-list
    labels = lab.chatwoot.get(f"{API}/labels").json()["payload"]
    assert {"deadline", "project-acme"} <= {label["title"] for label in labels}
    assert isinstance(lab.chatwoot.get(f"{API}/agents").json(), list)
    assert isinstance(lab.chatwoot.get(f"{API}/teams").json(), list)
    assert lab.chatwoot.get(f"{API}/webhooks").json() == {"payload": {"webhooks": []}}


def test_the_hotline_holds_labelled_and_company_domain_conversations(lab: Lab) -> None:
    hotline = next(
        i["id"] for i in lab.chatwoot.get(f"{API}/inboxes").json()["payload"] if i["name"] == "Hotline"
    )
    shared = lab.conversations(inbox_id=hotline)
    assert shared
    for conversation in shared:
        domain = (conversation["meta"]["sender"]["email"] or "").rpartition("@")[2]
        assert "project-acme" in conversation["labels"] or domain == "beta.example"


# --- filters and limits -----------------------------------------------------------------------------------------


def condition(key: str, operator: str, values: list[Any], joined: str | None = None) -> dict[str, Any]:
    return {"attribute_key": key, "filter_operator": operator, "values": values, "query_operator": joined}


def test_the_filter_joins_conditions_and_has_day_precision(lab: Lab) -> None:
    day = "2026-05-04"  # the day of the first conversation's beginning
    payload = [
        condition("created_at", "is_less_than", ["2026-05-05"], "and"),
        condition("status", "equal_to", ["resolved"]),
    ]
    answer = lab.chatwoot.post(f"{API}/conversations/filter", json={"payload": payload})
    assert [c["id"] for c in answer.json()["payload"]] == [lab.conversation("first")]
    same_day = [condition("created_at", "is_greater_than", [day])]
    later = lab.chatwoot.post(f"{API}/conversations/filter", json={"payload": same_day}).json()
    assert lab.conversation("first") not in [c["id"] for c in later["payload"]]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [condition("nonsense", "equal_to", ["x"])],
        [condition("status", "rhymes_with", ["x"])],
        [condition("status", "equal_to", ["open"], "and")],
        [condition("created_at", "is_greater_than", ["yesterday"])],
    ],
)
def test_a_bad_filter_is_422_with_an_error(lab: Lab, payload: Any) -> None:
    answer = lab.chatwoot.post(f"{API}/conversations/filter", json={"payload": payload})
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_more_than_the_allowed_requests_a_minute_are_429_in_plain_text_without_retry_after(lab: Lab) -> None:
    lab.chatwoot.post("/_sandbox/quotas", json={"name": "chatwoot_requests", "allowed": 2})
    answers = [lab.chatwoot.get(f"{API}/inboxes") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[2].text == "Retry later\n"
    assert answers[2].headers["content-type"].startswith("text/plain")
    assert "retry-after" not in answers[2].headers
    lab.clock.forward(minutes=1)
    assert lab.chatwoot.get(f"{API}/inboxes").status_code == 200


def test_contact_search_has_a_limit_of_its_own(lab: Lab) -> None:
    lab.chatwoot.post("/_sandbox/quotas", json={"name": "chatwoot_searches", "allowed": 1})
    path = f"{API}/contacts/search"
    assert [lab.chatwoot.get(path, params={"q": "a"}).status_code for _ in range(2)] == [200, 429]
    assert lab.chatwoot.get(f"{API}/contacts").status_code == 200


def test_new_conversations_only_append_to_a_list_in_order_of_creation(tmp_path: Any) -> None:
    nothing: dict[str, Any] = {"issues": {}, "deals": {}, "ticks": []}
    lab = open_lab(tmp_path, conversations=many_conversations(30), **nothing)
    first = lab.conversations(sort_by="created_at_asc", page=1)
    lab.event(kind="conversation", key="late", inbox="site", contact="bob", messages=[["bob", "0m", "Late."]])
    assert [c["id"] for c in lab.conversations(sort_by="created_at_asc", page=1)] == [c["id"] for c in first]
    newest = lab.conversations()[0]
    assert newest["last_non_activity_message"]["content"] == "Late."
