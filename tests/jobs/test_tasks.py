"""The tasks as workers call them: what they leave in the run's row, and what they ask for next."""

from collections.abc import Callable
from typing import Any

import pytest

from jobs import enqueue, indexing, tasks
from models.infra.crypto import encrypt
from models.infra.database import reading, transaction
from models.infra.ids import AccountScopeId
from models.tables.platform import VendorConnection
from tests.jobs.test_runs import make_connection, make_scope, row_of
from tests.scopes import make_connection as make_bound_connection
from tests.scopes import make_scope as make_studio


def test_a_vendor_that_is_away_fails_the_run_with_a_reason_and_asks_for_no_indexing(database: str) -> None:
    with transaction() as session:
        studio = make_studio(session)
        connection = make_bound_connection(session, studio, "chatwoot", base_url="http://127.0.0.1:1")
    [ref] = enqueue.request_sync(connection.id, "anna")
    tasks.sync_connection(str(connection.id), ref.run_id)
    row = row_of(ref.run_id)
    assert row.status == "failed"
    assert row.error_code == "sync_degraded"
    assert row.error_message
    assert row.counts["failed"] > 0
    [fresh] = enqueue.request_indexing(studio.id, "test")
    assert fresh.created, "nothing was written, so nobody asked for indexing before"


def test_a_token_that_cannot_be_read_fails_the_run_by_its_code(database: str) -> None:
    scope = make_scope()
    connection = make_connection(scope, "linear")
    with transaction() as session:
        row = session.get(VendorConnection, connection)
        assert row is not None
        row.token_encrypted = encrypt("t")[:-4] + "AAA="
        session.add(row)
    [ref] = enqueue.request_sync(connection, "anna")
    with pytest.raises(Exception):  # noqa: B017, PT011  # which one is the sync's matter; the row must name it
        tasks.sync_connection(str(connection), ref.run_id)
    assert row_of(ref.run_id).status == "failed"


def test_indexing_an_empty_scope_succeeds_and_says_as_of_when(database: str) -> None:
    scope = make_scope()
    [ref] = enqueue.request_indexing(scope, "anna")
    tasks.index_chunks(str(scope), ref.run_id)
    row = row_of(ref.run_id)
    assert (row.status, row.counts["pending"]) == ("succeeded", 0)
    assert row.progress["lexical_as_of"]


def test_indexing_turns_to_new_records_as_soon_as_it_is_asked_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = make_scope()
    [ref] = enqueue.request_indexing(scope, "sync")
    passes: list[float] = []

    def two_passes(
        _scope: AccountScopeId,
        *,
        budget_s: float,
        progress: Callable[[Any], None] | None = None,
        **_more: object,
    ) -> indexing.IndexResult:
        passes.append(budget_s)
        if len(passes) == 1 and progress is not None:
            enqueue.request_indexing(scope, "sync")
            progress(indexing.IndexProgress(written=5, embedded=3, pending=9))
        return indexing.IndexResult(1, 2, 0, 4, 0, 0, 0, 0.1, 0.1)

    monkeypatch.setattr(indexing, "index_pending", two_passes)
    monkeypatch.setattr(tasks, "_LOOK_S", 0.0)
    tasks.index_chunks(str(scope), ref.run_id)
    assert len(passes) == 2
    assert passes[1] <= passes[0]
    row = row_of(ref.run_id)
    assert (row.status, row.counts["written"], row.counts["embedded"]) == ("succeeded", 7, 7)
    with reading() as session:
        assert session.get(type(row), row.id) is not None


def test_a_cadence_that_nobody_knows_is_an_error(database: str) -> None:
    from models.queries import job_runs

    with transaction() as session:
        job_runs.save_cadence(session, "mystery", 60)
    with pytest.raises(ValueError, match="mystery"):
        tasks.dispatch("mystery")
