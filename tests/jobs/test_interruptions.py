"""Who is to blame when a run does not come to its end, and what a user is told of it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from jobs import enqueue, outbox, recovery, runs, tasks
from jobs.refetch import refetch_connection
from models.infra.clock import utcnow
from models.infra.crypto import generate_key
from models.infra.database import reading, transaction
from models.infra.ids import ConnectionId
from models.infra.settings import override_settings
from models.queries import sync_state
from models.queries.completeness import list_completeness
from models.queries.locks import try_lock
from tests.jobs.copies import change, connect, measure, metrics, run_sync
from tests.jobs.test_runs import lose_worker, make_connection, make_scope, row_of
from tests.vendors import Vendors


def state_of(connection_id: ConnectionId) -> tuple[str, str | None, str | None]:
    with reading() as session:
        row = session.execute(
            text(
                "SELECT status, last_error_kind, last_error_message FROM connector_sync_state WHERE connection_id = :id"
            ),
            {"id": connection_id},
        ).one()
        return row.status, row.last_error_kind, row.last_error_message


def start(connection_id: ConnectionId) -> None:
    with transaction() as session:
        sync_state.mark_started(session, sync_state.get_connection(session, connection_id), utcnow())


def lose_database(_run: runs.Run) -> runs.JobOutcome:
    """Work whose connection the server ends, as it does when it is stopped."""
    with transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    raise AssertionError("unreachable")


def test_a_database_that_goes_away_never_uses_up_the_losses_of_a_run(database: str) -> None:
    [ref] = enqueue.request_sync(make_connection(make_scope()), "anna")
    for _ in range(outbox.MAX_LOSSES + 2):
        with pytest.raises(OperationalError):
            runs.execute(ref.run_id, lose_database)
        assert row_of(ref.run_id).status == "running"
        found = recovery.recover(settled_s=0)
        assert (found.requeued, found.given_up) == (1, 0)
        assert row_of(ref.run_id).status == "queued"
    # The loss of a worker counts as before, and once: the memory of an outage is used up with it.
    for _ in range(outbox.MAX_LOSSES - 1):
        lose_worker(ref.run_id)
        assert recovery.recover(settled_s=0).requeued == 1
    lose_worker(ref.run_id)
    assert recovery.recover(settled_s=0).given_up == 1


def test_a_connection_whose_worker_was_killed_does_not_stand_as_running(database: str) -> None:
    connection_id = make_connection(make_scope())
    [ref] = enqueue.request_sync(connection_id, "anna")
    lose_worker(ref.run_id)
    start(connection_id)
    assert state_of(connection_id)[0] == "running"
    recovery.recover(settled_s=0)
    assert state_of(connection_id) == ("degraded", "interrupted", "the worker of the last run was lost")


def test_a_connection_that_is_being_copied_goes_on_standing_as_running(database: str) -> None:
    connection_id = make_connection(make_scope())
    [ref] = enqueue.request_sync(connection_id, "anna")
    lose_worker(ref.run_id)
    start(connection_id)
    with try_lock(runs.lock_name("sync", str(connection_id))) as held:
        assert held
        recovery.recover(settled_s=0)
    assert state_of(connection_id) == ("running", None, None)


def test_a_token_that_no_key_opens_makes_completeness_unknown_and_says_what_to_fix(
    database: str, still_vendors: Vendors
) -> None:
    scope, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    known = measure(connection_id)
    assert known.counts()["unknown"] == 0
    with override_settings(secret_keys=generate_key()):
        [ref] = enqueue.request_sync(connection_id, "anna")
        tasks.sync_connection(str(connection_id), ref.run_id)
        status, kind, message = state_of(connection_id)
        assert (status, kind) == ("failed", "credentials")
        assert message is not None
        assert "SECRET_KEYS" in message
        assert "store the vendor's token again" in message
        assert (row_of(ref.run_id).status, row_of(ref.run_id).error_message) == ("failed", message)
        # The comparison that follows every sync asks nobody, and says that nothing is known any more.
        measured = measure(connection_id, deep=False)
    assert measured.requests == 0
    assert {each.method for each in measured.streams.values()} == {"unknown"}
    assert {row.error_kind for row in metrics("issues")} == {"credentials"}
    with reading() as session:
        for each in list_completeness(session, scope.all):
            assert (each.pct, each.error_kind) == (None, "credentials")
            assert each.known_at is not None
            assert each.known_at < each.measured_at
    # With the key back it is as if nothing had been.
    assert run_sync(connection_id).status == "ok"
    assert measure(connection_id).counts()["unknown"] == 0
    assert change("SELECT stream FROM connector_errors WHERE status <> 'resolved'") == []


def test_webhooks_wait_for_the_key_of_a_token(database: str, still_vendors: Vendors) -> None:
    scope, connection_id = connect(still_vendors, "linear")
    run_sync(connection_id)
    (issue,) = change("SELECT vendor_id FROM linear_issues WHERE deleted_at IS NULL LIMIT 1")
    change(
        "INSERT INTO record_hints (connection_id, account_scope_id, stream, vendor_id) VALUES (:id, :scope, 'issues', :issue)"
        " RETURNING vendor_id",
        id=connection_id,
        scope=scope.id,
        issue=issue,
    )
    with override_settings(secret_keys=generate_key()):
        done = refetch_connection(connection_id)
    assert done.error is not None
    assert done.error.kind == "credentials"
    assert change("SELECT vendor_id FROM record_hints") == [issue]
    assert refetch_connection(connection_id).followed == 1
