"""Sessions between requests: no query on a hit, exact limits, an end that is heard at once, last uses in batches."""

import asyncio
import datetime as dt
import time

import pytest
from sqlalchemy import text

from models.infra.cache import cache
from models.infra.clock import frozen, utcnow
from models.infra.database import reading
from models.infra.local_cache import local_cache
from models.infra.settings import Settings, override_settings
from tests.tools_app.api.test_portfolio import statements
from tests.tools_app.conftest import PASSWORD, USER
from tests.tools_app.world import World
from tools_app.services import auth, projects, session_cache


@pytest.fixture
def token(credentials: Settings, worlds: dict[str, World]) -> str:
    return auth.login(USER, PASSWORD, auth.Browser("127.0.0.1")).token


def seen_at() -> dt.datetime:
    with reading() as session:
        return session.execute(text("SELECT max(last_seen_at) FROM sessions")).scalar_one()


def test_a_hit_needs_no_query(token: str) -> None:
    first = auth.current_session(token)
    assert first is not None
    with statements() as seen:
        assert auth.current_session(token) == first
    assert seen == []


def test_a_hit_in_memory_needs_no_redis_either(token: str) -> None:
    local_cache().trust()
    try:
        assert auth.held_session(token) is None
        first = auth.current_session(token)
        with override_settings(cache_redis_url="redis://127.0.0.1:1/0"), statements() as seen:
            assert auth.held_session(token) == first
        assert seen == []
    finally:
        local_cache().distrust()


def test_without_redis_the_database_answers(token: str) -> None:
    with override_settings(cache_redis_url="redis://127.0.0.1:1/0"):
        cache.cache_clear()
        assert auth.current_session(token) is not None
    cache.cache_clear()


@pytest.mark.parametrize("holds", [True, False])
def test_a_logout_is_heard_at_once(token: str, holds: bool) -> None:
    if holds:
        local_cache().trust()
    try:
        assert auth.current_session(token) is not None
        auth.logout(token)
        assert auth.held_session(token) is None
        assert auth.current_session(token) is None
    finally:
        local_cache().distrust()


def test_a_session_read_before_a_logout_is_not_stored_after_it(token: str) -> None:
    """A request that found the session in the database is slow; the logout comes first."""
    from models.infra.cache_codec import Entry
    from models.infra.cache_tags import session_tag

    name = session_tag(auth._hash(token))
    looked = cache().fetch(name, [name])
    auth.logout(token)
    assert not cache().store(name, Entry(b"{}", time.time() + 60, looked.generations), 60)
    assert auth.current_session(token) is None


def test_a_chosen_project_is_heard_at_once(token: str, worlds: dict[str, World]) -> None:
    session = auth.current_session(token)
    assert session is not None
    assert session.active_project_id is None
    projects.select(session, "alpha")
    after = auth.current_session(token)
    assert after is not None
    assert after.active_project_id == str(worlds["one"].places["alpha"].project)


@pytest.mark.parametrize("limit", [auth.IDLE, auth.ABSOLUTE])
def test_the_limits_are_exact_for_a_cached_session(token: str, limit: dt.timedelta) -> None:
    begun = seen_at()
    # In use all the time, so that only the absolute limit ends it.
    steps = int(limit / dt.timedelta(hours=20)) if limit == auth.ABSOLUTE else 0
    for step in range(steps):
        with frozen(begun + (step + 1) * dt.timedelta(hours=20)):
            assert auth.current_session(token) is not None
            session_cache.last_uses.write()
    with frozen(begun + limit - dt.timedelta(seconds=1)):
        assert auth.current_session(token) is not None if limit == auth.ABSOLUTE else True
    with frozen(begun + limit + dt.timedelta(seconds=1)):
        assert auth.current_session(token) is None


def test_last_uses_are_written_in_one_statement(token: str) -> None:
    other = auth.login(USER, PASSWORD, auth.Browser("127.0.0.1")).token
    before = seen_at()
    uses = session_cache.last_uses
    uses.write()
    for _ in range(5):
        assert auth.current_session(token)
        assert auth.current_session(other)
    assert seen_at() == before
    with statements() as seen:
        assert uses.write() == 2
    assert len([each for each in seen if each.startswith("UPDATE")]) == 1
    assert seen_at() > before


def test_an_older_use_does_not_overwrite_a_newer_one(token: str) -> None:
    session_cache.last_uses.write()
    with frozen(utcnow() - dt.timedelta(minutes=5)):
        auth.current_session(token)
    before = seen_at()
    session_cache.last_uses.write()
    assert seen_at() == before


async def test_a_burst_of_one_browser_finds_its_session_once_for_all(token: str) -> None:
    local_cache().trust()
    try:
        with statements() as seen:
            found = await asyncio.gather(*(auth.live_session(token) for _ in range(30)))
        assert found == [auth.held_session(token)] * 30
        assert found[0] is not None
        assert sum("FROM sessions" in each for each in seen) == 1
    finally:
        local_cache().distrust()


async def test_a_session_that_ended_is_not_found_by_who_joins_a_lookup(token: str) -> None:
    auth.logout(token)
    assert await asyncio.gather(*(auth.live_session(each) for each in (token, token, None))) == [None] * 3
