"""RQ's own dashboard (rq-dashboard-fast) over our queues, without a login: the web guards it.

Left alone it would read jobs as pickle, open a Redis pool without timeouts for every request, show a login of its own
and load its API docs from a CDN. What it does to Redis goes through our job class and our client instead.
"""

import asyncio
import re
import warnings
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import rq_dashboard_fast.utils.jobs as dashboard_jobs
import rq_dashboard_fast.utils.queues as dashboard_queues
import rq_dashboard_fast.utils.schedulers as dashboard_schedulers
import rq_dashboard_fast.utils.workers as dashboard_workers
from redis import Redis
from rq import Worker
from rq_dashboard_fast import RedisQueueDashboard
from rq_dashboard_fast.utils.auth import COOKIE_NAME, CSRF_COOKIE_NAME, AuthConfig

from jobs.enqueue import DashboardAnswer
from jobs.queues import JsonJob, JsonQueue
from models.infra.errors import NotFound
from models.infra.redis import queue_redis
from models.infra.settings import get_settings

Message = MutableMapping[str, Any]

# What the guard puts into the cookie of a request that it let through: stands for "somebody who is logged in".
_GUARDED = "guarded"
_TITLE = "Control Tower · RQ"
_JOB = re.compile(r"/job/([^/]+)(/requeue)?")


class QueueDashboard:
    """The dashboard below `prefix`. It talks to Redis synchronously: call `answer` in a thread."""

    def __init__(self, prefix: str) -> None:
        _speak_json()
        self._prefix = prefix
        with warnings.catch_warnings():
            # It gives FastAPI its prefix in a way that is about to go.
            warnings.filterwarnings("ignore", message="The `root_path` parameter is deprecated")
            self._app = RedisQueueDashboard(
                # Ignored: `_OurRedis` stands in for the client that is made of it.
                redis_url="",
                prefix=prefix,
                # Its scripts build absolute addresses; behind a proxy that ends TLS the request itself says http.
                protocol=urlsplit(get_settings().origin()).scheme,
                docs_url=None,
                redoc_url=None,
                openapi_url=None,
            )
        self._app.auth = _GuardedElsewhere()

    def answer(
        self, method: str, path: str, query: bytes, headers: Iterable[tuple[bytes, bytes]], csrf_token: str
    ) -> DashboardAnswer:
        """Answer a request without a body for somebody who is logged in; `path` starts with the prefix.

        The pages send `csrf_token` along with every change. Raises RedisError when Redis is away, NotFound for a job
        that it does not know.
        """
        job = _JOB.fullmatch(path.removeprefix(self._prefix))
        if job is None:
            queue_redis().ping()
        elif not JsonJob.exists(job.group(1), connection=queue_redis()):
            raise NotFound("The queue knows no such job.")
        cookies = f"{COOKIE_NAME}={_GUARDED}; {CSRF_COOKIE_NAME}={csrf_token}".encode()
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": self._prefix,
            "query_string": query,
            # Our session's cookie stays with the guard.
            "headers": [*(pair for pair in headers if pair[0] != b"cookie"), (b"cookie", cookies)],
            "client": None,
            "server": None,
        }
        sent = asyncio.run(_collect(self._app, scope))
        start = next(message for message in sent if message["type"] == "http.response.start")
        body = b"".join(message.get("body", b"") for message in sent if message is not start)
        return DashboardAnswer(start["status"], tuple(start["headers"]), body)


async def _collect(app: Callable[..., Any], scope: Message) -> list[Message]:
    """Let an ASGI app answer one request in this thread's own event loop; what it sent."""
    sent: list[Message] = []
    unread = [b""]

    async def receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        # Nobody hangs up here; whoever waits for that is cancelled when the answer is complete.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


class _GuardedElsewhere(AuthConfig):
    """Every caller that the guard let through may see and change everything; switches the CSRF check on."""

    def __init__(self) -> None:
        super().__init__(None)
        self.enabled = True

    def resolve_hash(self, token_hash: str) -> dict[str, Any] | None:
        """The rights of the guard's cookie; None for any token of the dashboard's own kind."""
        if token_hash != _GUARDED:
            return None
        # Its page of schedulers knows RQ's own alone and would show none: the jobs page has the schedule.
        return {"queues": ["*"], "access": "admin", "title": _TITLE, "allow_schedulers": False}


class _OurRedis:
    """Stands in for `redis.Redis` in the dashboard's modules: our pooled client, with its timeouts."""

    @staticmethod
    def from_url(_url: str) -> Redis:
        return queue_redis()


class _JsonWorker(Worker):
    """A worker as the dashboard reads it: its current job is a JSON job."""

    job_class = JsonJob
    queue_class = JsonQueue


def _speak_json() -> None:
    """Give the dashboard's modules our classes. They look them up by these names each time they are called."""
    for module in (dashboard_jobs, dashboard_queues, dashboard_schedulers, dashboard_workers):
        for name, ours in (
            ("Redis", _OurRedis),
            ("Job", JsonJob),
            ("Queue", JsonQueue),
            ("Worker", _JsonWorker),
        ):
            if hasattr(module, name):
                setattr(module, name, ours)
