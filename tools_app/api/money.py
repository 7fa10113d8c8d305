"""/money: the base currency, exchange rates and stage probabilities of the account scope. They belong to no project."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from models.infra.database import in_db
from tools_app.api.crm_inputs import BaseCurrencyInput, ProbabilitiesInput, RateInput
from tools_app.api.deps import Caller, Changer, Cursor, Limit
from tools_app.api.schemas import Answer, ItemList
from tools_app.services import money
from tools_app.services.crm_views import Currency, ExchangeRateView, MoneySettingsView

router = APIRouter(prefix="/money", tags=["money"])


class MoneySettingsAnswer(Answer):
    """How the account scope counts money."""

    settings: MoneySettingsView


class RateAnswer(Answer):
    """One exchange rate."""

    exchange_rate: ExchangeRateView


@router.get("/settings", summary="Base currency and stage probabilities")
async def settings(session: Caller) -> MoneySettingsAnswer:
    """A stage without a probability of its own has the default."""
    return MoneySettingsAnswer(settings=await in_db(money.settings, session))


@router.put("/base-currency", summary="Set the base currency")
async def set_base_currency(session: Changer, body: BaseCurrencyInput) -> MoneySettingsAnswer:
    """Amounts keep their currency; totals are converted with the rates to the new one."""
    return MoneySettingsAnswer(settings=await in_db(money.set_base_currency, session, body.base_currency))


@router.put("/stage-probabilities", summary="Set probabilities of open stages")
async def set_probabilities(session: Changer, body: ProbabilitiesInput) -> MoneySettingsAnswer:
    """Percentages that weigh amounts in the expected revenue; won is 100 and lost is 0, always."""
    return MoneySettingsAnswer(settings=await in_db(money.set_probabilities, session, body.chosen()))


@router.get("/exchange-rates", summary="Exchange rates")
async def list_rates(
    session: Caller,
    currency: Annotated[Currency | None, Query(description="Only pairs with this currency.")] = None,
    sort: Literal["valid_on", "-valid_on"] = "-valid_on",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> ItemList[ExchangeRateView]:
    """A conversion takes the newest rate of its pair that is valid on the day, else the reciprocal of the opposite pair."""
    items, after = await in_db(
        money.list_rates, session, currency=currency, sort=sort, cursor=cursor, limit=limit
    )
    return ItemList[ExchangeRateView](items=tuple(items), next_cursor=after)


@router.put("/exchange-rates", summary="Set an exchange rate")
async def set_rate(session: Changer, body: RateInput) -> RateAnswer:
    """Sets the rate of a pair from a day on; that of the same day is replaced."""
    made = await in_db(
        money.set_rate, session, (body.from_currency, body.to_currency), body.valid_on, body.rate
    )
    return RateAnswer(exchange_rate=made)
