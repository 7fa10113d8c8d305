"""Answers of a copied account: every citation is a live record of the scope, and what a vendor deleted is in none."""

from uuid import UUID

import pytest
from sqlalchemy import text

from jobs.indexing import index_pending
from models.infra.database import reading, transaction
from models.infra.scope import Scope
from retrieval import pipeline, store
from retrieval.evaluation.datasets import development_questions
from retrieval.schemas import GROUP_OF, Answer, Evidence, Query, SourceType
from tests.jobs.copies import CONNECTORS, connect, run_sync
from tests.scopes import MadeScope
from tests.vendors import Vendors

pytestmark = pytest.mark.slow

# A message long enough to be found by its own words, in a conversation that keeps others.
_TELLING = """
    SELECT s.vendor_id, c.body FROM rag_chunks c JOIN chunk_sources s ON s.chunk_id = c.id
    WHERE c.kind = 'message' AND length(c.body) BETWEEN 80 AND 300
      AND (SELECT count(*) FROM rag_chunks o WHERE o.thread_id = c.thread_id) > 2
      AND (SELECT count(*) FROM rag_chunks o WHERE o.body = c.body) = 1
    ORDER BY c.source_time DESC, s.vendor_id LIMIT 1
"""


def _ask(scope: Scope, words: str) -> Answer:
    return pipeline.ask(transaction, Query(text=words, scope=scope, top_k=50, source_limit=25))


def _index(made: MadeScope) -> None:
    index_pending(made.id, lexical_only=True, budget_s=120)


def _record(item: Evidence) -> tuple[SourceType, UUID]:
    kinds: dict[str, SourceType] = {name: name for name in GROUP_OF}
    return kinds[item.source_type], UUID(item.id.partition(":")[2])


@pytest.mark.parametrize("connector", CONNECTORS)
def test_every_citation_is_a_live_record_of_the_scope(
    database: str, still_vendors: Vendors, connector: str
) -> None:
    made, connection_id = connect(still_vendors, connector)
    assert run_sync(connection_id).status == "ok"
    _index(made)
    scope = made.only("harbor-pine")
    cited = 0
    questions = [item for item in development_questions() if item.project == "harbor-pine"]
    for question in questions[::3]:
        answer = _ask(scope, question.question)
        shown = {item.id: item for item in answer.evidence}
        with reading() as session:
            live = store.live_records(session, scope, map(_record, answer.evidence))
        for citation in answer.citations:
            item = shown[citation.evidence_id]
            assert _record(item) in live
            assert item.project_id == made.projects["harbor-pine"]
            cited += 1
    assert cited > 10


def test_a_message_that_is_deleted_at_the_vendor_leaves_answers_with_the_next_sync(
    database: str, moving_vendors: Vendors
) -> None:
    made, connection_id = connect(moving_vendors, "chatwoot")
    assert run_sync(connection_id).status == "ok"
    _index(made)
    with reading() as session:
        vendor_id, words = session.execute(text(_TELLING)).one()
    before = _ask(made.all, words)
    assert vendor_id in {item.source_id for item in before.evidence if item.source_type == "message"}
    moving_vendors.control(
        "change", vendor="chatwoot", name="delete_message", fields={"message": int(vendor_id)}
    )
    assert run_sync(connection_id).status == "ok"
    synced = _ask(made.all, words)
    _index(made)
    indexed = _ask(made.all, words)
    for after in (synced, indexed):
        assert after.evidence
        assert vendor_id not in {item.source_id for item in after.evidence if item.source_type == "message"}
        assert words not in {chunk.text for chunk in after.chunks}
        assert all(words not in citation.quote for citation in after.citations)
