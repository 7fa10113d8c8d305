"""The corpus of `make bench-query`: the demo world's own chunks, multiplied by a documented perturbation, as real rows.

The first copy is the world as it is. In every further copy each word is replaced, with the chance ``WORD_CHANCE``, by one
drawn from the world's own words by how often they occur; the vector gets Gaussian noise of the length ``NOISE`` beside its
own length 1 (its cosine to the original is then about 0.89). So frequencies of words, lengths, threads and the
shape of the vector space stay the world's. Every chunk has its raw row, as live records are looked up in them. One
row in a hundred goes to a project of its own, so that a filter can keep 1 % of the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

WORD_CHANCE = 0.25
NOISE = 0.5
RARE_EVERY = 100
_SEED = 20_261_128
# Built after the rows are in: a live index takes a few hundred rows a second.
_LATE_INDEXES = ("ix_rag_chunks_tsv", "ix_rag_chunks_body_trgm", "ix_rag_embeddings_hnsw_e5_small")

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BaseChunk:
    """A real chunk of the world: what is stored of it, where it hangs, and its vector."""

    project: str
    kind: str
    group: str
    thread_id: UUID
    record_id: UUID
    vendor_id: str
    part: int
    title: str
    header: str
    context: str
    body: str
    author: str | None
    lang: str
    source_time: datetime | None
    message_type: int
    vector: Vector


@dataclass(frozen=True, slots=True)
class Account:
    """Ids of the account that the rows go to: its scope, its projects by slug, its connections by connector."""

    scope: UUID
    projects: dict[str, UUID]
    rare: UUID
    connections: dict[str, UUID]


_READ = """
SELECT p.slug, c.kind, c.source_group, c.thread_id, s.record_id, s.vendor_id, c.part, c.title, c.header, c.context, c.body,
       c.author, c.lang, c.source_time, coalesce(m.message_type, 0), e.embedding::text
FROM rag_chunks c
JOIN projects p ON p.id = c.project_id
JOIN account_scopes a ON a.id = c.account_scope_id AND a.slug = %s
JOIN chunk_sources s ON s.chunk_id = c.id AND s.position = 0
JOIN rag_embeddings e ON e.chunk_id = c.id AND e.model_key = %s
LEFT JOIN cw_messages m ON m.id = s.record_id AND c.kind = 'message'
ORDER BY c.thread_id, c.kind <> 'issue', c.source_time, c.part
LIMIT 10000
"""


def read_world(connection: psycopg.Connection[Any], slug: str, model_key: str) -> list[BaseChunk]:
    """Up to 10,000 chunks of an account that have a vector of the model, thread by thread."""
    rows: list[Any] = connection.execute(_READ, (slug, model_key)).fetchall()
    return [BaseChunk(*row[:-1], vector=_read_vector(row[-1])) for row in rows]


def _read_vector(literal: str) -> Vector:
    return np.array([float(part) for part in literal[1:-1].split(",")], dtype=np.float32)


def load(
    connection: psycopg.Connection[Any],
    base: Sequence[BaseChunk],
    account: Account,
    model_key: str,
    total: int,
) -> int:
    """Fill the account up to ``total`` chunks and build the indexes; how many rows were added.

    The copies that are there are not made again. Needs a superuser: foreign keys are not checked row by row while loading.
    """
    have = connection.execute(
        "SELECT count(*) FROM rag_chunks WHERE account_scope_id = %s", (account.scope,)
    ).fetchone()
    done = int(have[0]) if have else 0
    if done >= total:
        return 0
    late = _drop_late_indexes(connection)
    connection.execute("SET session_replication_role = replica")
    try:
        for start in range(done, total, 20_000):
            _write(connection, base, account, model_key, range(start, min(start + 20_000, total)))
    finally:
        connection.execute("SET session_replication_role = DEFAULT")
        connection.execute("SET maintenance_work_mem = '1GB'")
        for statement in late:
            connection.execute(statement.encode())
    connection.execute("VACUUM ANALYZE")
    return total - done


def _drop_late_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    statements: list[str] = []
    for name in _LATE_INDEXES:
        row = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", (name,)).fetchone()
        if row is not None:
            statements.append(str(row[0]))
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return statements


def _write(
    connection: psycopg.Connection[Any],
    base: Sequence[BaseChunk],
    account: Account,
    model_key: str,
    places: range,
) -> None:
    tables: dict[str, list[tuple[Any, ...]]] = {}
    vocabulary = [word for chunk in base for word in chunk.body.split()]
    written: set[UUID] = set()
    for place in places:
        copy, index = divmod(place, len(base))
        rng = np.random.default_rng((_SEED, place))
        row = _Row(base[index], copy, place, account, rng, vocabulary)
        for table, values in row.tables(model_key, written):
            tables.setdefault(table, []).append(values)
    with connection.transaction():
        for table, columns in _COLUMNS.items():
            rows = tables.get(table)
            if not rows:
                continue
            # A thread may go on in the next part: its conversation or issue is there already.
            connection.execute(
                sql.SQL("CREATE TEMP TABLE stage ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(
                    _names(columns), sql.Identifier(table)
                )
            )
            with (
                connection.cursor() as cursor,
                cursor.copy(f"COPY stage ({columns}) FROM STDIN".encode()) as copying,
            ):
                for values in rows:
                    copying.write_row(values)
            connection.execute(
                sql.SQL("INSERT INTO {} ({}) SELECT {} FROM stage ON CONFLICT DO NOTHING").format(
                    sql.Identifier(table), _names(columns), _names(columns)
                )
            )
            connection.execute("DROP TABLE stage")


def _names(columns: str) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name.strip()) for name in columns.split(","))


_RAW = "account_scope_id, project_id, id, connection_id, vendor_id, url, payload, content_hash, source_created_at, synced_at"
_COLUMNS = {
    "cw_conversations": f"{_RAW}, status, labels, max_message_id",
    "cw_messages": f"{_RAW}, conversation_id, message_type, private, body, sender_name, sent_at",
    "linear_issues": (
        f"{_RAW}, identifier, title, description, priority, state_name, state_type, team_key, labels, blocked_by, trashed"
    ),
    "linear_comments": f"{_RAW}, issue_id, body, author_name",
    "attio_deals": f"{_RAW}, name, people_vendor_ids",
    "attio_notes": f"{_RAW}, parent_object, parent_vendor_id, title, body",
    "attio_companies": f"{_RAW}, name, domains, description, categories",
    "rag_chunks": (
        "account_scope_id, project_id, id, connection_id, chunk_key, source_group, kind, thread_id, part, title, header,"
        " context, body, author, lang, content_hash, source_time, status, attempts, created_at, updated_at"
    ),
    "chunk_sources": (
        "account_scope_id, project_id, chunk_id, position, source_type, record_id, vendor_id, span_start, span_end"
    ),
    "rag_embeddings": "account_scope_id, project_id, chunk_id, model_key, embedding, content_hash, created_at",
}
_CONNECTOR = {
    "message": "chatwoot", "issue": "linear", "comment": "linear", "deal": "attio", "note": "attio", "company": "attio",
}  # fmt: skip


class _Row:
    """One chunk of one copy and the rows that it is made of."""

    def __init__(
        self,
        chunk: BaseChunk,
        copy: int,
        place: int,
        account: Account,
        rng: np.random.Generator,
        vocabulary: list[str],
    ) -> None:
        self._chunk, self._copy, self._account = chunk, copy, account
        self._rng, self._words = rng, vocabulary
        self._id = _id("chunk", chunk.record_id, chunk.part, copy)
        self._rare = copy > 0 and place % RARE_EVERY == 0
        self._body = self._perturbed(chunk.body)
        self._title = self._perturbed(chunk.title)

    def tables(self, model_key: str, written: set[UUID]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Table and row, parents first; ``written`` are the raw rows that exist already."""
        chunk, account = self._chunk, self._account
        project = account.rare if self._rare else account.projects[chunk.project]
        at, connection = chunk.source_time, account.connections[_CONNECTOR[chunk.kind]]
        record = _id("record", chunk.record_id, 0, self._copy)
        thread = _id("record", chunk.thread_id, 0, self._copy)
        vendor_id, digest = f"{chunk.vendor_id}~{self._copy}", self._id.hex

        def raw(key: UUID, name: str) -> tuple[Any, ...]:
            return (
                account.scope,
                project,
                key,
                connection,
                name,
                "http://vendor.example/x",
                "{}",
                digest,
                at,
                at or _NOW,
            )

        if chunk.kind == "message" and thread not in written:
            written.add(thread)
            yield "cw_conversations", (*raw(thread, str(thread)), "open", [], 0)
        if record not in written:
            written.add(record)
            yield self._raw_row(raw(record, vendor_id), thread)
        yield "rag_chunks", (
            account.scope, project, self._id, connection, f"{chunk.kind}:{vendor_id}#{chunk.part}", chunk.group, chunk.kind,
            thread, chunk.part, self._title, chunk.header, self._perturbed(chunk.context), self._body, chunk.author,
            chunk.lang, digest, at, "ready", 0, _NOW, _NOW,
        )  # fmt: skip
        yield "chunk_sources", (
            account.scope, project, self._id, 0, chunk.kind, record, vendor_id, 0, len(self._body),
        )  # fmt: skip
        vector = "[" + ",".join(f"{value:.5f}" for value in self._vector().tolist()) + "]"
        yield "rag_embeddings", (account.scope, project, self._id, model_key, vector, digest, _NOW)

    def _raw_row(self, raw: tuple[Any, ...], thread: UUID) -> tuple[str, tuple[Any, ...]]:
        chunk = self._chunk
        if chunk.kind == "message":
            sent = chunk.source_time or _NOW
            return "cw_messages", (*raw, thread, chunk.message_type, False, self._body, chunk.author, sent)
        if chunk.kind == "issue":
            key = f"{chunk.vendor_id[:20]}-{self._copy}"
            return "linear_issues", (
                *raw, key, self._title, self._body, 0, "Todo", "unstarted", "T", [], [], False,
            )  # fmt: skip
        if chunk.kind == "comment":
            return "linear_comments", (*raw, thread, self._body, chunk.author)
        if chunk.kind == "deal":
            return "attio_deals", (*raw, self._title, [])
        if chunk.kind == "note":
            return "attio_notes", (*raw, "deals", "x", self._title, self._body)
        return "attio_companies", (*raw, self._title, [], self._body, [])

    def _perturbed(self, text: str) -> str:
        if not self._copy or not text:
            return text
        words = text.split()
        drawn: list[int] = self._rng.integers(0, len(self._words), len(words)).tolist()
        for at in np.flatnonzero(self._rng.random(len(words)) < WORD_CHANCE).tolist():
            words[at] = self._words[drawn[at]]
        return " ".join(words)

    def _vector(self) -> Vector:
        vector = self._chunk.vector
        if not self._copy:
            return vector
        noise = self._rng.standard_normal(len(vector)).astype(np.float32)
        moved = vector + noise * (NOISE / np.linalg.norm(noise))
        return (moved / np.linalg.norm(moved)).astype(np.float32)


_NOW = datetime.fromisoformat("2026-11-01T00:00:00+00:00")


def _id(what: str, key: UUID, part: int, copy: int) -> UUID:
    if what == "record" and not copy:
        return key
    return UUID(bytes=hashlib.md5(f"{what}:{key}:{part}:{copy}".encode(), usedforsecurity=False).digest())
