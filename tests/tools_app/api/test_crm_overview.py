"""The pipeline: sums by stage and currency, and totals that never mix currencies without a rate."""

from typing import Any

import httpx

from models.tables.crm_stages import OPEN_STAGES, STAGE_NAMES
from tests.tools_app.commerce import add, mirrored_opportunity
from tests.tools_app.world import World


def sale(
    client: httpx.Client, amount: str | None, currency: str | None, stage: str, **more: Any
) -> dict[str, Any]:
    values = {"amount": amount, "currency": currency, "stage": stage, **more}
    return add(client, "/crm/opportunities", "opportunity", name="Sale", **values)


def overview(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/api/crm/overview?project_id=alpha")
    assert answer.status_code == 200, answer.text
    return answer.json()["overview"]


def rate(client: httpx.Client, pair: str, valid_on: str, value: str) -> httpx.Response:
    body = {"from_currency": pair[:3], "to_currency": pair[3:], "valid_on": valid_on, "rate": value}
    return client.put("/api/money/exchange-rates", json=body)


def test_currencies_are_summed_apart_and_converted_only_with_a_rate(
    client: httpx.Client, worlds: dict[str, World]
) -> None:
    sale(client, "1000.00", "EUR", "lead")
    sale(client, "333.33", "EUR", "lead")
    sale(client, "2000.00", "USD", "proposal")
    sale(client, "500.00", "EUR", "won")
    sale(client, "900.00", "EUR", "lost")
    sale(client, None, None, "qualified")
    mirrored_opportunity(worlds["one"].places["alpha"], stage="unmapped", amount=77, currency="EUR")
    found = overview(client)
    lines = {
        (each["stage"], each["currency"]): (each["opportunities"], each["amount"], each["expected"])
        for each in found["stages"]
    }
    assert lines == {
        ("lead", "EUR"): (2, "1333.33", "133.33"),
        ("proposal", "USD"): (1, "2000.00", "1000.00"),
        ("won", "EUR"): (1, "500.00", "500.00"),
        ("lost", "EUR"): (1, "900.00", "0.00"),
    }
    assert (found["base_currency"], found["without_amount"], found["unmapped"]) == ("EUR", 1, 2)
    assert (found["pipeline"]["total"], found["pipeline"]["unconverted"]) == (
        "1333.33",
        [{"currency": "USD", "amount": "2000.00"}],
    )
    assert (found["expected_revenue"]["total"], found["won"]["total"]) == ("133.33", "500.00")

    assert rate(client, "USDEUR", "2020-01-01", "0.5").status_code == 200
    rate(client, "USDEUR", "2021-01-01", "0.9")
    rate(client, "USDEUR", "2999-01-01", "100")
    found = overview(client)
    (euros, dollars) = found["pipeline"]["lines"]
    assert (dollars["rate"], dollars["rate_valid_on"], dollars["converted"]) == (
        "0.9000000000",
        "2021-01-01",
        "1800.00",
    )
    assert euros["rate_valid_on"] is None
    assert (found["pipeline"]["total"], found["expected_revenue"]["total"]) == ("3133.33", "1033.33")
    assert found["pipeline"]["unconverted"] == []


def test_another_base_currency_needs_rates_to_it_and_takes_the_reciprocal_of_the_opposite(
    client: httpx.Client,
) -> None:
    sale(client, "100.00", "EUR", "won")
    sale(client, "100.00", "USD", "won")
    rate(client, "USDEUR", "2020-01-01", "0.8")
    assert (
        client.put("/api/money/base-currency", json={"base_currency": "USD"}).json()["settings"][
            "base_currency"
        ]
        == "USD"
    )
    assert overview(client)["won"]["total"] == "225.00"
    client.put("/api/money/base-currency", json={"base_currency": "RUB"})
    won = overview(client)["won"]
    assert (won["total"], [each["currency"] for each in won["unconverted"]]) == ("0.00", ["EUR", "USD"])


def test_probabilities_are_the_scopes_own_then_the_default_and_an_opportunitys_own_goes_first(
    client: httpx.Client,
) -> None:
    sale(client, "100.00", "EUR", "lead")
    sale(client, "100.00", "EUR", "lead", probability_pct="90")
    sale(client, "100.00", "EUR", "won", probability_pct="1")
    assert overview(client)["expected_revenue"]["total"] == "100.00"
    chosen = client.put("/api/money/stage-probabilities", json={"lead": "30"}).json()["settings"][
        "stage_probabilities"
    ]
    assert {each["stage"]: each["is_default"] for each in chosen}["lead"] is False
    assert overview(client)["expected_revenue"]["total"] == "120.00"
    assert overview(client)["won"]["total"] == "100.00"
    client.put("/api/money/stage-probabilities", json={"lead": None})
    assert overview(client)["expected_revenue"]["total"] == "100.00"
    for bad in ({"won": "50"}, {"lead": "101"}, {"lead": "-1"}, {"nowhere": "1"}):
        assert client.put("/api/money/stage-probabilities", json=bad).status_code == 400


def test_a_scope_has_settings_of_its_own(client: httpx.Client, login: Any, worlds: dict[str, World]) -> None:
    rate(client, "USDEUR", "2020-01-01", "0.8")
    client.put("/api/money/stage-probabilities", json={"lead": "30"})
    client.put("/api/money/base-currency", json={"base_currency": "USD"})
    other = login("two")
    settings = other.get("/api/money/settings").json()["settings"]
    assert settings["base_currency"] == "EUR"
    assert all(each["is_default"] for each in settings["stage_probabilities"])
    assert other.get("/api/money/exchange-rates").json()["items"] == []


def test_rates_are_listed_newest_first_and_the_same_day_is_replaced(client: httpx.Client) -> None:
    for day, value in (("2020-01-01", "0.8"), ("2021-01-01", "0.9"), ("2020-01-01", "0.7")):
        assert rate(client, "USDEUR", day, value).status_code == 200
    rate(client, "GBPEUR", "2019-01-01", "1.2")
    items = client.get("/api/money/exchange-rates?currency=USD").json()["items"]
    assert [(each["valid_on"], float(each["rate"])) for each in items] == [
        ("2021-01-01", 0.9),
        ("2020-01-01", 0.7),
    ]
    for pair, value in (
        ("USDUSD", "1"),
        ("USDEUR", "0"),
        ("USDEUR", "-1"),
        ("XXQEUR", "1"),
        ("USDEUR", "1e30"),
    ):
        assert rate(client, pair, "2020-01-01", value).status_code == 400, (pair, value)


def test_the_stages_are_the_same_everywhere() -> None:
    from typing import get_args

    from jobs.crm_stages import STAGES as TITLES
    from models.tables.crm_stages import Stage
    from tools_app.api.crm_inputs import ProbabilitiesInput

    assert tuple(TITLES) == STAGE_NAMES == get_args(Stage)
    assert tuple(ProbabilitiesInput.model_fields) == OPEN_STAGES
