"""/api/system: for whoever is logged in; what is away is said and fails nothing."""

import httpx

from models.infra.settings import override_settings

# Nothing listens on a port that is reserved for multiplexing.
NOWHERE = "redis://127.0.0.1:1/0"


def states(client: httpx.Client) -> dict[str, tuple[str, str]]:
    answer = client.get("/api/system")
    assert answer.status_code == 200, answer.text
    return {part["code"]: (part["state"], part["hint"]) for part in answer.json()["system"]["parts"]}


def test_every_part_is_named_with_what_is_known_of_it(client: httpx.Client) -> None:
    body = client.get("/api/system").json()["system"]
    facts = {part["code"]: {fact["code"] for fact in part["facts"]} for part in body["parts"]}
    assert facts["postgres"] >= {"version", "size", "connections", "schema"}
    assert facts["redis"] >= {"version", "memory", "policy"}
    assert facts["disk"] >= {"free", "total", "path"}
    assert facts["versions"] >= {"product", "python", "reflex"}
    assert [queue["name"] for queue in body["queues"]] == ["control", "sync", "index"]
    assert body["workers"] == []


def test_parts_that_are_away_are_shown_as_such(client: httpx.Client) -> None:
    with override_settings(redis_url=NOWHERE, cache_redis_url=NOWHERE):
        found = states(client)
    assert found["redis"] == ("bad", "redis_away")
    assert found["cache"] == ("bad", "cache_away")
    assert (found["workers"], found["queues"]) == (("bad", "workers_away"), ("bad", "queues_away"))
    assert found["postgres"][0] == "ok"


def test_without_a_session_it_is_refused(anonymous: httpx.Client) -> None:
    assert anonymous.get("/api/system").status_code == 401
