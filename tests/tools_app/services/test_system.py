"""Looks at parts: what fails or is slow is shown as away, holds up nobody and is not asked twice at once."""

import threading

import pytest
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy.exc import OperationalError

from models.infra.errors import Unavailable
from tools_app.services import system
from tools_app.services.system import Fact, Finding, Look, Part, look_at

FINE = Look(("disk",), lambda: Finding((Part("disk", "ok", (Fact("free", 5, "bytes"),)),)))


@pytest.mark.parametrize(
    "fault", [RedisAway(), OperationalError("select", {}, Exception()), Unavailable(), TimeoutError()]
)
async def test_a_part_that_fails_is_away_and_the_others_are_shown(fault: Exception):
    def fail() -> Finding:
        raise fault

    view = await look_at([Look(("redis",), fail), FINE])
    assert [(part.code, part.state, part.hint) for part in view.parts] == [
        ("redis", "bad", "redis_away"),
        ("disk", "ok", ""),
    ]
    assert view.state == "bad"


async def test_a_part_that_does_not_answer_is_not_waited_for_nor_asked_twice(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(system, "WAIT_S", 0.2)
    answered, asked = threading.Event(), list[str]()

    def hang() -> Finding:
        asked.append("again")
        answered.wait(30)
        return Finding((Part("redis"),))

    slow = Look(("redis",), hang)
    try:
        for _ in range(3):
            view = await look_at([slow, FINE])
            assert [part.state for part in view.parts] == ["bad", "ok"]
        assert asked == ["again"]
    finally:
        answered.set()


async def test_the_worst_part_decides():
    warn = Look(("cache",), lambda: Finding((Part("cache", "warn", hint="cache_unbounded"),)))
    assert (await look_at([FINE])).state == "ok"
    assert (await look_at([FINE, warn])).state == "warn"


async def test_without_details_only_states_and_hints_are_left():
    view = (await look_at([FINE])).without_details()
    assert view.parts == (Part("disk", "ok"),)
    assert (view.queues, view.workers) == ((), ())
