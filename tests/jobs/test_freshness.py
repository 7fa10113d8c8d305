"""The end of a run: figures first, then caches, then the event, so that whoever hears of it reads what it left."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from jobs import freshness, runs
from models.infra import events
from models.infra.cache import Cache, cache
from models.infra.cache_tags import ALL_KINDS, CHANGED_BY, tags_of_job
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import JobRunId
from models.infra.settings import override_settings
from models.queries import job_runs
from tests.tools_app.world import World, fill, make_world


@pytest.fixture
def world(database: str) -> World:
    with transaction() as session:
        made = make_world(session, "one")
        for place in made.places.values():
            fill(place, utcnow())
    return made


def a_run(world: World, job: str) -> str:
    with transaction() as session:
        row, _ = job_runs.create_run(
            session, job=job, subject="subject", requested_by="test", account_scope_id=world.scope, connector=None,
            request_id="", again=False,
        )  # fmt: skip
        return str(JobRunId(row.id))


def stored_messages() -> int:
    """Messages in the stored figures; -1 before the first refresh."""
    with reading() as session:
        populated = session.execute(
            text("SELECT relispopulated FROM pg_class WHERE relname = 'mv_portfolio_dashboard'")
        ).scalar_one()
        if not populated:
            return -1
        return session.execute(
            text(
                "SELECT coalesce(sum(records), 0)::int FROM mv_portfolio_dashboard"
                " WHERE code = 'stream' AND bucket = 'messages'"
            )
        ).scalar_one()


def test_figures_and_caches_are_true_before_the_event_goes_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = tags_of_job("sync", world.scope)
    before = cache().fetch("k", tags).generations
    seen: list[tuple[int, bool]] = []

    def publish(kind: str, payload: dict[str, Any]) -> str:
        if kind == "job_completed":
            seen.append((stored_messages(), cache().fetch("k", tags).generations != before))
            assert payload["cache_told"] is True
        return "1-0"

    monkeypatch.setattr(events, "publish", publish)
    assert stored_messages() == -1
    runs.execute(a_run(world, "sync"), lambda _run: runs.JobOutcome(counts={"written": 3}))
    assert seen == [(9, True)]


def test_a_run_that_wrote_nothing_computes_nothing(world: World) -> None:
    runs.execute(a_run(world, "sync"), lambda _run: runs.JobOutcome(counts={"written": 0}))
    assert stored_messages() == -1


def test_a_run_that_failed_may_have_written(world: World) -> None:
    def fails(_run: runs.Run) -> runs.JobOutcome:
        raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        runs.execute(a_run(world, "sync"), fails)
    assert stored_messages() == 9


@pytest.mark.parametrize("job", [*CHANGED_BY, "a job nobody listed"])
def test_a_job_makes_old_what_the_table_says_and_nothing_else(world: World, job: str) -> None:
    every = tags_of_job("a job nobody listed", world.scope)
    assert len(every) == len(ALL_KINDS)
    before = {tag: cache().fetch("k", [tag]).generations[tag] for tag in every}
    freshness.run_ended(job, world.scope, {}, "succeeded")
    after = {tag: cache().fetch("k", [tag]).generations[tag] for tag in every}
    assert {tag for tag in every if before[tag] != after[tag]} == set(tags_of_job(job, world.scope))


def test_a_worker_that_cannot_reach_the_cache_says_so_in_the_event(world: World) -> None:
    with override_settings(cache_redis_url="redis://127.0.0.1:1/0"):
        cache.cache_clear()
        runs.execute(a_run(world, "sync"), lambda _run: runs.JobOutcome(counts={"written": 1}))
    cache.cache_clear()
    completed = [each for each in events.read_after(None) if each.kind == "job_completed"]
    assert completed[-1].payload["cache_told"] is False


def test_a_web_process_makes_old_what_a_worker_could_not(world: World) -> None:
    from tools_app.upkeep import hear

    tags = tags_of_job("sync", world.scope)

    def generations() -> Sequence[str]:
        return list(Cache().fetch("k", tags).generations.values())

    payload = {"job": "sync", "account_scope_id": str(world.scope)}
    before = generations()
    hear(events.Event("1-0", "job_completed", {**payload, "cache_told": True}))
    assert generations() == before
    hear(events.Event("1-1", "job_completed", {**payload, "cache_told": False}))
    assert not set(generations()[1:]) & set(before[1:])
