"""Agreements over HTTP: lists with the words that make them, and what a person says became of one."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from jobs.agreements import scan
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.ids import new_id
from models.tables.agreements import Agreement
from models.tables.chatwoot import Message
from models.tables.platform import AuditEvent, JobRun
from tests.tools_app.api.signal_calls import fill_agreement
from tests.tools_app.world import DAY, Place, World


@pytest.fixture
def place(worlds: dict[str, World]) -> Place:
    return worlds["one"].places["alpha"]


@pytest.fixture
def made(place: Place) -> Agreement:
    return fill_agreement(place)


def listed(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/agreements", params={"project_id": "alpha", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def set_status(client: httpx.Client, row_id: UUID, status: str, project: str = "alpha") -> httpx.Response:
    return client.post(f"/api/agreements/{row_id}", json={"project_id": project, "status": status})


def test_what_the_job_finds_is_listed_with_its_words_and_a_link(
    client: httpx.Client, worlds: dict[str, World], place: Place
) -> None:
    words = f"We'll send the list by Friday, says {place.marker}."
    with transaction() as session:
        here = Place(
            session, place.scope, place.project, place.slug, place.marker, place.connections, place.made
        )
        here.message(here.conversation(), utcnow(), 1, body=f"Hello. {words}")
    assert scan.extract_agreements(worlds["one"].scope).found == 1
    (found,) = listed(client)
    assert (found["what"], found["who"], found["side"]) == (words, f"Sender {place.marker}", "studio")
    assert found["evidence"][0]["url"].startswith("http://vendor.example/")
    assert dt.date.fromisoformat(found["due_on"]).weekday() == 4


def test_texts_are_in_the_language_of_the_request(
    client: httpx.Client, made: Agreement, place: Place
) -> None:
    (english,), (russian,) = listed(client, lang="en"), listed(client, lang="ru")
    assert english["text"].startswith(f"Sender {place.marker} promised the studio by ")
    assert russian["text"].startswith(f"Sender {place.marker} — обещание студии, срок ")
    assert english["params"] == russian["params"]


def test_lists_are_narrowed(client: httpx.Client, made: Agreement) -> None:
    today = made.due_on
    assert listed(client, status="open", side="client", due_from=str(today), due_to=str(today))
    for query in (
        {"status": "kept"},
        {"side": "studio"},
        {"due_from": str(today + DAY)},
        {"due_to": str(today - DAY)},
    ):
        assert listed(client, **query) == [], query
    for query in ("status=done", "side=x", "due_from=x", "sort=side", "cursor=x", "lang=de"):
        assert client.get(f"/api/agreements?project_id=alpha&{query}").status_code == 400, query


def test_a_status_set_by_hand_stays_and_is_audited_once(
    client: httpx.Client, worlds: dict[str, World], made: Agreement
) -> None:
    assert set_status(client, made.id, "kept").json()["agreement"]["decided_by"] == "owner"
    assert set_status(client, made.id, "kept").status_code == 200
    scan.extract_agreements(worlds["one"].scope)
    with transaction() as session:
        assert session.get_one(Agreement, made.id).status == "kept"
        events = session.exec(select(AuditEvent).where(AuditEvent.action == "agreement.set_status")).all()
    assert [((each.before or {})["status"], (each.after or {})["status"]) for each in events] == [
        ("open", "kept")
    ]
    assert set_status(client, made.id, "broken").json()["agreement"]["status"] == "broken"


def test_nobody_changes_or_sees_it_in_another_project_or_scope(
    client: httpx.Client, login: Callable[..., httpx.Client], made: Agreement, place: Place
) -> None:
    for who, project in ((client, "beta"), (login("two"), "alpha")):
        assert set_status(who, made.id, "kept", project).status_code == 404
        answer = who.get("/api/agreements", params={"project_id": project})
        assert place.marker not in answer.text
    assert set_status(client, new_id(), "kept").status_code == 404
    assert set_status(client, made.id, "done").status_code == 400


def test_a_promise_that_is_gone_says_nothing_of_the_message(
    client: httpx.Client, made: Agreement, place: Place
) -> None:
    with transaction() as session:
        message = session.get_one(Message, made.message_id)
        message.deleted_at = utcnow()
        session.add(message)
    (item,) = listed(client)
    assert place.marker not in str(item)
    assert (item["who"], item["what"], item["evidence"][0]["is_gone"]) == ("", "", True)


def test_asking_for_a_look_queues_one_run_and_joins_it(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    first, second = client.post("/api/agreements/extract"), client.post("/api/agreements/extract", json={})
    assert (first.status_code, second.status_code) == (202, 202)
    assert [each.json()["items"][0]["joined"] for each in (first, second)] == [False, True]
    with transaction() as session:
        run = session.get_one(JobRun, first.json()["items"][0]["run_id"])
    assert (run.job, run.subject) == ("agreements", str(worlds["one"].scope))
