"""/rq, RQ's dashboard behind the login: who sees it, who may change something, what is written down, what is away."""

import re
from collections.abc import Callable

import httpx
import pytest
from sqlmodel import select

from jobs import queues
from models.infra.database import reading
from models.infra.redis import queue_redis
from models.infra.settings import override_settings
from models.tables.platform import AuditEvent

HTML = {"accept": "text/html"}
NOWHERE = "redis://127.0.0.1:1/0"
PAGES = ("queues", "jobs", "workers", "export")


@pytest.fixture
def waiting(redis: object) -> str:
    """A job that waits, with JSON arguments and, as rq-scheduler's have, JSON in its meta."""
    job = queues.queue(queues.SYNC).enqueue_call(
        "jobs.tasks.sync_connection",
        kwargs={"connection_id": "c", "run_id": "r"},
        description="sync_connection",
    )
    job.meta["interval"] = 900
    job.save_meta()
    return job.id


@pytest.fixture
def same_origin(client: httpx.Client) -> httpx.Client:
    """A client that sends what a browser sends from one of our own pages."""
    client.headers["origin"] = str(client.base_url).rstrip("/")
    return client


def test_without_a_session_pages_lead_to_the_login_and_data_is_refused(anonymous: httpx.Client) -> None:
    page = anonymous.get("/rq/queues", headers=HTML)
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=/rq/")
    for path in ("/rq/queues/json", "/rq/jobs/json", "/rq/export/jobs", "/rq/static/css/uno.css"):
        refused = anonymous.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthenticated")
    assert anonymous.delete("/rq/queues/sync").status_code == 401


def test_a_token_of_the_dashboards_own_kind_opens_nothing(anonymous: httpx.Client) -> None:
    anonymous.cookies.set("rq_dash_token", "guarded")
    assert anonymous.get("/rq/queues/json", params={"token": "guarded"}).status_code == 401


def test_a_key_opens_nothing_either(client: httpx.Client, anonymous: httpx.Client, waiting: str) -> None:
    token = client.post("/api/auth/keys", json={"name": "reporting"}).json()["token"]
    anonymous.headers.update({"authorization": f"Bearer {token}", "origin": str(client.base_url).rstrip("/")})
    for method, path in (("GET", "queues/json"), ("DELETE", f"job/{waiting}")):
        refused = anonymous.request(method, f"/rq/{path}", headers={"x-csrf-token": ""})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "session_required")
    assert queues.is_known(waiting)


def test_it_shows_queues_and_jobs_as_rq_has_them(client: httpx.Client, waiting: str) -> None:
    assert client.get("/rq/queues/json").json() == [
        {
            "queue_name": "sync",
            "queued": 1,
            "started": 0,
            "failed": 0,
            "deferred": 0,
            "finished": 0,
            "canceled": 0,
        }
    ]
    [held] = client.get("/rq/jobs/json").json()["data"]
    assert [(each["id"], each["name"]) for each in held["queued"]] == [(waiting, "sync_connection")]
    assert waiting in client.get(f"/rq/job/{waiting}", headers=HTML).text
    assert client.get("/rq/workers/json").json() == []
    assert client.get("/rq", headers=HTML, follow_redirects=True).status_code == 200


def test_what_it_does_not_have_is_not_found(client: httpx.Client) -> None:
    assert client.get("/rq/job/nothing").status_code == 404
    for path in ("/rq/docs", "/rq/openapi.json", "/rq/nothing"):
        assert client.get(path).status_code == 404
    assert client.put("/rq/queues/sync").status_code == 405


def test_its_pages_load_nothing_from_elsewhere_and_may_not(client: httpx.Client, waiting: str) -> None:
    for path in (*PAGES, f"job/{waiting}"):
        page = client.get(f"/rq/{path}", headers=HTML)
        assert page.status_code == 200, path
        loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="([^"]+)"', page.text)
        assert loaded, path
        assert all(each.startswith("/rq/static/") for each in loaded), path
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "http" not in page.headers["content-security-policy"]
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        assert set(map(str, page.cookies)) == set()
        # RQ's own schedulers are not ours: no link to a page that would be empty.
        assert "/rq/schedulers" not in page.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "https://elsewhere.example"}, "foreign_origin"),
        ({"sec-fetch-site": "cross-site"}, "foreign_origin"),
        ({"sec-fetch-site": "same-site"}, "foreign_origin"),
        ({}, "foreign_origin"),
        ({"sec-fetch-site": "same-origin", "x-csrf-token": "wrong"}, "wrong_csrf_token"),
    ],
)
def test_a_change_without_proof_of_where_it_comes_from_changes_nothing(
    client: httpx.Client, waiting: str, headers: dict[str, str], code: str
) -> None:
    refused = client.delete(f"/rq/job/{waiting}", headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)
    assert queues.is_known(waiting)


def test_another_sites_page_cannot_read_but_may_link(client: httpx.Client) -> None:
    assert client.get("/rq/queues/json", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", **HTML}
    assert client.get("/rq/queues", headers=link).status_code == 200


def test_its_pages_carry_the_sessions_csrf_token(client: httpx.Client) -> None:
    token = client.headers["x-csrf-token"]
    assert f'<meta name="csrf-token" content="{token}">' in client.get("/rq/jobs", headers=HTML).text


def test_changes_are_made_and_written_down(same_origin: httpx.Client, waiting: str) -> None:
    assert same_origin.delete(f"/rq/job/{waiting}").status_code == 200
    assert not queues.is_known(waiting)
    assert same_origin.delete("/rq/queues/sync").status_code == 200
    assert same_origin.post("/rq/queues/sync/cleanup-stale").json() == {"removed": 0}
    assert audited() == [("queue.cleanup", "sync"), ("queue.empty", "sync"), ("queue_job.delete", waiting)]


def test_a_failed_job_is_queued_again_as_json(same_origin: httpx.Client, waiting: str) -> None:
    job = queues.fetch(waiting)
    assert job is not None
    queues.queue(queues.SYNC).remove(waiting)
    queues.queue(queues.SYNC).failed_job_registry.add(job, ttl=60)
    job.set_status("failed")  # pyright: ignore[reportArgumentType]
    assert same_origin.post(f"/rq/job/{waiting}/requeue").status_code == 200
    again = queues.fetch(waiting)
    assert again is not None
    assert again.is_queued
    assert (again.kwargs, again.meta["interval"]) == ({"connection_id": "c", "run_id": "r"}, 900)
    assert queue_redis().hget(f"rq:job:{waiting}", "meta") == b'{"interval": 900}'


def test_a_change_that_failed_is_not_written_down(same_origin: httpx.Client, waiting: str) -> None:
    # Waits, has not failed: there is nothing to queue again.
    assert same_origin.post(f"/rq/job/{waiting}/requeue").status_code >= 400
    assert same_origin.delete("/rq/job/nothing").status_code == 404
    assert audited() == []


def test_while_redis_is_away_it_says_so(client: httpx.Client, login: Callable[..., httpx.Client]) -> None:
    with override_settings(redis_url=NOWHERE):
        page = client.get("/rq/queues", headers={**HTML, "accept-language": "ru"})
        data = client.get("/rq/queues/json")
    assert page.status_code == 503
    assert "Очередь недоступна" in page.text
    assert 'href="/system"' in page.text
    assert (data.status_code, data.json()["error"]["code"]) == (503, "queue_away")


def audited() -> list[tuple[str, str]]:
    with reading() as session:
        events = session.exec(select(AuditEvent)).all()
        return sorted((each.action, each.entity_id) for each in events if each.action.startswith("queue"))
