"""What records tell by their state and the day; which action follows, and by when."""

import datetime as dt
from dataclasses import replace
from typing import get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.signals import states
from jobs.signals.actions import ACTIONS, action_for
from models.infra.ids import ProjectId, new_id
from models.queries.moment import Moment
from models.queries.signal_sources import (
    DealFacts,
    IssueFacts,
    NamedIssue,
    SilentProject,
    WaitingConversation,
)
from models.queries.signals import Detected, EvidenceRef
from models.tables.signals import ActionCode, SignalKind

PROJECT = ProjectId(new_id())
ZONE = "Europe/Belgrade"
NOW = dt.datetime(2026, 3, 11, 9, 0, tzinfo=dt.UTC)  # a Wednesday
MOMENT = Moment(NOW, ZONE)
DAY = dt.timedelta(days=1)


def issue(**values: object) -> IssueFacts:
    held = IssueFacts(new_id(), PROJECT, "STU-7 Price list", MOMENT.today - DAY, 0, NOW - DAY, False)
    return replace(held, **values)  # pyright: ignore[reportArgumentType]


def talk(**values: object) -> WaitingConversation:
    held = WaitingConversation(new_id(), PROJECT, new_id(), "Why is the list empty?", NOW - 2 * DAY, 1)
    return replace(held, **values)  # pyright: ignore[reportArgumentType]


def silent(**values: object) -> SilentProject:
    held = SilentProject(PROJECT, new_id(), new_id(), "See you.", NOW - 20 * DAY, 5)
    return replace(held, **values)  # pyright: ignore[reportArgumentType]


def deal(**values: object) -> DealFacts:
    held = DealFacts(new_id(), PROJECT, "Price list", "Proposal", NOW - DAY, NOW - 3 * DAY, "Call", None)
    return replace(held, **values)  # pyright: ignore[reportArgumentType]


def severity(found: Detected | None) -> int:
    assert found is not None
    return found.severity


def test_an_issue_is_overdue_when_its_day_is_over_where_the_studio_works() -> None:
    late_evening = Moment(dt.datetime(2026, 3, 10, 23, 30, tzinfo=dt.UTC), ZONE)
    due_on = dt.date(2026, 3, 10)
    assert states.overdue_work(issue(due_on=due_on), late_evening) is not None
    assert states.overdue_work(issue(due_on=due_on), Moment(late_evening.now, "UTC")) is None
    assert states.overdue_work(issue(due_on=None), MOMENT) is None


def test_lateness_and_urgency_make_an_issue_more_severe() -> None:
    found = [
        severity(states.overdue_work(issue(due_on=MOMENT.today - days * DAY), MOMENT))
        for days in (1, 3, 8, 22)
    ]
    assert found == [2, 3, 4, 5]
    assert severity(states.overdue_work(issue(priority=1), MOMENT)) == 3
    assert severity(states.overdue_work(issue(priority=1, due_on=MOMENT.today - 60 * DAY), MOMENT)) == 5


def test_another_due_day_that_is_missed_is_another_signal() -> None:
    one = issue()
    first, second = (
        states.overdue_work(one, MOMENT),
        states.overdue_work(replace(one, due_on=MOMENT.today - 2 * DAY), MOMENT),
    )
    assert first is not None
    assert second is not None
    assert first.key != second.key


def test_a_blocked_issue_shows_what_blocks_it() -> None:
    blocker = NamedIssue(new_id(), "STU-6 Currencies")
    found = states.blocked_work(issue(is_blocked=True, blockers=(blocker,), due_on=None), MOMENT)
    assert found is not None
    assert [each.quote for each in found.evidence] == ["STU-7 Price list", "STU-6 Currencies"]
    assert states.blocked_work(issue(is_blocked=False), MOMENT) is None


def test_a_blocked_issue_presses_when_it_is_due() -> None:
    far, soon, late = MOMENT.today + 30 * DAY, MOMENT.today + 7 * DAY, MOMENT.today - DAY
    found = [
        severity(states.blocked_work(issue(is_blocked=True, due_on=day), MOMENT)) for day in (far, soon, late)
    ]
    assert found == [2, 3, 4]
    assert severity(states.blocked_work(issue(is_blocked=True, due_on=late, priority=2), MOMENT)) == 5


def test_a_client_waits_from_a_day_on() -> None:
    assert states.waiting_reply(talk(since=NOW - DAY + dt.timedelta(minutes=1)), MOMENT) is None
    found = [severity(states.waiting_reply(talk(since=NOW - days * DAY), MOMENT)) for days in (1, 3, 7, 14)]
    assert found == [2, 3, 4, 5]


def test_a_lone_remark_presses_less_than_a_question() -> None:
    remark = states.waiting_reply(talk(first_body="I shall buy a footstool."), MOMENT)
    question = states.waiting_reply(talk(), MOMENT)
    assert remark is not None
    assert question is not None
    assert (remark.severity, remark.confidence) < (question.severity, question.confidence)
    assert severity(states.waiting_reply(talk(first_body="One.", unanswered=2), MOMENT)) == question.severity


def test_thanks_wait_for_nothing_unless_more_was_said() -> None:
    assert states.waiting_reply(talk(first_body="Thanks!"), MOMENT) is None
    assert states.waiting_reply(talk(first_body="Thanks!", unanswered=2), MOMENT) is not None


def test_a_regular_client_is_silent_from_two_weeks_to_half_a_year() -> None:
    assert states.client_silent(silent(last_at=NOW - 13 * DAY), MOMENT) is None
    assert states.client_silent(silent(last_at=NOW - 181 * DAY), MOMENT) is None
    assert states.client_silent(silent(messages_before=4), MOMENT) is None
    found = [
        severity(states.client_silent(silent(last_at=NOW - days * DAY), MOMENT)) for days in (14, 30, 60)
    ]
    assert found == [2, 3, 4]


@pytest.mark.parametrize("stage", ["Won 🎉", "Lost", "Успешно реализовано", "Проиграна"])
def test_a_closed_deal_needs_nothing(stage: str) -> None:
    done = deal(stage=stage, next_step="", close_on=MOMENT.today - 30 * DAY)
    assert states.deal_without_next_step(done, MOMENT) is None
    assert states.deal_past_close(done, MOMENT) is None


def test_an_open_deal_without_a_next_step_is_told_and_presses_with_the_months() -> None:
    assert states.deal_without_next_step(deal(), MOMENT) is None
    found = [
        severity(states.deal_without_next_step(deal(next_step=" ", stage_since=NOW - days * DAY), MOMENT))
        for days in (1, 30, 60)
    ]
    assert found == [2, 3, 4]


def test_a_deal_whose_close_date_is_over_is_told() -> None:
    assert states.deal_past_close(deal(close_on=MOMENT.today), MOMENT) is None
    found = [
        severity(states.deal_past_close(deal(close_on=MOMENT.today - days * DAY), MOMENT)) for days in (1, 14)
    ]
    assert found == [3, 4]


@given(
    st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1)),
    st.integers(0, 4),
    st.booleans(),
    st.sampled_from([ZONE, "America/Los_Angeles", "Asia/Almaty", "UTC"]),
)
def test_a_state_signal_always_is_within_bounds_and_has_evidence(
    due_on: dt.date, priority: int, is_blocked: bool, zone: str
) -> None:
    one, moment = issue(due_on=due_on, priority=priority, is_blocked=is_blocked), Moment(NOW, zone)
    for found in (states.overdue_work(one, moment), states.blocked_work(one, moment)):
        if found is not None:
            assert 1 <= found.severity <= 5
            assert 0 < found.confidence <= 1
            assert found.evidence
            assert found.occurred_at.tzinfo is not None


def test_every_kind_has_an_action_and_every_action_a_kind() -> None:
    assert set(ACTIONS) == {kind for group in get_args(SignalKind) for kind in (get_args(group) or (group,))}
    assert {rule.code for rule in ACTIONS.values()} == set(get_args(ActionCode))


@given(
    st.sampled_from(sorted(ACTIONS)), st.integers(1, 5), st.dates(dt.date(2000, 1, 1), dt.date(2100, 1, 1))
)
def test_an_action_is_due_today_or_on_a_working_day_and_never_later_for_the_more_severe(
    kind: SignalKind, level: int, today: dt.date
) -> None:
    found = [action_for(signal(kind, each), today).due_on for each in (level, min(5, level + 1))]
    assert found[0] == today or found[0].weekday() < 5
    assert found[0] >= found[1] >= today


def signal(kind: SignalKind, level: int) -> Detected:
    record = UUID(int=1)
    evidence = (EvidenceRef("message", record, "x"),)
    at = NOW.astimezone(ZoneInfo(ZONE))
    return Detected(PROJECT, kind, "message", record, level, 0.9, evidence, at)
