"""What /metrics says of other processes: figures come from their rows and queues, or are left out."""

import datetime as dt
import threading
import time
from typing import Any

import httpx
import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import OperationalError

from jobs import queues
from models.infra import metrics
from models.infra.clock import utcnow
from models.infra.database import transaction
from models.infra.settings import override_settings
from models.queries import operations
from models.tables.platform import JobRun
from tests.tools_app.world import World
from tools_app.services import figures


def add_run(world: World, ago: dt.timedelta, **values: Any) -> None:
    with transaction() as session:
        held = {"job": "sync", "subject": "s", "connector": "linear", "status": "succeeded", **values}
        session.add(JobRun(account_scope_id=world.places["alpha"].scope, finished_at=utcnow() - ago, **held))


def value(text: str, sample: str) -> float | None:
    found = [line for line in text.splitlines() if line.startswith(sample)]
    return float(found[0].rpartition(" ")[2]) if found else None


LINEAR = 'connector_error_rate{connector="linear"}'
MINUTE = dt.timedelta(minutes=1)


def test_the_error_rate_is_the_failed_share_of_the_last_hours_units(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    # 90 records came, 10 of them were rejected; then two streams failed with nothing fetched.
    add_run(worlds["one"], 10 * MINUTE, counts={"fetched": 90, "rejected": 10, "failed": 10})
    add_run(worlds["one"], 5 * MINUTE, status="failed", counts={"fetched": 0, "rejected": 0, "failed": 2})
    add_run(worlds["one"], 70 * MINUTE, status="failed", counts={"failed": 500})
    add_run(worlds["one"], 5 * MINUTE, connector="attio", status="failed")
    text = anonymous.get("/metrics").text
    assert value(text, LINEAR) == pytest.approx(12 / 92)
    assert value(text, 'connector_error_rate{connector="attio"}') == 1
    assert value(text, 'connector_error_rate{connector="chatwoot"}') is None


def test_a_run_of_a_worker_is_counted_once(
    anonymous: httpx.Client, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures.finished_runs, "counted_until", utcnow() - MINUTE)
    sample = 'job_runs_finished_total{job="index",status="failed"}'
    before = value(anonymous.get("/metrics").text, sample) or 0
    add_run(worlds["one"], dt.timedelta(seconds=6), job="index", connector=None, status="failed")
    # Ended before this process looked for the first time: its former life counted it.
    add_run(worlds["one"], 5 * MINUTE, job="index", connector=None, status="failed")
    monkeypatch.setattr(figures.finished_runs, "counted_until", utcnow() - MINUTE)
    assert value(anonymous.get("/metrics").text, sample) == before + 1
    assert value(anonymous.get("/metrics").text, sample) == before + 1


def test_the_depth_of_every_queue_is_told(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    queues.push("jobs.tasks.index_chunks", {}, "waiting-1")
    text = anonymous.get("/metrics").text
    assert value(text, 'queue_depth{queue="index"}') == 1
    assert value(text, 'queue_depth{queue="sync"}') == 0
    assert value(text, 'queue_depth{queue="control"}') == 0


def test_what_cannot_be_read_is_left_out_and_the_rest_is_told(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    add_run(worlds["one"], MINUTE, counts={"fetched": 4})
    assert value(anonymous.get("/metrics").text, LINEAR) == 0
    with override_settings(redis_url="", database_url=""):
        answer = anonymous.get("/metrics")
    assert answer.status_code == 200
    assert value(answer.text, LINEAR) is None
    assert value(answer.text, "queue_depth{") is None
    assert "cache_hits_total" in answer.text


def test_a_slow_read_holds_no_scrape_up(
    anonymous: httpx.Client, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.queue_depth.labels("index").set(7)
    release = threading.Event()

    def slow() -> dict[str, int]:
        release.wait(20)
        return {}

    monkeypatch.setattr(figures.enqueue, "queue_depths", slow)
    started = time.monotonic()
    try:
        answer = anonymous.get("/metrics")
    finally:
        release.set()
    assert answer.status_code == 200
    assert time.monotonic() - started < 10
    assert value(answer.text, "queue_depth{") is None
    assert "cache_hits_total" in answer.text


def test_the_server_ends_a_read_that_takes_too_long(database: str) -> None:

    with transaction() as session:
        operations.limit_time(session, 50)
        with pytest.raises(OperationalError, match="statement timeout"):
            session.execute(sql("select pg_sleep(5)"))
        session.rollback()


PROMISED = (
    "db_pool_total", "db_pool_idle", "db_pool_waiting", "cache_hits_total", "cache_misses_total", "cache_sets_total",
    "cache_invalidations_total", "sse_connections_total", "connector_last_success_at", "connector_error_rate",
    "lightrag_query_duration_seconds", "http_request_duration_seconds", "queue_depth", "job_run_duration_seconds",
    "job_runs_finished_total", "connector_circuit_open", "login_failures_total", "rate_limit_hits_total",
    "embedded_chunks_total", "workers_alive", "part_up", "process_resident_memory_bytes",
)  # fmt: skip


def test_every_promised_metric_is_described(anonymous: httpx.Client) -> None:
    text = anonymous.get("/metrics").text
    # The text format writes a counter's family without its suffix in some versions: samples and families both count.
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {
        name for name in PROMISED if name not in names and name.removesuffix("_total") not in names
    } == set()


def test_paths_and_methods_that_somebody_makes_up_make_no_new_series(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    def series() -> int:
        text = anonymous.get("/metrics").text
        return sum(line.startswith("http_request_duration_seconds_count") for line in text.splitlines())

    def hammer(start: int) -> None:
        for number in range(start, start + 40):
            anonymous.get(f"/api/made/up/{number}")
            anonymous.get(f"/api/connectors/errors/{number}/payload")
            anonymous.get(f"/metrics/{number}?x={number}")
            anonymous.request(f"ODD{number}", f"/api/projects/{number}")
            anonymous.post(f"/api/webhooks/vendor{number}/{number}", json={})

    hammer(0)
    before = series()
    hammer(1_000)
    assert series() == before


def test_failed_logins_and_refusals_by_a_limit_are_counted(
    anonymous: httpx.Client, worlds: dict[str, World]
) -> None:
    def counted() -> tuple[float, ...]:
        text = anonymous.get("/metrics").text
        samples = (
            'login_failures_total{reason="wrong_credentials"}',
            'login_failures_total{reason="throttled"}',
            'rate_limit_hits_total{limit="login_address"}',
        )
        return tuple(value(text, sample) or 0 for sample in samples)

    before = counted()
    for _ in range(6):
        anonymous.post("/api/auth/login", json={"username": "somebody", "password": "a guess"})
    wrong, throttled, refused = (now - then for now, then in zip(counted(), before, strict=True))
    assert (wrong, throttled, refused) == (5, 1, 1)


def test_how_long_runs_take_and_what_they_embed_comes_from_the_rows_that_workers_leave(
    anonymous: httpx.Client, worlds: dict[str, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures.finished_runs, "counted_until", utcnow() - MINUTE)
    text = anonymous.get("/metrics").text
    names = (
        'job_run_duration_seconds_sum{job="index"}',
        'job_run_duration_seconds_count{job="index"}',
        "embedded_chunks_total",
    )
    before = [value(text, name) or 0 for name in names]
    ended = dt.timedelta(seconds=10)
    add_run(
        worlds["one"],
        ended,
        job="index",
        connector=None,
        started_at=utcnow() - ended - 7 * dt.timedelta(seconds=1),
        counts={"embedded": 40},
    )
    add_run(worlds["one"], ended, job="index", connector=None, status="skipped")
    monkeypatch.setattr(figures.finished_runs, "counted_until", utcnow() - MINUTE)
    text = anonymous.get("/metrics").text
    seconds, runs, embedded = (
        (value(text, name) or 0) - was for name, was in zip(names, before, strict=True)
    )
    assert (round(seconds), runs, embedded) == (7, 1, 40)


def test_every_part_says_whether_it_answers(anonymous: httpx.Client, worlds: dict[str, World]) -> None:
    text = anonymous.get("/metrics").text
    assert value(text, 'part_up{part="database"}') == 1
    assert value(text, 'part_up{part="worker"}') == 0
    assert value(text, "workers_alive") == 0
    with override_settings(redis_url=""):
        text = anonymous.get("/metrics").text
    assert value(text, 'part_up{part="redis"}') == 0
    assert value(text, 'part_up{part="database"}') == 1
