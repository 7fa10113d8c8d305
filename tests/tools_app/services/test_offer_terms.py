from decimal import Decimal

import pytest

from models.queries.money import Rate
from tools_app.services.money import total
from tools_app.services.offer_terms import DISCOUNT_POLICY, allowed_discount, line_total, totals

D = Decimal


@pytest.mark.parametrize(
    ("quantity", "price", "expected"),
    [("3", "0.335", "1.01"), ("0.5", "0.01", "0.01"), ("0.33", "10.00", "3.30"), ("1.5", "0.33", "0.50")],
)
def test_a_line_is_rounded_to_cents_halves_away_from_zero(quantity: str, price: str, expected: str) -> None:
    assert line_total(D(quantity), D(price)) == D(expected)


def test_totals_are_sums_of_rounded_lines_so_that_they_add_up() -> None:
    # Three lines of a third of a cent each: rounded one by one they are nothing.
    found = totals([(D("0.33"), D("0.01"))] * 3, D(0))
    assert found.subtotal == D("0.00")
    found = totals([(D(1), D("99.99")), (D(2), D("10.05"))], D("12.5"))
    assert (found.subtotal, found.discount, found.total) == (D("120.09"), D("15.01"), D("105.08"))
    assert found.subtotal - found.discount == found.total


def test_an_offer_without_items_comes_to_nothing_and_a_full_discount_too() -> None:
    assert totals([], D(10)).total == 0
    assert totals([(D(3), D("33.33"))], D(100)).total == 0


def test_a_client_who_bought_more_may_get_more() -> None:
    assert [allowed_discount(D(value)) for value in ("0", "9999.99", "10000", "49999", "50000", "150000", "1e9")] == [
        5, 5, 10, 10, 15, 20, 20,
    ]  # fmt: skip
    assert list(DISCOUNT_POLICY) == sorted(DISCOUNT_POLICY, key=lambda tier: (tier.won_from, tier.max_pct))


def test_a_total_converts_each_currency_once_and_leaves_out_what_has_no_rate() -> None:
    found = total(
        "EUR",
        {"EUR": D("10"), "USD": D("10.015"), "RUB": D("500")},
        {"EUR": Rate(D(1), None), "USD": Rate(D("0.9"), None)},
    )
    assert [(line.currency, line.converted) for line in found.lines] == [
        ("EUR", D("10.00")),
        ("USD", D("9.01")),
    ]
    assert found.total == sum(line.converted for line in found.lines) == D("19.01")
    assert [(each.currency, each.amount) for each in found.unconverted] == [("RUB", D("500.00"))]
