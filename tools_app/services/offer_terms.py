"""What an offer comes to, and how much discount a client may get without anybody's approval. Pure.

Totals are computed here and nowhere else: a line is quantity x unit price rounded to cents (halves away from zero), the
subtotal is the sum of the lines, the discount is a share of the subtotal rounded to cents, the total is what remains.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from models.queries.money import to_cents

# A total has to fit into numeric(14, 2).
LARGEST = Decimal("999999999999.99")


@dataclass(frozen=True, slots=True)
class Totals:
    """Amounts in the offer's currency, in cents."""

    subtotal: Decimal
    discount: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class DiscountTier:
    """From this won value (base currency of the account scope) on, discounts up to `max_pct` need no approval."""

    won_from: Decimal
    max_pct: Decimal


# A client who bought more may get more. A client of whom nothing is known counts as one who bought nothing.
DISCOUNT_POLICY = (
    DiscountTier(Decimal(0), Decimal(5)),
    DiscountTier(Decimal(10_000), Decimal(10)),
    DiscountTier(Decimal(50_000), Decimal(15)),
    DiscountTier(Decimal(150_000), Decimal(20)),
)


def line_total(quantity: Decimal, unit_price: Decimal) -> Decimal:
    """What a line comes to."""
    return to_cents(quantity * unit_price)


def totals(lines: Iterable[tuple[Decimal, Decimal]], discount_pct: Decimal) -> Totals:
    """Totals of lines of (quantity, unit price) and a discount in percent."""
    subtotal = sum((line_total(quantity, price) for quantity, price in lines), Decimal("0.00"))
    discount = to_cents(subtotal * discount_pct / 100)
    return Totals(subtotal, discount, subtotal - discount)


def allowed_discount(won_value: Decimal) -> Decimal:
    """The largest discount in percent that needs no approval for a client who has bought for `won_value`."""
    return max(tier.max_pct for tier in DISCOUNT_POLICY if won_value >= tier.won_from)
