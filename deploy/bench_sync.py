"""`make bench-sync`: how fast a generated Chatwoot account is copied, with what memory and how many requests.

Servers and databases of its own below a temporary directory, removed at the end; the vendor and the sync are processes
of their own. Without arguments the promised cases are measured, and a broken promise is the exit status 1. With
`--conversations`, `--messages` (in each) and `--delay-ms` (before each answer) that one case is measured.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from deploy.embedded import EmbeddedServers, ServerUrls
from deploy.generated_chatwoot import AFTER, CONTACTS_A_PAGE, CONVERSATIONS_A_PAGE, Account, running
from deploy.processes import ProcessRegistry
from models.infra.crypto import encrypt, generate_key
from models.infra.database import close_database, transaction
from models.infra.settings import Settings, environment, override_settings
from models.tables.platform import AccountScope, Project, ProjectBinding, VendorConnection

_LONGEST_S = 3600
_MEMORY_MB = 300.0
_RATIO = 1.2


@dataclass(frozen=True, slots=True)
class Case:
    """What is copied, and what is promised of it: at least so many messages a second, at most so many seconds."""

    conversations: int
    messages: int
    delay_ms: float = 0.0
    rows_a_second: float | None = None
    seconds: float | None = None

    @property
    def requests(self) -> int:
        """The fewest requests that can bring it all."""
        return (
            1
            + math.ceil(self.conversations / CONVERSATIONS_A_PAGE)
            + math.ceil(self.conversations / CONTACTS_A_PAGE)
            + self.conversations * math.ceil(self.messages / AFTER)
        )


PROMISED = (
    Case(1000, 100, rows_a_second=4000),
    Case(60, 100, seconds=1.5),
    Case(60, 100, delay_ms=50, seconds=2.5),
)
# A sync that finds nothing new: so long of our own, beside the vendor's answers.
_IDLE_S = 0.2
_IDLE_REQUESTS = 10


def main() -> int:
    """Measure what the command line says; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--timed", action="store_true", help="say where the time goes (measuring costs some)")
    given = parser.parse_args()
    cases = (Case(given.conversations, given.messages, given.delay_ms),) if given.conversations else PROMISED
    broken: list[str] = []
    with bench_servers() as urls:
        for number, case in enumerate(cases):
            broken += _measure(urls, f"bench_{number}", case, timed=given.timed or not given.conversations)
    for line in broken:
        print(f"BROKEN: {line}")
    return 1 if broken else 0


def _measure(urls: ServerUrls, database: str, case: Case, *, timed: bool) -> list[str]:
    print(
        f"\n{case.conversations} conversations x {case.messages} messages,"
        f" every answer after {case.delay_ms:g} ms"
    )
    with (
        bench_database(urls, database) as env,
        running(Account(case.conversations, case.messages), case.delay_ms) as url,
    ):
        connection = _connection(env, url)
        first = _sync(env, connection)
        idle = _sync(env, connection)
        _print_run("first sync", first, case)
        _print_run("nothing new", idle, None)
    if timed:
        with (
            bench_database(urls, f"{database}_timed") as env,
            running(Account(case.conversations, case.messages), case.delay_ms) as url,
        ):
            _print_parts(_sync(env, _connection(env, url), "timed"))
    return [*_judge(first, case), *_judge_idle(idle, case)]


def _judge(run: dict[str, Any], case: Case) -> list[str]:
    counts, seconds = run["counts"], run["seconds"]
    here = counts["streams"]["messages"]["inserted"]
    rate, ratio = here / seconds, counts["requests"] / case.requests
    broken: list[str] = []
    if run["status"] != "ok" or here != case.conversations * case.messages:
        broken.append(f"{here} messages of {case.conversations * case.messages}: {run['status']}")
    if case.rows_a_second and rate < case.rows_a_second:
        broken.append(f"{rate:.0f} messages a second, promised are {case.rows_a_second:.0f}")
    if case.seconds and seconds > case.seconds:
        broken.append(f"{seconds:.2f} s, promised are {case.seconds} s")
    if ratio > _RATIO:
        broken.append(f"{ratio:.2f} times the fewest requests, promised are {_RATIO}")
    if run["rss_peak_mb"] > _MEMORY_MB:
        broken.append(f"{run['rss_peak_mb']:.0f} MB, promised are {_MEMORY_MB:.0f} MB")
    return broken


def _judge_idle(run: dict[str, Any], case: Case) -> list[str]:
    broken: list[str] = []
    if run["counts"]["written"]:
        broken.append(f"{run['counts']['written']} rows written with nothing new")
    requests = run["counts"]["requests"]
    if run["seconds"] > _IDLE_S + requests * case.delay_ms / 1000 or requests > _IDLE_REQUESTS:
        broken.append(f"nothing new took {run['seconds']:.2f} s and {requests} requests")
    return broken


def _print_run(title: str, run: dict[str, Any], case: Case | None) -> None:
    counts = run["counts"]
    least = f" ({counts['requests'] / case.requests:.2f} x the fewest possible)" if case else ""
    print(
        f"  {title}: {run['seconds']:.2f} s ({run['cpu_seconds']:.2f} s of this process's CPU), {run['status']},"
        f" {counts['written']} rows written, {counts['requests']} requests{least}, peak RSS {run['rss_peak_mb']:.0f} MB"
        f" ({run['rss_before_mb']:.0f} MB before it began)"
    )
    if case is None:
        return
    for stream, seconds in run["stream_seconds"].items():
        own = counts["streams"][stream]["fetched"]
        print(f"    {stream:14} {own:8} rows {seconds:8.2f} s {own / max(seconds, 1e-9):10.0f} rows/s")
    messages = counts["streams"].get("messages", {}).get("inserted", 0)
    print(f"    end to end     {messages:8} messages            {messages / run['seconds']:10.0f} messages/s")


def _print_parts(run: dict[str, Any]) -> None:
    print(f"  where the time goes ({run['seconds']:.2f} s with the measuring):")
    for part, (seconds, calls) in run["parts"].items():
        print(f"    {part:20} {seconds:8.2f} s in {calls} calls")


def _sync(env: dict[str, str], connection: str, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "deploy.bench_worker", connection, *more]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-4000:])
    return json.loads(done.stdout)


@contextmanager
def bench_servers() -> Iterator[ServerUrls]:
    """Data servers below a temporary directory, as durable as in production, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="control-tower-bench-") as directory:
        data = Path(directory)
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]  # constructor argument of pydantic-settings
            data_dir=data,
            database_url="",
            redis_url="",
            cache_redis_url="",
        )
        servers = EmbeddedServers(settings, ProcessRegistry(data / "processes.json"))
        try:
            yield servers.start()
        finally:
            servers.stop()


@contextmanager
def bench_database(urls: ServerUrls, name: str) -> Iterator[dict[str, str]]:
    """A migrated database of its own and the environment of processes that work on it."""
    plain = urls.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        env = environment(
            APP_ENV="test",
            LOG_LEVEL="warning",
            SECRET_KEYS=generate_key(),
            DATABASE_URL=f"{urls.database_url.rpartition('/')[0]}/{name}",
            REDIS_URL=urls.redis_url,
            CACHE_REDIS_URL=urls.cache_redis_url,
        )
        subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], env=env, check=True, timeout=120)
        try:
            yield env
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _connection(env: dict[str, str], url: str) -> str:
    """Make a scope with one client project and a connection to the vendor; return the connection's id."""
    with override_settings(database_url=env["DATABASE_URL"], secret_keys=env["SECRET_KEYS"]):
        try:
            with transaction() as session:
                scope = AccountScope(slug="bench", name="Bench", timezone="UTC")
                session.add(scope)
                session.flush()
                client = Project(account_scope_id=scope.id, slug="client", name="Client", kind="client")
                rest = Project(account_scope_id=scope.id, slug="rest", name="Rest", kind="unassigned")
                connection = VendorConnection(
                    account_scope_id=scope.id,
                    connector="chatwoot",
                    name="Generated",
                    base_url=url,
                    external_account="1",
                    token_encrypted=encrypt("any"),
                )
                session.add_all([client, rest, connection])
                session.flush()
                session.add(
                    ProjectBinding(
                        account_scope_id=scope.id,
                        project_id=client.id,
                        connection_id=connection.id,
                        priority=1,
                        rule_kind="inbox",
                        rule_value="inbox 1",
                    )
                )
                return str(connection.id)
        finally:
            close_database()


if __name__ == "__main__":
    raise SystemExit(main())
