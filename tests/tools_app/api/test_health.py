import httpx
import pytest

from models.infra.settings import override_settings


def test_health_names_every_part(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "degraded"  # no worker runs in this test
    assert body["checks"] == {"database": "ok", "redis": "ok", "cache": "ok", "worker": "down"}


def test_without_the_database_health_is_503(anonymous: httpx.Client) -> None:
    with override_settings(database_url=""):
        answer = anonymous.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "down"


def test_without_redis_health_is_degraded(anonymous: httpx.Client) -> None:
    with override_settings(redis_url="", cache_redis_url=""):
        answer = anonymous.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()["checks"] == {"database": "ok", "redis": "down", "cache": "down", "worker": "down"}


def test_metrics_answer_loopback(anonymous: httpx.Client) -> None:
    answer = anonymous.get("/metrics")
    assert answer.status_code == 200
    assert "db_pool_total" in answer.text
    assert "cache_hits_total" in answer.text


def test_metrics_refuse_a_forwarded_request_that_no_trusted_proxy_vouches_for(
    anonymous: httpx.Client,
) -> None:
    answer = anonymous.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("client", "status"), [("203.0.113.9", 403), ("10.1.2.3", 200), ("10.1.2.3, 203.0.113.9", 403)]
)
def test_behind_a_trusted_proxy_the_forwarded_address_counts(
    anonymous: httpx.Client, client: str, status: int
) -> None:
    with override_settings(trusted_proxies="127.0.0.1/32"):
        assert anonymous.get("/metrics", headers={"x-forwarded-for": client}).status_code == status


def test_a_bearer_token_opens_metrics_from_anywhere(anonymous: httpx.Client) -> None:
    outside = {"x-forwarded-for": "203.0.113.9"}
    with override_settings(metrics_token="let-me-in", trusted_proxies="127.0.0.1/32"):
        assert anonymous.get("/metrics", headers=outside).status_code == 403
        assert (
            anonymous.get("/metrics", headers={**outside, "authorization": "Bearer wrong"}).status_code == 403
        )
        assert (
            anonymous.get("/metrics", headers={**outside, "authorization": "Bearer let-me-in"}).status_code
            == 200
        )


def test_metrics_know_when_a_connector_last_succeeded_and_how_long_requests_took(
    client: httpx.Client,
) -> None:
    client.post("/api/connectors/linear/sync")
    client.get("/api/no/such/path")
    text = client.get("/metrics").text
    assert 'connector_last_success_at{connector="linear"} 1.' in text
    assert 'route="/api/connectors/{name}/sync",status="202"' in text
    assert 'route="other",status="404"' in text
    assert "/api/no/such" not in text
