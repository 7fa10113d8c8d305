"""Questions through the cache: one computation, a run id and a log row for each answer, nothing lost at the end."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from jobs.freshness import run_ended
from models.infra.clock import utcnow
from models.infra.database import reading
from models.infra.ids import QueryRunId, new_id
from models.infra.local_cache import local_cache
from models.infra.redis import close_async_clients
from models.queries.query_log import CachedRun
from models.tables.retrieval import QueryRun
from tests.tools_app.world import World
from tools_app import upkeep
from tools_app.services import answers, auth, search
from tools_app.services.answers import answer, answer_key
from tools_app.services.run_log import RunLog, run_log
from tools_app.services.search import Question

QUESTION = Question("What did we promise about the deadline?", mode="lexical")
BODY = {"query": QUESTION.text, "mode": "lexical", "project_id": "alpha"}


def rows() -> list[QueryRun]:
    with reading() as session:
        return list(session.exec(select(QueryRun)).all())


async def test_equal_questions_are_computed_once_and_each_has_its_own_run(worlds: dict[str, World]) -> None:
    scope = worlds["one"].of("alpha")
    with patch.object(search, "answer", wraps=search.answer) as computed:
        found = await asyncio.gather(*(answer(scope, QUESTION, "owner") for _ in range(20)))
    assert computed.call_count == 1
    assert [each.cached for each in found].count(False) == 1
    run_log.write()
    told = [json.loads(b"{" + each.body()) for each in found]
    logged = {str(row.id): row for row in rows()}
    assert len({each["query_run_id"] for each in told}) == 20 == len(logged)
    for each in told:
        row = logged[each["query_run_id"]]
        assert (row.cached, row.query, row.answer) == (each["cached"], QUESTION.text, each["answer"])
    await close_async_clients()


@pytest.mark.parametrize(
    "other",
    [
        Question("What did we promise about the deadline"), Question(QUESTION.text, mode="vector"),
        Question(QUESTION.text, mode="lexical", top_k=9), Question(QUESTION.text, mode="lexical", source_limit=7),
        Question(QUESTION.text, mode="lexical", source_filter=("issues",)), Question(QUESTION.text, mode="lexical", lang="ru"),
        Question(QUESTION.text, mode="lexical", date_from=utcnow()), Question(QUESTION.text, mode="lexical", date_to=utcnow()),
    ],
)  # fmt: skip
def test_every_input_is_part_of_the_key(worlds: dict[str, World], other: Question) -> None:
    one = worlds["one"]
    keys = {answer_key(one.of("alpha"), each) for each in (QUESTION, other)}
    keys |= {answer_key(one.of("beta"), QUESTION), answer_key(one.of(), QUESTION)}
    keys |= {answer_key(worlds["two"].of("alpha"), QUESTION)}
    assert len(keys) == 5


@pytest.mark.parametrize("job", ["sync", "index", "reconcile", "a job nobody listed"])
async def test_what_changes_an_answer_makes_it_old(worlds: dict[str, World], job: str) -> None:
    scope = worlds["one"].of("alpha")
    await answer(scope, QUESTION, "owner")
    assert (await answer(scope, QUESTION, "owner")).cached
    run_ended(job, worlds["two"].scope, {}, "succeeded")
    assert (await answer(scope, QUESTION, "owner")).cached
    run_ended(job, worlds["one"].scope, {}, "succeeded")
    assert not (await answer(scope, QUESTION, "owner")).cached
    await close_async_clients()


def test_a_cached_answer_can_be_rated_at_once(client: httpx.Client) -> None:
    first = client.post("/api/lightrag/query", json=BODY).json()
    again = client.post("/api/lightrag/query", json=BODY).json()
    assert (first["cached"], again["cached"]) == (False, True)
    assert first["query_run_id"] != again["query_run_id"]
    own = {"query_run_id", "cached", "took_ms", "request_id"}
    assert {k: v for k, v in first.items() if k not in own} == {
        k: v for k, v in again.items() if k not in own
    }
    vote = client.post("/api/lightrag/feedback", json={"query_run_id": again["query_run_id"], "rating": "up"})
    assert vote.status_code == 200, vote.text


def test_the_short_way_says_like_the_long_one_that_the_database_is_away(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_token: str) -> None:
        raise OperationalError("SELECT", {}, psycopg.OperationalError("the server closed the connection"))

    monkeypatch.setattr(auth, "current_session", away)
    local_cache().trust()
    try:
        for answer in (client.get("/api/control-tower"), client.post("/api/search", json=BODY)):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_away")
            assert int(answer.headers["retry-after"]) > 0
    finally:
        local_cache().distrust()


def test_the_short_way_says_whose_the_session_is_like_the_long_one(
    client: httpx.Client, anonymous: httpx.Client
) -> None:
    long = client.get("/api/auth/me")
    local_cache().trust()
    try:
        short = [client.get("/api/auth/me") for _ in range(2)]
        own = {"request_id"}
        for each in short:
            assert {k: v for k, v in each.json().items() if k not in own} == {
                k: v for k, v in long.json().items() if k not in own
            }
            assert each.json()["request_id"] == each.headers["x-request-id"]
            assert each.headers.keys() - {"vary"} == long.headers.keys()
        assert anonymous.get("/api/auth/me").status_code == 401
        client.post("/api/auth/logout")
        assert client.get("/api/auth/me").status_code == 401
    finally:
        local_cache().distrust()


def test_the_short_way_answers_like_the_long_one_and_checks_like_it(
    client: httpx.Client, anonymous: httpx.Client, login: Callable[..., httpx.Client]
) -> None:
    local_cache().trust()
    try:
        first, second, third = (client.post("/api/search", json=BODY) for _ in range(3))
        assert [each.json()["cached"] for each in (first, second, third)] == [False, True, True]
        assert set(first.json()) == set(third.json())
        assert third.headers["x-request-id"] == third.json()["request_id"]
        assert third.headers["x-content-type-options"] == "nosniff"
        assert third.headers["cache-control"] == "no-store"
        refused = client.post("/api/search", json=BODY, headers={"x-csrf-token": "wrong"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "wrong_csrf_token")
        foreign = client.post("/api/search", json=BODY, headers={"origin": "http://evil.example"})
        assert foreign.status_code == 403
        assert anonymous.post("/api/search", json=BODY).status_code == 401
        elsewhere = login("two").post("/api/search", json=BODY).json()
        assert not elsewhere["cached"]
        client.post("/api/auth/logout")
        assert client.post("/api/search", json=BODY).status_code == 401
    finally:
        local_cache().distrust()


def a_run(first_id: QueryRunId) -> CachedRun:
    return CachedRun(QueryRunId(new_id()), first_id, 0.5, "request-1", "owner", utcnow())


async def test_what_waits_is_written_at_the_end_even_if_the_database_is_away_for_a_moment(
    worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await answer(worlds["one"].of("alpha"), QUESTION, "owner")
    for _ in range(3):
        assert run_log.add(a_run(QueryRunId(UUID(json.loads(b"{" + first.body())["query_run_id"]))))
    tries: list[int] = []

    def flaky(session: Session, runs: object) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("insert", {}, Exception("away"))
        from models.queries.query_log import log_cached_runs

        return log_cached_runs(session, runs)  # type: ignore[arg-type]

    monkeypatch.setattr("tools_app.services.run_log.log_cached_runs", flaky)
    monkeypatch.setattr(upkeep, "_PAUSE_S", 0.01)
    await upkeep.write_what_waits()
    assert run_log.waiting == 0
    assert len([row for row in rows() if row.cached]) == 3
    await close_async_clients()


def test_the_buffer_is_bounded_and_keeps_what_it_took(worlds: dict[str, World]) -> None:
    log = RunLog(max_waiting=2)
    nobody = QueryRunId(new_id())
    assert [log.add(a_run(nobody)) for _ in range(3)] == [True, True, False]
    # The first run is gone: there is nothing to copy, and nothing waits for ever.
    assert log.write() == 0
    assert log.waiting == 0


async def test_a_row_the_database_refuses_does_not_stop_the_others(worlds: dict[str, World]) -> None:
    first = await answer(worlds["one"].of("alpha"), QUESTION, "owner")
    first_id = QueryRunId(UUID(json.loads(b"{" + first.body())["query_run_id"]))
    log = RunLog()
    for at in range(5):
        run = a_run(first_id)
        log.add(replace(run, request_id="nul \x00") if at == 2 else run)
    assert log.write() == 4
    assert log.waiting == 0
    assert len([row for row in rows() if row.cached]) == 4
    await close_async_clients()


async def test_a_full_buffer_is_written_before_the_answer_goes_out(
    worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = RunLog(max_waiting=1)
    monkeypatch.setattr(answers, "run_log", small)
    scope = worlds["one"].of("alpha")
    for _ in range(4):
        await answer(scope, QUESTION, "owner")
    assert small.waiting == 1
    assert len(rows()) == 3
    await close_async_clients()
