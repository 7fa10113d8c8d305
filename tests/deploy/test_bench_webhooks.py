"""The measuring of deliveries: real ones are answered, and a broken promise is named."""

import asyncio

import pytest

from deploy import bench_webhooks


def test_signed_deliveries_are_taken_by_a_web_process_of_its_own(
    database: str, process_env: dict[str, str]
) -> None:
    with bench_webhooks._web(process_env) as origin:
        paths = [f"/api/webhooks/chatwoot/{each}" for each in bench_webhooks._connections(process_env)]
        answers = asyncio.run(bench_webhooks._send(origin, paths, 40, 4))
    assert [status for status, _ in answers] == [200] * 40


def test_a_late_or_refused_answer_is_a_broken_promise(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [(200, number / 1000) for number in range(1, 101)]
    assert bench_webhooks.report(answers, 10.0) == []
    assert "p50 50 ms, p95 95 ms, p99 99 ms, max 100 ms" in capsys.readouterr().out
    assert bench_webhooks.report([*answers, (401, 0.1), (200, 1.5)], 10.0) == [
        "1 answers are no 2xx",
        "1 answers took more than 1 s",
    ]
