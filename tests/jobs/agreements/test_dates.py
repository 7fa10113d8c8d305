"""Days said in words, in both languages, resolved against the day on which they were said."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.agreements.dates import FURTHEST, read_days

WEDNESDAY = dt.date(2026, 3, 11)
SAID = [
    ("by Friday", "2026-03-13"),
    ("on Wednesday", "2026-03-18"),
    ("by this Thursday", "2026-03-12"),
    ("next Friday", "2026-03-20"),
    ("next Monday", "2026-03-16"),
    ("today", "2026-03-11"),
    ("by the end of the day", "2026-03-11"),
    ("tomorrow morning", "2026-03-12"),
    ("the day after tomorrow", "2026-03-13"),
    ("this week", "2026-03-13"),
    ("by the end of the week", "2026-03-13"),
    ("next week", "2026-03-20"),
    ("by the end of next week", "2026-03-20"),
    ("by the end of the month", "2026-03-31"),
    ("next month", "2026-04-30"),
    ("in two weeks", "2026-03-25"),
    ("within 3 days", "2026-03-14"),
    ("in a month", "2026-04-11"),
    ("in a couple of days", "2026-03-13"),
    ("15 March", "2026-03-15"),
    ("by the 15th of March", "2026-03-15"),
    ("March 15th", "2026-03-15"),
    ("1 February 2027", "2027-02-01"),
    ("by the 20th", "2026-03-20"),
    ("by the 5th", "2026-04-05"),
    ("1 October", "2026-10-01"),
    ("2026-05-01", "2026-05-01"),
    ("1 June", "2026-06-01"),
    ("к пятнице", "2026-03-13"),
    ("в среду", "2026-03-18"),
    ("до четверга", "2026-03-12"),
    ("в следующую пятницу", "2026-03-20"),
    ("в следующий понедельник", "2026-03-16"),
    ("сегодня", "2026-03-11"),
    ("завтра к обеду", "2026-03-12"),
    ("послезавтра", "2026-03-13"),
    ("на этой неделе", "2026-03-13"),
    ("до конца недели", "2026-03-13"),
    ("на следующей неделе", "2026-03-20"),
    ("до конца месяца", "2026-03-31"),
    ("в следующем месяце", "2026-04-30"),
    ("через две недели", "2026-03-25"),
    ("через неделю", "2026-03-18"),
    ("через 10 дней", "2026-03-21"),
    ("в течение месяца", "2026-04-11"),
    ("до 15 марта", "2026-03-15"),
    ("15-го апреля", "2026-04-15"),
    ("к 20-му", "2026-03-20"),
    ("до 01.06", "2026-06-01"),
    ("до 01.06.2027", "2027-06-01"),
    ("3 мая", "2026-05-03"),
]  # fmt: skip
NOT_SAID = [
    "3 March", "10 февраля", "31 April", "30 февраля", "yesterday", "вчера", "version 3.05", "2.11.4", "may be", "marching",
    "в среде разработки", "к среде разработки", "10:30", "2020-01-01", "1 January 2040", "the month", "недельный",
]  # fmt: skip


@pytest.mark.parametrize(("words", "day"), SAID)
def test_a_day_is_resolved_against_the_day_it_was_said(words: str, day: str) -> None:
    assert [each.day.isoformat() for each in read_days(f"We'll do it {words}.", WEDNESDAY)] == [day]


@pytest.mark.parametrize("words", NOT_SAID)
def test_the_past_and_what_is_no_day_are_left_out(words: str) -> None:
    assert read_days(words, WEDNESDAY) == []


def test_a_year_is_the_next_one_when_the_day_is_long_past() -> None:
    assert [each.day for each in read_days("by 15 January", dt.date(2026, 11, 20))] == [dt.date(2027, 1, 15)]


def test_the_week_of_a_weekend_ends_on_its_sunday() -> None:
    assert [each.day for each in read_days("this week", dt.date(2026, 3, 14))] == [dt.date(2026, 3, 15)]


def test_several_days_come_in_the_order_of_the_text() -> None:
    found = read_days("Not tomorrow, but by Friday, 13 March", WEDNESDAY)
    assert [each.day.day for each in found] == [12, 13, 13]


@given(
    st.text(max_size=200) | st.sampled_from([words for words, _ in SAID]),
    st.dates(dt.date(1970, 1, 1), dt.date(2200, 1, 1)),
)
def test_whatever_is_written_a_day_is_never_past_and_never_beyond_two_years(
    text: str, said_on: dt.date
) -> None:
    for each in read_days(text, said_on):
        assert said_on <= each.day <= said_on + FURTHEST
        assert 0 <= each.start < each.end <= len(text)


@given(
    st.dates(dt.date(1970, 1, 1), dt.date(2200, 1, 1)),
    st.sampled_from(["by Friday", "к пятнице", "в среду", "on Monday"]),
)
def test_a_weekday_is_within_the_seven_days_that_follow(said_on: dt.date, words: str) -> None:
    (found,) = read_days(words, said_on)
    assert 1 <= (found.day - said_on).days <= 7
