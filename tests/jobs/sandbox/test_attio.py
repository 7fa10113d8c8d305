"""Attio's REST v2 as its documentation and generated types describe it."""

import re
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.jobs.sandbox.harness import NOON, Lab

NANO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def error_of(answer: Any) -> tuple[int, str, str]:
    body = answer.json()
    assert set(body) == {"status_code", "type", "code", "message"}
    assert body["status_code"] == answer.status_code
    return answer.status_code, body["type"], body["code"]


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["values"]["name"][0].get("value") or row["values"]["name"][0]["full_name"] for row in rows]


def test_a_wrong_token_is_401_and_self_answers_inactive(lab: Lab) -> None:
    wrong = {"authorization": "Bearer wrong"}
    assert error_of(lab.attio.get("/v2/objects", headers=wrong))[:2] == (401, "auth_error")
    assert lab.attio.get("/v2/self", headers=wrong).json() == {"active": False}


def test_self_tells_workspace_and_scopes(lab: Lab) -> None:
    body = lab.attio.get("/v2/self").json()
    assert body["active"] is True
    assert "note:read" in body["scope"].split()
    assert body["workspace_slug"] == "small"


def test_every_value_is_an_array_and_times_have_nine_digits(lab: Lab) -> None:
    for object_slug in ("companies", "people", "deals"):
        for row in lab.records(object_slug):
            assert NANO.fullmatch(row["created_at"])
            assert set(row["id"]) == {"workspace_id", "object_id", "record_id"}
            for values in row["values"].values():
                assert isinstance(values, list)
                for value in values:
                    assert NANO.fullmatch(value["active_from"])
                    assert value["active_until"] is None
                    assert {"attribute_type", "created_by_actor"} <= set(value)


def test_values_have_the_shapes_of_their_types(lab: Lab) -> None:
    deal = lab.records("deals", filter={"name": "Big anvil"})[0]["values"]
    assert (deal["value"][0]["currency_value"], deal["value"][0]["currency_code"]) == (1000.5, "GBP")
    assert deal["stage"][0]["status"]["title"] == "Won 🎉"
    assert deal["stage"][0]["status"]["celebration_enabled"] is True
    assert deal["owner"][0]["referenced_actor_type"] == "workspace-member"
    assert deal["close_date"][0]["value"] == "2026-05-22"
    person = lab.records("people", filter={"email_addresses": "ann@acme.example"})[0]["values"]
    assert person["name"][0]["full_name"] == "Ann Lee"
    assert person["phone_numbers"][0]["phone_number"] == "+447700900001"
    assert person["phone_numbers"][0]["original_phone_number"] == "+44 7700 900001"
    assert person["email_addresses"][0]["email_domain"] == "acme.example"
    company = lab.records("companies", filter={"domains": "acme.example"})[0]["values"]
    assert company["primary_location"][0]["locality"] == "Leeds"
    assert company["primary_location"][0]["created_by_actor"] == {"type": "system", "id": None}
    assert company["categories"][0]["option"]["title"] == "tools"
    empty = lab.records("deals", filter={"name": "Small anvil"})[0]["values"]
    assert (empty["value"], empty["next_step"]) == ([], [])


def test_references_lead_both_ways(lab: Lab) -> None:
    deal = lab.records("deals", filter={"name": "Big anvil"})[0]
    company_id = deal["values"]["associated_company"][0]["target_record_id"]
    company = lab.attio.get(f"/v2/objects/companies/records/{company_id}").json()["data"]
    assert deal["id"]["record_id"] in [v["target_record_id"] for v in company["values"]["associated_deals"]]
    assert company["values"]["team"][0]["target_object"] == "people"


def test_pages_by_limit_and_offset_end_with_a_short_page(lab: Lab) -> None:
    sort = [{"attribute": "created_at", "direction": "asc"}]
    every = lab.records("companies", sorts=sort)
    pages = [lab.records("companies", sorts=sort, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 1, 0]
    assert [r["id"] for page in pages for r in page] == [r["id"] for r in every]
    times = [r["created_at"] for r in every]
    assert times == sorted(times)
    assert error_of(lab.attio.post("/v2/objects/companies/records/query", json={"limit": 501}))[0] == 400


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"name": "Acme Ltd"}, ["Acme Ltd"]),
        ({"name": {"$contains": "anvil"}}, ["Anvils & Sons"]),
        ({"name": {"$starts_with": "ac"}}, ["Acme Ltd"]),
        ({"domains": {"root_domain": {"$eq": "acme.example"}}}, ["Acme Ltd"]),
        ({"domains": {"$in": ["acme.example", "anvils.example"]}}, ["Acme Ltd", "Anvils & Sons"]),
        ({"$and": [{"name": {"$ends_with": "Ltd"}}, {"description": {"$not_empty": True}}]}, ["Acme Ltd"]),
        ({"$or": [{"name": "Acme Ltd"}, {"name": "Бета"}]}, ["Acme Ltd", "Бета"]),
        ({"$not": {"primary_location": {"country_code": {"$eq": "GB"}}}}, ["Бета"]),
        ({"categories": "tools"}, ["Acme Ltd"]),
        ({"created_at": {"$gte": "2999-01-01T00:00:00Z"}}, []),
    ],
)
def test_filters_work_in_short_and_long_form(
    lab: Lab, condition: dict[str, Any], expected: list[str]
) -> None:
    assert sorted(names(lab.records("companies", filter=condition))) == sorted(expected)


def test_a_path_filter_follows_references(lab: Lab) -> None:
    condition = {
        "path": [["deals", "associated_company"], ["companies", "domains"]],
        "constraints": {"domain": {"$eq": "acme.example"}},
    }
    assert names(lab.records("deals", filter=condition)) == ["Big anvil"]
    assert names(lab.records("deals", filter={"value": {"$gte": 1000}})) == ["Big anvil"]


@pytest.mark.parametrize(
    "condition", [{"nonsense": 1}, {"name": {"$rhymes": "x"}}, {"$xor": []}, {"path": []}]
)
def test_a_bad_filter_is_400_filter_error(lab: Lab, condition: dict[str, Any]) -> None:
    answer = lab.attio.post("/v2/objects/companies/records/query", json={"filter": condition})
    assert error_of(answer) == (400, "invalid_request_error", "filter_error")


def test_unknown_things_are_404_not_found(lab: Lab) -> None:
    missing = "00000000-0000-0000-0000-000000000000"
    for path in (
        "/v2/objects/rockets",
        f"/v2/objects/people/records/{missing}",
        f"/v2/notes/{missing}",
        "/v2/lists/nope",
        "/v2/nothing",
    ):
        assert error_of(lab.attio.get(path)) == (404, "invalid_request_error", "not_found"), path


def test_objects_may_be_addressed_by_uuid(lab: Lab) -> None:
    rows = lab.attio.get("/v2/objects").json()["data"]
    assert [row["api_slug"] for row in rows] == ["people", "companies", "deals"]
    object_id = rows[2]["id"]["object_id"]
    assert len(lab.records(object_id)) == 2


def test_the_schema_names_attributes_options_and_statuses(lab: Lab) -> None:
    rows = lab.attio.get("/v2/objects/deals/attributes").json()["data"]
    by_slug = {row["api_slug"]: row for row in rows}
    assert by_slug["stage"]["type"] == "status"
    assert by_slug["next_step"]["is_system_attribute"] is False
    assert by_slug["associated_people"]["is_multiselect"] is True
    statuses = lab.attio.get("/v2/objects/deals/attributes/stage/statuses").json()["data"]
    assert [s["title"] for s in statuses] == [
        "Lead",
        "Qualified",
        "Proposal",
        "In Progress",
        "Won 🎉",
        "Lost",
    ]
    options = lab.attio.get("/v2/objects/companies/attributes/categories/options").json()["data"]
    assert [o["title"] for o in options] == ["tools"]


def test_the_history_of_a_stage_can_be_asked_for(lab: Lab) -> None:
    deal_id = lab.records("deals", filter={"name": "Big anvil"})[0]["id"]["record_id"]
    path = f"/v2/objects/deals/records/{deal_id}/attributes/stage/values"
    assert len(lab.attio.get(path).json()["data"]) == 1
    history = lab.attio.get(path, params={"show_historic": "true"}).json()["data"]
    assert [v["status"]["title"] for v in history] == ["Won 🎉", "Lead"]
    assert history[1]["active_until"] == history[0]["active_from"]


def test_notes_come_10_a_page_and_50_at_most(lab: Lab) -> None:
    assert len(lab.attio.get("/v2/notes").json()["data"]) == 10
    first = lab.attio.get("/v2/notes", params={"limit": 50}).json()["data"]
    rest = lab.attio.get("/v2/notes", params={"limit": 50, "offset": 50}).json()["data"]
    assert (len(first), len(rest)) == (50, 5)
    assert len({n["id"]["note_id"] for n in first + rest}) == 55
    assert lab.attio.get("/v2/notes", params={"limit": 51}).status_code == 400
    note = first[0]
    assert note["parent_object"] == "deals"
    assert note["content_plaintext"] == "They spoke of anvil number 0."
    assert "updated_at" not in note
    parent = {"parent_object": "deals", "parent_record_id": note["parent_record_id"], "limit": 50}
    assert len(lab.attio.get("/v2/notes", params=parent).json()["data"]) == 50


def test_each_project_has_a_list_of_its_companies(lab: Lab) -> None:
    rows = lab.attio.get("/v2/lists").json()["data"]
    assert {row["api_slug"] for row in rows} == {"acme", "beta"}
    entries = lab.attio.post("/v2/lists/acme/entries/query", json={}).json()["data"]
    assert len(entries) == 2
    assert set(entries[0]) == {"id", "parent_record_id", "parent_object", "created_at", "entry_values"}
    listed = lab.attio.get(f"/v2/objects/companies/records/{entries[0]['parent_record_id']}/entries").json()[
        "data"
    ]
    assert listed[0]["list_api_slug"] == "acme"


def test_members_and_tasks_are_listed(lab: Lab) -> None:
    members = lab.attio.get("/v2/workspace_members").json()["data"]
    assert [m["access_level"] for m in members] == ["admin", "member", "member"]
    tasks = lab.attio.get("/v2/tasks").json()["data"]
    assert [t["content_plaintext"] for t in tasks] == ["Invoice"]


def test_a_merge_makes_a_new_record_and_both_old_ids_are_404(lab: Lab) -> None:
    before = {names([row])[0]: row["id"]["record_id"] for row in lab.records("companies")}
    lab.event(kind="merge_companies", primary="acme", secondary="anvils")
    for name in ("Acme Ltd", "Anvils & Sons"):
        assert lab.attio.get(f"/v2/objects/companies/records/{before[name]}").status_code == 404
    rows = lab.records("companies", filter={"name": "Acme Ltd"})
    assert rows[0]["id"]["record_id"] not in before.values()
    assert {v["domain"] for v in rows[0]["values"]["domains"]} == {"acme.example", "anvils.example"}
    assert len(rows[0]["values"]["associated_deals"]) == 2
    entries = lab.attio.post("/v2/lists/acme/entries/query", json={}).json()["data"]
    assert [e["parent_record_id"] for e in entries] == [rows[0]["id"]["record_id"]]


def test_more_than_the_allowed_reads_a_second_are_429_with_an_http_date(lab: Lab) -> None:
    lab.chatwoot.post("/_sandbox/quotas", json={"name": "attio_reads", "allowed": 1})
    answers = [lab.attio.get("/v2/objects") for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 429]
    assert error_of(answers[1]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert parsedate_to_datetime(answers[1].headers["retry-after"]) > NOON
    lab.clock.forward(seconds=1)
    assert lab.attio.get("/v2/objects").status_code == 200


def test_costly_queries_use_up_a_score_shared_by_the_workspace(lab: Lab) -> None:
    lab.chatwoot.post("/_sandbox/quotas", json={"name": "attio_score", "allowed": 20})
    cheap = {"sorts": [{"attribute": "created_at", "direction": "asc"}]}
    costly = {"filter": {"$or": [{"name": "a"}, {"name": "b"}]}, "sorts": [{"attribute": "name"}]}
    path = "/v2/objects/companies/records/query"
    assert lab.attio.post(path, json=cheap).status_code == 200
    assert lab.attio.post(path, json=costly).status_code == 429
