"""Questions through the cache: computed once for equal inputs over equal projects, each answer with a run id of its own.

Key: `lightrag:{project}:{hash(all inputs)}`, 300 s, made old by whatever changes records, completeness or the index.
A cached answer carries `cached: true`, its own id and its own time; its row goes to the log in a batch (`run_log`).
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from models.infra import metrics
from models.infra.cache_tags import tag
from models.infra.clock import utcnow
from models.infra.database import in_db
from models.infra.ids import QueryRunId, new_id
from models.infra.logging import request_id
from models.infra.read_through import Policy, read_through
from models.infra.scope import Scope
from models.infra.settings import get_settings
from models.queries.query_log import CachedRun
from tools_app.services import search
from tools_app.services.answer_views import AnswerView
from tools_app.services.run_log import run_log
from tools_app.services.search import Question

if TYPE_CHECKING:
    from retrieval.schemas import Answer

POLICY = Policy(ttl_s=300.0)
_ID_LENGTH = 36
# What is different in every run.
_OWN = {"query_run_id", "cached", "took_ms"}


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as JSON without its opening brace: `own` are the members of this run, `rest` those of every run."""

    own: bytes
    rest: bytes
    first_id: str
    mode: str
    cached: bool
    fresh_until: float
    tags: tuple[str, ...]

    def body(self) -> bytes:
        """The members of the answer, to be put behind an opening brace."""
        return self.own + self.rest


def answer_key(scope: Scope, question: Question) -> str:
    """The cache key of a question: the project (or the hash of several) and the hash of everything that decides."""
    settings = get_settings()
    project = str(scope.project_ids[0]) if len(scope.project_ids) == 1 else scope.key()
    inputs = (
        str(scope.account_scope_id), [str(each) for each in scope.project_ids], question.text, question.top_k,
        question.source_limit, question.source_filter, question.mode, question.date_from, question.date_to, question.as_of, question.lang,
        settings.embedding_provider, settings.embedding_model, settings.embedding_dimension, settings.llm_base_url,
        settings.llm_model,
    )  # fmt: skip
    return f"lightrag:{project}:{hashlib.sha256(orjson.dumps(inputs)).hexdigest()[:32]}"


async def answer(scope: Scope, question: Question, user: str) -> Answered:
    """The answer to a question, cached or computed. Raises InvalidInput for a question out of bounds."""
    started = time.perf_counter()
    computed: list[Answer] = []

    async def compute() -> bytes:
        found = await in_db(search.answer, scope, question, user)
        computed.append(found)
        rest = found.model_dump_json(exclude=_OWN).encode()[1:]
        return f"{found.query_run_id}{found.mode:8}".encode() + rest

    tags = (tag("lightrag", scope.account_scope_id), tag("projects", scope.account_scope_id))
    read = await read_through(POLICY, answer_key(scope, question), tags, compute)
    first_id, mode = read.body[:_ID_LENGTH].decode(), read.body[_ID_LENGTH : _ID_LENGTH + 8].decode().strip()
    rest = read.body[_ID_LENGTH + 8 :]
    if computed:
        own = _own(first_id, cached=False, took_ms=computed[0].took_ms)
        return Answered(own, rest, first_id, mode, False, read.fresh_until, tags)
    repeated = repeat(first_id, mode, user, started)
    while repeated is None:
        await in_db(run_log.write)
        repeated = repeat(first_id, mode, user, started)
    return Answered(repeated, rest, first_id, mode, True, read.fresh_until, tags)


def repeat(first_id: str, mode: str, user: str, started: float) -> bytes | None:
    """Note that an answer was given once more; the members of this run, or None when the log's buffer is full."""
    took_s = time.perf_counter() - started
    run_id, took_ms = new_id(), round(took_s * 1000, 2)
    run = CachedRun(QueryRunId(run_id), QueryRunId(UUID(first_id)), took_ms, request_id.get(), user, utcnow())
    if not run_log.add(run):
        return None
    metrics.lightrag_query_duration_seconds.labels(mode, "true").observe(took_s)
    return _own(str(run_id), cached=True, took_ms=took_ms)


def _own(run_id: str, *, cached: bool, took_ms: float) -> bytes:
    return b'"query_run_id":"%b","cached":%b,"took_ms":%b,' % (
        run_id.encode(), b"true" if cached else b"false", str(took_ms).encode(),
    )  # fmt: skip


async def ask(scope: Scope, question: Question, user: str) -> AnswerView:
    """The answer as a page shows it."""
    from retrieval.schemas import Answer  # noqa: PLC0415  (heavy: see `search`)

    found = await answer(scope, question, user)
    return await in_db(search.view_of, scope, Answer.model_validate_json(b"{" + found.body()))
