"""`make bench-query`: how long a question takes with 20,000 and 200,000 chunks (`--large`: 1,000,000 too), and who takes it.

Servers and a database of their own below a temporary directory (`--keep DIR`: below that one, and used again). The corpus
is the demo's world, multiplied (`deploy.bench_corpus`). Hybrid search is timed without any cache and without the
question's embedding, which is reported apart, with every sort of filter; the predecessor's SQL runs on the same rows in
the same run. A broken promise is the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psutil
import psycopg
from sqlalchemy import text
from sqlmodel import Session, col, select

from deploy.bench_corpus import Account, BaseChunk, load, read_world
from deploy.databases import NoDemo, demo_database, migrate, pointed_to, scratch_postgres
from models.infra.clock import utcnow
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from models.infra.settings import get_settings
from models.tables.platform import AccountScope, Project, VendorConnection
from models.tables.retrieval import LexiconEntry
from retrieval import pipeline, store
from retrieval.embedding import embedding_model, model_spec
from retrieval.evaluation import predecessor
from retrieval.evaluation.datasets import development_questions
from retrieval.evaluation.metrics import percentile
from retrieval.evaluation.run import SCOPE_SLUG
from retrieval.filters import Filters
from retrieval.index_store import register_model
from retrieval.profile import load_profile
from retrieval.retrievers import query_vector
from retrieval.schemas import Query

SIZES = (20_000, 200_000)
LARGE = 1_000_000
QUESTIONS = 60
RARE = "rare"
REPORTS = Path("reports")
# What is promised (milliseconds, without the question's embedding).
PROMISED_MS = 60.0
EMBEDDING_MS = 40.0
GROWTH = 3.0
RECALL = 0.95
_RECALL_AT = 50


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one case at one size: the whole without embedding, and its legs.

    ``cpu`` is the mean processor time of this process and of its database backend together: what a busy machine cannot blur.
    """

    case: str
    chunks: int
    p50: float
    p95: float
    cpu: float = 0.0
    legs: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything of one size."""

    chunks: int
    timings: list[Timing]
    predecessor: Timing
    embedding: Timing
    recall: float


def main(arguments: list[str]) -> int:
    """Load, measure, print and write the report; 1 when a promise is broken or there is no demo."""
    parser = argparse.ArgumentParser(prog="make bench-query", description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--large", action="store_true", help=f"measure {LARGE:,} chunks as well")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--keep", type=Path, help="where the loaded database stays for the next run")
    given = parser.parse_args(arguments)
    chosen: set[int] = {int(size) for size in given.chunks}
    sizes: list[int] = sorted(chosen | ({LARGE} if given.large else set()))
    try:
        base, words = _read_demo()
    except NoDemo as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(base)} real chunks with vectors, {len(words)} words in the lexicon")
    with _server(given.keep) as url, pointed_to(url):
        migrate(url)
        account = _account(base, words)
        measured: list[Measured] = []
        for size in sizes:
            started = time.monotonic()
            with psycopg.connect(_plain(url), autocommit=True) as connection:
                added = load(connection, base, account, model_spec(get_settings()).key, size)
            print(f"{size:,} chunks: {added:,} added in {time.monotonic() - started:.0f} s")
            measured.append(_measure(account, size, given.questions))
            _print(measured[-1])
    broken = judge(measured)
    _write(measured, broken, len(base))
    for line in broken:
        print(f"BROKEN: {line}")
    return 1 if broken else 0


def judge(measured: Sequence[Measured]) -> list[str]:
    """The promises that the figures break, one sentence each."""
    broken: list[str] = []
    by_size = {item.chunks: {timing.case: timing for timing in item.timings} for item in measured}
    for item in measured:
        if item.recall < RECALL:
            broken.append(
                f"{item.chunks:,} chunks: recall {item.recall:.3f} under the 1 % filter, promised {RECALL}"
            )
        if item.embedding.p95 > EMBEDDING_MS:
            broken.append(
                f"embedding a question takes {item.embedding.p95:.0f} ms, promised {EMBEDDING_MS:.0f}"
            )
    small, big = SIZES
    for case, timing in by_size.get(big, {}).items():
        if timing.p95 > PROMISED_MS:
            broken.append(f"{case} at {big:,} chunks: p95 {timing.p95:.0f} ms, promised {PROMISED_MS:.0f}")
        before = by_size.get(small, {}).get(case)
        if before is not None and timing.p50 > GROWTH * before.p50:
            broken.append(f"{case}: grows {timing.p50 / before.p50:.1f} times, promised {GROWTH:.0f}")
    return broken


def _measure(account: Account, size: int, count: int) -> Measured:
    questions = [item for item in development_questions() if item.project in account.projects][
        :: max(1, 228 // count)
    ][:count]
    everything = _scope(account, [*account.projects.values(), account.rare])
    rare = _scope(account, [account.rare])
    recent = utcnow() - timedelta(days=60)
    cases: dict[str, Callable[[str, str], Query]] = {
        "portfolio": lambda asked, _: Query(text=asked, scope=everything),
        "one project": lambda asked, home: Query(text=asked, scope=_scope(account, [account.projects[home]])),
        "one source": lambda asked, _: Query(text=asked, scope=everything, source_filter=("issues",)),
        "60 days": lambda asked, _: Query(text=asked, scope=everything, date_from=recent),
        "1 % of rows": lambda asked, _: Query(text=asked, scope=rare),
    }
    profile, model = load_profile(), embedding_model(get_settings())
    embedding = [_timed(lambda text=item.question: model.encode([text], "query")) for item in questions]
    timings: list[Timing] = []
    theirs: list[dict[str, float]] = []
    with reading() as session:
        for case, made in cases.items():
            for item in questions[:5]:
                pipeline.search(session, made(item.question, item.project), profile)
            with _processor(session) as used:
                laps = [_search(session, made(item.question, item.project), profile) for item in questions]
            timings.append(_summary(case, size, laps, used))
        for item in questions:
            query_vector(model, item.question)
        with _processor(session) as their_cpu:
            for item in questions:
                vector = query_vector(model, item.question)
                found = predecessor.search(
                    session, item.question, everything, model.spec, vector, keys="record"
                )
                theirs.append({**found.timings_ms, "whole": sum(found.timings_ms.values())})
        recall = sum(_recall(session, rare, item.question) for item in questions) / len(questions)
    return Measured(
        size,
        timings,
        _summary("predecessor, portfolio", size, theirs, their_cpu),
        _summary("embedding", size, [{"whole": took} for took in embedding]),
        recall,
    )


def _search(session: Session, query: Query, profile: pipeline.Profile) -> dict[str, float]:
    # The question's vector is kept per text; what it costs is measured apart.
    started = time.perf_counter()
    found = pipeline.search(session, query, profile)
    whole = (time.perf_counter() - started) * 1000
    laps = dict(found.result.timings_ms)
    whole -= laps.pop("embedding", 0.0)
    laps["ranking and the rest"] = whole - sum(laps.values())
    return {**laps, "whole": whole}


def _recall(session: Session, scope: Scope, question: str) -> float:
    """Of the nearest vectors of a scope by exact search, the share that the index finds."""
    model = embedding_model(get_settings())
    vector, filters = query_vector(model, question), Filters(scope)
    found = {key for key, _ in store.search_vectors(session, filters, model.spec, vector, _RECALL_AT)}
    connection = session.connection()
    connection.execute(text("SET LOCAL enable_indexscan = off"))
    exact = [key for key, _ in store.search_vectors(session, filters, model.spec, vector, _RECALL_AT)]
    connection.execute(text("SET LOCAL enable_indexscan = on"))
    return len(found & set(exact)) / max(len(exact), 1)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


@contextmanager
def _processor(session: Session) -> Iterator[list[float]]:
    """A list that holds, once the block has ended, the milliseconds of processor time spent in it here and in the backend."""
    backend = psutil.Process(session.connection().execute(text("SELECT pg_backend_pid()")).scalar_one())
    used: list[float] = []
    before = time.process_time() + sum(backend.cpu_times()[:2])
    yield used
    used.append((time.process_time() + sum(backend.cpu_times()[:2]) - before) * 1000)


def _summary(case: str, size: int, laps: Sequence[dict[str, float]], used: Sequence[float] = ()) -> Timing:
    names = dict.fromkeys(name for lap in laps for name in lap if name != "whole")
    whole = [lap["whole"] for lap in laps]
    legs = {name: round(percentile([lap.get(name, 0.0) for lap in laps], 0.5), 2) for name in names}
    cpu = round(sum(used) / max(len(laps), 1), 2)
    return Timing(case, size, round(percentile(whole, 0.5), 2), round(percentile(whole, 0.95), 2), cpu, legs)


def _print(item: Measured) -> None:
    for timing in (*item.timings, item.predecessor, item.embedding):
        legs = ", ".join(f"{name} {value:.1f}" for name, value in timing.legs.items())
        print(
            f"  {timing.case:24} p50 {timing.p50:7.1f}  p95 {timing.p95:7.1f} ms  cpu {timing.cpu:7.1f}   {legs}"
        )
    print(f"  recall@{_RECALL_AT} of exact search under the 1 % filter: {item.recall:.3f}", flush=True)


def _write(measured: Sequence[Measured], broken: Sequence[str], real: int) -> None:
    REPORTS.mkdir(exist_ok=True)
    head = (
        f"{utcnow():%Y-%m-%d}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {real} real chunks with vectors,"
        " the rest a perturbation of them."
    )
    lines = [
        "# Time of a question",
        "",
        head,
        "",
        "| case | chunks | p50 ms | p95 ms | processor ms (mean) | legs (p50 ms) |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for item in measured:
        for timing in (*item.timings, item.predecessor, item.embedding):
            legs = ", ".join(f"{name} {value:.1f}" for name, value in timing.legs.items())
            lines.append(
                f"| {timing.case} | {item.chunks:,} | {timing.p50:.1f} | {timing.p95:.1f} | {timing.cpu:.1f} | {legs} |"
            )
    lines += [
        "",
        *(
            f"- recall@{_RECALL_AT} under the 1 % filter, {item.chunks:,}: {item.recall:.3f}"
            for item in measured
        ),
    ]
    lines += [f"- BROKEN: {line}" for line in broken]
    (REPORTS / "bench-query.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = {"head": head, "sizes": [asdict(item) for item in measured], "broken": list(broken)}
    (REPORTS / "bench-query.json").write_text(json.dumps(data, indent=1), encoding="utf-8")


Words = list[tuple[str, str, str, object]]


def _read_demo() -> tuple[list[BaseChunk], Words]:
    settings = get_settings()
    with demo_database(settings):
        with psycopg.connect(_plain(get_settings().database_url)) as connection:
            base = read_world(connection, SCOPE_SLUG, model_spec(settings).key)
        with reading() as session:
            rows = session.exec(
                select(LexiconEntry)
                .join(AccountScope, col(AccountScope.id) == col(LexiconEntry.account_scope_id))
                .where(AccountScope.slug == SCOPE_SLUG)
            ).all()
            words: Words = [(row.stem, row.word, row.model_key, row.embedding) for row in rows]
    if not base:
        raise NoDemo("The demo has no indexed chunks yet: run `make up` and let its index grow.")
    return base, words


def _account(base: Sequence[BaseChunk], words: Words) -> Account:
    """The account of the database, made when it is not there."""
    with transaction() as session:
        register_model(session, model_spec(get_settings()))
        held = session.exec(select(AccountScope).where(AccountScope.slug == "bench")).one_or_none()
        if held is None:
            held = AccountScope(slug="bench", name="Bench", timezone="UTC")
            session.add(held)
            session.flush()
            for slug in sorted({chunk.project for chunk in base} | {RARE}):
                name = slug.replace("-", " ").title()
                kind = "unassigned" if slug == "unassigned" else "client"
                session.add(Project(account_scope_id=held.id, slug=slug, name=name, kind=kind))
            for connector in ("chatwoot", "linear", "attio"):
                session.add(
                    VendorConnection(
                        account_scope_id=held.id,
                        connector=connector,
                        name=connector,
                        base_url="http://vendor.invalid",
                        external_account="1",
                        token_encrypted="",
                    )
                )
            for stem, word, model_key, embedding in words:
                session.add(
                    LexiconEntry(
                        account_scope_id=held.id,
                        stem=stem,
                        word=word,
                        model_key=model_key,
                        embedding=embedding,
                        created_at=utcnow(),
                    )
                )
            session.flush()
        projects = {
            row.slug: row.id
            for row in session.exec(select(Project).where(Project.account_scope_id == held.id))
        }
        connections = {
            row.connector: row.id
            for row in session.exec(
                select(VendorConnection).where(VendorConnection.account_scope_id == held.id)
            )
        }
        rare = projects.pop(RARE)
        return Account(held.id, projects, rare, connections)


def _scope(account: Account, projects: Sequence[UUID]) -> Scope:
    return Scope.of(AccountScopeId(account.scope), [ProjectId(project) for project in projects])


@contextmanager
def _server(keep: Path | None) -> Iterator[str]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        with scratch_postgres(keep.resolve()) as url:
            yield url
        return
    with (
        tempfile.TemporaryDirectory(prefix="control-tower-bench-") as directory,
        scratch_postgres(Path(directory)) as url,
    ):
        yield url


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
