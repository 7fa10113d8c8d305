"""Signals and next best actions over HTTP: lists with evidence, decisions, the job that is asked for."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from jobs.signals import scan
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.chatwoot import Conversation, Message
from models.tables.platform import AuditEvent, JobRun
from models.tables.signals import NextBestAction, Signal
from tests.tools_app.api.signal_calls import fill_signals
from tests.tools_app.world import DAY, Place, World


@pytest.fixture
def place(worlds: dict[str, World]) -> Place:
    return worlds["one"].places["alpha"]


@pytest.fixture
def made(place: Place) -> tuple[Signal, NextBestAction]:
    return fill_signals(place)


def decide(
    client: httpx.Client, what: str, row_id: UUID, decision: str, project: str = "alpha"
) -> httpx.Response:
    return client.post(f"/api/{what}/{row_id}", json={"project_id": project, "decision": decision})


def listed(client: httpx.Client, what: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/api/{what}", params={"project_id": "alpha", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_what_the_job_finds_is_listed_with_evidence_and_a_link(
    client: httpx.Client, worlds: dict[str, World], place: Place
) -> None:
    scan.detect_signals(worlds["one"].scope)
    found = {each["kind"]: each for each in listed(client, "signals")}
    assert set(found) == {"overdue_work", "blocked_work"}
    late = found["overdue_work"]
    (evidence,) = late["evidence"]
    assert late["text"] == f"{evidence['title']} was due on {_day(late)}."
    assert place.marker in evidence["title"]
    assert evidence["url"].startswith("http://vendor.example/")
    assert {each["signal_kind"] for each in listed(client, "nba")} == set(found)


def _day(signal: dict[str, Any]) -> str:
    from tools_app.i18n.formats import full_day, parse_day

    return full_day("en", parse_day(signal["params"]["due_on"]))


def test_texts_are_in_the_language_of_the_request(
    client: httpx.Client, made: tuple[Signal, NextBestAction], place: Place
) -> None:
    author = f"Sender {place.marker}"
    assert listed(client, "signals", lang="ru")[0]["text"] == f"Недовольство: {author}."
    assert listed(client, "signals", lang="en")[0]["text"] == f"Dissatisfied: {author}."
    client.headers["accept-language"] = "ru-RU,ru;q=0.9"
    assert listed(client, "signals")[0]["text"] == f"Недовольство: {author}."
    assert listed(client, "nba")[0]["text"] == f"Позвонить по поводу жалобы: {author}."
    assert listed(client, "signals", lang="en")[0]["params"] == {"subject": author}


def test_lists_are_narrowed_sorted_and_paged_without_loss(client: httpx.Client, place: Place) -> None:
    ids = [_more(place, severity) for severity in (1, 5, 3, 3, 2)]
    assert [each["severity"] for each in listed(client, "signals", sort="-severity")] == [5, 3, 3, 2, 1]
    assert [each["severity"] for each in listed(client, "signals", severity=3, sort="severity")] == [3, 3, 5]
    assert listed(client, "signals", kind="praise") == []
    assert len(listed(client, "signals", status="proposed")) == 5
    assert listed(client, "nba", status="done") == []
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(
            f"/api/signals?project_id=alpha&sort=severity&limit=2{cursor and f'&cursor={cursor}'}"
        ).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(str(each) for each in ids)
    for query in ("severity=0", "status=open", "kind=x", "sort=kind", "cursor=x", "limit=0", "lang=de"):
        assert client.get(f"/api/signals?project_id=alpha&{query}").status_code == 400, query


def _more(place: Place, severity: int) -> UUID:
    with transaction() as session:
        here = Place(
            session, place.scope, place.project, place.slug, place.marker, place.connections, place.made
        )
        message = here.message(here.conversation(), utcnow() - DAY, 0)
        place.made = here.made
        row = Signal(
            account_scope_id=place.scope, project_id=place.project, kind="complaint", message_id=message.id,
            severity=severity, confidence=0.8, evidence=[{"type": "message", "id": str(message.id), "quote": "x"}],
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id


def test_a_decision_is_taken_once(client: httpx.Client, made: tuple[Signal, NextBestAction]) -> None:
    signal, action = made
    accepted = decide(client, "signals", signal.id, "accept")
    assert accepted.json()["signal"]["status"] == "accepted"
    assert accepted.json()["signal"]["decided_by"] == "owner"
    again = decide(client, "signals", signal.id, "accept")
    assert again.json()["signal"] == accepted.json()["signal"]
    refused = decide(client, "signals", signal.id, "dismiss")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "wrong_status")
    assert decide(client, "nba", action.id, "done").json()["action"]["status"] == "done"
    assert decide(client, "nba", action.id, "done").status_code == 200
    assert decide(client, "nba", action.id, "dismiss").status_code == 409
    with transaction() as session:
        events = session.exec(select(AuditEvent)).all()
    told = [
        (each.action, (each.before or {}).get("status"), (each.after or {}).get("status")) for each in events
    ]
    assert ("signal.accept", "proposed", "accepted") in told
    assert ("nba.done", "open", "done") in told
    assert len([each for each in told if each[0].startswith(("signal.", "nba."))]) == 2


def test_dismissing_a_signal_dismisses_what_it_suggested_but_not_what_is_done(
    client: httpx.Client, worlds: dict[str, World], made: tuple[Signal, NextBestAction]
) -> None:
    signal, action = made
    other, done = fill_signals(worlds["one"].places["beta"])
    decide(client, "nba", done.id, "done", "beta")
    for each, project in ((signal, "alpha"), (other, "beta")):
        assert decide(client, "signals", each.id, "dismiss", project).status_code == 200
    with transaction() as session:
        assert session.get_one(NextBestAction, action.id).status == "dismissed"
        assert session.get_one(NextBestAction, done.id).status == "done"


def test_evidence_that_is_gone_says_nothing_of_the_record(
    client: httpx.Client, made: tuple[Signal, NextBestAction], place: Place
) -> None:
    with transaction() as session:
        message = session.get_one(Message, made[0].message_id)
        message.deleted_at = utcnow()
        session.add(message)
    for what in ("signals", "nba"):
        answer = client.get(f"/api/{what}?project_id=alpha")
        assert place.marker not in answer.text
        (item,) = answer.json()["items"]
        assert item["evidence"][0]["is_gone"]
        assert item["params"]["subject"] == "a record that is gone"


def test_a_signal_whose_record_moved_is_shown_where_the_record_is(
    client: httpx.Client, worlds: dict[str, World], made: tuple[Signal, NextBestAction]
) -> None:
    with transaction() as session:
        talk = session.get_one(Conversation, session.get_one(Message, made[0].message_id).conversation_id)
        talk.project_id = worlds["one"].places["beta"].project
        session.add(talk)
    assert listed(client, "signals") == []
    answer = client.get("/api/signals?project_id=beta")
    assert [each["id"] for each in answer.json()["items"]] == [str(made[0].id)]


def test_nobody_decides_in_another_project_or_scope(
    client: httpx.Client, login: Callable[..., httpx.Client], made: tuple[Signal, NextBestAction]
) -> None:
    signal, action = made
    for who, project in ((client, "beta"), (login("two"), "alpha")):
        for what, row, decision in (("signals", signal, "accept"), ("nba", action, "done")):
            refused = decide(who, what, row.id, decision, project)
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
    assert decide(client, "signals", new_id(), "accept").status_code == 404
    assert listed(client, "signals")[0]["status"] == "proposed"


def test_two_scopes_see_their_own_alone(
    client: httpx.Client, login: Callable[..., httpx.Client], worlds: dict[str, World]
) -> None:
    for world in worlds.values():
        for each in world.places.values():
            fill_signals(each)
    for slug, who in (("one", client), ("two", login("two"))):
        foreign = [each.marker for each in worlds["two" if slug == "one" else "one"].places.values()]
        for what in ("signals", "nba"):
            body = who.get(f"/api/{what}?project_id=all&limit=200").text
            assert not [each for each in foreign if each in body]
            assert all(each.marker in body for each in worlds[slug].places.values())


def test_a_mutation_needs_the_csrf_token_and_a_known_decision(
    client: httpx.Client, made: tuple[Signal, NextBestAction]
) -> None:
    assert decide(client, "signals", made[0].id, "done").status_code == 400
    assert decide(client, "nba", made[1].id, "accept").status_code == 400
    del client.headers["x-csrf-token"]
    for path in ("signals/scan", f"signals/{made[0].id}", f"nba/{made[1].id}"):
        assert client.post(f"/api/{path}", json={}).status_code == 403


def test_asking_for_a_look_queues_one_run_and_joins_it(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    first, second = client.post("/api/signals/scan"), client.post("/api/signals/scan", json={})
    assert (first.status_code, second.status_code) == (202, 202)
    (asked,), (joined,) = first.json()["items"], second.json()["items"]
    assert (asked["job"], asked["joined"], joined["joined"]) == ("signals", False, True)
    assert asked["run_id"] == joined["run_id"]
    with transaction() as session:
        run = session.get_one(JobRun, asked["run_id"])
    assert (run.job, run.subject, run.requested_by) == ("signals", str(worlds["one"].scope), "owner")
