"""The measuring of the sync: what it reports, and that a broken promise is named."""

from deploy import bench_sync
from deploy.bench_sync import Case
from deploy.generated_chatwoot import Account, running
from models.infra.database import transaction
from tests.scopes import make_connection, make_scope


def test_a_measured_sync_says_what_it_took_and_what_was_not_kept(
    database: str, process_env: dict[str, str]
) -> None:
    with running(Account(3, 120)) as url:
        with transaction() as session:
            connection = make_connection(session, make_scope(session), "chatwoot", base_url=url)
        first = bench_sync._sync(process_env, str(connection.id), "timed")
        idle = bench_sync._sync(process_env, str(connection.id))
    assert first["counts"]["streams"]["messages"]["inserted"] == 360
    assert first["parts"]["normalise"][1] == 360
    assert 0 < first["rss_before_mb"] <= first["rss_peak_mb"]
    assert first["counts"]["requests"] <= 2 + Case(3, 120).requests
    lost = bench_sync._judge(first, Case(3, 130))
    assert lost[0] == "360 messages of 390: ok"
    slow = bench_sync._judge({**first, "seconds": 9.0, "rss_peak_mb": 301.0}, Case(3, 120, seconds=1.5))
    assert "9.00 s, promised are 1.5 s" in slow
    assert "301 MB, promised are 300 MB" in slow
    assert bench_sync._judge_idle({**idle, "seconds": 0.1}, Case(3, 120)) == []
    wrote = bench_sync._judge_idle({**first, "seconds": 0.1}, Case(3, 120))
    assert wrote[0].endswith("rows written with nothing new")


def test_the_fewest_requests_are_one_a_page() -> None:
    assert Case(60, 100).requests == 1 + 3 + 4 + 60
    assert Case(1, 101).requests == 1 + 1 + 1 + 2
