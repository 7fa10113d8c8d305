"""The benchmark's corpus is made of real rows, is the same every time, and its promises are judged."""

import datetime as dt
from uuid import UUID

import numpy as np
import psycopg
import pytest

from deploy.bench_corpus import RARE_EVERY, Account, BaseChunk, load
from deploy.bench_query import RARE, Measured, Timing, judge
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId, ProjectId
from models.infra.scope import Scope
from models.infra.settings import get_settings
from retrieval import pipeline
from retrieval.embedding import embedding_model
from retrieval.index_store import register_model
from retrieval.profile import load_profile
from retrieval.schemas import Query
from tests.retrieval.corpus import rows
from tests.scopes import make_connection, make_scope

TEXTS = {
    "message": "We will deliver the loyalty card barcode on Friday.",
    "issue": "The barcode of the loyalty card cannot be scanned.",
    "comment": "The sharper barcode comes with the next build.",
    "deal": "Second phase of the loyalty card.",
    "note": "The client wants the barcode before the season.",
    "company": "A chain of coffee shops.",
}
GROUPS = {"message": "messages", "issue": "issues", "comment": "issues"}


def base() -> list[BaseChunk]:
    model = embedding_model(get_settings())
    vectors = model.encode(list(TEXTS.values()), "passage")
    issue = UUID(int=2)
    return [
        BaseChunk(
            "one",
            kind,
            GROUPS.get(kind, "deals"),
            issue if kind in ("issue", "comment") else UUID(int=100 + number),
            issue if kind == "issue" else UUID(int=200 + number),
            f"v{number}",
            0,
            "Loyalty card",
            "header",
            "",
            body,
            "Ivan",
            "en",
            dt.datetime(2026, 3, 2, tzinfo=dt.UTC),
            0,
            vectors[number],
        )
        for number, (kind, body) in enumerate(TEXTS.items())
    ]


def filled(url: str, *totals: int) -> Scope:
    with transaction() as session:
        register_model(session, embedding_model(get_settings()).spec)
        scope = make_scope(session, "bench", ("one", RARE))
        connections = {
            name: make_connection(session, scope, name).id for name in ("chatwoot", "linear", "attio")
        }
    account = Account(
        scope.id,
        {"one": scope.projects["one"]},
        scope.projects[RARE],
        {key: UUID(str(value)) for key, value in connections.items()},
    )
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    chunks = base()
    with psycopg.connect(plain, autocommit=True) as connection:
        for total in totals:
            load(connection, chunks, account, embedding_model(get_settings()).spec.key, total)
    return Scope.of(
        AccountScopeId(scope.id), [ProjectId(scope.projects["one"]), ProjectId(scope.projects[RARE])]
    )


def test_the_corpus_grows_to_the_size_asked_for_and_every_chunk_has_its_record(database: str) -> None:
    scope = filled(database, 60, 240)
    (counts,) = rows("SELECT count(*) AS chunks, count(DISTINCT body) AS texts FROM rag_chunks")
    assert counts.chunks == 240
    assert counts.texts > 100
    (rare,) = rows(
        "SELECT count(*) AS n FROM rag_chunks c JOIN projects p ON p.id = c.project_id WHERE p.slug = :slug",
        slug=RARE,
    )
    assert rare.n == 240 // RARE_EVERY
    asked = Query(text="When is the loyalty card barcode delivered?", scope=scope)
    with reading() as session:
        for groups, kinds in ((("messages",), {"message"}), (("issues",), {"issue", "comment"})):
            query = asked.model_copy(update={"source_filter": groups})
            found = pipeline.search(session, query, load_profile())
            assert {item.source_type for item in found.evidence} == kinds


def test_the_indexes_are_there_after_loading(database: str) -> None:
    before = {row.indexname for row in rows("SELECT indexname FROM pg_indexes")}
    filled(database, 30)
    assert {row.indexname for row in rows("SELECT indexname FROM pg_indexes")} == before


def test_a_perturbed_vector_stays_near_and_of_length_one(database: str) -> None:
    filled(database, 60)
    vectors = [
        np.array([float(part) for part in row.v[1:-1].split(",")])
        for row in rows(
            "SELECT e.embedding::text AS v FROM rag_embeddings e JOIN rag_chunks c ON c.id = e.chunk_id WHERE c.kind = 'note'"
        )
    ]
    first = vectors[0]
    assert all(np.linalg.norm(vector) == pytest.approx(1, abs=0.01) for vector in vectors)
    assert max(float(vector @ first) for vector in vectors[1:]) < 0.99


def measured(
    chunks: int, p50: float, p95: float, *, recall: float = 1.0, embedding: float = 20.0
) -> Measured:
    one = Timing("portfolio", chunks, p50, p95)
    return Measured(chunks, [one], one, Timing("embedding", chunks, embedding, embedding), recall)


def test_kept_promises_break_nothing() -> None:
    assert judge([measured(20_000, 20, 30), measured(200_000, 40, 55)]) == []


@pytest.mark.parametrize(
    ("big", "said"),
    [
        (measured(200_000, 40, 70), "p95 70 ms"),
        (measured(200_000, 65, 59), "grows 3.2 times"),
        (measured(200_000, 40, 50, recall=0.9), "recall 0.900"),
        (measured(200_000, 40, 50, embedding=50), "embedding a question takes 50 ms"),
    ],
)
def test_a_broken_promise_is_said(big: Measured, said: str) -> None:
    (line,) = judge([measured(20_000, 20, 30), big])
    assert said in line
