"""The job against a real database: what it extracts, how it settles, what it takes back and what it leaves alone."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from jobs import cascade, message_batches, queues, schedule, tasks
from jobs.agreements import scan
from models.infra.clock import frozen
from models.infra.database import transaction
from models.tables.agreements import Agreement, MessageScan
from models.tables.chatwoot import Conversation, Message
from models.tables.platform import JobRun
from tests.tools_app.world import DAY, HOUR, Place, World, make_world

NOW = dt.datetime(2026, 3, 11, 9, 0, tzinfo=dt.UTC)  # a Wednesday
PROMISE = "We'll send the price list by Friday."


@pytest.fixture(autouse=True)
def still() -> Iterator[None]:
    with frozen(NOW):
        yield


@pytest.fixture
def world(database: str) -> World:
    with transaction() as session:
        return make_world(session, "one")


def wrote(place: Place, body: str, at: dt.datetime = NOW - HOUR, kind: int = 1, **values: Any) -> Message:
    """A message, written to the copy an hour ago; in a conversation of its own unless one is named."""
    with transaction() as session:
        here = Place(
            session, place.scope, place.project, place.slug, place.marker, place.connections, place.made
        )
        talk = values.pop("talk", None)
        held = here.conversation() if talk is None else session.get_one(Conversation, talk)
        found = here.message(held, at, kind, body=body, **values)
        found.synced_at = NOW - HOUR
        place.made = here.made
        return found


def held() -> list[Agreement]:
    with transaction() as session:
        return list(session.exec(select(Agreement).order_by(text("due_on"))))


def change(model: Any, row_id: Any, **values: Any) -> None:
    with transaction() as session:
        row = session.get_one(model, row_id)
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)


def test_what_either_side_promises_is_an_agreement_with_its_words(world: World) -> None:
    place = world.places["alpha"]
    ours = wrote(place, f"Hello. {PROMISE}")
    theirs = wrote(place, "Оплатим счёт до 20 марта.", kind=0)
    assert scan.extract_agreements(world.scope).counts() == {
        "written": 2, "found": 2, "withdrawn": 0, "settled": 0, "messages": 2, "more": False,
    }  # fmt: skip
    first, second = held()
    assert (first.message_id, first.side, first.due_on, first.status) == (
        ours.id,
        "studio",
        dt.date(2026, 3, 13),
        "open",
    )
    assert first.evidence == [{"type": "message", "id": str(ours.id), "quote": PROMISE}]
    assert (second.message_id, second.side, second.due_on) == (theirs.id, "client", dt.date(2026, 3, 20))


@pytest.mark.parametrize(
    "values", [{"private": True}, {"deleted_at": NOW}, {"kind": 2}, {"sender_type": "agent_bot"}]
)
def test_only_public_words_of_people_promise(world: World, values: dict[str, Any]) -> None:
    wrote(world.places["alpha"], PROMISE, **values)
    assert scan.extract_agreements(world.scope).found == 0


def test_days_are_those_of_the_studios_zone(world: World) -> None:
    # Half past eleven at night in UTC is Thursday in Belgrade already.
    wrote(world.places["alpha"], "I'll send it tomorrow.", dt.datetime(2026, 3, 4, 23, 30, tzinfo=dt.UTC))
    scan.extract_agreements(world.scope)
    assert held()[0].due_on == dt.date(2026, 3, 6)


def test_an_agreement_is_kept_by_a_later_message_in_time_and_else_broken(world: World) -> None:
    place = world.places["alpha"]
    kept, late, open_ = (wrote(place, PROMISE, at) for at in (NOW - 8 * DAY, NOW - 8 * DAY, NOW - HOUR))
    done = wrote(place, "The price list is attached.", NOW - 7 * DAY, talk=kept.conversation_id)
    wrote(place, "The price list is attached.", NOW - DAY, talk=late.conversation_id)
    assert scan.extract_agreements(world.scope).settled == 2
    by_message = {each.message_id: each for each in held()}
    assert [by_message[each.id].status for each in (kept, late, open_)] == ["kept", "broken", "open"]
    assert by_message[kept.id].evidence[1] == {
        "type": "message", "id": str(done.id), "quote": "The price list is attached.",
    }  # fmt: skip
    with frozen(NOW + 4 * DAY):
        assert scan.extract_agreements(world.scope).settled == 1
    assert {each.message_id: each.status for each in held()}[open_.id] == "broken"


def test_an_agreement_is_kept_by_the_issue_it_names_in_the_same_project(world: World) -> None:
    for slug in ("alpha", "beta"):
        place = world.places[slug]
        wrote(place, "We'll close STU-7 by Friday.", NOW - 8 * DAY)
    with transaction() as session:
        here = world.places["alpha"]
        Place(session, here.scope, here.project, "x", here.marker, here.connections).issue(
            identifier="STU-7", state_type="completed", completed_at=NOW - 7 * DAY
        )
    scan.extract_agreements(world.scope)
    by_project = {each.project_id: each.status for each in held()}
    assert by_project == {world.places["alpha"].project: "kept", world.places["beta"].project: "broken"}


def test_words_that_come_late_to_the_copy_still_keep_it(world: World) -> None:
    place = world.places["alpha"]
    promise = wrote(place, PROMISE, NOW - 8 * DAY)
    scan.extract_agreements(world.scope)
    assert held()[0].status == "broken"
    wrote(place, "The price list is attached.", NOW - 7 * DAY, talk=promise.conversation_id)
    assert scan.extract_agreements(world.scope).settled == 1
    assert held()[0].status == "kept"


def test_a_second_run_writes_nothing(world: World) -> None:
    place = world.places["alpha"]
    promise = wrote(place, PROMISE, NOW - 8 * DAY)
    wrote(place, "The price list is attached.", NOW - 7 * DAY, talk=promise.conversation_id)
    wrote(place, PROMISE)
    scan.extract_agreements(world.scope)
    before = _rows()
    assert scan.extract_agreements(world.scope).counts()["written"] == 0
    assert _rows() == before


def _rows() -> list[Any]:
    with transaction() as session:
        return list(session.execute(text("SELECT a.*, a.xmin FROM agreements a ORDER BY id")).all())


@pytest.mark.parametrize(
    "values", [{"deleted_at": NOW}, {"body": "Hello.", "synced_at": NOW}, {"private": True}]
)
def test_what_a_message_no_longer_says_is_taken_back_and_what_was_decided_stays(
    world: World, values: dict[str, Any]
) -> None:
    messages = [wrote(world.places["alpha"], PROMISE) for _ in range(2)]
    scan.extract_agreements(world.scope)
    by_message = {each.message_id: each for each in held()}
    change(Agreement, by_message[messages[1].id].id, status="kept", decided_by="owner")
    for each in messages:
        change(Message, each.id, **values)
    assert scan.extract_agreements(world.scope).withdrawn == 1
    assert [(each.message_id, each.status) for each in held()] == [(messages[1].id, "kept")]


def test_a_status_that_a_person_set_is_left_alone(world: World) -> None:
    wrote(world.places["alpha"], PROMISE, NOW - 8 * DAY)
    scan.extract_agreements(world.scope)
    change(Agreement, held()[0].id, status="open", decided_by="owner")
    assert scan.extract_agreements(world.scope).settled == 0
    assert held()[0].status == "open"


def test_a_run_is_bounded_and_settling_goes_through_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        wrote(world.places["alpha"], PROMISE, NOW - 8 * DAY)
    monkeypatch.setattr(message_batches, "BATCH", 2)
    monkeypatch.setattr(message_batches, "MESSAGES_AT_MOST", 2)
    monkeypatch.setattr(scan, "BATCH", 2)
    runs = [scan.extract_agreements(world.scope) for _ in range(3)]
    assert [(each.found, each.settled, each.more) for each in runs] == [
        (2, 2, True),
        (2, 2, True),
        (1, 1, False),
    ]


def test_an_agreement_follows_its_message_and_stands_in_no_other_project(world: World) -> None:
    message = wrote(world.places["alpha"], PROMISE)
    scan.extract_agreements(world.scope)
    there = world.places["beta"].project
    change(Conversation, message.conversation_id, project_id=there)
    assert held()[0].project_id == there
    row = Agreement(
        account_scope_id=world.scope, project_id=world.places["alpha"].project, message_id=message.id, promise_key="y",
        side="studio", due_on=dt.date(2026, 3, 13), evidence=[{"type": "message", "id": str(message.id), "quote": "x"}],
    )  # fmt: skip
    with pytest.raises(IntegrityError), transaction() as session:
        session.add(row)


def test_scopes_are_kept_apart(world: World) -> None:
    with transaction() as session:
        other = make_world(session, "two")
    wrote(other.places["alpha"], PROMISE)
    assert scan.extract_agreements(world.scope).counts()["written"] == 0
    assert scan.extract_agreements(other.scope).found == 1


def test_the_task_records_its_run_beside_the_reader_of_signals(world: World) -> None:
    wrote(world.places["alpha"], PROMISE)
    with transaction() as session:
        run = JobRun(
            job="agreements", subject=str(world.scope), account_scope_id=world.scope, status="queued"
        )
        session.add(run)
        session.flush()
        run_id = run.id
    tasks.extract_agreements(str(world.scope), str(run_id))
    with transaction() as session:
        ended = session.get_one(JobRun, run_id)
        assert (ended.status, ended.counts["found"]) == ("succeeded", 1)
        assert [each.reader for each in session.exec(select(MessageScan))] == ["agreements"]


def test_agreements_follow_every_job_that_wrote_and_have_a_turn_of_their_own() -> None:
    for job in ("sync", "refetch", "repair", "rebind"):
        assert "agreements" in {each.job for each in cascade.AFTER[job] if not each.always}
    assert "agreements" in {each.name for each in schedule.CADENCES}
    assert queues.FUNCTIONS["jobs.tasks.extract_agreements"] is queues.SYNC
