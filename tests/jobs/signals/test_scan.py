"""The job against a real database: what it proposes, what it leaves alone, what it takes back."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from jobs import cascade, message_batches, queues, schedule, tasks
from jobs.signals import scan
from models.infra.clock import frozen, utcnow
from models.infra.database import transaction
from models.infra.ids import ProjectId
from models.queries.signals import Detected
from models.tables.agreements import MessageScan
from models.tables.attio import Deal
from models.tables.chatwoot import Conversation, Message
from models.tables.linear import Issue
from models.tables.platform import JobRun
from models.tables.signals import NextBestAction, Signal
from tests.tools_app.world import DAY, HOUR, Place, World, make_world

NOW = dt.datetime(2026, 3, 11, 9, 0, tzinfo=dt.UTC)  # a Wednesday


@pytest.fixture(autouse=True)
def still() -> Iterator[None]:
    with frozen(NOW):
        yield


@pytest.fixture
def world(database: str) -> World:
    with transaction() as session:
        return make_world(session, "one")


def wrote(place: Place, body: str, at: dt.datetime = NOW - HOUR, **values: Any) -> Message:
    """A client's message in a conversation of its own, written to the copy an hour ago."""
    with transaction() as session:
        here = Place(
            session, place.scope, place.project, place.slug, place.marker, place.connections, place.made
        )
        found = here.message(here.conversation(), at, values.pop("kind", 0), body=body, **values)
        found.synced_at = NOW - HOUR
        place.made = here.made
        return found


def has(place: Place, what: str, **values: Any) -> Any:
    with transaction() as session:
        here = Place(
            session, place.scope, place.project, place.slug, place.marker, place.connections, place.made
        )
        found = getattr(here, what)(**values)
        place.made = here.made
        return found


def held(world: World) -> dict[str, Signal]:
    with transaction() as session:
        return {each.kind: each for each in session.exec(select(Signal))}


def change(model: Any, row_id: Any, **values: Any) -> None:
    with transaction() as session:
        row = session.get_one(model, row_id)
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)


def test_a_client_message_becomes_a_signal_with_its_words_and_one_action(world: World) -> None:
    place = world.places["alpha"]
    message = wrote(place, "Hello. This is unacceptable. Anna")
    assert scan.detect_signals(world.scope).counts() == {
        "written": 1, "proposed": 1, "renewed": 0, "withdrawn": 0, "messages": 1, "more": False,
    }  # fmt: skip
    found = held(world)["complaint"]
    assert (found.project_id, found.message_id, found.status) == (place.project, message.id, "proposed")
    assert found.evidence == [{"type": "message", "id": str(message.id), "quote": "This is unacceptable."}]
    assert found.occurred_at == message.sent_at
    with transaction() as session:
        (action,) = session.exec(select(NextBestAction)).all()
    assert (action.signal_id, action.action, action.status) == (found.id, "call_client", "open")
    assert action.due_on == dt.date(2026, 3, 12)


@pytest.mark.parametrize(
    "values",
    [{"kind": 1}, {"private": True}, {"sender_type": "agent_bot"}, {"deleted_at": NOW}, {"kind": 3}],
    ids=["the studio's", "a private note", "a bot's", "deleted", "a template"],
)
def test_only_a_clients_own_words_tell(world: World, values: dict[str, Any]) -> None:
    wrote(world.places["alpha"], "This is unacceptable.", **values)
    assert scan.detect_signals(world.scope).counts()["written"] == 0


def test_states_of_all_kinds_are_found(world: World) -> None:
    place = world.places["alpha"]
    wrote(place, "The list is empty.", NOW - 2 * DAY)
    late = has(place, "issue", due_date=dt.date(2026, 3, 1))
    has(place, "issue", blocked_by=[late.identifier])
    has(place, "deal", next_step=None)
    has(place, "deal", close_date=dt.date(2026, 3, 1))
    has(place, "deal", next_step=None, stage="Won", close_date=dt.date(2026, 3, 1))
    has(place, "issue", due_date=dt.date(2026, 3, 1), state_type="completed")
    scan.detect_signals(world.scope)
    found = held(world)
    assert set(found) == {
        "waiting_reply", "overdue_work", "blocked_work", "deal_without_next_step", "deal_past_close",
    }  # fmt: skip
    assert found["overdue_work"].params == {"due_on": "2026-03-01"}
    assert [each["quote"] for each in found["blocked_work"].evidence][1].startswith(late.identifier)
    with transaction() as session:
        assert len(session.exec(select(Signal)).all()) == len(session.exec(select(NextBestAction)).all()) == 5


def test_a_regular_client_who_falls_silent_is_told_once(world: World) -> None:
    place = world.places["alpha"]
    for back in range(20, 26):
        wrote(place, "Thanks.", NOW - back * DAY)
    scan.detect_signals(world.scope)
    assert held(world)["client_silent"].severity == 2
    wrote(place, "Thanks.", NOW - DAY)
    scan.detect_signals(world.scope)
    assert "client_silent" not in held(world)


def test_a_blocker_of_another_project_blocks_and_is_not_shown(world: World) -> None:
    other = has(world.places["beta"], "issue", identifier="BET-1")
    has(world.places["alpha"], "issue", blocked_by=["BET-1"])
    scan.detect_signals(world.scope)
    found = held(world)["blocked_work"]
    assert len(found.evidence) == 1
    assert str(other.id) not in str(found.evidence)


def test_a_second_run_writes_nothing(world: World) -> None:
    place = world.places["alpha"]
    wrote(place, "This is unacceptable. We need it by Friday.", NOW - 2 * DAY)
    has(place, "issue", due_date=dt.date(2026, 3, 1))
    scan.detect_signals(world.scope)
    before = _everything()
    assert scan.detect_signals(world.scope).counts()["written"] == 0
    with frozen(NOW + HOUR):
        assert scan.detect_signals(world.scope).counts() | {"messages": 0} == {
            "written": 0, "proposed": 0, "renewed": 0, "withdrawn": 0, "messages": 0, "more": False,
        }  # fmt: skip
    assert _everything() == before


def _everything() -> list[Any]:
    with transaction() as session:
        return [
            session.execute(text(f"SELECT t.*, t.xmin FROM {table} t ORDER BY id")).all()  # noqa: S608
            for table in ("signals", "next_best_actions")
        ]


def test_only_what_changed_is_read_again(world: World) -> None:
    first, second = wrote(world.places["alpha"], "Hello."), wrote(world.places["alpha"], "Goodbye.")
    assert scan.detect_signals(world.scope).messages == 2
    assert scan.detect_signals(world.scope).messages == 0
    with frozen(NOW + HOUR):
        change(Message, second.id, body="This is unacceptable.", synced_at=NOW + HOUR)
        assert scan.detect_signals(world.scope).messages == 1
    assert held(world)["complaint"].message_id == second.id
    assert first.id != second.id


def test_what_may_not_be_committed_yet_is_read_once_more(world: World) -> None:
    change(Message, wrote(world.places["alpha"], "Hello.").id, synced_at=NOW - dt.timedelta(minutes=1))
    assert scan.detect_signals(world.scope).messages == 1
    # Stamped before the first run began, committed after it.
    change(
        Message,
        wrote(world.places["alpha"], "This is unacceptable.").id,
        synced_at=NOW - dt.timedelta(minutes=2),
    )
    scan.detect_signals(world.scope)
    assert "complaint" in held(world)


def test_other_rules_read_everything_again_and_take_back_what_they_do_not_tell(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote(world.places["alpha"], "This is unacceptable.")
    scan.detect_signals(world.scope)
    monkeypatch.setattr(scan, "RULES", "others")
    monkeypatch.setattr(scan, "message_signals", _nothing)
    assert scan.detect_signals(world.scope).counts()["withdrawn"] == 1
    assert held(world) == {}


def _nothing(_message: object) -> list[Detected]:
    return []


def test_a_run_is_bounded_and_the_next_one_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        wrote(world.places["alpha"], f"This is unacceptable, number {number}.")
    monkeypatch.setattr(message_batches, "BATCH", 2)
    monkeypatch.setattr(message_batches, "MESSAGES_AT_MOST", 2)
    runs = [scan.detect_signals(world.scope) for _ in range(3)]
    assert [(each.messages, each.more) for each in runs] == [(2, True), (2, True), (1, False)]
    with transaction() as session:
        assert len(session.exec(select(Signal)).all()) == 5


def test_a_change_renews_what_is_proposed(world: World) -> None:
    one = has(world.places["alpha"], "issue", due_date=dt.date(2026, 3, 10))
    scan.detect_signals(world.scope)
    made = held(world)["overdue_work"]
    with frozen(NOW + 7 * DAY):
        assert scan.detect_signals(world.scope).counts()["renewed"] == 1
        again = held(world)["overdue_work"]
    assert (made.id, made.severity, again.id, again.severity) == (again.id, 2, made.id, 4)
    assert again.issue_id == one.id


GONE = [
    (Message, {"deleted_at": NOW}),
    (Message, {"body": "All is well.", "synced_at": NOW}),
    (Message, {"private": True}),
    (Issue, {"state_type": "completed"}),
    (Issue, {"due_date": dt.date(2026, 4, 1)}),
    (Issue, {"deleted_at": NOW}),
    (Deal, {"next_step": "Call"}),
    (Deal, {"stage": "Won"}),
]


@pytest.mark.parametrize(("model", "values"), GONE)
def test_what_no_longer_holds_is_taken_back_and_what_was_decided_stays(
    world: World, model: Any, values: dict[str, Any]
) -> None:
    place = world.places["alpha"]

    def made() -> Any:
        if model is Message:
            return wrote(place, "This is unacceptable.")
        return (
            has(place, "issue", due_date=dt.date(2026, 3, 1))
            if model is Issue
            else has(place, "deal", next_step="")
        )

    rows = [made() for _ in range(3)]
    scan.detect_signals(world.scope)
    with transaction() as session:
        by_record = {each.subject_id: each for each in session.exec(select(Signal))}
    change(Signal, by_record[rows[1].id].id, status="accepted")
    with transaction() as session:
        action = session.exec(
            select(NextBestAction).where(col(NextBestAction.signal_id) == by_record[rows[2].id].id)
        ).one()
    change(NextBestAction, action.id, status="done")
    for row in rows:
        change(model, row.id, **values)
    assert scan.detect_signals(world.scope).counts()["withdrawn"] == 1
    with transaction() as session:
        kept = {each.subject_id for each in session.exec(select(Signal))}
        assert kept == {rows[1].id, rows[2].id}
        assert len(session.exec(select(NextBestAction)).all()) == 2


def test_news_of_a_month_ago_is_no_news(world: World) -> None:
    wrote(world.places["alpha"], "This is unacceptable.", NOW - 31 * DAY)
    wrote(world.places["alpha"], "We are fed up.", NOW - 29 * DAY)
    scan.detect_signals(world.scope)
    assert [each["quote"] for each in held(world)["complaint"].evidence] == ["We are fed up."]
    with frozen(NOW + 2 * DAY):
        assert scan.detect_signals(world.scope).counts()["withdrawn"] == 1


def test_a_decided_signal_is_not_proposed_again(world: World) -> None:
    wrote(world.places["alpha"], "This is unacceptable.")
    scan.detect_signals(world.scope)
    change(Signal, held(world)["complaint"].id, status="dismissed")
    with transaction() as session:
        session.execute(text("DELETE FROM message_scans"))
    assert scan.detect_signals(world.scope).counts()["written"] == 0
    assert held(world)["complaint"].status == "dismissed"


def test_a_signal_follows_its_record_into_another_project_with_its_action(world: World) -> None:
    message = wrote(world.places["alpha"], "This is unacceptable.")
    scan.detect_signals(world.scope)
    there: ProjectId = world.places["beta"].project
    change(Conversation, message.conversation_id, project_id=there)
    assert held(world)["complaint"].project_id == there
    with transaction() as session:
        assert session.exec(select(NextBestAction.project_id)).all() == [there]


def test_a_signal_cannot_stand_in_another_project_than_its_record(world: World) -> None:
    message = wrote(world.places["alpha"], "x")
    evidence = [{"type": "message", "id": str(message.id), "quote": "x"}]
    for project, shown in ((world.places["beta"].project, evidence), (message.project_id, [])):
        row = Signal(
            account_scope_id=world.scope, project_id=project, kind="complaint", message_id=message.id, severity=1,
            confidence=0.5, evidence=shown,
        )  # fmt: skip
        with pytest.raises(IntegrityError), transaction() as session:
            session.add(row)


def test_scopes_are_kept_apart(world: World) -> None:
    with transaction() as session:
        other = make_world(session, "two")
    wrote(other.places["alpha"], "This is unacceptable.")
    assert scan.detect_signals(world.scope).counts()["written"] == 0
    assert scan.detect_signals(other.scope).counts()["proposed"] == 1
    assert scan.detect_signals(world.scope).counts()["withdrawn"] == 0


def test_the_task_records_its_run(world: World) -> None:
    wrote(world.places["alpha"], "This is unacceptable.")
    with transaction() as session:
        run = JobRun(
            job="signals",
            subject=str(world.scope),
            account_scope_id=world.scope,
            status="queued",
            requested_by="sync",
        )
        session.add(run)
        session.flush()
        run_id = str(run.id)
    tasks.detect_signals(str(world.scope), run_id)
    with transaction() as session:
        ended = session.get_one(JobRun, run_id)
        assert (ended.status, ended.counts["proposed"], ended.counts["written"]) == ("succeeded", 1, 1)
        scanned = session.get_one(MessageScan, (world.scope, "signals"))
        assert scanned.read_to is not None
        assert scanned.read_to <= utcnow()


def test_signals_follow_every_job_that_wrote_and_have_a_turn_of_their_own() -> None:
    for job in ("sync", "refetch", "repair", "rebind"):
        followers = {each.job: each for each in cascade.AFTER[job]}
        assert followers["signals"].on == ("written",)
        assert not followers["signals"].always
    assert {each.name: each.every_s for each in schedule.CADENCES}["signals"] == 15 * 60
    assert queues.FUNCTIONS["jobs.tasks.detect_signals"] is queues.SYNC
