"""Each part of the installation: what it says of itself, and from when on it needs somebody."""

import datetime as dt
import shutil
from collections.abc import Callable

import pytest
from sqlalchemy import text

from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.redis import cache_redis, queue_redis
from models.queries.job_runs import plan_cadence, save_cadence
from tools_app.components.system_parts import present
from tools_app.i18n.catalogue import catalogue
from tools_app.services import system_parts as parts
from tools_app.services.system import Finding, Part

_GIB = 1024**3


def only(read: Callable[[], Finding]) -> Part:
    (part,) = read().parts
    return part


def fact(part: Part, code: str) -> object:
    return next(each.value for each in part.facts if each.code == code)


def test_postgres_names_version_size_and_the_schema_of_this_code(database: str) -> None:
    part = only(parts.postgres)
    assert (part.state, part.hint) == ("ok", "")
    assert str(fact(part, "version")).split(".")[0].isdigit()
    assert int(str(fact(part, "size"))) > 1_000_000
    assert fact(part, "schema") == parts.schema_head() != ""


def test_a_schema_of_another_version_is_bad(database: str) -> None:
    with transaction() as session:
        session.execute(text("update alembic_version set version_num = '0001'"))
    part = only(parts.postgres)
    assert (part.state, part.hint, fact(part, "schema")) == ("bad", "postgres_schema", "0001")


@pytest.mark.parametrize(
    ("change", "state", "hint"),
    [
        ({"maxmemory-policy": "allkeys-lru"}, "bad", "redis_evicts"),
        ({"appendonly": "no"}, "warn", "redis_volatile"),
        ({"appendonly": "yes"}, "ok", ""),
    ],
)
def test_the_queue_must_not_evict_and_should_persist(
    redis: object, change: dict[str, str], state: str, hint: str
) -> None:
    client = queue_redis()
    before = {name: client.config_get(name)[name] for name in ("maxmemory-policy", "appendonly")}  # pyright: ignore[reportIndexIssue]
    try:
        for name, value in {"maxmemory-policy": "noeviction", **change}.items():
            client.config_set(name, value)
        part = only(parts.queue_server)
    finally:
        for name, value in before.items():
            client.config_set(name, value)
    assert (part.state, part.hint) == (state, hint)
    assert str(fact(part, "version")).startswith(("Valkey ", "Redis "))


def test_a_cache_without_a_limit_is_worth_a_look(redis: object) -> None:
    client = cache_redis()
    before = client.config_get("maxmemory")["maxmemory"]  # pyright: ignore[reportIndexIssue]
    try:
        client.config_set("maxmemory", "0")
        assert (only(parts.cache_server).state, only(parts.cache_server).hint) == ("warn", "cache_unbounded")
        client.config_set("maxmemory", "64mb")
        part = only(parts.cache_server)
    finally:
        client.config_set("maxmemory", before)
    assert (part.state, fact(part, "memory_limit")) == ("ok", 64 * 1024**2)


def test_without_workers_their_part_and_the_queues_are_bad(redis: object) -> None:
    found = parts.workers_and_queues()
    assert [(part.code, part.state, part.hint) for part in found.parts] == [
        ("workers", "bad", "workers_none"),
        ("queues", "bad", "queues_unattended"),
    ]
    assert {queue.name for queue in found.queues} == {"control", "sync", "index"}


@pytest.mark.parametrize(("minutes", "state"), [(None, "bad"), (5, "ok"), (-1, "ok"), (-4, "bad")])
def test_a_turn_that_is_long_overdue_means_that_nobody_gives_it(
    database: str, minutes: int | None, state: str
) -> None:
    if minutes is not None:
        with transaction() as session:
            save_cadence(session, "sync", 900)
            plan_cadence(session, "sync", utcnow() + dt.timedelta(minutes=minutes))
    assert only(parts.scheduler).state == state


@pytest.mark.parametrize(
    ("total", "free", "state"),
    [(500, 100, "ok"), (500, 40, "warn"), (15, 1.9, "warn"), (500, 10, "bad"), (9, 0.4, "bad")],
)
def test_a_disk_is_judged_by_its_free_share_and_by_what_is_left(
    monkeypatch: pytest.MonkeyPatch, total: float, free: float, state: str
) -> None:
    usage = shutil._ntuple_diskusage(int(total * _GIB), int((total - free) * _GIB), int(free * _GIB))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    part = only(parts.disk)
    assert (part.state, part.hint) == (state, "" if state == "ok" else "disk_full")


def test_versions_are_those_that_run() -> None:
    part = only(parts.versions)
    assert fact(part, "product") == parts.product_version()
    assert all(each.value for each in part.facts)


@pytest.mark.parametrize("locale", ["en", "ru"])
async def test_everything_on_the_page_has_words(database: str, locale: str) -> None:
    view = await parts.system_view()
    shown = present(view, locale)
    assert {card.code for card in shown} >= {
        "postgres",
        "redis",
        "cache",
        "workers",
        "queues",
        "scheduler",
        "disk",
    }
    known = catalogue(locale)
    for part in view.parts:
        assert f"system.hint.{part.code}_away" in known
        assert {f"system.fact.{each.code}" for each in part.facts} <= set(known)
    assert all(card.hint for card in shown if card.chip.tone != "ok")
