"""Numbers, money and time as readers of each language expect them."""

import datetime as dt

import pytest

from tools_app.i18n import formats

DAY = dt.datetime(2026, 11, 24, 9, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("locale", "value", "words"),
    [
        ("en", 1234, "1,234"),
        ("ru", 1234, "1\xa0234"),
        ("en", 0.44, "0.4"),
        ("ru", 0.44, "0,4"),
        ("en", 1_234_567, "1.2M"),
    ],
)
def test_numbers_follow_the_language(locale: str, value: float, words: str):
    assert formats.number(locale, value) == words


@pytest.mark.parametrize("unit", ["count", "percent", "hours", "days", "money"])
@pytest.mark.parametrize("locale", ["en", "ru"])
def test_what_is_not_known_is_a_dash_and_never_zero(locale: str, unit: str):
    assert formats.quantity(locale, None, unit, "EUR") == formats.UNKNOWN


def test_almost_complete_is_not_rounded_up_to_complete():
    assert formats.percent("en", 99.97) == "99.9%"
    assert formats.percent("en", 100) == "100%"


@pytest.mark.parametrize(("locale", "words"), [("en", "€18,400"), ("ru", "18\xa0400\xa0€")])
def test_money_carries_its_currency_where_readers_expect_it(locale: str, words: str):
    assert formats.money(locale, 18_400, "EUR") == words


def test_a_sum_is_written_out_where_it_is_the_answer():
    assert formats.quantity("en", 689_160, "money", "EUR") == "€689.2K"
    assert formats.quantity("en", 689_160, "money", "EUR", compact=False) == "€689,160"


@pytest.mark.parametrize(
    ("value", "words"), [(0.5, "30 min"), (0.996, "1 h"), (3.44, "3.4 h"), (80, "3.3 d")]
)
def test_durations_choose_a_unit_that_can_be_read(value: float, words: str):
    assert formats.hours("en", value) == words


def test_days_follow_the_language():
    assert formats.day("en", DAY) == "24 Nov"
    assert formats.day("ru", DAY) == "24 нояб."
    assert formats.full_day("en", DAY.date()) == "24 Nov 2026"


def test_a_broken_day_is_none():
    assert formats.parse_day("2026-13-01") is None
    assert formats.parse_day("2026-11-24") == DAY.date()
