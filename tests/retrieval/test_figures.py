"""Amounts and days are read in both languages and spelled in the other usual ways."""

from decimal import Decimal

import pytest

from retrieval.figures import amount_spellings, day_spellings, read_amounts, read_days


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("1 200 000 ₽", "1200000", "RUB"),
        ("1 200 000 руб.", "1200000", "RUB"),
        ("1,2 млн рублей", "1200000", "RUB"),
        ("$12,500", "12500", "USD"),
        ("12.5k", "12500", None),
        ("€12.5k", "12500", "EUR"),
        ("250 тыс. руб.", "250000", "RUB"),
        ("£48.50", "48.50", "GBP"),
        ("EUR 9,000", "9000", "EUR"),
        ("9.000,50 €", "9000.50", "EUR"),
        ("500 euros", "500", "EUR"),
        ("2 million dollars", "2000000", "USD"),
    ],
)
def test_an_amount_is_read_however_it_is_written(text: str, value: str, currency: str | None) -> None:
    found = read_amounts(f"We agreed on {text} yesterday.")
    assert [(amount.value, amount.currency) for amount in found] == [(Decimal(value), currency)]


@pytest.mark.parametrize("text", ["twelve hotels and 12 rooms", "version 2.10", "HPB-12", "call at 15", ""])
def test_a_plain_number_is_no_amount(text: str) -> None:
    assert read_amounts(text) == []


@pytest.mark.parametrize(
    ("text", "month", "day", "year"),
    [
        ("24 May", 5, 24, None),
        ("May 24, 2026", 5, 24, 2026),
        ("the 3rd of June", 6, 3, None),
        ("24 мая 2026", 5, 24, 2026),
        ("24-го мая", 5, 24, None),
        ("24.05.2026", 5, 24, 2026),
        ("2026-05-24", 5, 24, 2026),
        ("12 сентября", 9, 12, None),
        ("Sept 12", 9, 12, None),
    ],
)
def test_a_day_is_read_however_it_is_written(text: str, month: int, day: int, year: int | None) -> None:
    assert [(found.month, found.day, found.year) for found in read_days(f"It is due {text}.")] == [
        (month, day, year)
    ]


@pytest.mark.parametrize(
    "text", ["40 May", "12 monkeys", "12 марок", "2026-13-01", "maybe 12", "Марта 12 раз просила"]
)
def test_what_is_no_day_of_the_calendar_is_none(text: str) -> None:
    assert read_days(text) == []


def test_an_amount_is_spelled_in_the_other_usual_ways() -> None:
    (amount,) = read_amounts("$12,500")
    assert {"12500", "12 500", "12.500", "12.5k", "12,5 тыс"} <= set(amount_spellings(amount))


def test_a_day_is_spelled_in_both_languages() -> None:
    (day,) = read_days("24 мая 2026")
    assert {"24 may", "may 24", "24 мая", "2026-05-24", "24.05.2026"} <= set(day_spellings(day))
