"""Week offsets, weekdays and spoken dates of the demo world."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.sandbox.world.calendar import (
    STUDIO_ZONE,
    Calendar,
    Notional,
    language_of,
    parse_day,
    parse_moment,
    parse_offset,
)

WEDNESDAY = Calendar(datetime(2026, 6, 17, 10, 0, tzinfo=UTC))


def test_a_moment_is_a_weekday_and_a_time_so_many_weeks_before_the_anchors_week() -> None:
    assert WEDNESDAY.instant(parse_moment("w0 wed 12:00")) == datetime(2026, 6, 17, 10, 0, tzinfo=UTC)
    assert WEDNESDAY.instant(parse_moment("w1 mon 09:30")) == datetime(2026, 6, 8, 7, 30, tzinfo=UTC)
    assert WEDNESDAY.instant(parse_moment("w-1 sun 23:59")) == datetime(2026, 6, 28, 21, 59, tzinfo=UTC)


def test_the_wall_clock_keeps_its_time_across_daylight_saving() -> None:
    winter = WEDNESDAY.instant(parse_moment("w20 mon 09:00"))
    assert winter == datetime(2026, 1, 26, 8, 0, tzinfo=UTC)
    assert winter.astimezone(STUDIO_ZONE).hour == 9


def test_a_weekend_anchor_counts_from_the_week_to_come() -> None:
    for day in (20, 21):
        assert Calendar(datetime(2026, 6, day, 21, 0, tzinfo=UTC)).monday == date(2026, 6, 22)
    assert Calendar(datetime(2026, 6, 19, 21, 0, tzinfo=UTC)).monday == date(2026, 6, 15)
    assert Calendar(datetime(2026, 6, 21, 22, 30, tzinfo=UTC)).monday == date(2026, 6, 22)


@given(st.integers(-40, 40), st.sampled_from(("mon", "tue", "wed", "thu", "fri", "sat", "sun")))
def test_a_weekday_stays_that_weekday_whatever_the_anchor(week: int, weekday: str) -> None:
    for shift in range(7):
        calendar = Calendar(WEDNESDAY.anchor + timedelta(days=shift))
        day = calendar.day(parse_day(f"w{week} {weekday}"))
        assert day.strftime("%a").lower() == weekday


def test_slots_are_spoken_in_the_language_of_the_text() -> None:
    assert WEDNESDAY.render("By {d w29 fri}, promised", "en") == "By 28 November, promised"
    assert WEDNESDAY.render("К {d w4 fri} сделаем deploy", "ru") == "К 22 мая сделаем deploy"
    assert (
        WEDNESDAY.render("See you on {d w4 fri} at the station", "ru") == "See you on 22 May at the station"
    )
    assert WEDNESDAY.render("No dates {here}", "en") == "No dates {here}"


def test_a_russian_text_may_be_mostly_tech_words() -> None:
    assert language_of("deploy {d w1 fri} в production staging rollback", "ru") == "ru"
    assert language_of("ок", "en") == "ru"
    assert language_of("{d w1 fri}", "ru") == "ru"


@pytest.mark.parametrize("text", ["w1 xyz 10:00", "1 mon 10:00", "w1 mon", "", "w1 mon 9:00"])
def test_a_time_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        parse_moment(text)


def test_offsets_are_minutes_hours_or_days() -> None:
    assert [parse_offset(text) for text in ("5m", "2h", "3d")] == [5, 120, 4320]
    with pytest.raises(ValueError, match="expected an offset"):
        parse_offset("soon")


def test_a_day_without_weekday_takes_the_default() -> None:
    assert WEDNESDAY.day(parse_day("w-2", "fri")) == date(2026, 7, 3)
    assert WEDNESDAY.day(Notional(0)) == date(2026, 6, 15)
