"""A small indexed world for a quick run of the notebooks: two clients of the demo, copied and indexed like the whole.

The sandbox serves the whole world, so that every record has the id that the gold questions know it by; the connectors copy
it, what belongs to other clients is marked as deleted, and the real indexing makes chunks and vectors of the rest. No
queue takes part. A few votes are given to gold questions of the development half, so that there is something to replay.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlalchemy import update
from sqlmodel import Session, col, select

from deploy.databases import migrate, pointed_to
from deploy.demo import SCOPE_SLUG, UNASSIGNED, SandboxVendors, ensure_demo
from deploy.embedded import EmbeddedServers, free_port, is_free
from deploy.processes import ProcessRegistry
from jobs.indexing import index_pending
from jobs.sandbox.world.loader import load_studio
from jobs.sync import sync_connection
from models.infra.clock import utcnow
from models.infra.crypto import generate_key
from models.infra.database import close_database, reading, transaction
from models.infra.ids import AccountScopeId, ConnectionId
from models.infra.redis import close_clients
from models.infra.scope import Scope
from models.infra.settings import Settings, adopt, environment
from models.tables.attio import Company, Deal, Note, Person
from models.tables.chatwoot import Contact, Conversation, Message
from models.tables.linear import Comment, Issue
from models.tables.platform import Project, VendorConnection
from models.tables.retrieval import ChunkSource
from retrieval import pipeline
from retrieval.evaluation.datasets import GoldQuestion, development_questions
from retrieval.evaluation.feedback import complete_case
from retrieval.evaluation.world import find_world
from retrieval.schemas import Query

# One client writes in English, the other in Russian.
CLIENTS = ("harbor-pine", "severny-bereg")
_START_S = 60.0
_INDEX_S = 900.0
# So many votes are given; of each three, two are completed with the right records.
_VOTES = 12


@contextmanager
def small_world(data_dir: Path) -> Iterator[None]:
    """The settings point to servers below a directory whose database holds the small world; it is made once and stays."""
    data_dir.mkdir(parents=True, exist_ok=True)
    own = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]  # constructor argument of pydantic-settings
        data_dir=data_dir,
        database_url="",
        redis_url="",
        cache_redis_url="",
    )
    servers = EmbeddedServers(own, ProcessRegistry(data_dir / "processes.json"), durable=False)
    try:
        urls = servers.start()
        adopt(REDIS_URL=urls.redis_url, CACHE_REDIS_URL=urls.cache_redis_url)
        with pointed_to(urls.database_url):
            migrate(urls.database_url)
            _fill(data_dir)
            yield
    finally:
        close_database()
        close_clients()
        servers.stop()


def _fill(data_dir: Path) -> None:
    done = data_dir / "filled"
    if done.exists():
        return
    # The token is of a sandbox that lives as long as this block.
    adopt(SECRET_KEYS=generate_key())
    with _vendors(data_dir / "sandbox") as vendors:
        with transaction() as session:
            scope_id = ensure_demo(session, vendors, load_studio().only(CLIENTS)).account_scope_id
            connections = session.exec(
                select(VendorConnection.id).where(VendorConnection.account_scope_id == scope_id)
            ).all()
        for connection_id in connections:
            copied = sync_connection(ConnectionId(connection_id), lambda _: None)
            if copied.errors:
                raise RuntimeError(f"the small world was not copied: {dict(copied.errors)}")
    with transaction() as session:
        _leave_out_other_clients(session, AccountScopeId(scope_id))
    result = index_pending(AccountScopeId(scope_id), budget_s=_INDEX_S)
    if result.pending or result.failed:
        raise RuntimeError(
            f"the small world was not indexed: {result.pending} pending, {result.failed} failed"
        )
    _vote()
    done.touch()


def _leave_out_other_clients(session: Session, scope_id: AccountScopeId) -> None:
    """What no rule of the two clients claims was put aside as unassigned."""
    rest = session.exec(
        select(Project.id).where(Project.account_scope_id == scope_id, Project.slug == UNASSIGNED)
    ).one()
    for table in (Contact, Conversation, Message, Issue, Comment, Company, Person, Deal, Note):
        session.execute(update(table).where(col(table.project_id) == rest).values(deleted_at=utcnow()))


def _vote() -> None:
    questions = [
        item for item in development_questions() if item.project in CLIENTS and item.scope == "project"
    ]
    chosen = questions[:: max(1, len(questions) // _VOTES)][:_VOTES]
    with reading() as session:
        world = find_world(session, SCOPE_SLUG, chosen)
    for place, question in enumerate(chosen):
        scope = world.of(question)
        run = pipeline.ask(transaction, Query(text=question.question, scope=scope)).query_run_id
        with transaction() as session:
            pipeline.record_feedback(session, scope, run, "down", "a sample vote of the quick run")
            if place % 3:
                complete_case(session, scope, run, _records(session, scope, question))


def _records(session: Session, scope: Scope, question: GoldQuestion) -> list[str]:
    vendor_ids = [vendor_id for _, vendor_id in question.evidence]
    rows = session.exec(
        select(ChunkSource.source_type, ChunkSource.record_id, ChunkSource.vendor_id).where(
            ChunkSource.account_scope_id == scope.account_scope_id, col(ChunkSource.vendor_id).in_(vendor_ids)
        )
    ).all()
    return sorted(
        {f"{kind}:{record}" for kind, record, vendor in rows if (kind, vendor) in question.evidence}
    )


@contextmanager
def _vendors(state_dir: Path) -> Iterator[SandboxVendors]:
    base = _free_ports()
    command = [
        *(sys.executable, "-m", "jobs.sandbox", "serve"),
        *("--state-dir", str(state_dir)),
        *("--port-base", str(base)),
    ]
    with subprocess.Popen(command, env=environment(LOG_LEVEL="warning")) as process:
        try:
            until = time.monotonic() + _START_S
            for port in range(base, base + 3):
                _wait_for(f"http://127.0.0.1:{port}/", process, until)
            tokens = json.loads((state_dir / "state.json").read_text())["tokens"]
            yield SandboxVendors(base, tokens)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_ports() -> int:
    for _ in range(50):
        base = free_port()
        if base < 65_000 and all(is_free(port) for port in range(base, base + 3)):
            return base
    raise RuntimeError("no three free ports in a row")


def _wait_for(url: str, process: "subprocess.Popen[bytes]", until: float) -> None:
    while time.monotonic() < until and process.poll() is None:
        try:
            httpx.get(url, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the sandbox does not answer at {url}")
