"""View models of the commercial side: accounts, contacts, opportunities, pipeline, money settings.

Amounts are exact decimals (strings in JSON) in units of the currency beside them; probabilities are percentages 0..100.
`is_mirrored` rows follow a vendor's record: what the vendor tells of them is not changed here.
"""

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from babel.numbers import list_currencies
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from models.queries.money import CENT

_CURRENCIES = frozenset(list_currencies("en"))


def _known_currency(code: str) -> str:
    if code not in _CURRENCIES:
        raise ValueError("not an ISO 4217 code")
    return code


Currency = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{3}$"),
    AfterValidator(_known_currency),
    Field(description="ISO 4217 code.", examples=["EUR"]),
]


def _two_decimals(value: Decimal) -> Decimal:
    return value.quantize(CENT)


# What an answer shows: always two decimals, also of what was just sent with fewer.
Cents = Annotated[Decimal, AfterValidator(_two_decimals), Field(examples=["12500.00"])]
Amount = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2, examples=["12500.00"])]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2, examples=["35"])]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)]


class View(BaseModel):
    """Base of the views: frozen, so that they may be shared."""

    model_config = ConfigDict(frozen=True)


class AccountView(View):
    """A company the studio does business with. `vendor_url` opens the mirrored record."""

    id: UUID
    project_id: UUID
    name: str
    domain: str | None
    notes: str | None
    is_mirrored: bool
    vendor_url: str | None
    contacts: int
    open_opportunities: int
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class ContactView(View):
    """A person at an account."""

    id: UUID
    project_id: UUID
    account_id: UUID
    name: str
    email: str | None
    phone: str | None
    role: str | None
    is_mirrored: bool
    vendor_url: str | None
    version: int


class StageEventView(View):
    """An opportunity entered a stage. `vendor_stage` is the vendor's title, `changed_by` who set it here."""

    stage: str
    vendor_stage: str | None
    changed_by: str | None
    entered_at: dt.datetime


class OpportunityView(View):
    """A possible sale. `probability_pct` is what counts: its own, or its stage's (None while the stage is unmapped)."""

    id: UUID
    project_id: UUID
    account_id: UUID | None
    account_name: str | None
    name: str
    stage: str
    vendor_stage: str | None
    amount: Cents | None
    currency: str | None
    close_date: dt.date | None
    next_step: str | None
    notes: str | None
    probability_pct: Cents | None
    own_probability_pct: Cents | None
    is_mirrored: bool
    vendor_url: str | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class OpportunityDetail(OpportunityView):
    """An opportunity with its stages, the newest first, 100 at most."""

    stage_events: tuple[StageEventView, ...]


class StageLine(View):
    """Live opportunities of one stage and currency; `expected` is the sum of amount x probability."""

    stage: str
    currency: str
    opportunities: int
    amount: Cents
    expected: Cents


class CurrencyLine(View):
    """One currency's share of a total, converted with one rate (`rate_valid_on` null: it is the base currency)."""

    currency: str
    amount: Cents
    rate: Decimal
    rate_valid_on: dt.date | None
    converted: Cents


class Unconverted(View):
    """An amount for which no rate is known: it is in no total."""

    currency: str
    amount: Cents


class MoneyTotal(View):
    """A total in the base currency, the sum of its lines, and beside it what could not be converted."""

    currency: str
    total: Cents
    lines: tuple[CurrencyLine, ...]
    unconverted: tuple[Unconverted, ...]


class OverviewView(View):
    """The pipeline. Three totals: open amounts, their expected value, and what is won.

    `without_amount` are open opportunities without an amount or without a currency; `unmapped` those whose stage nobody
    knows. Both are in no sum.
    """

    as_of: dt.date
    base_currency: str
    probabilities: dict[str, Cents]
    stages: tuple[StageLine, ...]
    pipeline: MoneyTotal
    expected_revenue: MoneyTotal
    won: MoneyTotal
    without_amount: int
    unmapped: int


class StageProbabilityView(View):
    """A stage's probability; `is_default` when the account scope has none of its own."""

    stage: str
    probability_pct: Cents
    is_default: bool


class MoneySettingsView(View):
    """How an account scope counts money."""

    base_currency: str
    stage_probabilities: tuple[StageProbabilityView, ...]


class ExchangeRateView(View):
    """From `valid_on` on, one unit of `from_currency` is worth `rate` units of `to_currency`."""

    id: UUID
    from_currency: str
    to_currency: str
    valid_on: dt.date
    rate: Decimal
