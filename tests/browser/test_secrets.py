"""After a walk through the pages and the API no secret is anywhere it does not belong: logs, answers, frames, jobs, tables."""

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
import redis
from playwright.sync_api import Page, Response, WebSocket

from models.infra.ids import new_id
from tests.browser.conftest import PASSWORD, Tower, log_in
from tests.browser.test_appearance import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

WEBHOOK_SECRET = "webhook-secret-0123456789abcdef"
QUESTION = "What did we promise about the deadline?"


@dataclass
class Heard:
    """What the browser and a program were sent: (where, text) each."""

    sent: list[tuple[str, str]] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("response", self._response)
        page.on("websocket", self._websocket)

    def answer(self, answer: httpx.Response) -> httpx.Response:
        self.sent.append(
            (f"answer {answer.request.method} {answer.url.path}", answer.text + str(answer.headers))
        )
        return answer

    def _response(self, response: Response) -> None:
        if response.request.resource_type in ("document", "fetch", "xhr"):
            headers = json.dumps({k: v for k, v in response.headers.items() if k != "set-cookie"})
            self.sent.append((f"response {response.url}", headers))

    def _websocket(self, socket: WebSocket) -> None:
        # Sent frames too: a page must not send a secret back for no reason.
        for event in ("framereceived", "framesent"):
            socket.on(event, lambda payload, event=event: self.sent.append((f"frame {event}", str(payload))))


def walk(page: Page, tower: Tower) -> None:
    """Every page, a question, a sync, a key."""
    for path, sign in PAGES.values():
        page.goto(f"{tower.url}{path}")
        page.wait_for_selector(sign)
    page.goto(f"{tower.url}/search?project=all")
    # The page is awake when its suggestions are there: what is typed before may be lost.
    page.wait_for_selector("[data-suggested]")
    page.fill("#question", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-evidence]", timeout=90_000)
    page.goto(f"{tower.url}/security?project=all")
    page.wait_for_selector("[data-key-form]")
    page.fill("#key-name", "secrets walk")
    page.click("[data-key-form] button[type=submit]")
    page.wait_for_selector("[data-new-token]")


def call(tower: Tower, cookies: str, csrf: str, heard: Heard) -> str:
    """A program's share: jobs are asked for, a webhook's secret is set, a key is made and used; answers the key."""
    with httpx.Client(
        base_url=tower.url, timeout=60, headers={"cookie": cookies, "x-csrf-token": csrf}
    ) as client:
        for path in ("connectors/sync", "connectors/reconciliation/run", "lightrag/refresh"):
            assert heard.answer(client.post(f"/api/{path}", json={})).status_code < 300
        heard.answer(client.post("/api/lightrag/query", json={"query": QUESTION}))
        for path in ("projects", "connectors/state", "jobs/status", "system", "auth/sessions", "auth/keys"):
            heard.answer(client.get(f"/api/{path}"))
        ((connection,),) = tower.rows(
            "select id from vendor_connections where connector = 'linear' order by created_at limit 1"
        )
        path = f"/api/webhooks/linear/{connection}"
        heard.answer(client.put(f"{path}/secret", json={"secret": WEBHOOK_SECRET}))
        heard.answer(client.post(path, json={"signed": "wrongly"}, headers={"linear-signature": "0" * 64}))
        key = str(client.post("/api/auth/keys", json={"name": "walk", "read_only": False}).json()["token"])
    bearer = {"authorization": f"Bearer {key}"}
    for answer in (
        httpx.get(f"{tower.url}/api/auth/me", headers=bearer),
        httpx.post(f"{tower.url}/api/connectors/sync", headers=bearer, json={}),
        httpx.delete(f"{tower.url}/api/auth/keys/{new_id()}", headers=bearer),
        httpx.post(
            f"{tower.url}/api/auth/login", json={"username": tower.user, "password": PASSWORD, "x": 1}
        ),
        httpx.get(f"{tower.url}/metrics"),
        httpx.get(f"{tower.url}/health"),
    ):
        heard.answer(answer)
    return key


def wait_for_jobs(tower: Tower) -> None:
    """Until what speaks with vendors has ended; the index's embedding, minutes of processor time, may go on."""
    unfinished = "select 1 from job_runs where status in ('queued', 'running') and job <> 'index' limit 1"
    deadline = time.monotonic() + 300
    while tower.rows(unfinished):
        assert time.monotonic() < deadline, "the jobs did not end"
        time.sleep(0.5)


def texts(raw: bytes) -> Iterator[str]:
    """What bytes say, also when they are packed: RQ packs its jobs."""
    yield raw.decode(errors="replace")
    for unpack in (zlib.decompress, gzip.decompress):
        try:
            yield unpack(raw).decode(errors="replace")
        except (zlib.error, OSError, EOFError):
            continue


def in_redis(url: str) -> Iterator[tuple[str, str]]:
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(count=1000):
            kind = client.type(key)
            if kind == b"string":
                values = [client.get(key) or b""]
            elif kind == b"hash":
                values = [part for pair in client.hgetall(key).items() for part in pair]
            elif kind == b"stream":
                values = [part for _, entry in client.xrange(key) for pair in entry.items() for part in pair]
            elif kind == b"list":
                values = client.lrange(key, 0, -1)
            elif kind == b"zset":
                values = client.zrange(key, 0, -1)
            else:
                values = list(client.smembers(key))
            for value in (key, *values):
                for text in texts(value):
                    yield f"redis {key.decode(errors='replace')}", text


def in_tables(tower: Tower) -> Iterator[tuple[str, str]]:
    for (table,) in tower.rows(
        "select tablename from pg_tables where schemaname = 'public' and tablename !~ '^(cw|linear|attio|rag)_'"
    ):
        for (row,) in tower.rows(f'select t::text from "{table}" t'):  # noqa: S608 - a name of the catalogue's own
            yield f"table {table}", str(row)


def in_logs(tower: Tower) -> Iterator[tuple[str, str]]:
    logs = sorted((tower.data_dir / "logs").glob("*.log"))
    assert len(logs) >= 4
    for path in logs:
        yield f"log {path.name}", path.read_text(errors="replace")


def test_no_secret_is_anywhere_it_does_not_belong(page: Page, tower: Tower) -> None:
    heard = Heard()
    page.context.clear_cookies()
    heard.listen(page)
    log_in(page, tower)
    walk(page, tower)
    shown_key = page.locator("[data-new-token]").inner_text()
    held = {str(each.get("name")): str(each.get("value")) for each in page.context.cookies()}
    cookies = "; ".join(f"{name}={value}" for name, value in held.items())
    csrf = httpx.get(f"{tower.url}/api/auth/me", headers={"cookie": cookies}).json()["csrf_token"]
    key = call(tower, cookies, csrf, heard)
    wait_for_jobs(tower)

    access = json.loads((tower.data_dir / "access.json").read_text())
    sandbox = json.loads((tower.data_dir / "sandbox" / "state.json").read_text())
    secrets = {
        "password": PASSWORD,
        "password hash": access["password_hash"],
        "secret keys": access["secret_keys"],
        "session token": held["ct_session"],
        "device cookie": held["ct_device"],
        "csrf token": csrf,
        "api key": key,
        "api key of the page": shown_key,
        "webhook secret": WEBHOOK_SECRET,
        **{f"vendor token {name}": token for name, token in sandbox["tokens"].items()},
    }
    assert len(secrets) >= 12
    assert all(len(each) >= 12 for each in secrets.values())
    places = [
        *heard.sent, *in_logs(tower), *in_redis(tower.redis), *in_redis(tower.cache_redis), *in_tables(tower),
    ]  # fmt: skip
    assert {where.split()[0] for where, _ in places} == {
        "answer",
        "response",
        "frame",
        "log",
        "redis",
        "table",
    }
    assert any(where.startswith("redis rq:job:") for where, _ in places), "no job was looked into"
    found = {
        (name, where)
        for where, text in places
        for name, secret in secrets.items()
        if secret in text and not belongs(name, where)
    }
    assert found == set()
    # The page's key came over the websocket, with the State that shows it, and the page sent it nowhere.
    showing = [where for where, text in heard.sent if shown_key in text]
    assert showing
    assert set(showing) == {"frame framereceived"}


def belongs(name: str, where: str) -> bool:
    """The few places a secret has to be in."""
    return (name, where) in {
        # The page that made it shows it once.
        ("api key of the page", "frame framereceived"),
        ("csrf token", "table sessions"),
    } or (name == "csrf token" and where.startswith("redis ") and "session:" in where)
