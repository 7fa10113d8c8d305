"""The API benchmark judges by its promises, says what it lacks, and makes vectors by the documented cut."""

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.bench_api_load import Ask, Crowd, Measured, measure
from deploy.bench_api_report import broken_promises, write_report
from deploy.bench_api_seed import DIMENSION, ShapeMissing, cut, load_shape
from models.infra.settings import environment
from tests.conftest import ROOT


def case(p50: float, per_second: float = 5_000, clients: str = "1") -> dict[str, Any]:
    figures = {
        "p50_ms": p50,
        "p95_ms": p50,
        "p99_ms": p50,
        "per_second": per_second,
        "requests": 9,
        "refused": {},
    }
    return {clients: figures}


def measured(at_s: dict[str, Any], at_m: dict[str, Any], **more: Any) -> dict[str, Any]:
    held = {"ready_s": 1, "idle_mb": 1, "peak_mb": 1}
    return {"s": {"cases": at_s, **held}, "m": {"cases": at_m, **held, **more}}


def test_what_is_within_its_promise_is_not_broken() -> None:
    good = measured(
        {"jobs_status": case(9)}, {"jobs_status": case(9.9), "lightrag_cached": case(1, 1_601, "10")}
    )
    assert broken_promises(good) == []


def test_a_slow_answer_a_low_rate_and_growth_are_named() -> None:
    bad = measured(
        {"jobs_status": case(2), "contacts": case(1)},
        {"jobs_status": case(11), "contacts": case(1.6), "control_tower_warm": case(1, 2_000, "10")},
    )
    broken = broken_promises(bad)
    assert len(broken) == 4
    assert any("jobs_status at 1 clients" in each for each in broken)
    assert any("contacts grows 1.60 times" in each for each in broken)
    assert any("control_tower_warm at 10 clients" in each for each in broken)


def test_a_cache_that_saves_too_little_or_takes_too_much_is_named() -> None:
    read = {"statements": 5.0, "database_ms": 3.0, "app_cpu_ms": 10.0}
    saved = {"statements": 0.1, "database_ms": 0.1, "app_cpu_ms": 4.0}
    found = measured({}, {}, off={"portfolio": read}, on={"portfolio": saved}, cache_bytes=6 * 1024 * 1024)
    broken = broken_promises(found)
    assert len(broken) == 2
    assert any("app_cpu_ms" in each for each in broken)
    assert any("takes 6291456 bytes" in each for each in broken)


def test_the_report_shows_every_figure(tmp_path: Path) -> None:
    write_report(tmp_path, measured({"jobs_status": case(9)}, {"jobs_status": case(9)}))
    text = (tmp_path / "bench-api.md").read_text()
    assert "| jobs_status | 1 | 5,000 | 9 | 9 | 9 |  | 249 / 291, 5 req/s |" in text
    assert (tmp_path / "bench-api.json").exists()


def test_percentiles_are_of_the_answers() -> None:
    found = Measured([float(at) for at in range(1, 101)], seconds=2)
    assert (found.percentile(0.5), found.percentile(0.99), found.per_second()) == (51, 100, 50)


def test_a_vector_is_cut_and_made_unit_length_again() -> None:
    vector = np.random.default_rng(1).standard_normal(1536).astype("float32")
    short = cut(vector)
    assert short.shape == (DIMENSION,)
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-5)
    assert np.allclose(short / short[0], vector[:DIMENSION] / vector[0], rtol=1e-3)


def test_without_a_shape_it_says_so_and_ends() -> None:
    with pytest.raises(ShapeMissing):
        load_shape("")
    env = environment(APP_ENV="test", PYTHONPATH=str(ROOT), BENCH_SHAPE="/nowhere")
    done = subprocess.run(
        [sys.executable, "-m", "deploy.bench_api"],
        check=False,
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "BENCH_SHAPE" in done.stderr


async def test_the_load_generator_counts_answers_and_refusals_of_both_framings() -> None:
    answers = itertools.cycle(
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ]
    )
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            heads.append(head)
            writer.write(next(answers))
            if len(heads) == 30:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = await measure(port, itertools.repeat(Ask("GET", "/x")), Crowd(), clients=1, seconds=20, most=30)
    server.close()
    assert (len(found.latencies), found.refused) == (20, {429: 10})
    # Another browser and another address after every 25.
    assert len({head.split(b"x-forwarded-for: ")[1] for head in heads}) == 2
