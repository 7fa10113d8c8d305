"""Rows of the API benchmark: the shape that BENCH_SHAPE names, written into our tables by COPY.

The shape is a Python file that yields plain rows, whatever the schema (a folder with `shape.py` in it). Its 1,536-dimensional
vectors are cut to the first `DIMENSION` numbers and made unit length again: of independent normal numbers any subset is
as good, so neighbours are as random as in the original. Indexes that are slow to fill are built after the rows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector

from models.infra.clock import utcnow
from models.infra.ids import new_id

DIMENSION = 384
MODEL_KEY = "openai:bench"
SESSIONS = 20_000


class ShapeMissing(RuntimeError):
    """BENCH_SHAPE names no folder with a shape.py."""


def load_shape(folder: str) -> ModuleType:
    """The shape's module. Raises ShapeMissing when there is none."""
    path = Path(folder) / "shape.py" if folder else None
    if path is None or not path.is_file():
        raise ShapeMissing(
            "BENCH_SHAPE must name the folder of the benchmark's shape (shape.py and its README)"
        )
    spec = importlib.util.spec_from_file_location("bench_shape", path)
    if spec is None or spec.loader is None:
        raise ShapeMissing(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def token_of(number: int) -> str:
    """The session token of a benchmark's browser."""
    return f"bench-session-token-{number:08d}"


def seed(database_url: str, shape: Any, scale: int) -> None:
    """Fill an empty, migrated database with the shape at a scale (1: S, 10: M)."""
    with psycopg.connect(database_url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute("SET maintenance_work_mem = '1GB'")
        register_vector(connection)
        definitions = _drop_slow_indexes(connection)
        writer = _Writer(connection, shape, scale)
        writer.write_scope()
        for number in range(shape.PROJECTS):
            writer.write_project(number)
            # References are checked at commit; an index cannot be made before that.
            connection.commit()
        writer.write_sessions()
        connection.commit()
        for definition in definitions:
            connection.execute(definition.encode())
        # What the explicit change of an embedding model does: a partial index of the model's own.
        connection.execute(
            f"CREATE INDEX ix_rag_embeddings_hnsw_bench ON rag_embeddings USING hnsw ((embedding::halfvec({DIMENSION}))"
            f" halfvec_cosine_ops) WHERE model_key = '{MODEL_KEY}'".encode()
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")


def _drop_slow_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        "SELECT i.indexname, i.indexdef FROM pg_indexes i WHERE i.schemaname = 'public'"
        " AND (i.indexdef LIKE '%USING gin%' OR i.indexdef LIKE '%USING hnsw%')"
    ).fetchall()
    for name, _ in rows:
        connection.execute(f'DROP INDEX "{name}"'.encode())
    return [definition for _, definition in rows]


class _Writer:
    """Writes one scope of the shape, project by project."""

    def __init__(self, connection: psycopg.Connection[Any], shape: Any, scale: int) -> None:
        self._db, self._shape, self._scale = connection, shape, scale
        self.scope = new_id()
        self.slugs: list[str] = []
        self._connections = {name: new_id() for name in ("chatwoot", "linear", "attio")}
        self._now: dt.datetime = shape.NOW

    def write_scope(self) -> None:
        """The account scope with its connections and what their runs left."""
        self._db.execute(
            "INSERT INTO account_scopes (id, slug, name, timezone, base_currency) VALUES (%s, 'bench', 'Bench', 'UTC', 'EUR')",
            [self.scope],
        )
        for name, identity in self._connections.items():
            self._db.execute(
                "INSERT INTO vendor_connections (id, account_scope_id, connector, name, base_url, external_account,"
                " token_encrypted, settings) VALUES (%s, %s, %s, %s, %s, '1', 'none', '{}')",
                [identity, self.scope, name, name, f"http://{name}.example.com"],
            )
            self._db.execute(
                "INSERT INTO connector_sync_state (connection_id, account_scope_id, status, last_success_at)"
                " VALUES (%s, %s, 'ok', %s)",
                [identity, self.scope, self._now],
            )
        streams = (
            ("chatwoot", "messages"),
            ("chatwoot", "contacts"),
            ("linear", "issues"),
            ("attio", "deals"),
        )
        self._copy(
            "sync_reconciliation_metrics",
            "id account_scope_id connection_id stream method vendor_count local_count missing extra stale duplicates"
            " completeness_pct ids_seen measured_at",
            (
                (new_id(), self.scope, self._connections[connector], stream, "ids", 1000, 1000, 0, 0, 0, 0, 100.0,
                 1000, self._now - dt.timedelta(days=day))
                for day in range(60) for connector, stream in streams
            ),
        )  # fmt: skip
        self._copy(
            "job_runs",
            "id job subject account_scope_id connector status requested_by queued_at started_at finished_at",
            (
                (
                    new_id(),
                    "sync",
                    str(self._connections["linear"]),
                    self.scope,
                    "linear",
                    "succeeded",
                    "schedule",
                    at,
                    at,
                    at,
                )
                for at in (self._now - dt.timedelta(minutes=15 * back) for back in range(2_000, 0, -1))
            ),
        )
        self._db.execute(
            "INSERT INTO embedding_models (key, provider, dimension) VALUES (%s, 'openai', %s)",
            [MODEL_KEY, DIMENSION],
        )

    def write_project(self, number: int) -> None:
        """One project with all its rows."""
        project, slug = new_id(), f"project-{number}"
        self.slugs.append(slug)
        self._db.execute(
            "INSERT INTO projects (id, account_scope_id, slug, name, kind) VALUES (%s, %s, %s, %s, 'client')",
            [project, self.scope, slug, f"Project {number}"],
        )
        self._talk(number, project)
        self._delivery(number, project)
        self._commerce(number, project)

    def _talk(self, number: int, project: UUID) -> None:
        shape, scale = self._shape, self._scale
        contacts: dict[int, UUID] = {}
        conversations: dict[int, UUID] = {}

        def contact_rows() -> Iterator[tuple[Any, ...]]:
            for row in shape.contacts(number, scale):
                contacts[row["n"]] = new_id()
                yield (*self._raw(contacts[row["n"]], project, "chatwoot", row["n"], row["updated_at"]), row["name"],
                       row["email"], row["phone"], row["updated_at"])  # fmt: skip

        self._copy("cw_contacts", f"{_RAW} name email phone last_activity_at", contact_rows())

        def conversation_rows() -> Iterator[tuple[Any, ...]]:
            for row in shape.conversations(number, scale):
                conversations[row["n"]] = new_id()
                yield (*self._raw(conversations[row["n"]], project, "chatwoot", row["n"], row["updated_at"]),
                       str(row["inbox"]), f"inbox {row['inbox']}", contacts[row["contact_n"]], str(row["contact_n"]),
                       row["status"], f"agent {row['assignee']}", row["updated_at"])  # fmt: skip

        self._copy(
            "cw_conversations",
            f"{_RAW} inbox_vendor_id inbox_name contact_id contact_vendor_id status assignee_name last_activity_at",
            conversation_rows(),
        )
        messages = [(new_id(), row) for row in shape.messages(number, scale)]
        self._copy(
            "cw_messages",
            f"{_RAW} conversation_id message_type private body sender_type sender_name sent_at",
            (
                (*self._raw(identity, project, "chatwoot", row["n"], row["created_at"]), conversations[row["conv_n"]],
                 0 if row["inbound"] else 1, row["private"], row["content"], "contact" if row["inbound"] else "user",
                 "Client" if row["inbound"] else "Studio", row["created_at"])
                for identity, row in messages
            ),
        )  # fmt: skip
        self._copy(
            "cw_attachments",
            f"{_RAW} message_id file_type file_name",
            (
                (*self._raw(new_id(), project, "chatwoot", row["n"], row["created_at"]), identity, "file", "brief.pdf")
                for identity, row in messages if row["attach"]
            ),
        )  # fmt: skip
        self._chunks(number, project, messages, conversations)

    def _chunks(
        self, number: int, project: UUID, messages: list[tuple[UUID, Any]], conversations: dict[int, UUID]
    ) -> None:
        chunks = [(new_id(), identity, row) for identity, row in messages]
        self._copy(
            "rag_chunks",
            "id account_scope_id project_id connection_id chunk_key source_group kind thread_id part title header context"
            " body author lang content_hash source_time status",
            (
                (chunk, self.scope, project, self._connections["chatwoot"], f"message:{row['n']}", "messages", "message",
                 conversations[row["conv_n"]], 0, "", "", "", row["content"], "Client", "en", _hash(row["content"]),
                 row["created_at"], "ready")
                for chunk, _, row in chunks
            ),
        )  # fmt: skip
        self._copy(
            "chunk_sources",
            "chunk_id account_scope_id project_id position source_type record_id vendor_id span_start span_end",
            (
                (chunk, self.scope, project, 0, "message", identity, str(row["n"]), 0, len(row["content"]))
                for chunk, identity, row in chunks
            ),
        )
        vectors = self._shape.vectors(number, len(chunks))
        self._copy(
            "rag_embeddings",
            "chunk_id account_scope_id project_id model_key embedding content_hash",
            (
                (chunk, self.scope, project, MODEL_KEY, HalfVector(cut(vector)), _hash(row["content"]))
                for (chunk, _, row), vector in zip(chunks, vectors, strict=True)
            ),
        )

    def _delivery(self, number: int, project: UUID) -> None:
        now, shape = self._now, self._shape
        self._copy("linear_projects", f"{_RAW} name", self._named(project, "linear", number, "project", 5))
        self._copy(
            "linear_states",
            f"{_RAW} name type",
            ((*row, "started") for row in self._named(project, "linear", number, "state", 4)),
        )
        self._copy(
            "linear_cycles",
            f"{_RAW} name number",
            ((*row, at) for at, row in enumerate(self._named(project, "linear", number, "cycle", 3))),
        )
        self._copy(
            "linear_issues",
            f"{_RAW} description identifier title priority due_date state_name state_type team_key assignee_name labels blocked_by completed_at",
            (
                (*self._raw(new_id(), project, "linear", f"{number}-{row['n']}", row["updated_at"]),
                 "", f"P{number}-{row['n']}", row["title"], row["priority"], row["due"], row["state"], row["type"],
                 f"P{number}", row["assignee"], row["labels"], [f"P{number}-1"] if row["blocked"] else [],
                 row["completed_at"])
                for row in shape.issues(number, self._scale)
            ),
        )  # fmt: skip
        self._copy(
            "connector_errors",
            "id account_scope_id project_id connection_id stream unit error_kind message status created_at",
            (
                (new_id(), self.scope, project, self._connections["linear"], "issues", f"{number}-{at}", "bad_record",
                 "a field is missing", "pending", now)
                for at in range(20)
            ),
        )  # fmt: skip

    def _commerce(self, number: int, project: UUID) -> None:
        shape = self._shape
        companies: list[UUID] = []

        def company_rows() -> Iterator[tuple[Any, ...]]:
            for row in shape.attio_accounts(number, self._scale):
                companies.append(new_id())
                yield (*self._raw(companies[-1], project, "attio", f"c{number}-{row['n']}", row["updated_at"]), row["name"],
                       [row["domain"]], "")  # fmt: skip

        self._copy("attio_companies", f"{_RAW} name domains description", company_rows())
        people = shape.counts(self._scale)["attio_people"]
        self._copy("attio_people", f"{_RAW} name", self._named(project, "attio", number, "person", people))
        deals = [(new_id(), row) for row in shape.opps(number, self._scale, "attio_opps")]
        self._copy(
            "attio_deals",
            f"{_RAW} name stage value currency company_id next_step close_date",
            (
                (*self._raw(identity, project, "attio", f"d{number}-{row['n']}", row["updated_at"]), row["title"],
                 row["stage"], row["amount"], "EUR", companies[row["account"]], row["next_step"], row["close"])
                for identity, row in deals
            ),
        )  # fmt: skip
        accounts = [new_id() for _ in companies]
        self._copy(
            "crm_accounts",
            "id account_scope_id project_id name",
            ((account, self.scope, project, f"Account {at}") for at, account in enumerate(accounts)),
        )
        self._copy(
            "crm_opportunities",
            "id account_scope_id project_id account_id name stage amount currency close_date next_step",
            (
                (new_id(), self.scope, project, accounts[row["account"]], row["title"],
                 "lead" if row["stage"] == "discovery" else row["stage"], row["amount"], "EUR", row["close"],
                 row["next_step"])
                for row in shape.opps(number, self._scale, "crm_opps")
            ),
        )  # fmt: skip

    def write_sessions(self) -> None:
        """Signed-in browsers, enough of them for every measurement to stay below the limit of each."""
        now = utcnow()
        self._copy(
            "sessions",
            "id token_hash csrf_token username account_scope_id last_seen_at expires_at",
            (
                (
                    new_id(),
                    _hash(token_of(at)),
                    "bench-csrf-token",
                    "bench",
                    self.scope,
                    now,
                    now + dt.timedelta(days=14),
                )
                for at in range(SESSIONS)
            ),
        )

    def _named(
        self, project: UUID, connector: str, number: int, kind: str, count: int
    ) -> Iterator[tuple[Any, ...]]:
        for at in range(count):
            yield (
                *self._raw(new_id(), project, connector, f"{kind}{number}-{at}", self._now),
                f"{kind.title()} {at}",
            )

    def _raw(
        self, identity: UUID, project: UUID, connector: str, vendor_id: object, at: dt.datetime
    ) -> tuple[Any, ...]:
        return (identity, self.scope, project, self._connections[connector], str(vendor_id),
                f"http://{connector}.example.com/{vendor_id}", "{}", _hash(str(vendor_id)), at, at, self._now)  # fmt: skip

    def _copy(self, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
        named = ", ".join(columns.split())
        with self._db.cursor() as cursor, cursor.copy(f"COPY {table} ({named}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)


_RAW = (
    "id account_scope_id project_id connection_id vendor_id url payload content_hash source_created_at source_updated_at"
    " synced_at"
)


def cut(vector: Any) -> Any:
    """The first DIMENSION numbers of a vector, of unit length."""
    short = np.asarray(vector[:DIMENSION], dtype=np.float32)
    return short / np.linalg.norm(short)


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
