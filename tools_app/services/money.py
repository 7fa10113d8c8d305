"""Money settings of an account scope, and totals in its base currency.

A total converts each currency's sum with one rate and rounds it to cents, halves up, once; the total is the sum of those
lines, so that they add up. What has no rate stands beside the total and is in no sum.
"""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlmodel import Session

from models.infra.cache import cache
from models.infra.cache_tags import tag
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.errors import InvalidInput
from models.infra.ids import AccountScopeId
from models.queries import money as queries
from models.queries.money import Rate, to_cents
from models.tables.crm import ExchangeRate
from models.tables.crm_stages import STAGES
from tools_app.services import audit_trail
from tools_app.services.changes import plain, scope_of
from tools_app.services.crm_views import (
    CurrencyLine,
    ExchangeRateView,
    MoneySettingsView,
    MoneyTotal,
    StageProbabilityView,
    Unconverted,
)
from tools_app.services.views import SessionView


def settings(session: SessionView) -> MoneySettingsView:
    """How the caller's account scope counts money."""
    with reading() as db:
        return _settings(db, scope_of(session))


def set_base_currency(session: SessionView, currency: str) -> MoneySettingsView:
    """Count in another currency. Amounts keep theirs; totals are converted with the rates to the new one."""
    scope = scope_of(session)
    with transaction() as db:
        before = queries.set_base_currency(db, scope, currency)
        _audit(db, session, "base_currency.set", {"base_currency": before}, {"base_currency": currency})
        found = _settings(db, scope)
    cache().renew(tag(kind, scope) for kind in ("portfolio", "ct"))
    return found


def set_probabilities(session: SessionView, chosen: Mapping[str, Decimal | None]) -> MoneySettingsView:
    """Give open stages probabilities of their own; None returns a stage to the default."""
    scope = scope_of(session)
    with transaction() as db:
        held = queries.own_probabilities(db, scope)
        queries.set_probabilities(db, scope, chosen, utcnow())
        before = {stage: held.get(stage) for stage in chosen}
        _audit(db, session, "stage_probabilities.set", before, dict(chosen))
        return _settings(db, scope)


def set_rate(
    session: SessionView, pair: tuple[str, str], valid_on: dt.date, rate: Decimal
) -> ExchangeRateView:
    """Set what a unit of the first currency is worth in the second from a day on. Raises InvalidInput for one pair of the same."""
    if pair[0] == pair[1]:
        raise InvalidInput("A currency has no rate to itself.", code="same_currency")
    with transaction() as db:
        row_id, before = queries.set_rate(db, scope_of(session), pair, valid_on, rate, utcnow())
        named = {"from_currency": pair[0], "to_currency": pair[1], "valid_on": valid_on}
        _audit(
            db,
            session,
            "exchange_rate.set",
            None if before is None else {**named, "rate": before},
            {**named, "rate": rate},
        )
        return ExchangeRateView(
            id=row_id, from_currency=pair[0], to_currency=pair[1], valid_on=valid_on, rate=rate
        )


def list_rates(
    session: SessionView, *, currency: str | None, sort: str, cursor: str | None, limit: int
) -> tuple[list[ExchangeRateView], str | None]:
    """A page of the account scope's rates and the next cursor. Raises InvalidInput for an unknown sort or cursor."""
    with reading() as db:
        rows, after = queries.page_of_rates(
            db, scope_of(session), currency=currency, sort=sort, cursor=cursor, limit=limit
        )
        return [_rate(row[0]) for row in rows], after


def total(base: str, amounts: Mapping[str, Decimal], rates: Mapping[str, Rate]) -> MoneyTotal:
    """The total of exact sums by currency in the base currency; pure."""
    lines = tuple(
        CurrencyLine(
            currency=currency,
            amount=to_cents(amount),
            rate=rates[currency].rate,
            rate_valid_on=rates[currency].valid_on,
            converted=to_cents(amount * rates[currency].rate),
        )
        for currency, amount in sorted(amounts.items())
        if currency in rates
    )
    return MoneyTotal(
        currency=base,
        total=sum((line.converted for line in lines), Decimal("0.00")),
        lines=lines,
        unconverted=tuple(
            Unconverted(currency=currency, amount=to_cents(amount))
            for currency, amount in sorted(amounts.items())
            if currency not in rates
        ),
    )


def _settings(db: Session, scope: AccountScopeId) -> MoneySettingsView:
    own = queries.own_probabilities(db, scope)
    return MoneySettingsView(
        base_currency=queries.base_currency(db, scope),
        stage_probabilities=tuple(
            StageProbabilityView(
                stage=stage.name,
                probability_pct=own.get(stage.name, stage.probability_pct),
                is_default=stage.name not in own,
            )
            for stage in STAGES
        ),
    )


def _rate(row: ExchangeRate) -> ExchangeRateView:
    return ExchangeRateView(
        id=row.id,
        from_currency=row.from_currency,
        to_currency=row.to_currency,
        valid_on=row.valid_on,
        rate=row.rate,
    )


def _audit(
    db: Session, session: SessionView, action: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> None:
    audit_trail.record_event(
        db,
        actor=session.user,
        action=action,
        entity=audit_trail.Entity("account_scope", session.account_scope_id),
        account_scope_id=scope_of(session),
        before=None if before is None else plain(before),
        after=plain(after),
    )
