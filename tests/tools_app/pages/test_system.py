"""The system page: what is away is shown, also when it is the database that knows whose session it is."""

import asyncio
from collections.abc import Callable
from typing import Any

from models.infra.settings import override_settings
from tools_app.pages.system import SystemState

Tab = Callable[[str], Any]
NO_DATABASE = "postgresql+psycopg://nobody:nothing@127.0.0.1:1/nowhere"
NO_REDIS = "redis://127.0.0.1:1/0"


def load(root: Any) -> Any:
    page = root.substates[SystemState.get_name()]
    answer = asyncio.run(SystemState.load.fn(page))
    return page, answer


def cards(page: Any) -> dict[str, Any]:
    return {card.code: card for card in page.parts}


def test_a_session_sees_what_is_known_of_each_part(tab: Tab):
    page, answer = load(tab("/system?project=all"))
    assert answer is None
    assert cards(page)["postgres"].chip.label == "Working"
    assert cards(page)["postgres"].facts
    assert page.checked_iso


def test_without_redis_the_rest_is_still_shown(tab: Tab):
    root = tab("/system?project=all")
    with override_settings(redis_url=NO_REDIS, cache_redis_url=NO_REDIS):
        page, _ = load(root)
    assert cards(page)["redis"].chip.label == "Broken"
    assert cards(page)["redis"].hint.startswith("The Redis of queue and events does not answer.")
    assert cards(page)["postgres"].chip.label == "Working"


def test_without_the_database_states_are_shown_and_no_details(tab: Tab):
    root = tab("/system?project=all")
    with override_settings(database_url=NO_DATABASE):
        page, answer = load(root)
    assert (page.ready, answer) == (True, None)
    assert cards(page)["postgres"].hint.startswith("Postgres does not answer.")
    assert all(card.facts == () and card.members == () for card in page.parts)


def test_without_a_session_it_leads_to_the_login(tab: Tab):
    root = tab("/system?project=all")
    root._update_router_vars({"headers": {"cookie": ""}, "pathname": "/system", "asPath": "/system"}, {})
    page, answer = load(root)
    assert "/login" in str(answer.args)
    assert (page.ready, page.parts) == (False, [])
