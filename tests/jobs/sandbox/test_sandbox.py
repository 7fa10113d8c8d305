"""The world in time: what is visible when, what ticks bring, and that a restart shows the same world."""

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.sandbox.world.reading import WorldError
from tests.jobs.sandbox.harness import NOON, Clock, Lab, open_lab

API = "/api/v1/accounts/1"


def snapshot(lab: Lab) -> dict[str, Any]:
    """Everything the three vendors would tell a reader."""
    conversations: list[Any] = []
    for page in range(1, 6):
        conversations += lab.conversations(page=page, sort_by="created_at_asc")
    messages = [
        lab.chatwoot.get(f"{API}/conversations/{c['id']}/messages", params={"after": 1}).json()
        for c in conversations
    ]
    issues = lab.query(
        """{ issues(includeArchived: true, first: 100) { nodes { id identifier title updatedAt trashed archivedAt
        state { name } cycle { number } comments { nodes { id body createdAt } } } } }"""
    )
    attio = {name: lab.records(name) for name in ("companies", "people", "deals")}
    notes = lab.attio.get("/v2/notes", params={"limit": 50}).json()
    return {"chatwoot": [conversations, messages], "linear": issues, "attio": [attio, notes]}


def tick(lab: Lab) -> dict[str, Any]:
    answer = lab.chatwoot.post("/_sandbox/tick")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_lies_in_the_future_appears_when_its_time_comes(lab: Lab) -> None:
    assert len(lab.conversations(page=2)) == 8
    titles = "{ issues(includeArchived: true) { nodes { title } } }"
    assert "Comes on Friday" not in str(lab.query(titles))
    lab.clock.at = datetime(2026, 6, 19, 7, 10, tzinfo=UTC)  # Friday 09:10 in the studio's zone
    found = lab.conversations()[0]
    assert found["last_non_activity_message"]["content"] == "This is said on Friday."
    lab.clock.forward(minutes=25)
    assert lab.conversations()[0]["last_non_activity_message"]["content"] == "And answered."
    lab.clock.forward(hours=2)
    assert "Comes on Friday" in str(lab.query(titles))


def test_dates_in_texts_follow_the_anchor_and_ids_do_not(tmp_path: Path) -> None:
    one = open_lab(tmp_path / "one")
    other = open_lab(tmp_path / "other", Clock(datetime(2027, 3, 2, 9, 0, tzinfo=UTC)))
    ids = "{ issues(includeArchived: true) { nodes { id identifier } } }"
    assert one.query(ids) == other.query(ids)
    for lab, subject in ((one, "Anvil 29 May"), (other, "Anvil 12 February")):
        found = lab.chatwoot.get(f"{API}/conversations/{lab.conversation('first')}").json()
        assert found["additional_attributes"]["mail_subject"] == subject
    assert [c["id"] for c in one.conversations()] == [c["id"] for c in other.conversations()]
    seeds = [lab.sandbox.tenants["main"].chatwoot_seed.messages for lab in (one, other)]
    assert seeds[0] == seeds[1]


def test_russian_texts_get_russian_dates(lab: Lab) -> None:
    body = lab.chatwoot.get(f"{API}/conversations", params={"q": "Вопрос номер 7,"}).json()["data"]["payload"]
    assert body[0]["messages"][0]["content"] == "Вопрос номер 7, ответьте к 22 мая."


def test_each_tick_applies_the_next_authored_events(lab: Lab) -> None:
    first, second, third = tick(lab), tick(lab), tick(lab)
    assert first["changes"][:3] == ["conversation in acme", "edit_message in acme", "delete_message in acme"]
    assert second["changes"][:3] == [
        "issue_state in acme",
        "merge_contacts in acme",
        "merge_companies in acme",
    ]
    assert third["changes"][0] == "delete_issue in acme"
    assert len(third["changes"]) > 1  # everyday life fills up what the authors left


def test_every_tick_brings_new_rows_even_when_the_authored_events_are_used_up(lab: Lab) -> None:
    counted: list[int] = []
    for _ in range(25):
        assert tick(lab)["new_rows"] >= 1
        counts = lab.chatwoot.get("/_sandbox/state").json()["counts"]["main"]
        counted.append(counts["messages"] + counts["comments"] + counts["attio_notes"])
    assert all(later > earlier for earlier, later in itertools.pairwise(counted))


def test_what_a_tick_changes_is_not_in_the_future(lab: Lab) -> None:
    for _ in range(10):
        tick(lab)
    now = lab.sandbox.now()
    assert (now - NOON).total_seconds() < 1
    newest = max(c["updated_at"] for c in lab.conversations())
    assert newest <= NOON.timestamp() + 1


def test_a_restart_shows_the_same_world(tmp_path: Path) -> None:
    clock = Clock()
    lab = open_lab(tmp_path, clock)
    for number in range(9):
        tick(lab)
        clock.forward(hours=7 + number)
    lab.event(kind="message", conversation="open", by="bob", text="Hello once more")
    lab.event(kind="comment", issue="iron", by="marta-kovac", text="Asked again.")
    clock.forward(days=2)
    before = snapshot(lab)
    again = open_lab(tmp_path, clock)
    assert again.sandbox.state.tokens == lab.sandbox.state.tokens
    assert again.sandbox.skipped == []
    assert snapshot(again) == before


def test_the_state_file_is_private_whole_and_small(tmp_path: Path) -> None:
    lab = open_lab(tmp_path)
    tick(lab)
    path = tmp_path / "state" / "state.json"
    assert path.stat().st_mode & 0o077 == 0
    state = json.loads(path.read_text())
    assert {"anchor", "ticks", "tokens", "entries"} <= set(state)
    assert state["ticks"] == 1
    assert {"chatwoot", "linear", "attio", "chatwoot_twin"} <= set(state["tokens"])
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_state_file_is_named_instead_of_overwritten(tmp_path: Path) -> None:
    open_lab(tmp_path)
    path = tmp_path / "state" / "state.json"
    path.write_text('{"anchor": "20')
    with pytest.raises(WorldError, match=r"state\.json is damaged"):
        open_lab(tmp_path)


def test_an_event_of_a_record_that_is_not_there_is_refused_and_not_remembered(lab: Lab) -> None:
    for event in (
        {"kind": "comment", "issue": "friday", "by": "marta-kovac", "text": "too early"},
        {"kind": "comment", "issue": "nothing", "by": "marta-kovac", "text": "unknown"},
        {"kind": "dance"},
    ):
        answer = lab.chatwoot.post("/_sandbox/event", json={"project": "acme", "event": event})
        assert answer.status_code == 400
        assert "error" in answer.json()
    assert lab.sandbox.state.entries == []


def test_the_state_tells_how_to_bind_the_projects(lab: Lab) -> None:
    body = lab.chatwoot.get("/_sandbox/state").json()
    acme, beta = body["bindings"]
    assert acme["chatwoot_inboxes"] == ["Acme mail", "Acme site", "Acme telegram"]
    assert acme["chatwoot_labels"] == ["project-acme"]
    assert beta["chatwoot_company_domains"] == ["beta.example"]
    assert (acme["linear_team"], acme["attio_list"]) == ("ACM", "acme")


def test_the_twin_has_the_same_names_other_ids_and_other_texts(lab: Lab) -> None:
    tokens = lab.sandbox.state.tokens
    twin = {"authorization": tokens["linear_twin"]}
    query = "{ issues(includeArchived: true) { nodes { id identifier } } users { nodes { id name } } }"
    theirs = lab.linear.post("/graphql", json={"query": query}, headers=twin).json()["data"]
    ours = lab.query(query)
    assert {n["identifier"] for n in ours["issues"]["nodes"]} == {
        n["identifier"] for n in theirs["issues"]["nodes"]
    }
    assert not {n["id"] for n in ours["issues"]["nodes"]} & {n["id"] for n in theirs["issues"]["nodes"]}
    header = {"api_access_token": tokens["chatwoot_twin"]}
    found = lab.chatwoot.get(
        "/api/v1/accounts/2/conversations", params={"q": "ANVILTWIN"}, headers=header
    ).json()
    assert found["data"]["payload"]
    assert lab.chatwoot.get(f"{API}/conversations", params={"q": "ANVILTWIN"}).json()["data"]["payload"] == []
