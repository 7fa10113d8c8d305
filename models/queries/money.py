"""Money settings of an account scope: its base currency, dated exchange rates, probabilities of stages.

Conversion: the newest rate of the pair that is valid on or before the day; where only the opposite pair is known, its
reciprocal. No rate is made of two others, and none is guessed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel import Session, col, select

from models.infra.ids import AccountScopeId
from models.queries.keyset import keyset_page, sort_keys
from models.tables.crm import ExchangeRate, StageProbability
from models.tables.crm_stages import STAGES
from models.tables.platform import AccountScope

CENT = Decimal("0.01")
RATE_SORTS = sort_keys({"valid_on": (col(ExchangeRate.valid_on), "date")})


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency is worth in the base currency, since `valid_on` (None: it is the base itself)."""

    rate: Decimal
    valid_on: dt.date | None


def to_cents(amount: Decimal) -> Decimal:
    """The amount with two decimals, halves away from zero: the one rounding of money here."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def base_currency(session: Session, scope: AccountScopeId) -> str:
    """The currency that an account scope counts in."""
    return session.exec(select(AccountScope.base_currency).where(AccountScope.id == scope)).one()


def set_base_currency(session: Session, scope: AccountScopeId, currency: str) -> str:
    """Count in another currency from now on; the one before."""
    row = session.exec(select(AccountScope).where(AccountScope.id == scope).with_for_update()).one()
    before, row.base_currency = row.base_currency, currency
    session.add(row)
    session.flush()
    return before


def own_probabilities(session: Session, scope: AccountScopeId) -> dict[str, Decimal]:
    """Percentages by stage where the scope has its own."""
    rows = session.exec(select(StageProbability).where(StageProbability.account_scope_id == scope))
    return {row.stage: row.probability_pct for row in rows}


def probabilities(session: Session, scope: AccountScopeId) -> dict[str, Decimal]:
    """Percentages by stage: the scope's own, else the defaults. An unmapped stage has none."""
    return {stage.name: stage.probability_pct for stage in STAGES} | own_probabilities(session, scope)


def set_probabilities(
    session: Session, scope: AccountScopeId, chosen: Mapping[str, Decimal | None], now: dt.datetime
) -> None:
    """Give stages probabilities of their own; None returns a stage to the default."""
    for stage, pct in chosen.items():
        values = {"scope": scope, "stage": stage, "pct": pct, "now": now}
        if pct is None:
            statement = "DELETE FROM stage_probabilities WHERE account_scope_id = :scope AND stage = :stage"
        else:
            statement = (
                "INSERT INTO stage_probabilities (account_scope_id, stage, probability_pct, updated_at)"
                " VALUES (:scope, :stage, :pct, :now) ON CONFLICT (account_scope_id, stage)"
                " DO UPDATE SET probability_pct = excluded.probability_pct, updated_at = excluded.updated_at"
            )
        session.execute(text(statement), values)


def set_rate(
    session: Session,
    scope: AccountScopeId,
    pair: tuple[str, str],
    valid_on: dt.date,
    rate: Decimal,
    now: dt.datetime,
) -> tuple[UUID, Decimal | None]:
    """Set the rate of a pair from a day on; its row and what it was on that very day (None: nothing)."""
    row = session.execute(
        text(
            """
            INSERT INTO exchange_rates AS held (account_scope_id, from_currency, to_currency, valid_on, rate, updated_at)
            VALUES (:scope, :origin, :target, :valid_on, :rate, :now)
            ON CONFLICT (account_scope_id, from_currency, to_currency, valid_on)
                DO UPDATE SET rate = excluded.rate, updated_at = excluded.updated_at
            RETURNING new.id, old.rate AS before
            """
        ),
        {
            "scope": scope,
            "origin": pair[0],
            "target": pair[1],
            "valid_on": valid_on,
            "rate": rate,
            "now": now,
        },
    ).one()
    return row.id, row.before


def page_of_rates(
    session: Session,
    scope: AccountScopeId,
    *,
    currency: str | None,
    sort: str,
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], str | None]:
    """The scope's rates (rows of one ExchangeRate), of one currency on either side if given, and the next cursor."""
    statement = select(ExchangeRate).where(ExchangeRate.account_scope_id == scope)
    if currency is not None:
        statement = statement.where(
            (col(ExchangeRate.from_currency) == currency) | (col(ExchangeRate.to_currency) == currency)
        )
    return keyset_page(session, statement, RATE_SORTS, sort, col(ExchangeRate.id), cursor=cursor, limit=limit)


def rates_to(
    session: Session, scope: AccountScopeId, base: str, currencies: Iterable[str], day: dt.date
) -> dict[str, Rate]:
    """What units of currencies are worth in the base currency on a day; a currency without a rate is left out."""
    wanted = set(currencies)
    found = {base: Rate(Decimal(1), None)} if base in wanted else {}
    rows = session.execute(
        text(
            """
            SELECT DISTINCT ON (from_currency, to_currency) from_currency, to_currency, rate, valid_on
            FROM exchange_rates WHERE account_scope_id = :scope AND valid_on <= :day
              AND (to_currency = :base AND from_currency = ANY(:wanted)
                   OR from_currency = :base AND to_currency = ANY(:wanted))
            ORDER BY from_currency, to_currency, valid_on DESC
            """
        ),
        {"scope": scope, "day": day, "base": base, "wanted": sorted(wanted)},
    ).all()
    for row in rows:
        if row.to_currency == base:
            found[row.from_currency] = Rate(row.rate, row.valid_on)
    for row in rows:
        if row.from_currency == base:
            found.setdefault(row.to_currency, Rate(1 / row.rate, row.valid_on))
    return found
